// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import java.io.IOException;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.condition.EnabledIf;

/** A test that loads BPF programs, which takes root and a kernel with uptrs and BTF. */
@Retention(RetentionPolicy.RUNTIME)
@EnabledIf(
    value = "io.github.tasklocal.tools.KernelTest$Condition#holds",
    disabledReason = "needs root and a kernel with uptr (6.13) and BTF (/sys/kernel/btf/vmlinux)")
@interface KernelTest {

  /** What the machine has to have. */
  final class Condition {

    private Condition() {}

    static boolean holds() throws IOException {
      return (int) Files.getAttribute(Path.of("/proc/self"), "unix:uid") == 0
          && new Needs(Path.of("/sys/fs/bpf/none"))
              .all().stream()
                  .filter(
                      finding -> finding.need().equals("kernel") || finding.need().equals("BTF"))
                  .allMatch(finding -> finding.answer() == Finding.Answer.YES);
    }
  }
}
