// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import io.github.tasklocal.error.NativeAccessException;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** Whether the runtime lets this module call native code and reach memory by address. */
@SuppressWarnings("restricted")
public final class NativeAccess {

  private static final @Nullable String DENIED = probe();

  private NativeAccess() {}

  private static @Nullable String probe() {
    try {
      MemorySegment ignored = MemorySegment.NULL.reinterpret(1);
      return null;
    } catch (IllegalCallerException e) {
      return String.valueOf(e.getMessage());
    }
  }

  /** {@return whether {@link #require} passes} */
  public static boolean allowed() {
    return DENIED == null;
  }

  /**
   * Checks native access.
   *
   * @throws NativeAccessException if the runtime denies it
   */
  public static void require() {
    if (DENIED != null) {
      Module module = NativeAccess.class.getModule();
      throw new NativeAccessException(
          "the Java runtime denies native access to " + module + " (" + DENIED + ")",
          "start java with --enable-native-access="
              + (module.isNamed() ? module.getName() : "ALL-UNNAMED"));
    }
  }
}
