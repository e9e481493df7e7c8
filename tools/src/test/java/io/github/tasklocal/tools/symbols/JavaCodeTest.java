// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.symbols;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.Need;
import io.github.tasklocal.kit.Patience;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The map of compiled code, of JVMs that are asked for it. */
class JavaCodeTest {

  @TempDir private Path folder;

  @BeforeEach
  void requireRoot() {
    Assumptions.assumeTrue(Need.ROOT.isMet() && Need.SETPRIV.isMet(), "not root, or no setpriv");
  }

  /** A JVM that serves files, which takes no class of ours. */
  private static final class Server implements AutoCloseable {
    private final Process process;

    Server(List<String> in) throws IOException {
      List<String> command = new ArrayList<>(in);
      command.addAll(
          List.of(Jvm.java(), "-XX:-UsePerfData", "-m", "jdk.httpserver", "-p", "0", "-d", "/usr"));
      process = Jvm.start(command);
      try (Jvm.Deadline _ = new Jvm.Deadline(process, Patience.WAIT)) {
        String said = process.inputReader().readLine();
        if (said == null || !said.startsWith("Binding")) {
          throw new AssertionError(said);
        }
      }
    }

    int pid() {
      return (int) process.pid();
    }

    @Override
    public void close() {
      Jvm.kill(process);
    }
  }

  @Test
  void aMapThatTheJvmCannotWriteIsNotItsAnswer() throws Exception {
    try (Server jvm =
        new Server(List.of("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"))) {
      Path map = Path.of("/tmp", "perf-" + jvm.pid() + ".map");
      JavaCode code = new JavaCode(jvm.pid(), jvm.pid());
      try {
        Files.writeString(map, "1000 10 void old.Stale.method()\n");
        code.look();
        assertThat(code.problem()).contains("remove " + map.getFileName());
        assertThat(code.find(0x1000)).isNull();
        assertThat(map).exists();
      } finally {
        Files.delete(map);
      }
      code.look();
      assertThat(code.problem()).isNull();
      assertThat(code.framePointers()).isFalse();
      assertThat(map).doesNotExist();
    }
  }

  /** The JVM's /tmp is a link, which leads to another folder for whoever is outside its root. */
  @Test
  void noLinkOutOfAContainerIsFollowed() throws Exception {
    Path root = Files.createDirectory(folder.resolve("root"));
    Path outside = Files.createTempDirectory(Path.of("/var/tmp"), "outside");
    String enter =
        """
        set -e
        mount -t tmpfs tmpfs ROOT
        for each in usr lib lib64 bin etc proc dev var JAVA; do
          [ ! -e /$each ] || { mkdir -p ROOT/$each; mount --rbind /$each ROOT/$each; }
        done
        ln -s OUTSIDE ROOT/tmp
        exec chroot ROOT "$@"
        """
            .replace("ROOT", root.toString())
            .replace("OUTSIDE", outside.toString())
            .replace("JAVA", System.getProperty("java.home").substring(1));
    try (Server jvm = new Server(List.of("unshare", "--mount", "sh", "-c", enter, "sh"))) {
      Path map = outside.resolve("perf-" + jvm.pid() + ".map");
      Files.writeString(map, "");
      JavaCode code = new JavaCode(jvm.pid(), jvm.pid());
      code.look();
      assertThat(code.problem()).contains("symbolic link");
      assertThat(map).isEmptyFile();
    } finally {
      try (Stream<Path> left = Files.list(outside)) {
        for (Path each : left.toList()) {
          Files.delete(each);
        }
      }
      Files.delete(outside);
    }
  }

  @Test
  void ofAJvmThatHasEndedNothingIsMissed() throws Exception {
    int pid;
    try (Server jvm = new Server(List.of())) {
      pid = jvm.pid();
    }
    JavaCode code = new JavaCode(pid, pid);
    code.look();
    assertThat(code.problem()).isNull();
  }

  @Test
  void aMapThatWouldFillTheMemoryIsNotRead() throws Exception {
    Path map = folder.resolve("perf-1.map");
    try (RandomAccessFile file = new RandomAccessFile(map.toFile(), "rw")) {
      file.setLength((64 << 20) + 1);
    }
    assertThatThrownBy(() -> JavaCode.read(map, new SymbolTable()))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("64 MiB");
  }
}
