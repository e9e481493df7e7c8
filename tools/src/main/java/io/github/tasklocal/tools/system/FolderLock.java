// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.system;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * A lock on a folder, which leaves nothing in it and goes with the process that has it. Whoever may
 * read the folder can lock it: it has to be one's own.
 */
public final class FolderLock implements AutoCloseable {

  /** LOCK_EX and LOCK_NB. */
  private static final int EXCLUSIVE_AT_ONCE = 2 | 4;

  private static final MethodHandle FLOCK = Calls.libc("flock", JAVA_INT, JAVA_INT, JAVA_INT);

  private final int descriptor;

  private FolderLock(int descriptor) {
    this.descriptor = descriptor;
  }

  /** {@return the lock, or null if somebody else has it} */
  public static @Nullable FolderLock tryLock(Path folder) throws Failure {
    int fd = Native.openFolder(folder);
    if (fd < 0) {
      throw new Failure(
          folder + " cannot be opened (" + Errnos.name(-fd) + ")", "run as root, or its owner");
    }
    int status;
    do {
      status = lock(fd);
    } while (status == -Errnos.EINTR);
    if (status < 0) {
      Native.close(fd);
      return null;
    }
    return new FolderLock(fd);
  }

  private static int lock(int fd) {
    try {
      return Calls.checked((int) FLOCK.invokeExact(Calls.state(), fd, EXCLUSIVE_AT_ONCE));
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  @Override
  public void close() {
    Native.close(descriptor);
  }
}
