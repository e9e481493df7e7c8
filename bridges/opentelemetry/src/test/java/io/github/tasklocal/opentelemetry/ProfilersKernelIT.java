// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.opentelemetry;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.DumpedMap;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a reader that knows nothing of this project finds in an application with the SDK. */
@KernelTest
class ProfilersKernelIT {

  private static final String CONTEXT = "context .1.1.2.1 profiled";
  private static final String SCHEMA = "context .2.2.1 tlsdesc_v1_dev";

  @TempDir
  @SuppressWarnings("NullAway.Init")
  private Path folder;

  /** The application, which goes on when it is told to. */
  private final class Application implements AutoCloseable {

    private final Path log = folder.resolve("log");
    private final Process process;

    Application(List<String> before, String asked, String kind, String... more) throws IOException {
      List<String> options = new ArrayList<>(Jvm.shortLived());
      for (String each : List.of("traces", "metrics", "logs")) {
        options.add("-Dotel." + each + ".exporter=none");
      }
      options.add("-Dotel.service.name=profiled");
      options.add("-Dtasklocal.profilers=" + asked);
      options.add("-Djava.io.tmpdir=" + Files.createDirectories(folder.resolve("tmp")));
      options.addAll(List.of(more));
      List<String> command = new ArrayList<>(before);
      command.addAll(Jvm.reading(options, Jvm.join(Jvm.classPath()), ProfiledChild.class, kind));
      process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(log.toFile())
              .start();
    }

    List<String> lines() {
      try {
        return Files.readAllLines(log);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    List<String> lines(String start) {
      return lines().stream().filter(each -> each.startsWith(start)).sorted().toList();
    }

    void awaitReady(int times) {
      Await.until(
          "the application is ready",
          () -> {
            assertThat(process.isAlive()).as("%s", lines()).isTrue();
            return lines("ready").size();
          },
          is -> is == times);
    }

    void goOn() throws IOException {
      process.getOutputStream().write('\n');
      process.getOutputStream().flush();
    }

    /** {@return what a reader prints, which is another process and not its parent} */
    List<String> read(String... samples) throws Exception {
      List<String> arguments = new ArrayList<>(List.of(String.valueOf(process.pid())));
      arguments.addAll(List.of(samples));
      return Jvm.lines(Jvm.shortLived(), ProfilerReader.class, arguments.toArray(String[]::new));
    }

    @Override
    public void close() throws IOException {
      process.getOutputStream().close();
      Jvm.Result ended = Jvm.end(process);
      assertThat(ended.exit()).as("%s", lines()).isZero();
      assertThat(folder.resolve("tmp")).isEmptyDirectory();
    }
  }

  private static List<String> threads(List<String> read) {
    return read.stream().filter(each -> each.startsWith("thread ")).sorted().toList();
  }

  @Test
  void profilersAndBpfProgramsSeeTheSpanOfEachThreadOfAServer() throws Exception {
    try (DumpedMap map = new DumpedMap()) {
      try (Application application =
          new Application(List.of(), "true", "server", "-Dtasklocal.map=" + map.pin())) {
        application.awaitReady(1);
        List<String> read = application.read();
        assertThat(read).containsOnlyOnce("contexts 1", CONTEXT, SCHEMA, "variable found");
        // Of three requests, each in a thread of the server and in one of a pool.
        assertThat(threads(read)).hasSize(6).isEqualTo(application.lines("thread "));
        String records = map.dump("otel_thread_ctx_v1:bytes");
        for (String each : threads(read)) {
          String[] words = each.split(" ");
          assertThat(records)
              .containsPattern(
                  " "
                      + words[1]
                      + " [^\n]* "
                      + words[2]
                      + words[3]
                      + "010"
                      + words[4]
                      + "0{12} *\n");
        }
        application.goOn();
        application.awaitReady(2);
        // The pool's threads have ended; whoever has their pages has no record of theirs.
        assertThat(threads(application.read()))
            .hasSizeBetween(3, 6)
            .allMatch(each -> each.endsWith(" invalid"));
        assertThat(application.lines("WARNING")).isEmpty();
      }
    }
  }

  /** The thread of main has ended when a server's work begins, and its task lives on. */
  @Test
  void aTaskThatOutlivesItsThreadHasNoOthersRecord() throws Exception {
    try (Application application = new Application(List.of(), "true", "main-ends")) {
      application.awaitReady(1);
      assertThat(threads(application.read()).stream().filter(each -> !each.endsWith(" invalid")))
          .isEqualTo(application.lines("thread "));
    }
  }

  /** On platform threads, and on virtual ones that change their carriers. */
  @Test
  void noRecordIsTornWhileContextsAreReplaced() throws Exception {
    try (Application application = new Application(List.of(), "true", "changing")) {
      application.awaitReady(1);
      String counts = application.read("500").getLast();
      assertThat(counts).matches("records [1-9]\\d{2,} valid [1-9]\\d{2,} torn 0");
    }
  }

  /** Has file systems of its own, of which the first is mounted noexec. */
  private List<String> mounted(String shm) throws IOException {
    Path none = Files.createDirectories(folder.resolve("tmp"));
    return List.of(
        "unshare",
        "-m",
        "sh",
        "-c",
        "mount -t tmpfs -o noexec tmpfs '"
            + none
            + "' && mount -t tmpfs -o "
            + shm
            + " tmpfs /dev/shm && exec \"$@\"",
        "sh");
  }

  @Test
  void theSharedObjectLiesWhereItMayBeExecuted() throws Exception {
    Path missing = folder.resolve("missing");
    try (Application application = new Application(mounted("exec"), missing.toString(), "server")) {
      application.awaitReady(1);
      List<String> read = application.read();
      assertThat(read).anyMatch(each -> each.startsWith("file /dev/shm/tasklocal-threads-"));
      assertThat(threads(read)).hasSize(6);
      assertThat(application.lines("WARNING")).isEmpty();
      application.goOn();
      application.awaitReady(2);
    }
  }

  @Test
  void whereNothingMayBeExecutedThereIsTheProcessContextAndTheLogSaysWhatToMount()
      throws Exception {
    try (Application application = new Application(mounted("noexec"), "true", "server")) {
      application.awaitReady(1);
      assertThat(application.read())
          .contains("contexts 1", CONTEXT, "variable not found")
          .doesNotContain(SCHEMA);
      assertThat(application.lines("WARNING"))
          .singleElement()
          .asString()
          .contains("tmp (", "/dev/shm (", "noexec", "-Dtasklocal.profilers=FOLDER");
      application.goOn();
      application.awaitReady(2);
    }
  }

  @Test
  void theProcessContextOfSomebodyElseIsLeft() throws Exception {
    try (Application application = new Application(List.of(), "true", "other")) {
      application.awaitReady(1);
      assertThat(application.read())
          .contains("contexts 1", "variable not found")
          .doesNotContain(CONTEXT);
      assertThat(application.lines("WARNING"))
          .singleElement()
          .asString()
          .contains("something else in this process has published");
      application.goOn();
      application.awaitReady(2);
    }
  }
}
