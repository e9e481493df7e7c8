// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.tools.system.Failure;
import io.github.tasklocal.tools.system.Namespaces;
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
      "Processes and threads of containers are seen too, with the ids of the first pid namespace;"
          + " those in one of their own stand in brackets. Started in a container, this command sees"
          + " only the threads there, and --pid takes an id of there.";

  @Spec(Spec.Target.MIXEE)
  private @Nullable CommandSpec spec;

  @Option(names = "--pid", paramLabel = "PID", description = "Only this process.")
  private @Nullable Integer pid;

  ProcessOption() {}

  /**
   * {@return the process's id in this process's pid namespace; 0 for all}
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
    if (Namespaces.procIsOurs() && !Files.exists(Path.of("/proc", pid.toString()))) {
      throw new Failure(
          "there is no process " + pid + ": name one that runs, or leave out --pid for all");
    }
    return pid;
  }

  /** Tells a program, before it is loaded, which process it is to watch. */
  static void choose(BpfObject object, int pid) {
    object.global("only_process").set(JAVA_INT, 0, pid);
    object.global("proc_above").set(JAVA_INT, 0, Namespaces.procAbove());
  }
}
