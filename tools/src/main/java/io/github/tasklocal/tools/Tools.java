// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.error.TaskLocalException;
import io.github.tasklocal.tools.system.Failure;
import io.github.tasklocal.tools.system.FileAccess;
import java.io.PrintWriter;
import java.nio.file.FileSystemException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/** The command, of which the others are subcommands. */
@Command(
    name = "tasklocal-tools",
    mixinStandardHelpOptions = true,
    versionProvider = Tools.Version.class,
    description = "Inspects task local data from outside the processes that have it.",
    subcommands = {
      Doctor.class,
      Keys.class,
      Dump.class,
      Hints.class,
      Profile.class,
      Sched.class,
      Serve.class,
      Top.class,
      Trace.class,
    },
    footer = {
      "",
      "Exit status: 0 if all went well; 1 if something failed, with the reason; 2 for a bad"
          + " option; 130 after Ctrl-C and 143 after kill, even of a command that goes on until"
          + " then."
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

  /** {@return the command, ready to execute} */
  static CommandLine commandLine() {
    CommandLine command = new CommandLine(new Tools());
    // Whoever starts it by another name sets this, so that messages have that name.
    command.setCommandName(System.getProperty("tasklocal.command", command.getCommandName()));
    command.setExecutionExceptionHandler(
        (failure, failed, parsed) -> {
          // These exceptions say what is wrong and what mends it; a stack trace would bury that.
          String said =
              failure instanceof FileSystemException of
                  ? of.getFile() + ": " + FileAccess.reason(of)
                  : failure.getMessage();
          if (!(failure instanceof TaskLocalException)
              && !(failure instanceof Failure)
              && !(failure instanceof FileSystemException)) {
            throw failure;
          }
          Output.say(failed.getCommandSpec(), said);
          return 1;
        });
    command.setParameterExceptionHandler(Tools::refuse);
    return command;
  }

  /** Says what is wrong with the options, without a list of them all, which would bury that. */
  private static int refuse(ParameterException bad, String[] args) {
    CommandLine command = bad.getCommandLine();
    PrintWriter err = command.getErr();
    Output.say(command.getCommandSpec(), bad.getMessage());
    if (!UnmatchedArgumentException.printSuggestions(bad, err)) {
      err.println("See: " + command.getCommandSpec().qualifiedName() + " --help");
    }
    return command.getCommandSpec().exitCodeOnInvalidInput();
  }

  /** {@return what picocli has set in a command that it runs} */
  static CommandSpec require(@Nullable CommandSpec spec) {
    if (spec == null) {
      throw new IllegalStateException("picocli has not set the command");
    }
    return spec;
  }

  /**
   * Runs the command and exits.
   *
   * @param args the subcommand and its options
   */
  public static void main(String[] args) {
    System.exit(commandLine().execute(args));
  }
}
