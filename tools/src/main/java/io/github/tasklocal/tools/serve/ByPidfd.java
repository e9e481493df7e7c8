// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.serve;

import io.github.tasklocal.tools.system.Errnos;
import io.github.tasklocal.tools.system.Native;
import io.github.tasklocal.tools.system.Pidfds;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
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
    int tid = Pidfds.checkThread(pidfd, process.pid());
    if (tid < 0) {
      return tid;
    }
    int status = set(process, array, page, start, pidfd);
    if (status == 0 && maps.follows()) {
      ServedProcess.Registered thread = new ServedProcess.Registered(tid, Pidfds.number(pidfd));
      process.threads().values().remove(thread);
      process.threads().put(new ServedProcess.Place(array, page, start), thread);
    }
    return status;
  }

  private int set(ServedProcess process, ServedArray array, int page, int start, int pidfd) {
    return maps.set(
        pidfd,
        process.arrays().getFirst(),
        array,
        page,
        start,
        (int) process.requireGrant().token());
  }

  @Override
  public boolean follows() {
    return maps.follows();
  }

  @Override
  public void follow(Collection<ServedProcess> processes, ServeLog log) {
    if (maps.follow(log)) {
      for (ServedProcess process : processes) {
        process
            .threads()
            .entrySet()
            .removeIf(each -> !again(process, each.getKey(), each.getValue()));
      }
    }
  }

  /** Registers a thread once more; {@return false if it is known to have ended} */
  private boolean again(
      ServedProcess process, ServedProcess.Place place, ServedProcess.Registered thread) {
    int pidfd = Pidfds.ofThread(thread.tid());
    if (pidfd < 0) {
      return !Pidfds.isEnd(pidfd);
    }
    int status = Pidfds.checkThread(pidfd, process.pid());
    // Another thread may have the number by now, and no place.
    boolean ended =
        Pidfds.isNone(status) || (status >= 0 && Pidfds.number(pidfd) != thread.pidfdNumber());
    if (!ended && status >= 0) {
      int ignored = set(process, place.array(), place.page(), place.start(), pidfd);
    }
    Native.close(pidfd);
    return !ended;
  }

  @Override
  public int set(ServedProcess process, long tid, ServedArray array, int page, int start) {
    return -Errnos.EOPNOTSUPP;
  }

  @Override
  public int remove(ServedProcess process, int pidfd) {
    int tid = Pidfds.checkThread(pidfd, process.pid());
    if (tid < 0) {
      return tid;
    }
    int status = maps.remove(pidfd);
    if (status == 0) {
      process.threads().values().remove(new ServedProcess.Registered(tid, Pidfds.number(pidfd)));
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
    Path all = Path.of("/proc/" + pid + "/task");
    try (DirectoryStream<Path> tasks = Files.newDirectoryStream(all)) {
      for (Path task : tasks) {
        removeThread(pid, Integer.parseInt(task.getFileName().toString()));
      }
    } catch (IOException | DirectoryIteratorException e) {
      if (Files.exists(all)) {
        throw new UncheckedIOException(
            new IOException("the threads of process " + pid + " cannot be listed", e));
      }
      // It has ended, and its threads' entries with it.
    }
  }

  private void removeThread(int pid, int tid) {
    int pidfd = Pidfds.ofThread(tid);
    if (Pidfds.isEnd(pidfd)) {
      return;
    }
    int status = pidfd;
    if (pidfd >= 0) {
      int found = Pidfds.checkThread(pidfd, pid);
      status = found >= 0 ? maps.remove(pidfd) : Pidfds.isNone(found) ? 0 : found;
      Native.close(pidfd);
    }
    if (status < 0) {
      throw new UncheckedIOException(
          new IOException(
              "the entry of thread %d of process %d cannot be taken out (%s)"
                  .formatted(tid, pid, Errnos.name(-status))));
    }
  }
}
