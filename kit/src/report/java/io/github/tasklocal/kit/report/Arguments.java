// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit.report;

import io.github.tasklocal.kit.OutputFile;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;

/** What commands make of their arguments. */
public final class Arguments {

  private Arguments() {}

  /** {@return a program, ready to execute} */
  public static CommandLine commandLine(Object program) {
    return new CommandLine(program)
        .setCaseInsensitiveEnumValuesAllowed(true)
        .setParameterExceptionHandler(Arguments::refuse);
  }

  /** One clear line: the whole help would hide it. */
  private static int refuse(ParameterException e, String[] args) {
    e.getCommandLine().getErr().println(e.getMessage() + " (--help lists the options)");
    return 2;
  }

  /**
   * Refuses a file that can neither be written nor made, before it takes long to find out.
   *
   * @param file null where none is wanted
   */
  public static void requireWritable(
      @Nullable CommandSpec spec, String option, @Nullable Path file) {
    String obstacle = file == null ? null : OutputFile.obstacle(file);
    if (obstacle != null) {
      throw bad(spec, "%s: %s cannot be written: %s".formatted(option, file, obstacle));
    }
  }

  /**
   * {@return what to throw for options that are wrong}
   *
   * @param spec as picocli has set it in the program
   */
  public static ParameterException bad(@Nullable CommandSpec spec, String message) {
    if (spec == null) {
      throw new IllegalStateException(message);
    }
    return new ParameterException(spec.commandLine(), message);
  }
}
