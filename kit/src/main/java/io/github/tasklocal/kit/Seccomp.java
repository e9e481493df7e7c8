// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Map;
import java.util.Objects;

/** A filter that refuses a system call to all threads of this process, as a container's does. */
@SuppressWarnings("restricted")
public final class Seccomp {

  private static final boolean AMD64 = System.getProperty("os.arch").equals("amd64");
  private static final long SECCOMP = AMD64 ? 317 : 277;
  private static final Map<String, Integer> CALLS =
      Map.of(
          "bpf", AMD64 ? 321 : 280,
          "membarrier", AMD64 ? 324 : 283,
          "pidfd_open", 434,
          "perf_event_open", AMD64 ? 298 : 241,
          "userfaultfd", AMD64 ? 323 : 282);

  private static final long SET_MODE_FILTER = 1;
  private static final long TSYNC = 1;
  private static final int ERRNO = 0x50000;
  private static final int ALLOW = 0x7fff0000;

  private Seccomp() {}

  /**
   * From now on the call fails with this errno. It takes root, or a process that was started with
   * {@code setpriv --no-new-privs}.
   */
  public static void refuse(String call, int errno) {
    int number = Objects.requireNonNull(CALLS.get(call));
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment code = arena.allocate(4 * 8L, 8);
      put(code, 0, 0x20, 0, 0); // load the number of the call
      put(code, 1, 0x15, 1, number); // if it is not this one, pass over the next
      put(code, 2, 0x06, 0, ERRNO | errno);
      put(code, 3, 0x06, 0, ALLOW);
      MemorySegment program = arena.allocate(16, 8);
      program.set(JAVA_SHORT, 0, (short) 4);
      program.set(ADDRESS, 8, code);
      MethodHandle syscall =
          Linker.nativeLinker()
              .downcallHandle(
                  Linker.nativeLinker().defaultLookup().find("syscall").orElseThrow(),
                  FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS),
                  Linker.Option.firstVariadicArg(1));
      long result = (long) syscall.invokeExact(SECCOMP, SET_MODE_FILTER, TSYNC, program);
      if (result != 0) {
        throw new AssertionError("no filter is set");
      }
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  private static void put(MemorySegment code, int index, int operation, int ifNot, int value) {
    code.set(JAVA_SHORT, index * 8L, (short) operation);
    code.set(JAVA_BYTE, index * 8L + 3, (byte) ifNot);
    code.set(JAVA_INT, index * 8L + 4, value);
  }
}
