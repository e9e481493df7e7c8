// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.Machine;
import io.github.tasklocal.kit.Need;
import io.github.tasklocal.kit.Seccomp;
import io.github.tasklocal.kit.ServeProcess;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** A process as a container engine starts it, which a serving side on its machine serves. */
final class ContainedTests {

  private static final int EPERM = 1;

  private ContainedTests() {}

  /** {@return the tests of this theme} */
  static List<TestCase> tests() {
    return TestCase.onWires(
        List.of(Wire.A, Wire.C), // those of which a serving side has maps of its own
        "The user nobody in a pid namespace, who may not call bpf, shares values through a serving"
            + " side",
        false,
        Set.of(Need.ROOT, Need.BTF, Need.SETPRIV, Need.SERVED),
        ContainedTests::contained);
  }

  private static void contained(Fixture fixture) throws Exception {
    BpfObject object = fixture.open("answer");
    Syscalls.GETPPID.write(object.global("ask_syscall"));
    Path socket = Need.socket();
    if (socket == null) {
      socket = serve(fixture, object);
    }
    object.load();
    object.program("answer_question").attach();

    NobodyTests.ClassPath readable = fixture.closing(new NobodyTests.ClassPath());
    long question = fixture.random().nextLong();
    List<String> command =
        new ArrayList<>(
            List.of(
                "setpriv",
                "--no-new-privs",
                "unshare",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc"));
    command.addAll(NobodyTests.AS_NOBODY);
    command.addAll(
        Jvm.command(
            Jvm.shortLived(),
            Jvm.join(readable.paths),
            ContainedTests.class,
            socket.toString(),
            Long.toString(question)));
    String output = Jvm.output(command);
    Check.contains("answer " + -question, output, "the first thread's output");
    Check.contains("answer " + ~question, output, "the second thread's output");
  }

  /** Starts a serving side whose map the object reads, and {@return its socket} */
  private static Path serve(Fixture fixture, BpfObject object) throws IOException {
    Path pins = fixture.pin("tasklocal");
    ServeProcess side = fixture.closing(new ServeProcess(pins));
    for (String map :
        Need.UPTR.isMet()
            ? List.of(fixture.wire().mapName())
            : List.of("tld_arrays", "tld_slot_map")) {
      object.map(map).pinPath(map.equals(Wire.C.mapName()) ? pins.resolve(map) : side.byName(map));
    }
    return side.socket();
  }

  /**
   * The contained process.
   *
   * @param args the socket and the first thread's question; the second one's is one more
   */
  public static void main(String[] args) throws Exception {
    NobodyTests.requireNobody();
    Check.equal(1L, ProcessHandle.current().pid(), "the number of this process in its namespace");
    for (String call : List.of("bpf", "userfaultfd", "perf_event_open")) {
      Seccomp.refuse(call, EPERM);
    }
    Check.equal("2", Machine.status().get("Seccomp"), "the mode of the filter of system calls");

    long question = Long.parseLong(args[1]);
    NobodyTests.question().set(question); // moves, where it had its page before the connection
    try (TaskLocalMap map = Fixture.served(Path.of(args[0]))) {
      System.out.println("answer " + NobodyTests.ask(question));
      Parallel.run(1, index -> System.out.println("answer " + NobodyTests.ask(question + 1)));
      Check.equal(0, map.failures(), "failed registrations: " + map.lastFailure());
    }
  }
}
