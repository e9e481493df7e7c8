// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandleProxies;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.ref.Reference;
import java.lang.ref.WeakReference;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/**
 * Does something again and again, as long as something else keeps it reachable. A thread that runs
 * code of ours would keep our class loader for ever, even if the application was taken out of its
 * server without closing its maps; so what waits here is made of the JDK's method handles alone.
 */
final class Beat {

  private Beat() {}

  /**
   * {@return code that does something until it says that this was the last time, or nothing keeps
   * it}
   *
   * @param task must not throw
   * @param nanos how long to wait in between, unless unparked; read each time
   */
  static Runnable of(BooleanSupplier task, AtomicLong nanos) {
    try {
      MethodHandles.Lookup lookup = MethodHandles.publicLookup();
      MethodHandle get =
          lookup
              .findVirtual(Reference.class, "get", MethodType.methodType(Object.class))
              .bindTo(new WeakReference<>(task));
      MethodHandle isGone =
          lookup.findStatic(
              Objects.class, "isNull", MethodType.methodType(boolean.class, Object.class));
      MethodHandle run =
          lookup.findVirtual(
              BooleanSupplier.class, "getAsBoolean", MethodType.methodType(boolean.class));
      MethodHandle once =
          MethodHandles.guardWithTest(
              isGone,
              MethodHandles.dropArguments(
                  MethodHandles.constant(boolean.class, false), 0, Object.class),
              run.asType(isGone.type()));
      MethodHandle park =
          lookup.findStatic(
              LockSupport.class, "parkNanos", MethodType.methodType(void.class, long.class));
      MethodHandle howLong =
          lookup
              .findVirtual(AtomicLong.class, "get", MethodType.methodType(long.class))
              .bindTo(nanos);
      MethodHandle loop =
          MethodHandles.whileLoop(
              null,
              MethodHandles.filterReturnValue(get, once),
              MethodHandles.filterReturnValue(howLong, park));
      return MethodHandleProxies.asInterfaceInstance(Runnable.class, loop);
    } catch (ReflectiveOperationException e) {
      throw new LinkageError(e.getMessage(), e);
    }
  }
}
