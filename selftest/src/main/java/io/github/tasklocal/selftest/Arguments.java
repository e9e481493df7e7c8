// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ParameterException;

/** What commands make of their arguments. */
public final class Arguments {

  private Arguments() {}

  /** One clear line: the whole help would hide it. */
  public static int refuse(ParameterException e, String[] args) {
    e.getCommandLine().getErr().println(e.getMessage() + " (--help lists the options)");
    return 2;
  }

  /** {@return a pattern of names, in which * and ? are as in a shell; null stands for all} */
  public static Pattern glob(@Nullable String glob) {
    StringBuilder regex = new StringBuilder();
    (glob == null ? "*" : glob)
        .codePoints()
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

  /** {@return whether a file can be written, or made} */
  public static boolean canBeWritten(Path file) {
    Path folder = file.toAbsolutePath().getParent();
    return Files.isWritable(file)
        || (!Files.exists(file) && folder != null && Files.isWritable(folder));
  }
}
