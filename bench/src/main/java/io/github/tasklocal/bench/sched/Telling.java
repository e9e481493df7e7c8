// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench.sched;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.TaskLocal;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.invoke.MethodHandle;

/** How a thread tells the kernel that what it does now is urgent, or no longer. */
enum Telling {
  NOTHING(0, 0) {
    @Override
    void urgent() {}

    @Override
    void normal() {}
  },

  /** A syscall, and the privilege to raise one's priority again once it was lowered. */
  NICE(1, 0) {
    @Override
    void urgent() {
      nice(HIGHEST);
    }

    @Override
    void normal() {
      nice(0);
    }
  },

  HINT(0, 1) {
    @Override
    void urgent() {
      PRIORITY.set(1);
    }

    @Override
    void normal() {
      PRIORITY.set(0);
    }
  };

  private static final TaskLocal.OfInt PRIORITY = TaskLocal.of("priority", JAVA_INT);

  private static final int HIGHEST = -19;
  private static final int PRIO_PROCESS = 0;
  private static final int THIS_THREAD = 0;

  private static final MethodHandle SETPRIORITY =
      Linker.nativeLinker()
          .downcallHandle(
              Linker.nativeLinker().defaultLookup().find("setpriority").orElseThrow(),
              FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT));

  private final int syscalls;
  private final int stores;

  /** What one change takes. */
  Telling(int syscalls, int stores) {
    this.syscalls = syscalls;
    this.stores = stores;
  }

  abstract void urgent();

  abstract void normal();

  int syscalls() {
    return syscalls;
  }

  int stores() {
    return stores;
  }

  private static void nice(int value) {
    int result;
    try {
      result = (int) SETPRIORITY.invokeExact(PRIO_PROCESS, THIS_THREAD, value);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
    if (result != 0) {
      throw new IllegalStateException("setpriority to " + value + " failed: run it as root");
    }
  }
}
