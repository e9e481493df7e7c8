// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.symbols;

/**
 * A frame of a stack.
 *
 * @param name the function or method; in square brackets where it is none
 * @param kind whose code it is
 */
public record Frame(String name, Kind kind) {

  /** Whose code a frame is. */
  public enum Kind {
    /** A method that a JVM has compiled. */
    JAVA,
    /** A JVM's interpreter, whose method is not known, and code that it has made for itself. */
    STUB,
    /** A function of a native file. */
    NATIVE,
    /** The kernel's. */
    KERNEL,
    /** A native file without a symbol there, or code of no file. */
    UNKNOWN
  }

  static Frame unknown(String what) {
    return new Frame("[" + what + "]", Kind.UNKNOWN);
  }

  /** {@return whether the function is known} */
  public boolean isResolved() {
    return kind != Kind.UNKNOWN;
  }
}
