// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Threads are registered by pidfds that their process sends. */
final class ByPidfd implements Registration {

  private final ServedMaps maps;
  private final @Nullable SlotTables slots;

  /**
   * Registers threads in maps.
   *
   * @param slots where one of the maps is that of slots; null elsewhere
   */
  ByPidfd(ServedMaps maps, @Nullable SlotTables slots) {
    this.maps = maps;
    this.slots = slots;
  }

  @Override
  public int ways() {
    return Message.BY_PIDFD;
  }

  @Override
  public int set(ServedProcess process, int pidfd, ServedArray array, int page, int start) {
    int status = Pidfds.checkThread(pidfd, process.pid());
    return status < 0
        ? status
        : maps.set(
            pidfd,
            process.arrays().getFirst(),
            array,
            page,
            start,
            (int) process.requireGrant().token());
  }

  @Override
  public int set(ServedProcess process, long tid, ServedArray array, int page, int start) {
    return -Errnos.EOPNOTSUPP;
  }

  @Override
  public int remove(ServedProcess process, int pidfd) {
    int status = Pidfds.checkThread(pidfd, process.pid());
    if (status == 0) {
      maps.remove(pidfd);
    }
    return status;
  }

  @Override
  public int remove(ServedProcess process, long tid) {
    return -Errnos.EOPNOTSUPP;
  }

  @Override
  public void removeAll(int pid) {
    if (slots != null) {
      slots.sweep();
      return;
    }
    try (DirectoryStream<Path> tasks =
        Files.newDirectoryStream(Path.of("/proc/" + pid + "/task"))) {
      for (Path task : tasks) {
        removeThread(pid, Integer.parseInt(task.getFileName().toString()));
      }
    } catch (IOException | DirectoryIteratorException e) {
      // It has ended, and its threads' entries with it.
    }
  }

  private void removeThread(int pid, int tid) {
    int pidfd = Pidfds.ofThread(tid);
    if (pidfd >= 0) {
      if (Pidfds.checkThread(pidfd, pid) == 0) {
        maps.remove(pidfd);
      }
      Native.close(pidfd);
    }
  }
}
