// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import static io.github.tasklocal.selftest.BadInputTests.objectRefused;
import static io.github.tasklocal.selftest.BadInputTests.onKernel;
import static io.github.tasklocal.selftest.TestCase.withoutWire;

import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kernel.KernelVersion;
import io.github.tasklocal.kernel.LibBpf;
import io.github.tasklocal.kit.Descriptors;
import io.github.tasklocal.kit.Need;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** Paths and descriptors that are no maps of task local data. */
final class BadInputMapTests {

  private BadInputMapTests() {}

  static List<TestCase> tests() {
    return Suite.of(
        onKernel("A path that does not exist is refused", BadInputMapTests::absentPath),
        onKernel("A path that is a directory is refused", BadInputMapTests::directory),
        onKernel("A path that is not on a bpffs is refused", BadInputMapTests::plainFile),
        onKernel("A path that is a pinned program or link is refused", BadInputMapTests::otherPins),
        onKernel("A map of another type is refused", BadInputMapTests::otherType),
        onKernel("Task storage of another value size is refused", BadInputMapTests::otherSize),
        onKernel(
            "Task storage of the right size but another type is refused",
            BadInputMapTests::lookalikes),
        withoutWire(
            "A map of another wire than the one named is refused",
            BadInputMapTests::otherWire,
            Need.ROOT,
            Need.UPTR,
            Need.BTF),
        onKernel(
            "A map of the right shape without user pointers is refused",
            BadInputMapTests::withoutPointers),
        withoutWire(
            "A pin whose mode denies access is refused",
            BadInputMapTests::unreadablePin,
            Need.ROOT,
            Need.BTF,
            Need.SETPRIV),
        withoutWire(
            "Task storage is refused to a user who may not see whether its type is right",
            BadInputMapTests::unseenLookalikes,
            Need.ROOT,
            Need.BTF,
            Need.SETPRIV),
        onKernel("A descriptor that is not open is refused", BadInputMapTests::closedDescriptor),
        onKernel("A descriptor of a file is refused", BadInputMapTests::fileDescriptor),
        onKernel(
            "A descriptor of a program or link is refused", BadInputMapTests::otherDescriptors));
  }

  private static void absentPath(Fixture fixture) throws Exception {
    Path absent = fixture.pin("absent");
    objectRefused(
        NotFoundException.class,
        () -> TaskLocalMap.open(absent),
        "open map " + absent,
        "no such file",
        "check the path");
    Path below = absent.resolve("map");
    objectRefused(
        NotFoundException.class, () -> TaskLocalMap.open(below), below.toString(), "no such file");
    Check.that(Files.notExists(absent), absent + " was made");
  }

  private static void directory(Fixture fixture) throws Exception {
    Path folder = fixture.bpffs();
    objectRefused(
        WrongObjectException.class,
        () -> TaskLocalMap.open(folder),
        "open map " + folder,
        "it is a directory",
        "name the map's pin");
  }

  private static void plainFile(Fixture fixture) throws Exception {
    Path file = Files.createFile(fixture.folder().resolve("plain"));
    objectRefused(
        WrongObjectException.class,
        () -> TaskLocalMap.open(file),
        "open map " + file,
        "not on a bpffs",
        "/sys/fs/bpf");
  }

  private static void otherPins(Fixture fixture) throws Exception {
    BpfObject object = fixture.loadWithoutWire("bad_maps");
    Path program = fixture.pin("program");
    LibBpf.pin(object.program("on_enter").fd(), program);
    objectRefused(
        WrongObjectException.class,
        () -> TaskLocalMap.open(program),
        "open map " + program,
        "BPF program, not a map");
    Path link = fixture.pin("link");
    LibBpf.pin(object.program("on_enter").attach().fd(), link);
    objectRefused(
        WrongObjectException.class,
        () -> TaskLocalMap.open(link),
        "open map " + link,
        "BPF link, not a map");
    Check.that(Files.exists(program) && Files.exists(link), "a pin is gone");
  }

  private static void otherType(Fixture fixture) throws Exception {
    BpfObject object = fixture.loadWithoutWire("bad_maps");
    Path pin = fixture.pin("a_hash");
    object.map("a_hash").pin(pin);
    objectRefused(
        WrongObjectException.class,
        () -> TaskLocalMap.open(pin),
        pin.toString(),
        "\"a_hash\"",
        "type 1",
        "type 29",
        "task_local_data_map");
    objectRefused(
        WrongObjectException.class,
        () -> TaskLocalMap.of(object.map("a_hash").fd(), Wire.A),
        "fd " + object.map("a_hash").fd(),
        "type 1",
        "type 29");
  }

  private static void otherSize(Fixture fixture) throws Exception {
    BpfObject object = fixture.loadWithoutWire("bad_maps");
    int fd = object.map("small_storage").fd();
    objectRefused(
        WrongObjectException.class,
        () -> TaskLocalMap.of(fd),
        "fd " + fd,
        "\"small_storage\"",
        "8 bytes",
        "32, 16 and 24");
    Check.equal(0, object.program("entries").run(), "entries of this thread");
  }

  private static void lookalikes(Fixture fixture) throws Exception {
    BpfObject object = fixture.loadWithoutWire("bad_maps");
    for (Wire wire : List.of(Wire.A, Wire.B)) {
      Stream<BpfMap> maps =
          wire == Wire.A
              ? Stream.of("scx_layered_task_hint_map", "task_local_data_off_map").map(object::map)
              : Stream.of(object.map("tld_data_map"));
      for (BpfMap map : maps.toList()) {
        int fd = map.fd();
        String[] words = {
          "fd " + fd,
          wire.valueSize() + " bytes",
          "struct " + typeOf(map),
          "struct " + wire.valueType()
        };
        objectRefused(WrongObjectException.class, () -> TaskLocalMap.of(fd), words);
        objectRefused(WrongObjectException.class, () -> TaskLocalMap.of(fd, wire), words);
      }
    }
    Check.equal(0, object.program("entries").run(), "entries of this thread");
  }

