// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.tasklocal.Children;
import io.github.tasklocal.Clang;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.NotPermittedException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.kernel.LibBpf;
import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Pins: who makes them, who takes them over, who removes them, and who may not reach them. */
@KernelTest
class PinKernelIT {

  private static Path file;
  private static Path forAll;

  private Bpffs bpffs;

  @BeforeAll
  static void compile(@TempDir Path folder) {
    file = Clang.compile(folder, "object");
    forAll = folder;
  }

  @BeforeEach
  void mount() throws IOException {
    bpffs = new Bpffs("rwxrwxrwx");
  }

  @AfterEach
  void unmount() throws IOException {
    bpffs.close();
  }

  @Test
  void loadPinsWhereItWasToldAndCloseRemovesThePin() throws IOException {
    Path pin = bpffs.path("counts");
    try (BpfObject object = BpfObject.open(file)) {
      object.map("counts").pinPath(pin);
      assertThat(pin).doesNotExist();
      object.load();
      assertThat(mapId(pin)).isEqualTo(mapId(object.map("counts")));
      assertThatIllegalStateException()
          .isThrownBy(() -> object.map("counts").pinPath(bpffs.path("other")));
    }
    assertThat(pins()).isEmpty();
  }

  @Test
  void loadTakesOverAMapThatIsPinnedThereAndLeavesThePin() throws IOException {
    Path pin = bpffs.path("counts");
    try (BpfObject first = BpfObject.load(file)) {
      first.map("counts").pin(pin);
      assertThat(first.program("multiply").run()).isEqualTo(5);
      try (BpfObject second = BpfObject.open(file)) {
        second.map("counts").pinPath(pin);
        second.load();
        assertThat(mapId(second.map("counts"))).isEqualTo(mapId(first.map("counts")));
        assertThat(second.program("count_of").run()).isEqualTo(1);
      }
      assertThat(pin).exists();
    }
    assertThat(pins()).isEmpty();
  }

  @Test
  void loadReplacesAMapOfAnotherShapeThatIsPinnedThere() throws IOException {
    Path pin = bpffs.path("counts");
    try (BpfObject first = BpfObject.load(file)) {
      first.map("counts").pin(pin);
      try (BpfObject second = BpfObject.open(file)) {
        second.map("counts").maxEntries(7);
        second.map("counts").pinPath(pin);
        second.load();
        assertThat(mapId(pin)).isEqualTo(mapId(second.map("counts")));
        assertThat(mapId(pin)).isNotEqualTo(mapId(first.map("counts")));
      }
    }
    assertThat(pins()).isEmpty();
  }

  @Test
  void loadReplacesAMapThatDiffersInItsFlagsOnly(@TempDir Path folder) throws IOException {
    Path pin = bpffs.path("counts");
    Path mappable = Clang.compile(folder, "object", "-DCOUNTS_FLAGS=BPF_F_MMAPABLE");
    try (BpfObject first = BpfObject.load(file)) {
      first.map("counts").pin(pin);
      try (BpfObject second = BpfObject.open(mappable)) {
        second.map("counts").pinPath(pin);
        second.load();
        assertThat(mapId(pin)).isEqualTo(mapId(second.map("counts")));
        assertThat(mapId(pin)).isNotEqualTo(mapId(first.map("counts")));
      }
    }
    assertThat(pins()).isEmpty();
  }

  @Test
  void loadTakesOverAMapToWhoseFlagsTheKernelAddsOne(@TempDir Path folder) throws IOException {
    Path pin = bpffs.path("devices");
    Path kinds = Clang.compile(folder, "kinds");
    try (BpfObject first = BpfObject.load(kinds)) {
      first.map("devices").pin(pin);
      try (BpfObject second = BpfObject.open(kinds)) {
        second.map("devices").pinPath(pin);
        second.load();
        assertThat(mapId(second.map("devices"))).isEqualTo(mapId(first.map("devices")));
      }
      assertThat(pin).exists();
    }
    assertThat(pins()).isEmpty();
  }

  @Test
  void loadRefusesAPinPathWhereAProgramIsPinned() throws IOException {
    Path pin = bpffs.path("program");
    try (BpfObject first = BpfObject.load(file)) {
      assertThat(LibBpf.pin(first.program("multiply").fd(), pin)).isZero();
      try (BpfObject second = BpfObject.open(file)) {
        second.map("counts").pinPath(pin);
        assertThatThrownBy(second::load)
            .isInstanceOf(WrongObjectException.class)
            .hasMessageContainingAll(pin.toString(), "BPF program", "not a map");
      }
    } finally {
      Files.delete(pin);
    }
  }

