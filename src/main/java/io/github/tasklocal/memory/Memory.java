// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.NativeAccessException;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** All of the process's memory, by absolute address. */
@SuppressWarnings("restricted")
public final class Memory {

  /**
   * Every address. Going through one constant segment costs half of going through a segment for
   * each thread, since the compiler knows all of it but the address.
   */
  public static final MemorySegment ALL;

  private static final @Nullable IllegalCallerException DENIED;

  static {
    MemorySegment all = MemorySegment.NULL;
    IllegalCallerException denied = null;
    try {
      all = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);
    } catch (IllegalCallerException e) {
      denied = e;
    }
    ALL = all;
    DENIED = denied;
  }

  private Memory() {}

  /**
   * Checks that the runtime lets this module reach memory by address.
   *
   * @throws NativeAccessException if it was started so that it does not
   */
  public static void require() {
    if (DENIED != null) {
      Module module = Memory.class.getModule();
      NativeAccessException e =
          new NativeAccessException(
              "the Java runtime denies native access to " + module,
              "start java with --enable-native-access="
                  + (module.isNamed() ? module.getName() : "ALL-UNNAMED"));
      e.initCause(DENIED);
      throw e;
    }
  }
}
