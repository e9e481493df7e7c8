// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The kernel's version, for messages and for features that cannot be probed.
 *
 * @param text as uname gives it, such as {@code 6.18.44-amd64}
 * @param major the first number, 0 where there is none
 * @param minor the second number, 0 where there is none
 */
public record KernelVersion(String text, int major, int minor) {

  /** The running kernel's. */
  public static final KernelVersion RUNNING = parse(System.getProperty("os.version", ""));

  /** {@return the version that a text such as {@code 6.12.107+deb13-cloud-amd64} begins with} */
  public static KernelVersion parse(String text) {
    Matcher numbers = Pattern.compile("(\\d{1,9})\\.(\\d{1,9}).*").matcher(text);
    return numbers.matches()
        ? new KernelVersion(
            text, Integer.parseInt(numbers.group(1)), Integer.parseInt(numbers.group(2)))
        : new KernelVersion(text, 0, 0);
  }

  /** {@return whether this is the named version or a newer one} */
  public boolean atLeast(int wantedMajor, int wantedMinor) {
    return major > wantedMajor || (major == wantedMajor && minor >= wantedMinor);
  }

  @Override
  public String toString() {
    return text;
  }
}
