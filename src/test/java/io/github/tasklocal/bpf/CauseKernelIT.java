// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.github.tasklocal.Children;
import io.github.tasklocal.Clang;
import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.ObjectLoadException;
import io.github.tasklocal.kit.junit.KernelTest;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A cure is given only for the cause that was found; else what the kernel said stands alone. */
@KernelTest
class CauseKernelIT {

  private static Path file;
  private static String classPath;

  @BeforeAll
  static void compile(@TempDir Path folder) throws java.io.IOException {
    file = Clang.compile(folder, "causes");
    classPath = Children.classPath();
  }

  private static String attach(String tracefs, String program) {
    String script =
        "umount /sys/kernel/debug/tracing /sys/kernel/tracing 2> /dev/null; "
            + tracefs
            + "; umount /sys/kernel/debug 2> /dev/null; exec \"$@\"";
    return Children.childBy(
            List.of("unshare", "--mount", "sh", "-c", script, "sh"),
            classPath,
            "attach",
            file.toString(),
            program)
        .output();
  }

  private static final String MOUNT = "mount -t tracefs tracefs /sys/kernel/tracing";

  @Test
  void tracefsIsTheCureOfATracepointWithoutIt() {
    assertThat(attach("true", "tracepoint")).contains("no tracefs is mounted", MOUNT);
    assertThat(attach(MOUNT, "tracepoint")).endsWith("ok\n");
  }

  @Test
  void aTracepointThatTheKernelHasNotIsNamed() {
    assertThat(attach(MOUNT, "no_tracepoint"))
        .contains("this kernel has no tracepoint tasklocal/no_such", "tracing/events")
        .doesNotContain("mount -t");
  }

  @Test
  void tracefsIsNotTheCureOfWhatDoesNotUseIt() {
    for (String program : List.of("groups", "no_function")) {
      assertThat(attach("true", program))
          .as(program)
          .startsWith("KernelException: attach program " + program)
          .doesNotContain("tracefs", "tracing");
    }
  }

  @Test
  void structOpsThatAreBusyAreNotTakenForAScheduler(@TempDir Path folder) {
    try (BpfObject object = BpfObject.load(Clang.compile(folder, "struct_ops"))) {
      BpfLink link = object.map("control").attach();
      KernelException e =
          catchThrowableOfType(KernelException.class, () -> object.map("control").attach());
      assertThat(e.errnoName()).isEqualTo("EBUSY");
      assertThat(e)
          .hasMessageContaining("control")
          .hasMessageNotContainingAny("scheduler", "sched_ext", "another one");
      link.close();
    }
  }

  @Test
  void aSymbolThatTheKernelHasNotIsNotALackOfTypeInformation(@TempDir Path folder) {
    ObjectLoadException e =
        catchThrowableOfType(
            ObjectLoadException.class,
            () -> BpfObject.load(Clang.compile(folder, "no_symbol")).close());
    assertThat(e)
        .hasMessageContaining("bpf_tasklocal_no_such")
        .hasMessageNotContainingAny("-g", "compile it");
    assertThat(e.log()).contains("bpf_tasklocal_no_such");
  }

  @Test
  void anObjectWithoutTypeInformationIsToldSo(@TempDir Path folder) {
    ObjectLoadException e =
        catchThrowableOfType(
            ObjectLoadException.class,
            () -> BpfObject.load(Clang.compile(folder, "object", "-g0")).close());
    assertThat(e).hasMessageContaining("BTF").hasMessageEndingWith("clang -target bpf -O2 -g");
  }
}
