// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.kernel.LibBpf;
import io.github.tasklocal.kit.Machine;
import io.github.tasklocal.kit.Need;
import java.util.Map;

/** What the tests run on. */
public final class Environment {

  private Environment() {}

  /** {@return what a reader of a report wants to know, by name} */
  public static Map<String, String> description() {
    return Machine.description(libbpf());
  }

  /** {@return what tests may need and this machine lacks, and why} */
  static Map<Need, String> unmet() {
    Map<Need, String> unmet = Need.unmet();
    try {
      LibBpf.require("look for", "sched_ext");
      LibBpf.Lack lack = LibBpf.schedulerLack();
      if (lack != null) { // of the kernel or of libbpf
        unmet.put(Need.SCHED_EXT, lack.problem() + ": " + lack.cure());
      }
    } catch (KernelException e) {
      unmet.put(Need.SCHED_EXT, "no libbpf: " + e.getMessage());
    }
    return unmet;
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
