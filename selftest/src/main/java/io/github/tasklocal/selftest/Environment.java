// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.kernel.LibBpf;
import io.github.tasklocal.kit.Machine;
import java.util.Map;

/** What the tests run on. */
public final class Environment {

  private Environment() {}

  /** {@return what a reader of a report wants to know, by name} */
  public static Map<String, String> description() {
    return Machine.description(libbpf());
  }

  private static String libbpf() {
    try {
      LibBpf.require("find", "libbpf");
      return LibBpf.version();
    } catch (KernelException e) {
      return "none: " + e.getMessage();
    }
  }
}
