// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.error;

import org.jspecify.annotations.Nullable;

/** A BPF object file could not be read, or libbpf or the kernel's verifier refused it. */
public final class ObjectLoadException extends KernelException {

  private static final long serialVersionUID = 1;

  /** All that libbpf and the verifier said. */
  private final String log;

  /**
   * Makes the exception.
   *
   * @param operation what was tried
   * @param subject the object's path or name
   * @param errnoName the errno by its name, or null
   * @param problem what is wrong, in words
   * @param cure what mends it
   * @param log all that libbpf and the verifier said
   */
  public ObjectLoadException(
      String operation,
      String subject,
      @Nullable String errnoName,
      String problem,
      String cure,
      String log) {
    super(operation, subject, errnoName, problem, cure);
    this.log = log;
  }

  /**
   * {@return the warnings of libbpf and the verifier's whole log, in lines; empty if there were
   * none} The exception's message holds the last meaningful lines.
   */
  public String log() {
    return log;
  }
}
