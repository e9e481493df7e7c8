// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Why a shared library cannot be loaded, which Java's look-up does not tell. */
@SuppressWarnings("restricted")
final class DynamicLinker {

  /** Of dlopen(3), the same on every architecture. */
  private static final int RTLD_NOW = 2;

  /** What it says where the file system of a file is mounted noexec. */
  private static final String NOT_EXECUTABLE = "failed to map segment";

  private DynamicLinker() {}

  /**
   * {@return what dlerror(3) says of a library that could not be loaded, in one line; null if it
   * can be loaded, or nothing is known}
   *
   * @param library a name without a folder
   */
  static @Nullable String why(String library) {
    Linker linker = Linker.nativeLinker();
    SymbolLookup names = linker.defaultLookup();
    Optional<MemorySegment> open = names.find("dlopen");
    Optional<MemorySegment> error = names.find("dlerror");
    if (open.isEmpty() || error.isEmpty()) {
      return null;
    }
    // Both before either is called: linking may call the dynamic linker, too.
    MethodHandle dlopen =
        linker.downcallHandle(open.get(), FunctionDescriptor.of(ADDRESS, ADDRESS, JAVA_INT));
    MethodHandle dlerror = linker.downcallHandle(error.get(), FunctionDescriptor.of(ADDRESS));
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment name = arena.allocateFrom(library);
      MemorySegment handle = (MemorySegment) dlopen.invokeExact(name, RTLD_NOW);
      MemorySegment said = (MemorySegment) dlerror.invokeExact();
      return handle.address() != 0 || said.address() == 0
          ? null
          : said.reinterpret(Long.MAX_VALUE).getString(0).strip();
    } catch (Throwable e) {
      throw Errno.unexpected(e);
    }
  }

  /** {@return whether it says that what it has found may not be executed} */
  static boolean isNotExecutable(String why) {
    return why.contains(NOT_EXECUTABLE);
  }
}