  private static String typeOf(BpfMap map) {
    return switch (map.name()) {
      case "scx_layered_task_hint_map" -> "hint";
      case "task_local_data_off_map" -> "offsets";
      default -> "two_words";
    };
  }

  private static void otherWire(Fixture fixture) throws Exception {
    BpfObject object = fixture.load("answer", Wire.C);
    int fd = object.map(Wire.C.mapName()).fd();
    objectRefused(
        WrongObjectException.class,
        () -> TaskLocalMap.of(fd, Wire.A),
        "fd " + fd,
        "24 bytes",
        "wire A has 32");
  }

  /** A map of the right name whose values have no pointers, as a kernel before 6.13 makes it. */
  private static void withoutPointers(Fixture fixture) throws Exception {
    BpfObject object = fixture.loadWithoutWire("bad_numbers");
    int fd = object.map(Wire.A.mapName()).fd();
    if (KernelVersion.RUNNING.atLeast(6, 13)) {
      objectRefused(
          WrongObjectException.class,
          () -> TaskLocalMap.of(fd),
          "fd " + fd,
          "no pointers to user memory",
          "task_local_data.bpf.h");
    } else {
      objectRefused(
          NotSupportedException.class,
          () -> TaskLocalMap.of(fd),
          "fd " + fd,
          "no pointers to user memory",
          "needs kernel 6.13 or newer; this is " + KernelVersion.RUNNING);
    }
    Check.equal(0, object.program("entries").run(), "entries of this thread");
  }

  private static void unreadablePin(Fixture fixture) throws Exception {
    BpfObject object = fixture.loadWithoutWire("bad_maps");
    Path pin = fixture.pin("private");
    object.map("a_hash").pin(pin);
    Files.setPosixFilePermissions(pin, PosixFilePermissions.fromString("rw-r-----"));
    String answer = BadInputChild.asNobody(fixture, "open", pin.toString());
    Check.contains(
        "NotPermittedException: open map " + pin,
        answer,
        "the output of the user nobody's process");
    Check.contains("may not read and write the file (rw-r-----, owner root", answer, "the output");
    Check.contains("chmod", answer, "the cure");
    Check.that(
        !answer.contains("support"), "a lack of permission is called a lack of support: " + answer);
  }

  private static void unseenLookalikes(Fixture fixture) throws Exception {
    BpfObject object = fixture.loadWithoutWire("bad_maps");
    for (String name : List.of("scx_layered_task_hint_map", "task_local_data_off_map")) {
      Path pin = fixture.pin(name);
      object.map(name).pin(pin);
      Files.setPosixFilePermissions(pin, PosixFilePermissions.fromString("rw-rw-rw-"));
      String answer = BadInputChild.asNobody(fixture, "open", pin.toString());
      Check.contains(
          "NotPermittedException: open map " + pin,
          answer,
          "the output of the user nobody's process");
      Check.contains("32 bytes", answer, "the output");
      Check.contains("CAP_SYS_ADMIN", answer, "the output");
      Check.contains("Wire.A", answer, "the cure");
    }
    Check.equal(0, object.program("entries").run(), "entries of this thread");
  }

  private static void closedDescriptor(Fixture fixture) throws Exception {
    int closed;
    try (BpfObject object = BpfObject.load(fixture.objectFile("bad_maps"))) {
      closed = object.map("a_hash").fd();
    }
    for (int fd : new int[] {closed, -1, Integer.MIN_VALUE, Integer.MAX_VALUE}) {
      objectRefused(
          WrongObjectException.class,
          () -> TaskLocalMap.of(fd),
          "open map fd " + fd + ":",
          "not open",
          "EBADF",
          "open in this process");
    }
  }

  private static void fileDescriptor(Fixture fixture) throws Exception {
    Path file = Files.createFile(fixture.folder().resolve("plain"));
    try (FileChannel open = FileChannel.open(file, StandardOpenOption.READ)) {
      int fd = descriptorOf(file);
      objectRefused(
          WrongObjectException.class,
          () -> TaskLocalMap.of(fd),
          "open map fd " + fd + ":",
          "it is a file (" + file + "), not a map");
      Check.that(open.isOpen() && open.size() == 0, "the file was closed or changed");
    }
  }

  private static int descriptorOf(Path file) throws IOException {
    String target = file.toRealPath().toString();
    return Descriptors.all().entrySet().stream()
        .filter(open -> open.getValue().equals(target))
        .map(Map.Entry::getKey)
        .findFirst()
        .orElseThrow(() -> new AssertionError(file + " is not open"));
  }

  private static void otherDescriptors(Fixture fixture) throws Exception {
    BpfObject object = fixture.loadWithoutWire("bad_maps");
    int program = object.program("on_enter").fd();
    objectRefused(
        WrongObjectException.class,
        () -> TaskLocalMap.of(program),
        "open map fd " + program + ":",
        "BPF program, not a map");
    int link = object.program("on_enter").attach().fd();
    objectRefused(
        WrongObjectException.class,
        () -> TaskLocalMap.of(link),
        "open map fd " + link + ":",
        "BPF link, not a map");
  }
}
