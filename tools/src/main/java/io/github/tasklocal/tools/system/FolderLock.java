// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.system;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** A lock on a folder, which leaves nothing in it and goes with the process that has it. */
public final class FolderLock implements AutoCloseable {

  private static final int LOCK_EXCLUSIVE = 2;
  private static final int LOCK_AT_ONCE = 4;
  private static final MethodHandle FLOCK = Calls.libc("flock", JAVA_INT, JAVA_INT, JAVA_INT);

  private final int descriptor;

  private FolderLock(int descriptor) {
    this.descriptor = descriptor;
  }

  /** {@return the lock, as soon as nobody else has it} */
  public static FolderLock lock(Path folder) throws Failure {
    FolderLock lock = take(folder, LOCK_EXCLUSIVE);
    if (lock == null) {
      throw new Failure(folder + " cannot be locked", "run this again");
    }
    return lock;
  }

  /** {@return the lock, or null if somebody else has it} */
  public static @Nullable FolderLock tryLock(Path folder) throws Failure {
    return take(folder, LOCK_EXCLUSIVE | LOCK_AT_ONCE);
  }

  private static @Nullable FolderLock take(Path folder, int how) throws Failure {
    int fd = Native.openFolder(folder);
    if (fd < 0) {
      throw new Failure(
          folder + " cannot be opened (" + Errnos.name(-fd) + ")", "run as root, or its owner");
    }
    int status;
    do {
      status = lock(fd, how);
    } while (status == -Errnos.EINTR);
    if (status < 0) {
      Native.close(fd);
      return null;
    }
    return new FolderLock(fd);
  }

  private static int lock(int fd, int how) {
    try {
      return Calls.checked((int) FLOCK.invokeExact(Calls.state(), fd, how));
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  @Override
  public void close() {
    Native.close(descriptor);
  }
}
