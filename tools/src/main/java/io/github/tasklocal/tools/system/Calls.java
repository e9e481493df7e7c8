// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.system;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;

/**
 * Functions of the C library and libbpf: each call gives its result, or the negative errno. One is
 * linked as it is asked for here, which native access has to be allowed for.
 */
@SuppressWarnings("restricted")
final class Calls {

  private static final Linker LINKER = Linker.nativeLinker();
  private static final Linker.Option ERRNO = Linker.Option.captureCallState("errno");

  /** A segment for errno, of each thread. */
  private static final ThreadLocal<MemorySegment> STATE =
      ThreadLocal.withInitial(
          () -> Arena.global().allocate(Linker.Option.captureStateLayout().byteSize(), 8));

  private Calls() {}

  /** {@return a function of the C library, the first parameter of which is {@link #state}} */
  static MethodHandle libc(String name, MemoryLayout result, MemoryLayout... parameters) {
    return LINKER.downcallHandle(
        LINKER.defaultLookup().find(name).orElseThrow(),
        FunctionDescriptor.of(result, parameters),
        ERRNO);
  }

  /** {@return one that takes any number of arguments after the first} */
  static MethodHandle variadic(
      int first, String name, MemoryLayout result, MemoryLayout... parameters) {
    return LINKER.downcallHandle(
        LINKER.defaultLookup().find(name).orElseThrow(),
        FunctionDescriptor.of(result, parameters),
        ERRNO,
        Linker.Option.firstVariadicArg(first));
  }

  /**
   * {@return a function of libbpf; one of int gives the negative errno by itself}
   *
   * @throws IllegalArgumentException if there is no libbpf
   */
  static MethodHandle libbpf(String name, MemoryLayout result, MemoryLayout... parameters) {
    return LINKER.downcallHandle(
        SymbolLookup.libraryLookup("libbpf.so.1", Arena.global()).find(name).orElseThrow(),
        FunctionDescriptor.of(result, parameters));
  }

  /** {@return where the current thread's calls put errno} */
  static MemorySegment state() {
    return STATE.get();
  }

  /** {@return a result, or the negative errno if it is negative} */
  static int checked(int result) {
    return result < 0 ? -STATE.get().get(JAVA_INT, 0) : result;
  }

  /** {@return a result, or the negative errno if it is negative} */
  static long checked(long result) {
    return result < 0 ? -STATE.get().get(JAVA_INT, 0) : result;
  }

  /** What a method handle threw, which no call here can. */
  static IllegalStateException impossible(Throwable thrown) {
    if (thrown instanceof Error error) {
      throw error;
    }
    return new IllegalStateException(thrown);
  }
}
