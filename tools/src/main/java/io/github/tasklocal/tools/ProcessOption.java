// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The process that a command watches; all processes if none is named. */
final class ProcessOption {

  /** For the help of commands whose programs run when threads do something. */
  static final String NAMESPACES =
      "Processes and threads of containers are seen too, all with the ids of the first pid"
          + " namespace.";

  /** The kernel's PROC_PID_INIT_INO. */
  private static final Path FIRST_PID_NAMESPACE = Path.of("pid:[4026531836]");

  @Spec(Spec.Target.MIXEE)
  private @Nullable CommandSpec spec;

  @Option(names = "--pid", paramLabel = "PID", description = "Only this process.")
  private @Nullable Integer pid;

  ProcessOption() {}

  /**
   * {@return the process's id; 0 for all}
   *
   * @throws Failure if there is no such process
   */
  int require() throws Failure {
    if (pid == null) {
      return 0;
    }
    if (pid < 1) {
      throw new ParameterException(
          Tools.require(spec).commandLine(), "--pid takes a process id of at least 1, not " + pid);
    }
    // In another namespace, /proc has other ids.
    if (inFirstNamespace() && !Files.exists(Path.of("/proc", pid.toString()))) {
      throw new Failure(
          "there is no process " + pid + ": name one that runs, or leave out --pid for all");
    }
    return pid;
  }

  /** {@return whether this process is in the pid namespace whose ids BPF programs see} */
  static boolean inFirstNamespace() {
    try {
      return Files.readSymbolicLink(Path.of("/proc/self/ns/pid")).equals(FIRST_PID_NAMESPACE);
    } catch (IOException e) {
      return true; // no namespaces in this kernel
    }
  }
}
