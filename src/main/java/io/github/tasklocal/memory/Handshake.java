// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.kernel.Kernel;
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
    }
    int fd = kernel.connect(path, CONNECT_MILLIS);
    if (fd < 0) {
      throw Refusal.of(path, -fd);
    }
    boolean isDone = false;
    try {
      Message resumed =
          earlier == 0 ? null : greet(path, fd, Message.of(Message.RESUME, 1, earlier));
      if (resumed != null && resumed.status() != 0 && !Refusal.isOfGrant(resumed.status())) {
        throw Refusal.of(path, resumed.status());
      }
      if (resumed != null && resumed.status() == 0) {
        int ignored = kernel.limit(fd, ANSWER_MILLIS);
        synchronized (data.lock) {
          connection.begin(fd, resumed);
        }
      } else {
        begin(path, fd, keys);
      }
      isDone = true;
    } finally {
      if (!isDone) {
        kernel.close(fd);
      }
    }
  }

  /** Asks for a grant. */
  private void begin(Path path, int fd, KeyDirectory keys) {
    Message granted = greet(path, fd, Message.of(Message.GRANT, 2, 0));
    int array = granted.descriptor();
    try {
      if (granted.status() != 0 || array < 0 || granted.page() <= ArrayPages.OF_KEYS) {
        throw Refusal.of(path, granted.status() == 0 ? Refusal.NOT_UNDERSTOOD : granted.status());
      }
      int ignored = kernel.limit(fd, ANSWER_MILLIS);
      String socket = path.toString();
      long[] prepared;
      synchronized (data.lock) {
        prepared = arrays.prepare(granted.page());
      }
      long address = kernel.mapArray(array, (long) granted.page() * DataPage.SIZE);
      if (address < 0) {
        throw Refusal.of(path, (int) -address);
      }
      synchronized (data.lock) {
        keys.copyTo(page(address), page(address + DataPage.SIZE));
        connection.beginGrant(socket, granted.page());
        connection.begin(fd, granted);
        arrays.add(
            prepared,
            address,
            granted.page(),
            granted.array(),
            connection.grant(),
            ArrayPages.OF_KEYS);
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
