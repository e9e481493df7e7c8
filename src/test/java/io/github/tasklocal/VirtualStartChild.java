// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static io.github.tasklocal.VirtualCornersChild.equal;
import static io.github.tasklocal.VirtualCornersChild.onVirtual;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.kit.Await;
import io.github.tasklocal.memory.VirtualThreads;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * The first use of a key on a virtual thread while the process can start no thread. To be run by a
 * user to whom RLIMIT_NPROC applies; no argument.
 */
public final class VirtualStartChild {

  private static final int RLIMIT_NPROC = 6;

  private static final TaskLocal.OfInt KEY = TaskLocal.of("start", JAVA_INT);

  private VirtualStartChild() {}

  public static void main(String[] arguments) throws Throwable {
    Linker linker = Linker.nativeLinker();
    FunctionDescriptor type = FunctionDescriptor.of(JAVA_INT, JAVA_INT, ValueLayout.ADDRESS);
    MethodHandle get =
        linker.downcallHandle(linker.defaultLookup().find("getrlimit").orElseThrow(), type);
    MethodHandle set =
        linker.downcallHandle(linker.defaultLookup().find("setrlimit").orElseThrow(), type);
    MemorySegment limit = Arena.global().allocate(JAVA_LONG, 2);
    onVirtual(() -> {}); // has its carrier from now on
    equal(0, (int) get.invokeExact(RLIMIT_NPROC, limit), "getrlimit");
    limit.set(JAVA_LONG, 0, 1);
    equal(0, (int) set.invokeExact(RLIMIT_NPROC, limit), "setrlimit");
    try {
      Thread ignored = Thread.ofPlatform().start(() -> {});
      throw new AssertionError("a thread can be started");
    } catch (OutOfMemoryError e) {
      System.out.println(e.getMessage());
    }
    for (int i = 1; i <= 3; i++) {
      int value = i;
      onVirtual(
          () -> {
            equal(0, KEY.get(), "the first value");
            KEY.set(value);
            equal(value, KEY.get(), "the value");
            TaskLocal.capture(KEY).run(() -> equal(value, KEY.get(), "the value in a scope"));
          });
    }
    equal(3, VirtualThreads.unseen(), "how many are unseen");
    limit.set(JAVA_LONG, 0, limit.get(JAVA_LONG, 8));
    equal(0, (int) set.invokeExact(RLIMIT_NPROC, limit), "setrlimit");
    Await.until("another attempt", VirtualThreads::follow);
    onVirtual(() -> KEY.set(4));
    equal(3, VirtualThreads.unseen(), "how many are unseen");
    System.out.println("all as it should be");
    System.exit(0);
  }
}
