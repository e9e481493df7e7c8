// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.error.NotPermittedException;
import io.github.tasklocal.kit.Folders;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.Machine;
import io.github.tasklocal.kit.Need;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/** A process without any privilege: only the file mode of a pin or socket lets it in. */
final class NobodyTests {

  private static final String ID = "65534";

  /** Runs what follows it as nobody. */
  static final List<String> AS_NOBODY =
      List.of("setpriv", "--reuid=" + ID, "--regid=" + ID, "--clear-groups", "--");

  private NobodyTests() {}

  /** {@return the tests of this theme} */
  static List<TestCase> tests() {
    return TestCase.onWires(
        List.of(Wire.values()),
        "The user nobody shares values through a pin or socket of mode 0666, not through one of"
            + " 0600",
        false,
        Set.of(Need.ROOT, Need.VALUES, Need.BTF, Need.SETPRIV),
        NobodyTests::nobody);
  }

  private static void nobody(Fixture fixture) throws Exception {
    BpfObject object = fixture.open("answer");
    Syscalls.GETPPID.write(object.global("ask_syscall"));
    object.load();
    object.program("answer_question").attach();
    Path open = Need.socket();
    Path shut;
    if (open == null) {
      open = fixture.pin("open");
      shut = fixture.pin("shut");
      fixture.dataMap(object).pin(open);
      fixture.dataMap(object).pin(shut);
      Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rw-rw-rw-"));
    } else {
      shut = BadInputChild.folderForAll(fixture).resolve("shut");
      fixture
          .closing(ServerSocketChannel.open(StandardProtocolFamily.UNIX))
          .bind(UnixDomainSocketAddress.of(shut));
    }
    Files.setPosixFilePermissions(shut, PosixFilePermissions.fromString("rw-------"));

    ClassPath readable = fixture.closing(new ClassPath());
    long question = fixture.random().nextLong();
    List<String> command = new ArrayList<>(AS_NOBODY);
    command.addAll(
        Jvm.command(
            Jvm.shortLived(),
            Jvm.join(readable.paths),
            NobodyTests.class,
            open.toString(),
            shut.toString(),
            fixture.wire().name(),
            Long.toString(question)));
    String output = Jvm.output(command);
    Check.contains("answer " + -question, output, "the output of the user nobody's process");
    Check.equalBits(
        question, object.global("asked").get(JAVA_LONG, 0), "the value that root's program read");
  }

  /** A copy of the class path where anybody may read it. */
  static final class ClassPath implements AutoCloseable {

    final List<Path> paths = new ArrayList<>();
    private final Path folder = Folders.make("jar");

    ClassPath() throws IOException {
      share(folder);
      for (Path path : Jvm.classPath()) {
        Path copy = folder.resolve(Integer.toString(paths.size()));
        paths.add(copy);
        try (Stream<Path> originals = Files.walk(path)) {
          for (Path each : originals.toList()) {
            share(Files.copy(each, copy.resolve(path.relativize(each).toString())));
          }
        }
      }
    }

    private static void share(Path file) throws IOException {
      Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    @Override
    public void close() throws IOException {
      Folders.delete(folder);
    }
  }

  /**
   * The process of nobody.
   *
   * @param args the open and the shut pin, the wire and the question
   */
  public static void main(String[] args) throws Exception {
    requireNobody();
    Path open = Path.of(args[0]);
    Path shut = Path.of(args[1]);
    Wire wire = Wire.valueOf(args[2]);

    NotPermittedException refused =
        Check.refused(
            NotPermittedException.class,
            "a pin of mode 0600",
            () -> TaskLocalMap.open(shut, wire).close());
    Check.contains(shut.toString(), refused.getMessage(), "the refusal");
    boolean isPin = Need.socket() == null;
    if (isPin && wire == Wire.A) {
      refused =
          Check.refused(
              NotPermittedException.class,
              "a map of wire A, whose BTF the user nobody may not read",
              () -> TaskLocalMap.open(open).close());
      Check.contains("Wire.A", refused.cure(), "the cure");
    }

    long question = Long.parseLong(args[3]);
    question().set(question);
    try (TaskLocalMap map =
        !isPin
            ? Fixture.served(open)
            : wire == Wire.A ? TaskLocalMap.open(open, wire) : TaskLocalMap.open(open)) {
      if (isPin) {
        Check.equal(wire, map.wire(), "the wire of the map");
      }
      Check.equal(0, map.failures(), "failed registrations: " + map.lastFailure());
      System.out.println("answer " + ask(question));
    }
  }

  /** Checks that this process is nobody's. */
  static void requireNobody() throws IOException {
    String[] ids = Machine.status().getOrDefault("Uid", "").split("\\s+");
    Check.that(
        Arrays.stream(ids).allMatch(ID::equals),
        "setpriv did not change the user to " + ID + ": Uid is " + Arrays.toString(ids));
  }

  /** {@return what {@code answer.bpf.c} answers} Not a constant, as other tests fill the page. */
  static TaskLocal.OfLong question() {
    return TaskLocal.of("question", JAVA_LONG);
  }

  /** {@return what a program answers to the calling thread; 0 if none does} */
  static long ask(long question) {
    TaskLocal.OfLong answer = TaskLocal.of("answer", JAVA_LONG);
    question().set(question);
    for (int calls = 0; answer.get() == 0 && calls < 1000; calls++) {
      Syscalls.GETPPID.call(); // since Linux 7.3 a program may not run on every call
    }
    return answer.get();
  }
}
