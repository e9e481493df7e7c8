// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import io.github.tasklocal.kit.Await;
import io.github.tasklocal.tools.system.Closer;
import io.github.tasklocal.tools.system.Errnos;
import io.github.tasklocal.tools.system.Failure;
import io.github.tasklocal.tools.system.Native;
import io.github.tasklocal.tools.system.Poller;
import io.github.tasklocal.tools.system.Sockets;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A serving side that speaks another version of the protocol only, and answers a message of any
 * other as docs/serving.md has it.
 */
final class OtherSide implements AutoCloseable {

  private static final int BYTES = 32;

  private final Path socket;
  private final short version;
  private final int listener = Sockets.open();
  private final Poller poller;
  private final AtomicInteger refused = new AtomicInteger();
  private final Thread thread = new Thread(this::run, "another serving side");
  private volatile boolean ending;

  OtherSide(Path socket, int version) throws IOException, Failure {
    this.socket = socket;
    this.version = (short) version;
    poller = new Poller();
    if (Sockets.bind(listener, socket) < 0
        || Sockets.listen(listener, 16) < 0
        || poller.add(listener) < 0) {
      throw new AssertionError("cannot listen at " + socket);
    }
    Files.setPosixFilePermissions(socket, PosixFilePermissions.fromString("rw-rw-rw-"));
    thread.start();
  }

  /** {@return how many messages it has refused} */
  int refused() {
    return refused.get();
  }

  private void run() {
    try (Arena arena = Arena.ofConfined()) {
      Sockets sockets = new Sockets(arena);
      MemorySegment message = arena.allocate(BYTES, 8);
      while (!ending) {
        int ready = poller.await(-1);
        for (int i = 0; i < ready; i++) {
          int descriptor = poller.ready(i);
          if (descriptor == listener) {
            int ignored = poller.add(Sockets.accept(listener));
          } else if (descriptor >= 0) {
            answer(sockets, descriptor, message);
          }
        }
      }
    }
  }

  private void answer(Sockets sockets, int connection, MemorySegment message) {
    if (sockets.receive(connection, message) == BYTES && message.get(JAVA_SHORT, 0) != version) {
      message.set(JAVA_SHORT, 0, version);
      message.set(JAVA_INT, 8, Errnos.EPROTO);
      int ignored = sockets.send(connection, message, -1);
      ignored = refused.incrementAndGet();
    }
    sockets.closeDescriptors(new Closer(), 0);
    Native.close(connection);
  }

  @Override
  public void close() throws IOException {
    ending = true;
    poller.wake();
    Await.until("its end", () -> !thread.isAlive());
    Files.delete(socket);
    Native.close(listener);
    poller.close();
  }
}