  @Test
  void aDeclaredPinIsNotMadeUnasked() throws IOException {
    Path unasked = Path.of("/sys/fs/bpf/declared_pin");
    assertThat(unasked).doesNotExist();
    try (BpfObject object = BpfObject.load(file)) {
      assertThat(unasked).doesNotExist();
      assertThat(object.map("declared_pin").fd()).isNotNegative();
    }
    Path pin = bpffs.path("declared_pin");
    try (BpfObject object = BpfObject.open(file)) {
      object.map("declared_pin").pinPath(pin);
      object.load();
      assertThat(pin).exists();
      assertThat(unasked).doesNotExist();
    }
    assertThat(pins()).isEmpty();
  }

  @Test
  void aPinIsRemovedAloneOrWithTheObject() throws IOException {
    try (BpfObject object = BpfObject.load(file)) {
      BpfMap counts = object.map("counts");
      counts.pin(bpffs.path("one"));
      counts.pin(bpffs.path("two"));
      counts.unpin(bpffs.path("one"));
      assertThat(pins()).containsExactly(bpffs.path("two"));
      assertThatThrownBy(() -> counts.unpin(bpffs.path("one")))
          .isInstanceOf(NotFoundException.class)
          .hasMessageContainingAll("counts", "it was not pinned there", bpffs.path("two") + "");
    }
    assertThat(pins()).isEmpty();
  }

  @Test
  void aLinkToAPinOutlivesTheObject() throws IOException {
    Path kept = bpffs.path("kept");
    Path unpinned = bpffs.path("unpinned");
    int id;
    try (BpfObject object = BpfObject.open(file)) {
      BpfMap counts = object.map("counts");
      counts.pinPath(bpffs.path("loaded"));
      object.load();
      id = mapId(counts);
      Path pinned = bpffs.path("pinned");
      counts.pin(pinned);
      Files.createLink(kept, bpffs.path("loaded"));
      Files.createLink(unpinned, pinned);
      counts.unpin(pinned);
      assertThatThrownBy(() -> Files.createLink(kept, unpinned))
          .isInstanceOf(FileAlreadyExistsException.class);
    }
    assertThat(pins()).containsExactlyInAnyOrder(kept, unpinned);
    try (BpfObject object = BpfObject.open(file)) {
      BpfMap counts = object.map("counts");
      counts.pinPath(kept);
      object.load();
      assertThat(mapId(counts)).isEqualTo(id);
    }
    assertThat(pins()).containsExactlyInAnyOrder(kept, unpinned);
    Files.delete(kept);
    Files.delete(unpinned);
  }

  @Test
  void aJvmThatEndsLeavesALinkToItsPin() throws IOException {
    Path pin = bpffs.path("counts");
    Jvm.Result child = Children.child("pin", file.toString(), "counts", pin.toString(), "keep");
    assertThat(child.output()).startsWith("pinned\n");
    assertThat(pins()).containsExactly(bpffs.path("kept"));
    Files.delete(bpffs.path("kept"));
  }

  @Test
  void aPinReplacesTheOneThatIsThereAndOutlivesTheReplacedObject() throws IOException {
    Path pin = bpffs.path("counts");
    BpfObject first = BpfObject.load(file);
    try (BpfObject second = BpfObject.load(file)) {
      first.map("counts").pin(pin);
      second.map("counts").pin(pin);
      assertThat(mapId(pin)).isEqualTo(mapId(second.map("counts")));
      first.close();
      assertThat(mapId(pin)).isEqualTo(mapId(second.map("counts")));
    } finally {
      first.close();
    }
    assertThat(pins()).isEmpty();
  }

  @Test
  void thePinOfAKilledProcessIsReplaced() throws Exception {
    Path pin = bpffs.path("counts");
    int left = pinnedByAKilledProcess(pin);
    try (BpfObject object = BpfObject.load(file)) {
      object.map("counts").pin(pin);
      assertThat(mapId(pin)).isEqualTo(mapId(object.map("counts"))).isNotEqualTo(left);
    }
    assertThat(pins()).isEmpty();
  }

  @Test
  void thePinOfAKilledProcessIsTakenOver() throws Exception {
    Path pin = bpffs.path("counts");
    int left = pinnedByAKilledProcess(pin);
    try (BpfObject object = BpfObject.open(file)) {
      object.map("counts").pinPath(pin);
      object.load();
      assertThat(mapId(object.map("counts"))).isEqualTo(left);
    }
    assertThat(pins()).containsExactly(pin);
    Files.delete(pin);
  }

