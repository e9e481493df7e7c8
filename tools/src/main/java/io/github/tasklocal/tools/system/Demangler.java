// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.system;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import org.jspecify.annotations.Nullable;

/** Names of C++ functions as their source has them. */
@SuppressWarnings("restricted")
public final class Demangler {

  private static final int LONGEST = 1 << 16;

  private Demangler() {}

  private static final class Functions {
    static final @Nullable MethodHandle DEMANGLE = find();

    /** {@code __cxa_demangle} of the C++ ABI; null on a machine without a C++ library. */
    private static @Nullable MethodHandle find() {
      try {
        return Linker.nativeLinker()
            .downcallHandle(
                SymbolLookup.libraryLookup("libstdc++.so.6", Arena.global())
                    .find("__cxa_demangle")
                    .orElseThrow(),
                FunctionDescriptor.of(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS));
      } catch (IllegalArgumentException e) {
        return null;
      }
    }

    static final MethodHandle FREE =
        Linker.nativeLinker()
            .downcallHandle(
                Linker.nativeLinker().defaultLookup().find("free").orElseThrow(),
                FunctionDescriptor.ofVoid(ADDRESS));
  }

  /** {@return a symbol's name in the source; the symbol itself if it is none of C++} */
  public static String demangle(String symbol) {
    MethodHandle demangle = Functions.DEMANGLE;
    if (demangle == null || !symbol.startsWith("_Z") || symbol.length() > LONGEST) {
      return symbol;
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment status = arena.allocate(JAVA_INT);
      MemorySegment name =
          (MemorySegment)
              demangle.invokeExact(
                  arena.allocateFrom(symbol), MemorySegment.NULL, MemorySegment.NULL, status);
      if (name.equals(MemorySegment.NULL)) {
        return symbol;
      }
      try {
        return name.reinterpret(Long.MAX_VALUE).getString(0);
      } finally {
        Functions.FREE.invokeExact(name);
      }
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }
}
