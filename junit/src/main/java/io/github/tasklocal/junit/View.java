// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.junit;

import io.github.tasklocal.NativeThread;
import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.error.TaskLocalException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Supplier;
import org.junit.jupiter.api.Assertions;

/** Where the values of a test's threads are looked at. */
sealed interface View permits MapView, PlainView {

  /**
   * The ways to the value of a key.
   *
   * @param key its key
   * @param decode makes it of its bytes, which may have any address
   * @param own the calling thread's
   * @param other another thread's
   */
  record Access<T>(
      TaskLocal key,
      Function<MemorySegment, T> decode,
      Supplier<T> own,
      Function<NativeThread, T> other) {}

  /** The views of the tests that run; they all see the same values. Guards itself. */
  List<View> RUNNING = new ArrayList<>();

  /** Begins a test. */
  static void begin(View view) {
    synchronized (RUNNING) {
      RUNNING.add(view);
    }
  }

  /** Ends a test. */
  static void end(View view) {
    synchronized (RUNNING) {
      RUNNING.remove(view);
      view.close();
    }
  }

  /**
   * {@return the value of a thread}
   *
   * @throws AssertionError if there is none
   */
  static <T> T seen(Thread thread, Access<T> access) {
    synchronized (RUNNING) {
      if (RUNNING.isEmpty()) {
        throw new IllegalStateException(
            "no test runs that has a map: put @ExtendWith(TaskLocalExtension.class) at the test");
      }
      return RUNNING.getLast().value(thread, access);
    }
  }

  /** The value of a thread, with {@link #RUNNING} locked. */
  <T> T value(Thread thread, Access<T> access);

  /** Frees what the view has. */
  void close();

  /** {@return the calling thread's id in its pid namespace; on a virtual thread its carrier's} */
  static int ownTid() {
    try {
      return Integer.parseInt(
          String.valueOf(Files.readSymbolicLink(Path.of("/proc/thread-self")).getFileName()));
    } catch (IOException e) {
      throw new IllegalStateException("/proc/thread-self cannot be read: mount procfs there", e);
    }
  }

  /**
   * {@return a thread that has used a key}
   *
   * @throws AssertionError if it has not
   * @throws IllegalArgumentException if it is a virtual thread
   */
  static NativeThread find(Thread thread) {
    if (thread.isVirtual()) {
      throw new IllegalArgumentException(
          "%s is on no kernel thread, unless it runs: let it call this itself".formatted(thread));
    }
    Optional<NativeThread> found =
        NativeThread.list().stream()
            .filter(each -> each.thread().filter(java -> java == thread).isPresent())
            .findFirst();
    return found.orElseGet(
        () ->
            Assertions.fail(
                "a BPF program sees no values of %s: %s"
                    .formatted(
                        thread,
                        thread.isAlive()
                            ? "it has not used a key yet"
                            : "it has ended, or was not started")));
  }

  /** {@return what went wrong, to be appended to a message} */
  static String because(Optional<? extends TaskLocalException> failure) {
    return failure.map(each -> "; a registration has failed: " + each.getMessage()).orElse("");
  }
}
