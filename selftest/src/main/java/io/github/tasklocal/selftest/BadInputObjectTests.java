// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import static io.github.tasklocal.selftest.BadInputTests.objectRefused;
import static io.github.tasklocal.selftest.BadInputTests.onKernel;

import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.bpf.BpfProgram;
import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.error.ObjectLoadException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.layout.Wire;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** Object files that are no good, and names and calls that an object does not know. */
final class BadInputObjectTests {

  private BadInputObjectTests() {}

  static List<TestCase> tests() {
    return Suite.of(
        onKernel("An object file that is absent is refused", BadInputObjectTests::absent),
        onKernel("An object file that is empty is refused", BadInputObjectTests::empty),
        onKernel("An object file that is cut in half is refused", BadInputObjectTests::cut),
        onKernel("An object file of random bytes is refused", BadInputObjectTests::random),
        onKernel(
            "An object file with random bytes after its header is refused",
            BadInputObjectTests::randomBody),
        onKernel(
            "An object file for another processor is refused", BadInputObjectTests::otherProcessor),
        onKernel(
            "A program that the verifier refuses comes with its log",
            BadInputObjectTests::verifier),
        onKernel(
            "A program without the licence that it needs is refused",
            BadInputObjectTests::withoutLicence),
        onKernel(
            "An object without the BTF that it needs is refused", BadInputObjectTests::withoutBtf),
        onKernel(
            "Unknown maps, programs and globals are refused with a list of the known ones",
            BadInputObjectTests::unknownNames),
        onKernel(
            "A program that cannot be run or attached is refused with the reason",
            BadInputObjectTests::cannotRun),
        onKernel("Nothing runs or attaches after close", BadInputObjectTests::afterClose));
  }

  private static void absent(Fixture fixture) throws Exception {
    Path absent = BadInputChild.folderForAll(fixture).resolve("absent.bpf.o");
    objectRefused(
        NotFoundException.class,
        () -> BpfObject.load(absent),
        "open object " + absent,
        "no such file",
        "check the path");
  }

  private static void empty(Fixture fixture) throws Exception {
    objectRefused(
        ObjectLoadException.class,
        () -> BpfObject.load(new byte[0]),
        "open object object",
        "the file is empty",
        "check that the file is whole");
  }

  private static void cut(Fixture fixture) throws Exception {
    byte[] whole = fixture.objectFile("bad_maps");
    int half = whole.length / 2;
    objectRefused(
        ObjectLoadException.class,
        () -> BpfObject.load(Arrays.copyOf(whole, half)),
        "it is cut",
        half + " bytes",
        "whole");
  }

  private static void random(Fixture fixture) throws Exception {
    Random random = fixture.random();
    for (int size : new int[] {1, 63, 64, 4096}) {
      byte[] bytes = new byte[size];
      random.nextBytes(bytes);
      objectRefused(
          ObjectLoadException.class,
          () -> BpfObject.load(bytes),
          size + " bytes are no ELF object file",
          "clang -target bpf");
    }
  }

  private static void randomBody(Fixture fixture) throws Exception {
    Random random = fixture.random();
    byte[] whole = fixture.objectFile("bad_maps");
    for (int i = 0; i < 100; i++) {
      byte[] bytes = new byte[whole.length];
      random.nextBytes(bytes);
      System.arraycopy(whole, 0, bytes, 0, 64);
      objectRefused(ObjectLoadException.class, () -> BpfObject.load(bytes), "open object");
    }
  }

  private static void otherProcessor(Fixture fixture) throws Exception {
    Path java = Path.of(System.getProperty("java.home"), "bin", "java");
    objectRefused(
        ObjectLoadException.class,
        () -> BpfObject.load(java),
        "open object " + java,
        "not for BPF (247)",
        "clang -target bpf");
    byte[] bytes = fixture.objectFile("bad_maps");
    bytes[5] = (byte) (3 - bytes[5]); // the ELF header's word for the byte order
    objectRefused(ObjectLoadException.class, () -> BpfObject.load(bytes), "ENDIAN", "64");
  }

