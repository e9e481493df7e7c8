// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.tools.ProfileCounts.Named;
import io.github.tasklocal.tools.symbols.Frame;
import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Writes a profile in one of the formats. */
final class ProfileWriter {

  private ProfileWriter() {}

  /**
   * A line for each stack, as flame graph tools read them: the group, the process and the frames,
   * the outermost first, with semicolons between them, and the number of samples.
   */
  static void collapsed(List<Named> stacks, Path file) throws IOException {
    Map<String, Long> lines = new TreeMap<>();
    for (Named stack : stacks) {
      StringBuilder line = new StringBuilder(word(stack.group()));
      line.append(';').append(word(stack.process()));
      for (Frame frame : stack.frames()) {
        line.append(';').append(word(frame.name())).append(suffix(frame.kind()));
      }
      lines.merge(line.toString(), stack.count(), Long::sum);
    }
    try (Writer out = Files.newBufferedWriter(file)) {
      for (Map.Entry<String, Long> line : lines.entrySet()) {
        out.write(line.getKey() + " " + line.getValue() + "\n");
      }
    }
  }

  private static String word(String text) {
    return Output.printable(text).replace(';', ',');
  }

  /** What flame graph tools choose a frame's colour by. */
  private static String suffix(Frame.Kind kind) {
    return switch (kind) {
      case JAVA -> "_[j]";
      case KERNEL -> "_[k]";
      default -> "";
    };
  }
}