  private static int pinnedByAKilledProcess(Path pin) throws Exception {
    try (Waiting child = new Waiting(pin)) {
      child.end("KILL", 137);
    }
    return mapId(pin);
  }

  @ParameterizedTest
  @CsvSource({"exit, 3", "held, 3", "throw, 1", "return, 0"})
  void aJvmThatEndsByItselfLeavesNoPin(String end, int exit) throws IOException {
    Jvm.Result child =
        Children.child("pin", file.toString(), "counts", bpffs.path("counts").toString(), end);
    assertThat(child.output()).startsWith("pinned\n");
    assertThat(child.exit()).isEqualTo(exit);
    assertThat(pins()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({"TERM, 143", "INT, 130", "HUP, 129"})
  void aJvmThatIsToldToEndLeavesNoPin(String signal, int exit) throws Exception {
    try (Waiting child = new Waiting(bpffs.path("counts"))) {
      assertThat(pins()).containsExactly(bpffs.path("counts"));
      child.end(signal, exit);
    }
    assertThat(pins()).isEmpty();
  }

  @Test
  void aJvmThatEndsWhileThreadsPinLeavesNoPin() throws IOException {
    Jvm.Result child =
        Children.child(
            "pin-and-exit",
            file.toString(),
            "counts",
            bpffs.path("one").toString(),
            bpffs.path("two").toString());
    assertThat(child.exit()).as(child.output()).isEqualTo(3);
    assertThat(child.output().lines()).allMatch(line -> line.contains("is ending"));
    assertThat(pins()).isEmpty();
  }

  @Test
  void aJvmThatIsEndingMakesNoFirstPin() throws IOException {
    Jvm.Result child =
        Children.child("pin-in-hook", file.toString(), "counts", bpffs.path("counts").toString());
    assertThat(child.output())
        .isEqualTo("the virtual machine is ending: nothing would remove a pin\n");
    assertThat(pins()).isEmpty();
  }

  @Test
  void aJvmThatEndsLeavesThePinThatReplacedItsOwn() throws Exception {
    Path pin = bpffs.path("counts");
    try (Waiting child = new Waiting(pin);
        BpfObject object = BpfObject.load(file)) {
      object.map("counts").pin(pin);
      child.end("TERM", 143);
      assertThat(mapId(pin)).isEqualTo(mapId(object.map("counts")));
    }
    assertThat(pins()).isEmpty();
  }

  @Test
  void aJvmThatEndsLeavesThePinThatItTookOver() throws IOException {
    Path pin = bpffs.path("counts");
    try (BpfObject object = BpfObject.load(file)) {
      object.map("counts").pin(pin);
      assertThat(Children.child("take-over", file.toString(), "counts", pin.toString()).output())
          .isEqualTo("ok\n");
      assertThat(mapId(pin)).isEqualTo(mapId(object.map("counts")));
    }
  }

  /** A process that has pinned and waits for a signal. */
  private static final class Waiting implements AutoCloseable {

    private final Process process;

    Waiting(Path pin) throws IOException {
      // Tests that run in the background may have inherited that they ignore signals.
      List<String> command = new ArrayList<>(List.of("env", "--default-signal=INT,HUP"));
      command.addAll(
          Children.childCommand(
              Children.classPath(), "pin", file.toString(), "counts", pin.toString(), "wait"));
      process = new ProcessBuilder(command).redirectErrorStream(true).start();
      assertThat(process.inputReader(UTF_8).readLine()).isEqualTo("pinned");
    }

    void end(String signal, int exit) throws InterruptedException {
      Jvm.Result kill = Jvm.run(List.of("kill", "-" + signal, process.pid() + ""));
      assertThat(kill.exit()).as(kill.output()).isZero();
      assertThat(Jvm.end(process).exit()).isEqualTo(exit);
    }

    @Override
    public void close() {
      process.destroyForcibly();
    }
  }

  @Test
  void aLoadThatFailsLeavesNoPin(@TempDir Path folder) throws IOException {
    Path refused = Clang.compile(folder, "refused");
    try (BpfObject object = BpfObject.open(refused)) {
      object.map("kept").pinPath(bpffs.path("kept"));
      assertThatThrownBy(object::load).hasMessageContaining("verifier");
    }
    assertThat(pins()).isEmpty();
  }

  @Test
  void aPlaceThatTakesNoPinIsRefusedInWords(@TempDir Path folder) throws IOException {
    Path program = bpffs.path("program");
    try (BpfObject object = BpfObject.load(file)) {
      BpfMap counts = object.map("counts");
      assertThat(LibBpf.pin(object.program("multiply").fd(), program)).isZero();
      assertThatThrownBy(() -> counts.pin(bpffs.path("with.dot")))
          .isInstanceOf(WrongObjectException.class)
          .hasMessageContainingAll("with.dot", "no name with a dot");
      assertThatThrownBy(() -> counts.pin(bpffs.folder()))
          .isInstanceOf(WrongObjectException.class)
          .hasMessageContaining("it is a directory");
      assertThatThrownBy(() -> counts.pin(folder.resolve("counts")))
          .isInstanceOf(WrongObjectException.class)
          .hasMessageContainingAll(folder.toString(), "not on a bpffs");
      assertThatThrownBy(() -> counts.pin(bpffs.path("absent/counts")))
          .isInstanceOf(NotFoundException.class)
          .hasMessageContainingAll(bpffs.path("absent").toString(), "mkdir");
      assertThatThrownBy(() -> counts.pin(program))
          .isInstanceOf(WrongObjectException.class)
          .hasMessageContainingAll("program", "BPF program", "not a map");
      assertThat(pins()).containsExactly(program);
    } finally {
      Files.deleteIfExists(program);
    }
  }

  /** What lies at a path is what was mounted there last, whatever a list of mounts begins with. */
  @Test
  void ofSeveralMountsAtOnePlaceTheLastCounts() throws IOException {
    Path pin = bpffs.path("counts");
    String folder = bpffs.folder().toString();
    try (BpfObject object = BpfObject.load(file)) {
      object.map("counts").pin(pin);
      String ignored = Jvm.output(List.of("mount", "-t", "tmpfs", "tmpfs", folder));
      Files.createFile(pin);
      assertThatThrownBy(() -> KernelMap.open(pin))
          .isInstanceOf(WrongObjectException.class)
          .hasMessageContainingAll(pin.toString(), "file system of type tmpfs");
      assertThatThrownBy(() -> object.map("counts").pin(bpffs.path("other")))
          .isInstanceOf(WrongObjectException.class)
          .hasMessageContaining("file system of type tmpfs");

      ignored = Jvm.output(List.of("mount", "-t", "bpf", "bpf", folder));
      Path another = bpffs.path("another");
      object.map("counts").pin(another);
      assertThat(mapId(another)).isEqualTo(mapId(object.map("counts")));
    }
  }

  @Test
  void aFolderThatOthersMayNotEnterIsNamedWithItsMode() throws IOException {
    Path pin = bpffs.path("counts");
    String classPath = Children.classPathForAll(Files.createDirectory(forAll.resolve("nobody")));
    Files.setPosixFilePermissions(forAll, PosixFilePermissions.fromString("rwxr-xr-x"));
    try (BpfObject object = BpfObject.load(file)) {
      object.map("counts").pin(pin);
      Files.setPosixFilePermissions(pin, PosixFilePermissions.fromString("rw-rw-rw-"));
      Files.setPosixFilePermissions(bpffs.folder(), PosixFilePermissions.fromString("rwx------"));
      assertThat(Children.childAsNobody(classPath, "open", pin.toString(), "A").output())
          .startsWith(NotPermittedException.class.getSimpleName())
          .contains(pin.toString(), "may not enter " + bpffs.folder(), "rwx------", "owner root")
          .doesNotContainIgnoringCase("support");

      Files.setPosixFilePermissions(bpffs.folder(), PosixFilePermissions.fromString("rwxr-xr-x"));
      Files.setPosixFilePermissions(pin, PosixFilePermissions.fromString("rw-------"));
      assertThat(Children.childAsNobody(classPath, "open", pin.toString(), "A").output())
          .startsWith(NotPermittedException.class.getSimpleName())
          .contains(pin.toString(), "may not read and write the file", "rw-------", "chmod");
    }
  }

  private List<Path> pins() throws IOException {
    try (Stream<Path> files = Files.list(bpffs.folder())) {
      return files.filter(file -> !file.toString().endsWith(".debug")).toList();
    }
  }

  private static int mapId(Path pin) {
    try (KernelMap map = KernelMap.open(pin)) {
      return map.id();
    }
  }

  private static int mapId(BpfMap map) {
    try (KernelMap duplicate = KernelMap.duplicate(map.fd())) {
      return duplicate.id();
    }
  }
}