  private static void verifier(Fixture fixture) throws Exception {
    byte[] bytes = fixture.objectFile("bad_program");
    ObjectLoadException e =
        objectRefused(
            ObjectLoadException.class,
            () -> BpfObject.load(bytes),
            "load object object",
            "the verifier refused the program careless",
            "map_value_or_null",
            "EACCES",
            "log()");
    Check.contains("BEGIN PROG LOAD LOG", e.log(), "the log");
    Check.contains("processed ", e.log(), "the log");
    Check.contains("END PROG LOAD LOG", e.log(), "the log");
  }

  private static void withoutLicence(Fixture fixture) throws Exception {
    byte[] bytes = fixture.objectFile("bad_licence");
    objectRefused(
        ObjectLoadException.class,
        () -> BpfObject.load(bytes),
        "the verifier refused the program without_licence",
        "GPL",
        "SEC(\"license\")");
  }

  private static void withoutBtf(Fixture fixture) throws Exception {
    byte[] bytes = fixture.objectFile("bad_maps");
    rename(bytes, ".BTF\0", ".XTF\0");
    objectRefused(
        ObjectLoadException.class, () -> BpfObject.load(bytes), "open object object", "BTF", "-g");
  }

  /** Takes a section out of an object, by the name under which it is looked for. */
  private static void rename(byte[] bytes, String from, String to) {
    String text = new String(bytes, StandardCharsets.ISO_8859_1);
    Check.that(text.contains(from), "the object has no section " + from);
    byte[] renamed = text.replace(from, to).getBytes(StandardCharsets.ISO_8859_1);
    System.arraycopy(renamed, 0, bytes, 0, bytes.length);
  }

  private static void unknownNames(Fixture fixture) throws Exception {
    BpfObject object = fixture.load("answer", Wire.A);
    objectRefused(
        NotFoundException.class,
        () -> object.map("no_map"),
        "find map no_map in object",
        "task_local_data_map",
        "task_local_data_off_map");
    objectRefused(
        NotFoundException.class,
        () -> object.program("no_program"),
        "find program no_program in object",
        object.programs().getFirst().name());
    objectRefused(
        NotFoundException.class,
        () -> object.global("no_global"),
        "find global variable no_global in object",
        "it has ask_syscall, asked");
    BpfObject other = fixture.open("bad_maps");
    objectRefused(
        NotFoundException.class,
        () -> other.global("no_global"),
        "find global variable no_global in object",
        "it has none");
  }

  private static void cannotRun(Fixture fixture) throws Exception {
    BpfObject object = fixture.loadWithoutWire("bad_maps");
    BpfProgram tracepoint = object.program("on_getpgid");
    objectRefused(
        NotSupportedException.class,
        tracepoint::run,
        "run program on_getpgid",
        "ENOTSUPP",
        tracepoint.section(),
        "SEC(\"syscall\")");
    objectRefused(
        KernelException.class,
        object.program("on_nothing")::attach,
        "attach program on_nothing",
        "tasklocal/no_such_event",
        "ENOENT",
        "trac"); // no tracefs, or no such tracepoint in it
    objectRefused(
        KernelException.class,
        object.program("entries")::attach,
        "attach program entries",
        "(syscall)",
        "EOPNOTSUPP",
        "run()");
    objectRefused(
        WrongObjectException.class,
        object.map("a_hash")::attach,
        "attach map a_hash",
        "no map of struct_ops");
  }

  private static void afterClose(Fixture fixture) throws Exception {
    BpfObject object = fixture.loadWithoutWire("bad_maps");
    BpfProgram entries = object.program("entries");
    BpfProgram onEnter = object.program("on_enter");
    object.close();
    for (Check.Code use : List.<Check.Code>of(entries::run, onEnter::attach)) {
      IllegalStateException e = Check.refused(IllegalStateException.class, "a closed object", use);
      Check.equal("the object object is closed", e.getMessage(), "the message");
    }
  }
}
