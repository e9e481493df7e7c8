// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.TaskLocalException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;

/** The command, of which the others are subcommands. */
@Command(
    name = "tasklocal-tools",
    mixinStandardHelpOptions = true,
    versionProvider = Tools.Version.class,
    description = "Works with task local data from outside of the processes that have it.",
    subcommands = Sched.class,
    footer = {
      "",
      "Exit status: 0 if all went well; 1 if something failed, with the reason; 2 for a bad option."
    })
final class Tools {

  /** The version that the build has put into the jar. */
  static final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
      return new String[] {
        "tasklocal-tools " + Tools.class.getPackage().getImplementationVersion()
      };
    }
  }

  private Tools() {}

  /**
   * Runs the command and exits.
   *
   * @param args the subcommand and its options
   */
  public static void main(String[] args) {
    CommandLine command = new CommandLine(new Tools());
    command.setExecutionExceptionHandler(
        (failure, failed, parsed) -> {
          // They say what is wrong and what mends it; a stack trace would bury that.
          if (!(failure instanceof TaskLocalException) && !(failure instanceof Failure)) {
            throw failure;
          }
          System.err.println(failed.getCommandName() + ": " + failure.getMessage());
          return 1;
        });
    System.exit(command.execute(args));
  }
}
