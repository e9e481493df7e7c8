// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfMap;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.tools.PinnedMap.PinDirectory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

@KernelTest
class MapOptionsKernelIT {

  private static int id(Path pin) {
    try (TaskLocalMap map = TaskLocalMap.open(pin)) {
      return map.id();
    }
  }

  @Test
  void aMapIsMadeWhereNoneIsAndStaysForTheNextCommand() throws Exception {
    try (PinDirectory directory = new PinDirectory()) {
      Path pin = directory.path("map");
      Command first = Command.run("dump", "--create", "--pin", pin);
      assertThat(first.exit()).isZero();
      assertThat(first.err()).contains("made the map " + pin);
      try (var files = Files.list(directory.root())) {
        assertThat(files).containsExactly(pin);
      }
      int id = id(pin);
      try (TaskLocalMap map = TaskLocalMap.open(pin)) {
        assertThat(map.wire()).isEqualTo(Wire.C);
      }
      assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(pin)))
          .isEqualTo("rw-------");
      Command second = Command.run("keys", "--pin", pin);
      assertThat(second.err()).doesNotContain("made the map");
      assertThat(id(pin)).isEqualTo(id);
    }
  }

  @Test
  void aProcessThatWatchesThePinIsSeenByTheCommandThatMakesTheMap() throws Exception {
    Await.until("a process that registers within a second", this::isSeen);
  }

  /** {@return whether the process registered, and was seen, in the second that processes have} */
  private boolean isSeen() {
    try (PinDirectory directory = new PinDirectory();
        ValuesProcess child = new ValuesProcess(directory.path("map"), 2)) {
      long start = System.nanoTime();
      Command dump =
          Command.run(
              "dump", "--create", "--pin", directory.path("map"), "--key", "an.int:int", "--json");
      assertThat(dump.err()).contains("made the map");
      if (child.registered() - start > MapOptions.REGISTRATION_MILLIS * 1_000_000) {
        return false; // on a busy machine
      }
      assertThat(dump.json().getArray("processes")).hasSize(1);
      return true;
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void modeAndGroupOfThePinCanBeChosen() throws Exception {
    try (PinDirectory directory = new PinDirectory()) {
      Path pin = directory.path("map");
      assertThat(
              Command.run("keys", "--create", "--pin", pin, "--mode", 660, "--group", "nogroup")
                  .exit())
          .isZero();
      PosixFileAttributes made = Files.readAttributes(pin, PosixFileAttributes.class);
      assertThat(PosixFilePermissions.toString(made.permissions())).isEqualTo("rw-rw----");
      assertThat(made.group().getName()).isEqualTo("nogroup");
      assertThat(Command.run("keys", "--pin", pin).exit()).isZero();
      assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(pin)))
          .isEqualTo("rw-rw----");
      assertThat(Command.run("keys", "--pin", pin, "--mode", "0600").exit()).isZero();
      assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(pin)))
          .isEqualTo("rw-------");
    }
  }

  @Test
  void badModesAndGroupsAreBadOptions() {
    for (String mode : List.of("", "66", "888", "rw", "-600", "6600")) {
      Command command = Command.run("keys", "--mode=" + mode);
      assertThat(command.exit()).isEqualTo(2);
      assertThat(command.err()).contains("three octal digits");
    }
    Command command = Command.run("keys", "--group", "no-such-group");
    assertThat(command.exit()).isEqualTo(2);
    assertThat(command.err()).contains("there is no group no-such-group here");
  }

  @Test
  void aMapOfEachWireIsUsedAsItIs() throws Exception {
    for (Wire wire : Wire.values()) {
      try (PinnedMap map = new PinnedMap(wire)) {
        int id = id(map.pin());
        assertThat(Command.run("keys", "--json", map.pin()).json().getString("wire"))
            .isEqualTo(wire.name());
        assertThat(id(map.pin())).isEqualTo(id);
      }
    }
  }

  @Test
  void commandsThatStartTogetherShareOneMap() throws Exception {
    for (int round = 0; round < 5; round++) {
      try (PinDirectory directory = new PinDirectory()) {
        Path pin = directory.path("map");
        Set<Integer> used = ConcurrentHashMap.newKeySet();
        CyclicBarrier together = new CyclicBarrier(4);
        try (Busy commands = new Busy()) {
          for (int i = 0; i < 4; i++) {
            commands.once(
                () -> {
                  MapOptions options = new MapOptions();
                  options.pin(pin);
                  options.create();
                  together.await();
                  try (var object = options.load("dump", _ -> {});
                      TaskLocalMap map =
                          TaskLocalMap.of(object.map(options.wire().mapName()).fd())) {
                    used.add(map.id());
                  }
                });
          }
        }
        assertThat(used).containsExactly(id(pin));
        try (var files = Files.list(directory.root())) {
          assertThat(files).containsExactly(pin);
        }
      }
    }
  }

  @Test
  void aSymbolicLinkIsNoPin() throws Exception {
    try (PinnedMap map = new PinnedMap(Wire.C);
        PinDirectory directory = new PinDirectory()) {
      Path link = Files.createSymbolicLink(directory.path("link"), map.pin());
      Path dangling = Files.createSymbolicLink(directory.path("dangling"), Path.of("nothing"));
      for (Path pin : List.of(link, dangling)) {
        for (String command : List.of("keys", "dump", "top --key k --once", "trace --key k")) {
          Command tried = Command.run((Object[]) (command + " --mode 666 --pin " + pin).split(" "));
          assertThat(tried.exit()).isEqualTo(1);
          assertThat(tried.err())
              .contains(pin + " is a symbolic link: name the pin itself, with --pin ");
        }
      }
      assertThat(Command.run("keys", "--pin", link).err()).contains("--pin " + map.pin());
      assertThat(Command.run("doctor", "--pin", dangling).out())
          .containsPattern("map +no +" + dangling + "\\s+is a symbolic link");
      assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(map.pin())))
          .isEqualTo("rw-------");
      assertThat(directory.path("nothing")).doesNotExist();
    }
  }

  @Test
  void everyCommandMakesAMapWhenItIsAskedToAndSaysSo() throws Exception {
    try (PinDirectory directory = new PinDirectory()) {
      for (String command :
          List.of(
              "keys", "dump", "top --key k --once --interval 0.1", "trace --key k --seconds 0.1")) {
        Path pin = directory.path(command.substring(0, 3));
        Command none = Command.run((Object[]) (command + " --pin " + pin).split(" "));
        assertThat(none.exit()).isEqualTo(1);
        assertThat(none.err()).contains("there is no such file as " + pin, "--create");
        assertThat(pin).doesNotExist();
        Command first = Command.run((Object[]) (command + " --create --pin " + pin).split(" "));
        assertThat(first.exit()).isZero();
        assertThat(first.err()).contains(": made the map " + pin + "; processes that watch it");
        Command second = Command.run((Object[]) (command + " --pin " + pin).split(" "));
        assertThat(second.err()).doesNotContain("made the map");
      }
    }
  }

  /**
   * Of root's commands in a folder of another user, who exchanges the pin for a link again and
   * again.
   */
  @Test
  void theModeOfNothingButThePinIsChanged() throws Exception {
    try (PinnedMap map = new PinnedMap(Wire.C);
        PinnedMap another = new PinnedMap(Wire.C);
        PinDirectory directory = new PinDirectory()) {
      PinAccess access = CommandLine.populateCommand(new PinAccess(), "--mode=666");
      BpfMap ours = map.object().map(Wire.C.mapName());
      Path pin = directory.path("pin");
      // A link to a file that is not the user's, and what is not the map: neither may change.
      Path link = Files.createSymbolicLink(directory.path("link"), another.pin());
      Files.createLink(directory.path("other"), another.pin());
      ours.pin(directory.path("real"));
      AtomicBoolean done = new AtomicBoolean();
      try (Busy attacker = new Busy()) {
        attacker.once(
            () -> {
              for (int i = 0; !done.get(); i++) {
                Path next = directory.path("next");
                switch (i % 3) {
                  case 0 -> Files.createLink(next, directory.path("real"));
                  case 1 -> Files.createSymbolicLink(next, Files.readSymbolicLink(link));
                  default -> Files.createLink(next, directory.path("other"));
                }
                Files.move(next, pin, StandardCopyOption.ATOMIC_MOVE);
              }
            });
        int changed = 0;
        int refused = 0;
        for (int i = 0; i < 10_000 || (changed == 0 || refused == 0); i++) {
          try {
            access.apply(pin, ours);
            changed++;
          } catch (IOException e) {
            refused++;
          }
        }
        done.set(true);
      }
      assertThat(mode(map.pin())).isEqualTo("rw-------");
      assertThat(mode(another.pin())).isEqualTo("rw-------");
      assertThat(mode(directory.path("real"))).isEqualTo("rw-rw-rw-");
    }
  }

  private static String mode(Path pin) throws IOException {
    return PosixFilePermissions.toString(Files.getPosixFilePermissions(pin));
  }

  @Test
  void aPathWhereNothingCanBePinnedIsRefusedWithTheCure() {
    Command none = Command.run("keys", "--create", "--pin", "/sys/fs/bpf/no-such-directory/map");
    assertThat(none.exit()).isEqualTo(1);
    assertThat(none.err()).contains("mkdir /sys/fs/bpf/no-such-directory");
    Command other = Command.run("dump", "--create", "--pin", "/proc/map");
    assertThat(other.exit()).isEqualTo(1);
    assertThat(other.err()).contains("bpffs");
  }
}
