// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.kernel.Kernel;
import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.kernel.LinuxKernel;
import io.github.tasklocal.kernel.Message;
import io.github.tasklocal.kernel.Task;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntSupplier;
import java.util.function.Supplier;

/** The real kernel, of which one call fails. */
final class FailingKernel implements Kernel {

  /** How a call fails. */
  enum How {
    /** As the kernel refuses it: with the errno that was chosen. */
    REFUSED,
    /** For lack of memory, before it has done anything. */
    ERROR,
    /** For lack of memory, after it has done its work. */
    ERROR_AFTER
  }

  private final Kernel real = new LinuxKernel();

  /** Whether pages from before the first map are fit for BPF. */
  boolean early = true;

  /** For which first uses wait, so that it is not to be held while the mappings are read. */
  Object lock = new Object();

  /** What happens at the beginning of each call. */
  Runnable onCall = () -> {};

  private final List<String> calls = new ArrayList<>();
  private boolean isArmed;
  private int failing;
  private How how = How.REFUSED;
  private int errno;

  /** Notes the calls from now on, and lets one of them fail. */
  synchronized void arm(int call, How fails, int with) {
    calls.clear();
    failing = call;
    how = fails;
    errno = with;
    isArmed = true;
  }

  /** Lets every call pass. {@return the calls since it was armed} */
  synchronized List<String> disarm() {
    isArmed = false;
    return List.copyOf(calls);
  }

  private boolean fails(String call) {
    onCall.run();
    return isNoted(call);
  }

  private synchronized boolean isNoted(String call) {
    if (!isArmed) {
      return false;
    }
    calls.add(call);
    return calls.size() - 1 == failing;
  }

  private int number(String name, IntSupplier call) {
    if (!fails(name)) {
      return call.getAsInt();
    }
    if (how == How.REFUSED) {
      return -errno;
    }
    int unused = how == How.ERROR_AFTER ? call.getAsInt() : 0;
    if (name.equals("pidfd") && unused > 0) {
      real.close(unused); // the caller never sees it
    }
    throw new OutOfMemoryError(name + ", as the test wants it");
  }

  private <T> T object(String name, Supplier<T> call) {
    if (!fails(name)) {
      return call.get();
    }
    if (how == How.REFUSED) {
      throw new KernelException(name, "the test's", "errno " + errno, "refused", "none");
    }
    if (how == How.ERROR_AFTER && call.get() instanceof KernelMap map) {
      map.close();
    }
    throw new OutOfMemoryError(name + ", as the test wants it");
  }

  /** The kernel does not refuse it. */
  @Override
  public int currentTid() {
    if (fails("currentTid") && how != How.REFUSED) {
      throw new OutOfMemoryError("currentTid, as the test wants it");
    }
    return real.currentTid();
  }

  @Override
  public Task task(int tid) {
    return object("task", () -> real.task(tid));
  }

  @Override
  public boolean isAlive(Task task) {
    return object("isAlive", () -> real.isAlive(task));
  }

  @Override
  public KernelMap open(Path pin) {
    return object("open", () -> real.open(pin));
  }

  @Override
  public int pidfd(int tid) {
    return number("pidfd", () -> real.pidfd(tid));
  }

  @Override
  public int update(int map, int pidfd, MemorySegment value, long flags) {
    return number("update", () -> real.update(map, pidfd, value, flags));
  }

  @Override
  public int lookUp(int map, int pidfd, MemorySegment value) {
    return number("lookUp", () -> real.lookUp(map, pidfd, value));
  }

  @Override
  public int delete(int map, int pidfd) {
    return number("delete", () -> real.delete(map, pidfd));
  }

  /** A descriptor is closed, whatever close() says. */
  @Override
  public void close(int fd) {
    real.close(fd);
    if (fails("close") && how != How.REFUSED) {
      throw new OutOfMemoryError("close, as the test wants it");
    }
  }

  @Override
  public long mapPages(long bytes) {
    if (!fails("mapPages")) {
      return real.mapPages(bytes);
    }
    if (how == How.REFUSED) {
      return -errno;
    }
    throw new OutOfMemoryError("mapPages, as the test wants it");
  }

  @Override
  public List<long[]> preparePages(List<long[]> blocks) {
    if (Thread.holdsLock(lock)) {
      throw new AssertionError("the mappings are read under the registry's lock");
    }
    return object("preparePages", () -> early ? real.preparePages(blocks) : blocks);
  }

  @Override
  public int dropFrames(long address, long bytes) {
    return number("dropFrames", () -> real.dropFrames(address, bytes));
  }

  @Override
  public int connect(Path socket, long most) {
    return number("connect", () -> real.connect(socket, most));
  }

  @Override
  public int limit(int connection, long most) {
    return number("limit", () -> real.limit(connection, most));
  }

  @Override
  public int send(int connection, Message message) {
    return number("send", () -> real.send(connection, message));
  }

  @Override
  public Message receive(int connection, boolean waits) {
    return object("receive", () -> real.receive(connection, waits));
  }

  @Override
  public int spare() {
    return number("spare", real::spare);
  }

  @Override
  public boolean isOver(int connection) {
    return object("isOver", () -> real.isOver(connection));
  }

  @Override
  public long mapArray(int fd, long bytes, long at) {
    return object("mapArray", () -> real.mapArray(fd, bytes, at));
  }

  @Override
  public int vacate(long address, long bytes) {
    return number("vacate", () -> real.vacate(address, bytes));
  }

  @Override
  public void registerThread(long token, long array, long pageAndStart) {
    if (!fails("registerThread")) {
      real.registerThread(token, array, pageAndStart);
    }
  }

  @Override
  public int barrier() {
    return number("barrier", real::barrier);
  }
}
