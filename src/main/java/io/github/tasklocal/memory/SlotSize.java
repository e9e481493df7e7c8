// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.layout.DataPage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * How much memory each thread has for its values: a page, or as many bytes as the system property
 * {@value #PROPERTY} says. Then threads share pages, each with cache lines of its own.
 */
public final class SlotSize {

  /** The name of the property. */
  public static final String PROPERTY = "tasklocal.slotBytes";

  /** Half a page, since otherwise nothing would be shared. */
  private static final int MOST = DataPage.SIZE / 2;

  private static final Path LINE_SIZE =
      Path.of("/sys/devices/system/cpu/cpu0/cache/index0/coherency_line_size");

  private static final @Nullable String TEXT = System.getProperty(PROPERTY);

  /** In bytes: a whole page, or a power of two that is a multiple of the cache line. */
  static final int BYTES = TEXT == null ? DataPage.SIZE : parse(TEXT, lineSize());

  private SlotSize() {}

  /** {@return whether threads share pages} */
  static boolean packed() {
    return BYTES < DataPage.SIZE;
  }

  /**
   * Checks the property.
   *
   * @throws IllegalArgumentException if its value is not valid
   */
  public static void require() {
    if (TEXT != null && !packed()) {
      throw new IllegalArgumentException(
          "the system property %s is \"%s\": it has to be a power of two from %d, a cache line of this processor, to %d; start java with -D%s=128, or without it"
              .formatted(PROPERTY, TEXT, lineSize(), MOST, PROPERTY));
    }
  }

  /** {@return the number in a text, or the size of a page if the text is not a valid size} */
  static int parse(String text, int line) {
    try {
      int bytes = Integer.parseInt(text.strip());
      if (bytes >= line && bytes <= MOST && Integer.bitCount(bytes) == 1) {
        return bytes;
      }
    } catch (NumberFormatException e) {
      // require() reports it
    }
    return DataPage.SIZE;
  }

  /** {@return the size of a cache line, in bytes} */
  private static int lineSize() {
    try {
      int bytes = Integer.parseInt(Files.readString(LINE_SIZE).strip());
      if (bytes >= 16 && bytes <= MOST && Integer.bitCount(bytes) == 1) {
        return bytes;
      }
    } catch (IOException | NumberFormatException e) {
      // Then the usual size for such a processor.
    }
    return System.getProperty("os.arch").equals("amd64") ? 64 : 128;
  }
}
