// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;

/** Threads are registered by pidfds that their process sends. */
final class ByPidfd implements Registration {

  private final ServedMaps maps;

  ByPidfd(ServedMaps maps) {
    this.maps = maps;
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
  public void removeAll(ServedProcess process) {
    try (DirectoryStream<Path> tasks =
        Files.newDirectoryStream(Path.of("/proc/" + process.pid() + "/task"))) {
      for (Path task : tasks) {
        removeThread(process, Integer.parseInt(task.getFileName().toString()));
      }
    } catch (IOException e) {
      // It has ended, and its threads' entries with it.
    }
  }

  private void removeThread(ServedProcess process, int tid) {
    int pidfd = Pidfds.ofThread(tid);
    if (pidfd >= 0) {
      int ignored = remove(process, pidfd);
      Native.close(pidfd);
    }
  }
}
