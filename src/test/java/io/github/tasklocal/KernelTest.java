// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import java.io.IOException;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.condition.EnabledIf;

/** A test that loads BPF programs, which takes root and a kernel with BTF. */
@Retention(RetentionPolicy.RUNTIME)
@EnabledIf(
    value = "io.github.tasklocal.KernelTest$Condition#holds",
    disabledReason = "needs root and a kernel with BTF (/sys/kernel/btf/vmlinux)")
public @interface KernelTest {

  /** What the machine has to have. */
  final class Condition {

    private Condition() {}

    static boolean holds() throws IOException {
      return Files.exists(Path.of("/sys/kernel/btf/vmlinux"))
          && (int) Files.getAttribute(Path.of("/proc/self"), "unix:uid") == 0;
    }
  }
}
