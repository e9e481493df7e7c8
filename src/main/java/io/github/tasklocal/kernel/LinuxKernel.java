// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.libbpf.libbpf_h;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The running kernel, through libbpf and the C library. */
public final class LinuxKernel implements Kernel {

  /** A map's key, which is a pidfd. Allocated at the first call, not before a map is opened. */
  private @Nullable MemorySegment key;

  @Override
  public int currentTid() {
    return Libc.currentTid();
  }

  @Override
  public @Nullable Task task(int tid) {
    return Task.ofKernel(tid);
  }

  @Override
  public boolean isAlive(Task task) {
    return task.isAlive();
  }

  @Override
  public KernelMap open(Path pin) {
    return KernelMap.open(pin);
  }

  @Override
  public int pidfd(int tid) {
    return Libc.pidfdOpen(tid);
  }

  @Override
  public synchronized int update(int map, int pidfd, MemorySegment value, long flags) {
    return libbpf_h.bpf_map_update_elem(map, key(pidfd), value, flags);
  }

  @Override
  public synchronized int lookUp(int map, int pidfd, MemorySegment value) {
    Linking.ensureAll();
    return libbpf_h.bpf_map_lookup_elem(map, key(pidfd), value);
  }

  @Override
  public synchronized int delete(int map, int pidfd) {
    Linking.ensureAll();
    return libbpf_h.bpf_map_delete_elem(map, key(pidfd));
  }

  private MemorySegment key(int pidfd) {
    MemorySegment memory = key;
    if (memory == null) {
      memory = Arena.global().allocate(JAVA_INT);
      key = memory;
    }
    memory.set(JAVA_INT, 0, pidfd);
    return memory;
  }

  @Override
  public void link() {
    Linking.ensureAll();
  }

  @Override
  public void close(int fd) {
    Libc.close(fd);
  }

  @Override
  public long mapPages(long bytes) {
    return Libc.mapPages(bytes);
  }

  @Override
  public List<long[]> preparePages(List<long[]> blocks) {
    List<long[]> unfit = Mappings.notPrivate(blocks);
    for (long[] block : blocks) {
      if (!unfit.contains(block) && !Libc.adviseOfPages(block[0], block[1])) {
        unfit.add(block);
      }
    }
    return unfit;
  }

  @Override
  public int dropFrames(long address, long bytes) {
    return Libc.dropFrames(address, bytes);
  }

  @Override
  public int connect(Path socket, long most) {
    return ServingSide.connect(socket, most);
  }

  @Override
  public int limit(int connection, long most) {
    return ServingSide.limit(connection, most);
  }

  @Override
  public int send(int connection, Message message) {
    return ServingSide.send(connection, message);
  }

  @Override
  public Message receive(int connection, boolean waits) {
    return ServingSide.receive(connection, waits);
  }

  @Override
  public int spare() {
    return ServingSide.spare();
  }

  @Override
  public boolean isOver(int connection) {
    return ServingSide.isOver(connection);
  }

  @Override
  public long mapArray(int fd, long bytes, long at) {
    return Libc.mapArray(fd, bytes, at);
  }

  @Override
  public int vacate(long address, long bytes) {
    return Libc.vacate(address, bytes);
  }

  @Override
  public void registerThread(long token, long array, long pageAndStart) {
    Libc.registerThread(token, array, pageAndStart);
  }

  @Override
  public int barrier() {
    return Libc.barrier();
  }
}
