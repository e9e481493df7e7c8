// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Two system calls that nothing else in a JVM makes, so a BPF program on one sees the tests alone.
 */
enum Syscalls {
  /** The parent's id. */
  GETPPID("getppid", FunctionDescriptor.of(JAVA_INT), 110, 173) {
    @Override
    void call() {
      try {
        int ignored = (int) handle.invokeExact();
      } catch (Throwable e) {
        throw new AssertionError(e);
      }
    }
  },

  /** A process group's id. */
  GETPGID("getpgid", FunctionDescriptor.of(JAVA_INT, JAVA_INT), 121, 155) {
    @Override
    void call() {
      try {
        int ignored = (int) handle.invokeExact(0);
      } catch (Throwable e) {
        throw new AssertionError(e);
      }
    }
  };

  final MethodHandle handle;

  private final int onX86;
  private final int onOthers;

  Syscalls(String function, FunctionDescriptor descriptor, int onX86, int onOthers) {
    Linker linker = Linker.nativeLinker();
    this.handle =
        linker.downcallHandle(linker.defaultLookup().find(function).orElseThrow(), descriptor);
    this.onX86 = onX86;
    this.onOthers = onOthers;
  }

  abstract void call();

  /**
   * Writes the number of the system call into a global, which tells a program what to wait for
   * before its object is loaded.
   */
  void write(MemorySegment number) {
    number.set(ValueLayout.JAVA_LONG, 0, number());
  }

  private long number() {
    String processor = System.getProperty("os.arch", "");
    return switch (processor) {
      case "amd64", "x86_64" -> onX86;
      case "aarch64", "riscv64", "loongarch64" -> onOthers; // the kernel's generic table
      default ->
          throw new IllegalStateException(
              "the number of the system call "
                  + this
                  + " on "
                  + processor
                  + " is not known: add it");
    };
  }
}
