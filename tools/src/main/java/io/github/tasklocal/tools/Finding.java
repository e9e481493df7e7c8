// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import java.util.Locale;

/**
 * What was found out about a need.
 *
 * @param need its name
 * @param answer whether it is met
 * @param found what was found, in words
 * @param cure what mends it, a command where there is one; empty where nothing has to be done
 */
record Finding(String need, Answer answer, String found, String cure) {

  /** Whether a need is met. */
  enum Answer {
    YES,
    NO,
    /** It may be, but this process is not allowed to find out. */
    NOT_ALLOWED_TO_KNOW;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT).replace('_', ' ');
    }
  }

  static Finding yes(String need, String found) {
    return new Finding(need, Answer.YES, found, "");
  }

  /** A need that is met, with advice on what could be better. */
  static Finding yes(String need, String found, String advice) {
    return new Finding(need, Answer.YES, found, advice);
  }

  static Finding no(String need, String found, String cure) {
    return new Finding(need, Answer.NO, found, cure);
  }

  static Finding notAllowed(String need, String found, String cure) {
    return new Finding(need, Answer.NOT_ALLOWED_TO_KNOW, found, cure);
  }
}
