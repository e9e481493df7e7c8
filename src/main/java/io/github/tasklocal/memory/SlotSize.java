// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.layout.DataPage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * How much memory each thread has for its values: a page, or what the system property {@value
 * #PROPERTY} says. Then many threads share a page, each with cache lines of its own.
 */
public final class SlotSize {

  /** The name of the property. */
  public static final String PROPERTY = "tasklocal.slotBytes";

  /** Two to a page, or nothing would be shared. */
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
   * @throws IllegalArgumentException if its value is none that it can have
   */
  public static void require() {
    if (TEXT != null && !packed()) {
      throw new IllegalArgumentException(
          "the system property %s is \"%s\": it has to be a power of two from %d, a cache line of this processor, to %d; start java with -D%s=128, or without it"
              .formatted(PROPERTY, TEXT, lineSize(), MOST, PROPERTY));
    }
  }

  /** {@return the number in a text, or the size of a page if it is none that can be} */
  static int parse(String text, int line) {
    try {
      int bytes = Integer.parseInt(text.strip());
      if (bytes >= line && bytes <= MOST && Integer.bitCount(bytes) == 1) {
        return bytes;
      }
    } catch (NumberFormatException e) {
      // said by require()
    }
    return DataPage.SIZE;
  }

  /** What two processors can write to at once without disturbing each other, in bytes. */
  private static int lineSize() {
    try {
      int bytes = Integer.parseInt(Files.readString(LINE_SIZE).strip());
      if (bytes >= 16 && bytes <= MOST && Integer.bitCount(bytes) == 1) {
        return bytes;
      }
    } catch (IOException | NumberFormatException e) {
      // Then what such a processor mostly has.
    }
    return System.getProperty("os.arch").equals("amd64") ? 64 : 128;
  }
}
