// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import io.github.tasklocal.error.NativeAccessException;
import io.github.tasklocal.error.NotSupportedException;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** Whether the runtime lets this module call native code and reach memory by address. */
@SuppressWarnings("restricted")
public final class NativeAccess {

  /**
   * Set to "runtime" in a native image of GraalVM (org.graalvm.nativeimage.ImageInfo of its SDK).
   */
  private static final String IMAGE = "org.graalvm.nativeimage.imagecode";

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

  /**
   * Checks that the calls of C functions can be made. A native image has the code of those calls
   * only that were registered when it was built, and fails at any other with an error, somewhere.
   *
   * @param operation what needs them
   * @param subject on what
   * @throws NotSupportedException in a native image
   * @throws NativeAccessException if the runtime denies this module native access
   */
  static void requireCalls(String operation, String subject) {
    if (System.getProperty(IMAGE) != null) {
      throw new NotSupportedException(
          operation,
          subject,
          null,
          "this is a native image of GraalVM, which has no code for the library's calls of C"
              + " functions",
          "run the application on a JDK; without a map, values are plain thread memory");
    }
    require();
  }
}
