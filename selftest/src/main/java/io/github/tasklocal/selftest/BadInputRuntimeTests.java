// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import static io.github.tasklocal.selftest.BadInputTests.onKernel;
import static io.github.tasklocal.selftest.TestCase.withoutWire;

import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kernel.KernelVersion;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.Need;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Surroundings in which nothing can be opened; each test starts a JVM in them. */
final class BadInputRuntimeTests {

  private BadInputRuntimeTests() {}

  static List<TestCase> tests() {
    return Suite.of(
        withoutWire(
            "A user who may not load programs is told so",
            BadInputRuntimeTests::notPermitted,
            Need.ROOT,
            Need.BTF,
            Need.SETPRIV),
        onKernel("A kernel that is too old is named", BadInputRuntimeTests::oldKernel),
        onKernel("A missing libbpf is named with its package", BadInputRuntimeTests::withoutLibbpf),
        onKernel("A libbpf that lacks what is needed is named", BadInputRuntimeTests::otherLibbpf));
  }

  private static void notPermitted(Fixture fixture) throws Exception {
    String answer = BadInputChild.asNobody(fixture, "load", file(fixture, "bad_maps").toString());
    Check.contains(
        "NotPermittedException: load object", answer, "the output of the user nobody's process");
    Check.contains("not allowed to this process, which lacks CAP_PERFMON", answer, "the output");
    Check.contains("(EPERM)", answer, "the output");
    Check.contains("CAP_BPF", answer, "the cure");
    Check.that(
        !answer.contains("support"), "a lack of permission is called a lack of support: " + answer);
  }

  /**
   * A program that needs uptrs is refused on an older kernel; one with our header would read slots
   * there. On a newer one, a JVM that takes the kernel for an older one loads a map that no kernel
   * makes, and is refused.
   */
  private static void oldKernel(Fixture fixture) throws Exception {
    KernelVersion running = KernelVersion.RUNNING;
    List<String> command = command("load", file(fixture, "bad_storage"));
    String version = running.text();
    if (running.atLeast(6, 13)) {
      version = "6.12.107+deb13-amd64";
      command.add(1, "-Dos.version=" + version);
    }
    String answer = Jvm.output(command);
    Check.contains("NotSupportedException: load object", answer, "the output");
    Check.contains("user memory", answer, "the output");
    Check.contains("needs kernel 6.13 or newer; this is " + version, answer, "the cure");
  }

  private static void withoutLibbpf(Fixture fixture) throws Exception {
    Path libraries = BadInputChild.folderForAll(fixture);
    Files.createFile(libraries.resolve("libbpf.so.1"));
    lackOfLibbpf(fixture, libraries);
  }

  private static void otherLibbpf(Fixture fixture) throws Exception {
    Path libraries = BadInputChild.folderForAll(fixture);
    // One of the JDK's, as not every C library has others beside it.
    Path other = Path.of(System.getProperty("java.home"), "lib", "libjimage.so");
    Files.copy(other, libraries.resolve("libbpf.so.1"));
    lackOfLibbpf(fixture, libraries);
  }

  private static void lackOfLibbpf(Fixture fixture, Path libraries) throws Exception {
    Path pin = fixture.pin("map");
    BpfObject object = fixture.loadWithoutWire("bad_maps");
    object.map("a_hash").pin(pin);
    for (List<String> command :
        List.of(command("open", pin), command("load", file(fixture, "bad_maps")))) {
      command.addAll(0, List.of("env", "LD_LIBRARY_PATH=" + libraries));
      String answer = Jvm.output(command);
      Check.contains("NotSupportedException: open ", answer, "the output");
      Check.contains("libbpf.so.1", answer, "the output");
      Check.contains("install libbpf 1.1 or newer", answer, "the cure");
    }
  }

  private static List<String> command(String what, Path file) {
    return new ArrayList<>(
        Jvm.command(
            Jvm.shortLived(),
            Jvm.join(Jvm.classPath()),
            BadInputChild.class,
            what,
            file.toString()));
  }

  private static Path file(Fixture fixture, String name) throws IOException {
    Path file = BadInputChild.folderForAll(fixture).resolve(name + ".bpf.o");
    Files.write(file, fixture.objectFile(name));
    BadInputChild.open(file);
    return file;
  }
}
