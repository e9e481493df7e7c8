// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import org.jspecify.annotations.Nullable;

/** What only the C library and libbpf can tell. */
@SuppressWarnings("restricted")
final class Native {

  private static final int STDOUT = 1;

  private Native() {}

  /** Linked at the first use, so that {@link #isEnabled} can be asked before. */
  private static final class Functions {

    static final Linker LINKER = Linker.nativeLinker();

    static final MethodHandle ISATTY =
        link(LINKER.defaultLookup(), "isatty", FunctionDescriptor.of(JAVA_INT, JAVA_INT));

    static MethodHandle link(SymbolLookup library, String function, FunctionDescriptor type) {
      return LINKER.downcallHandle(library.find(function).orElseThrow(), type);
    }
  }

  /** {@return whether the JVM allows native access, as the jar's manifest asks} */
  static boolean isEnabled() {
    return Native.class.getModule().isNativeAccessEnabled();
  }

  /** {@return whether standard output is a terminal} */
  static boolean isTerminal() {
    return (int) call(Functions.ISATTY, STDOUT) == 1;
  }

  /** {@return the size of a page of memory in bytes} */
  static int pageSize() {
    return (int)
        call(
            Functions.link(
                Functions.LINKER.defaultLookup(), "getpagesize", FunctionDescriptor.of(JAVA_INT)));
  }

  /** {@return libbpf's version, such as {@code v1.1}; null if there is no libbpf} */
  static @Nullable String libbpfVersion() {
    try (Arena arena = Arena.ofConfined()) {
      SymbolLookup libbpf = SymbolLookup.libraryLookup("libbpf.so.1", arena);
      MethodHandle version =
          Functions.link(libbpf, "libbpf_version_string", FunctionDescriptor.of(ADDRESS));
      return ((MemorySegment) call(version)).reinterpret(64).getString(0);
    } catch (IllegalArgumentException e) {
      return null;
    }
  }

  private static Object call(MethodHandle function, Object... arguments) {
    try {
      return function.invokeWithArguments(arguments);
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }
}
