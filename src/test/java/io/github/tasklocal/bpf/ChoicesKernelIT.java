// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.tasklocal.Clang;
import io.github.tasklocal.error.ObjectLoadException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Kernel;
import io.github.tasklocal.kit.junit.KernelTest;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is decided before the load, and what the load decides. */
@KernelTest
class ChoicesKernelIT {

  private static final int FRAMES = 20;

  private static Path file;

  @BeforeAll
  static void compile(@TempDir Path folder) {
    file = Clang.compile(folder, "choices");
  }

  private static BpfObject opened() {
    BpfObject object = BpfObject.open(file);
    object.map("stacks").valueSize(FRAMES * Long.BYTES);
    return object;
  }

  private static BpfObject loaded() {
    BpfObject object = opened();
    object.load();
    return object;
  }

  @Test
  void aProgramThatWasNotLoadedHasNoDescriptorAndIsOfNoUse() {
    try (BpfObject object = loaded()) {
      BpfProgram off = object.program("off");
      BpfProgram walk = object.program("walk");
      List<Runnable> uses =
          List.of(
              off::fd,
              off::run,
              () -> off.run(MemorySegment.ofArray(new int[1])),
              object.program("stack")::attach,
              walk::iterate);
      assertThat(uses)
          .allSatisfy(
              use ->
                  assertThatIllegalStateException()
                      .isThrownBy(use::run)
                      .withMessageContaining("was not loaded")
                      .withMessageContaining("autoload(true)"));
    }
  }

  @Test
  void programsAreSwitchedOnAndOff() {
    try (BpfObject object = opened()) {
      BpfProgram on = object.program("on");
      BpfProgram off = object.program("off");
      assertThat(on.autoload()).isTrue();
      assertThat(off.autoload()).isFalse();
      on.autoload(false);
      off.autoload(true);
      assertThat(off.autoload()).isTrue();
      object.load();
      assertThat(off.run()).isEqualTo(42);
      assertThatIllegalStateException()
          .isThrownBy(on::run)
          .withMessageContaining("the program on was not loaded");
      assertThatIllegalStateException().isThrownBy(() -> on.autoload(true));
    }
    try (BpfObject object = opened()) {
      object.program("refused").autoload(true);
      assertThatThrownBy(object::load)
          .isInstanceOf(ObjectLoadException.class)
          .hasMessageContaining("refused");
    }
  }

  @Test
  void theDepthOfStacksIsSetBeforeTheLoad() throws Exception {
    try (BpfObject object = BpfObject.open(file)) {
      assertThatThrownBy(object::load).isInstanceOf(ObjectLoadException.class);
    }
    try (BpfObject object = opened()) {
      assertThat(object.map("stacks").valueSize()).isEqualTo(FRAMES * Long.BYTES);
      object.program("stack").autoload(true);
      object.load();
      BpfMap stacks = object.map("stacks");
      assertThatIllegalStateException().isThrownBy(() -> stacks.valueSize(8));
      try (BpfLink link = object.program("stack").attach()) {
        assertThat(link.fd()).isNotNegative();
        List<MemorySegment> ids = Await.until("a stack", stacks::keys, found -> !found.isEmpty());
        MemorySegment stack = stacks.get(ids.getFirst()).orElseThrow();
        assertThat(stack.byteSize()).isEqualTo(FRAMES * Long.BYTES);
        assertThat(stack.get(JAVA_LONG, 0)).isNotZero();
      }
    }
  }

  @Test
  void aMapOfGlobalVariablesKeepsItsSize() {
    try (BpfObject object = opened()) {
      BpfMap globals =
          object.maps().stream().filter(map -> map.name().endsWith(".bss")).findAny().orElseThrow();
      assertThatThrownBy(() -> globals.valueSize(4096))
          .isInstanceOf(WrongObjectException.class)
          .hasMessageContaining("global variables");
      assertThatThrownBy(() -> globals.maxEntries(2)).isInstanceOf(WrongObjectException.class);
      object.load();
    }
  }

  @Test
  void theKernelsOptionsAreReadOnceTheObjectIsLoaded() throws Exception {
    try (BpfObject object = opened()) {
      assertThatIllegalStateException()
          .isThrownBy(() -> object.global("LINUX_KERNEL_VERSION"))
          .withMessageContaining("call load()");
      object.load();
      MemorySegment version = object.global("LINUX_KERNEL_VERSION");
      int value = version.get(JAVA_INT, 0);
      assertThat(Kernel.version())
          .startsWith("Linux %d.%d.".formatted(value >> 16, value >> 8 & 0xff));
      assertThat(version.isReadOnly()).isTrue();
      assertThat(object.global("CONFIG_NO_SUCH_OPTION").get(JAVA_BYTE, 0)).isZero();
      assertThat(object.program("on").run()).isEqualTo(object.global("CONFIG_HZ").get(JAVA_INT, 0));
      assertThat(object.global("kept").get(JAVA_LONG, 0)).isEqualTo(value);
      if (Files.exists(Path.of("/proc/config.gz"))) {
        assertThat(object.global("CONFIG_HZ").get(JAVA_INT, 0)).isPositive();
      }
    }
  }
}
