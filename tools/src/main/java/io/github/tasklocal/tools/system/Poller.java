// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.system;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** Waits until descriptors can be read (epoll), or another thread wakes it. */
public final class Poller implements AutoCloseable {

  private static final int EPOLL_CTL_ADD = 1;
  private static final int EPOLL_CTL_DEL = 2;
  private static final int EPOLLIN = 1;
  private static final int EPOLL_CLOEXEC = 02000000;
  private static final int EFD_FLAGS = 02000000 | 04000;

  /** struct epoll_event is packed on x86 alone. */
  private static final int DATA =
      System.getProperty("os.arch", "").equals("amd64") ? Integer.BYTES : Long.BYTES;

  private static final int EVENT = DATA + Long.BYTES;
  private static final int EVENTS = 64;

  private static final MethodHandle CREATE = Calls.libc("epoll_create1", JAVA_INT, JAVA_INT);
  private static final MethodHandle CONTROL =
      Calls.libc("epoll_ctl", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS);
  private static final MethodHandle WAIT =
      Calls.libc("epoll_wait", JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT);
  private static final MethodHandle EVENTFD = Calls.libc("eventfd", JAVA_INT, JAVA_INT, JAVA_INT);
  private static final MethodHandle READ =
      Calls.libc("read", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG);
  private static final MethodHandle WRITE =
      Calls.libc("write", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG);

  private final Arena arena = Arena.ofShared();
  private final MemorySegment events = arena.allocate((long) EVENTS * EVENT, 8);
  private final MemorySegment event = arena.allocate(EVENT, 8);
  private final MemorySegment count = arena.allocate(JAVA_LONG);
  private final MemorySegment one = arena.allocateFrom(JAVA_LONG, 1);
  private final int epoll;
  private final int waker;

  public Poller() throws Failure {
    try {
      epoll = Calls.checked((int) CREATE.invokeExact(Calls.state(), EPOLL_CLOEXEC));
      waker = Calls.checked((int) EVENTFD.invokeExact(Calls.state(), 0, EFD_FLAGS));
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
    if (epoll < 0 || waker < 0 || add(waker) < 0) {
      throw new Failure("no descriptor is left", "raise the limit of open files (ulimit -n)");
    }
  }

  /** Watches a descriptor from now on, until it is removed or closed. */
  public int add(int descriptor) {
    return control(EPOLL_CTL_ADD, descriptor);
  }

  /** Watches a descriptor no longer. */
  public void remove(int descriptor) {
    int ignored = control(EPOLL_CTL_DEL, descriptor);
  }

  private int control(int operation, int descriptor) {
    event.set(JAVA_INT, 0, EPOLLIN);
    event.set(JAVA_LONG.withByteAlignment(4), DATA, descriptor);
    try {
      return Calls.checked(
          (int) CONTROL.invokeExact(Calls.state(), epoll, operation, descriptor, event));
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  /**
   * Waits.
   *
   * @param millis for how long at most; -1 for ever
   * @return how many descriptors there are for {@link #ready}
   */
  public int await(int millis) {
    try {
      return Math.max(
          0, Calls.checked((int) WAIT.invokeExact(Calls.state(), epoll, events, EVENTS, millis)));
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  /** {@return a descriptor that can be read or has ended; -1 if it is a call of {@link #wake}} */
  public int ready(int i) {
    int descriptor = (int) events.get(JAVA_LONG.withByteAlignment(4), (long) i * EVENT + DATA);
    if (descriptor != waker) {
      return descriptor;
    }
    try {
      long ignored = (long) READ.invokeExact(Calls.state(), waker, count, 8L);
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
    return -1;
  }

  /** Ends a wait, in any thread. */
  public void wake() {
    try {
      long ignored = (long) WRITE.invokeExact(Calls.state(), waker, one, 8L);
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  @Override
  public void close() {
    Native.close(epoll);
    Native.close(waker);
    arena.close();
  }
}
