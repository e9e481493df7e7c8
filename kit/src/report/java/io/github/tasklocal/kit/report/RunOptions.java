// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit.report;

import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The options of a program that runs parts with names: which of them, and where results go. */
public final class RunOptions {

  @Spec(Spec.Target.MIXEE)
  private @Nullable CommandSpec program;

  @Option(names = "--list", description = "Print the names and run none.")
  private boolean list;

  @Option(
      names = "--filter",
      paramLabel = "GLOB",
      description = "Run what has a name that matches; * and ? as in a shell.")
  private @Nullable String filter;

  @Option(
      names = "--json",
      paramLabel = "FILE",
      description = "Also write the results into a file, as JSON.")
  private @Nullable Path json;

  /** {@return whether to print the names only} */
  public boolean list() {
    return list;
  }

  /**
   * {@return the parts to run}
   *
   * @param kind what one of them is called
   * @throws ParameterException if the filter leaves none
   */
  public <T> List<T> chosen(String kind, List<T> parts, Function<T, String> name) {
    Pattern names = pattern(filter == null ? "*" : filter);
    List<T> chosen =
        parts.stream().filter(part -> names.matcher(name.apply(part)).matches()).toList();
    if (chosen.isEmpty()) {
      throw Arguments.bad(
          program,
          "no %s matches --filter %s: see --list, and use * for any text".formatted(kind, filter));
    }
    return chosen;
  }

  /**
   * {@return the file for the results; null if none is wanted}
   *
   * @throws ParameterException if it cannot be written
   */
  public @Nullable Path json() {
    Arguments.requireWritable(program, "--json", json);
    return json;
  }

  private static Pattern pattern(String glob) {
    StringBuilder regex = new StringBuilder();
    glob.codePoints()
        .forEach(
            c -> {
              switch (c) {
                case '*' -> regex.append(".*");
                case '?' -> regex.append('.');
                default -> regex.append(Pattern.quote(Character.toString(c)));
              }
            });
    return Pattern.compile(regex.toString(), Pattern.CASE_INSENSITIVE);
  }
}
