// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.tools.system.Failure;
import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Names for values, an option of commands that show them. */
final class ValueNames {

  @Option(
      names = "--names",
      paramLabel = "FILE",
      description = "Names for values, a line each: 7=interactive (a properties file, in UTF-8).")
  private @Nullable Path file;

  ValueNames() {}

  /** {@return the names, by the values' text} */
  Map<String, String> read() throws Failure {
    Map<String, String> names = new HashMap<>();
    if (file != null) {
      Properties properties = new Properties();
      try (Reader reader = Files.newBufferedReader(file)) {
        properties.load(reader);
      } catch (IOException | IllegalArgumentException e) {
        throw new Failure("the names in " + file + " cannot be read: " + e);
      }
      for (String value : properties.stringPropertyNames()) {
        names.put(value, Output.printable(properties.getProperty(value)));
      }
    }
    return names;
  }
}
