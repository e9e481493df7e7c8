// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.kernel.Kernel;
import io.github.tasklocal.kernel.KernelPage;
import io.github.tasklocal.kernel.Message;
import io.github.tasklocal.kernel.Refusal;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.KeyDirectory;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/** How a process connects to a serving side: gets a grant, or goes on with the one that it has. */
final class Handshake {

  /** How long whoever opens a map waits for a grant, which takes the kernel some 100 ms. */
  private static final long CONNECT_MILLIS = 1000;

  /** How long a thread waits at its first use. */
  private static final long ANSWER_MILLIS = 500;

  private final Kernel kernel;
  private final SharedData data;
  private final Connection connection;
  private final ArrayPages arrays;

  Handshake(Registry registry) {
    this.kernel = registry.kernel;
    this.data = registry.data;
    this.connection = registry.served.connection;
    this.arrays = registry.served.arrays;
  }

  /**
   * Connects, and goes on with the earlier grant if there is one. The caller has {@link
   * SharedData#opening}, but not the registry's lock.
   *
   * @throws KernelException if the serving side is not there, or refuses
   */
  void open(Path path, KeyDirectory keys) {
    long earlier;
    int fd;
    synchronized (data.lock) {
      boolean isSame = connection.socket().equals(path.toString());
      if (connection.isOpen() && isSame) {
        boolean ignored = connection.tend();
        if (connection.isOpen()) {
          return;
        }
      }
      connection.lose();
      earlier = isSame ? connection.token() : 0;
      fd = connection.takeResuming();
    }
    if (fd >= 0 && earlier == 0) {
      kernel.close(fd);
      fd = -1;
    }
    boolean wasAsked = fd >= 0;
    if (!wasAsked) {
      fd = kernel.connect(path, CONNECT_MILLIS);
      if (fd < 0) {
        throw Refusal.of(path, -fd);
      }
    }
    boolean isKept = false;
    try {
      int status = earlier == 0 ? Refusal.NO_GRANT : resume(fd, wasAsked ? 0 : earlier);
      isKept = status == 0 || Refusal.isLate(status);
      if (!isKept && Refusal.isOfGrant(status)) {
        begin(path, fd, keys);
        isKept = true;
      } else if (status != 0) {
        throw Refusal.of(path, status);
      }
    } finally {
      if (!isKept) {
        kernel.close(fd);
      }
    }
  }

  /**
   * Goes on with the earlier grant.
   *
   * @param fd the connection, which is kept if the answer is late
   * @param token the grant's, or 0 if that was asked already
   * @return 0 or a positive errno
   */
  private int resume(int fd, long token) {
    int error = token == 0 ? 0 : -kernel.send(fd, Message.of(Message.RESUME, 1, token));
    if (error != 0) {
      return error;
    }
    Message answer = kernel.receive(fd, true);
    if (answer.status() == 0) {
      int ignored = kernel.limit(fd, ANSWER_MILLIS);
    }
    synchronized (data.lock) {
      if (answer.status() == 0) {
        connection.begin(fd, answer);
      } else if (Refusal.isLate(answer.status())) {
        connection.keepResuming(fd);
      }
    }
    return answer.status();
  }

  /** Asks for a grant. */
  private void begin(Path path, int fd, KeyDirectory keys) {
    Message granted = greet(path, fd, Message.of(Message.GRANT, 2, 0));
    int array = granted.descriptor();
    try {
      if (granted.status() != 0) {
        throw Refusal.of(path, granted.status());
      }
      if (granted.page() <= ArrayPages.OF_KEYS) {
        throw Refusal.of(path, Refusal.NOT_UNDERSTOOD);
      }
      if (array < 0) { // The kernel has dropped it: this process has no room for one more.
        throw Refusal.of(path, Refusal.NO_DESCRIPTOR);
      }
      int ignored = kernel.limit(fd, ANSWER_MILLIS);
      String socket = path.toString();
      synchronized (data.lock) {
        long[] prepared = arrays.prepare(granted.page());
        long address = arrays.map(prepared, array, granted.page());
        if (address < 0) {
          throw Refusal.of(path, (int) -address);
        }
        keys.copyTo(page(address), page(address + KernelPage.BYTES));
        connection.beginGrant(socket, granted.page());
        connection.begin(fd, granted);
        arrays.add(prepared, granted.array(), connection.grant(), ArrayPages.OF_KEYS);
      }
    } finally {
      if (array >= 0) {
        kernel.close(array);
      }
    }
  }

  private static MemorySegment page(long address) {
    return Memory.ALL.asSlice(address, DataPage.SIZE);
  }

  /** {@return the answer to the first message of a connection} */
  private Message greet(Path path, int fd, Message message) {
    int error = kernel.send(fd, message);
    Message answer = error == 0 ? kernel.receive(fd, true) : null;
    if (answer == null || answer.kind() == 0) {
      throw Refusal.of(path, answer == null ? -error : answer.status());
    }
    return answer;
  }
}
