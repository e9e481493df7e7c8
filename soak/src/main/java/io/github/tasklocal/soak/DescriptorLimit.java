// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.selftest.Check;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** Lowers the number of descriptors that this process may have, until this is closed. */
final class DescriptorLimit implements AutoCloseable {

  /** {@code RLIMIT_NOFILE}, except on a few architectures for which there is no JDK. */
  private static final int RESOURCE = 7;

  private static final MethodHandle GET = link("getrlimit");
  private static final MethodHandle SET = link("setrlimit");

  private final Arena arena = Arena.ofShared();
  private final MemorySegment before = arena.allocate(JAVA_LONG, 2);
  private final MemorySegment now = arena.allocate(JAVA_LONG, 2);

  /** Lowers the soft limit, which anybody may raise again. */
  DescriptorLimit(long limit) {
    call(GET, before);
    MemorySegment.copy(before, 0, now, 0, now.byteSize());
    now.set(JAVA_LONG, 0, limit);
    call(SET, now);
  }

  private static MethodHandle link(String function) {
    Linker linker = Linker.nativeLinker();
    return linker.downcallHandle(
        linker.defaultLookup().find(function).orElseThrow(),
        FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS));
  }

  private void call(MethodHandle function, MemorySegment limits) {
    int result;
    try {
      result = (int) function.invokeExact(RESOURCE, limits);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
    Check.equal(0, result, "the result of getrlimit or setrlimit for RLIMIT_NOFILE");
  }

  @Override
  public void close() {
    call(SET, before);
    arena.close();
  }
}
