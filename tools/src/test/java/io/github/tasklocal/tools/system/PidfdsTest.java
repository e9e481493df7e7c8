// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.system;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import org.junit.jupiter.api.Test;

/** What is found out about a pidfd. */
class PidfdsTest {

  private static final int RLIMIT_NOFILE = 7;

  private static final MethodHandle GET = call("getrlimit");
  private static final MethodHandle SET = call("setrlimit");

  private static MethodHandle call(String name) {
    return Calls.libc(name, JAVA_INT, JAVA_INT, ADDRESS);
  }

  @Test
  void aThreadOfAnotherProcessIsRefused() {
    int pidfd = Pidfds.ofProcess(1);
    try {
      int status = Pidfds.checkByProc(pidfd, (int) ProcessHandle.current().pid());
      assertThat(status).isEqualTo(-Errnos.EPERM).matches(Pidfds::isNone);
    } finally {
      Native.close(pidfd);
    }
  }

  @Test
  void thatNoDescriptorIsLeftSaysNothingOfTheThread() throws Throwable {
    int self = (int) ProcessHandle.current().pid();
    int pidfd = Pidfds.ofProcess(self);
    int before = Pidfds.checkByProc(pidfd, self); // has loaded what it needs
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment limit = arena.allocate(JAVA_LONG, 2);
      assertThat((int) GET.invokeExact(Calls.state(), RLIMIT_NOFILE, limit)).isZero();
      long usual = limit.get(JAVA_LONG, 0);
      limit.set(JAVA_LONG, 0, 0);
      assertThat((int) SET.invokeExact(Calls.state(), RLIMIT_NOFILE, limit)).isZero();
      int without;
      try {
        without = Pidfds.checkByProc(pidfd, self);
      } finally {
        limit.set(JAVA_LONG, 0, usual);
        assertThat((int) SET.invokeExact(Calls.state(), RLIMIT_NOFILE, limit)).isZero();
      }
      assertThat(before).isEqualTo(self);
      assertThat(without).isEqualTo(-Errnos.ENOMEM).matches(status -> !Pidfds.isNone(status));
    } finally {
      Native.close(pidfd);
    }
  }
}
