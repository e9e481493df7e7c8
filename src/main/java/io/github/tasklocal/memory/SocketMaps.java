// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.kernel.Refusal;
import io.github.tasklocal.kernel.StackSpace;
import io.github.tasklocal.layout.KeyDirectory;
import io.github.tasklocal.memory.Walk.Work;
import java.nio.file.Path;

/**
 * Opens what a serving side has at its socket, as a map. A process has one connection, whatever the
 * copies of the library; so it has one such map. It stays open while the serving side is away:
 * entries stay in the kernel, and the next one goes on with them.
 */
final class SocketMaps {

  private final Registry registry;
  private final SharedData data;
  private final KeyDirectory keys;
  private final Maps maps;
  private final MapTable table;
  private final Walk walk;
  private final Connection connection;
  private final Handshake handshake;

  SocketMaps(Registry registry, KeyDirectory keys, Maps maps, MapTable table, Walk walk) {
    this.registry = registry;
    this.data = registry.data;
    this.keys = keys;
    this.maps = maps;
    this.table = table;
    this.walk = walk;
    this.connection = registry.served.connection;
    this.handshake = new Handshake(registry);
  }

  /**
   * Opens what the serving side has, for all threads that have a page or will have one.
   *
   * @param path that of the socket
   * @return the map; the one that is open already if the process has it open
   * @throws KernelException if nobody serves there, or it is refused
   */
  OpenMap open(Path path) {
    Path socket = path.toAbsolutePath().normalize();
    registry.kernel.link();
    StackSpace.require();
    try (Pinned _ = Pinned.here()) {
      synchronized (data.opening) {
        maps.closeUnused();
        OpenMap before;
        synchronized (registry.lock) {
          registry.catchUp();
          before = table.find(SharedMap.SERVED);
        }
        if (before != null) {
          requireSame(before, socket);
          connect(before, socket);
          synchronized (registry.lock) {
            table.use(before, 1);
          }
          return before;
        }
        handshake.open(socket, keys);
        OpenMap fresh = OpenMap.served(registry, table.free(socket.toString()), socket.toString());
        synchronized (registry.lock) {
          registry.catchUp();
          registry.threads.ends.releaseSomeEnded();
          table.add(fresh);
        }
        maps.registerAll(fresh);
        return fresh;
      }
    }
  }

  private static void requireSame(OpenMap map, Path socket) {
    if (!map.shared.socket().equals(socket.toString())) {
      throw new NotSupportedException(
          "connect to",
          socket.toString(),
          null,
          "the process is served through " + map.shared.socket(),
          "a machine has one serving side; close the other map first");
    }
  }

  /**
   * Connects again for a map that is open.
   *
   * @throws KernelException if nobody serves there, or it is refused
   */
  void connectAgain(OpenMap map) {
    StackSpace.require();
    try (Pinned _ = Pinned.here()) {
      synchronized (data.opening) {
        connect(map, Path.of(map.shared.socket()));
      }
    }
  }

  private void connect(OpenMap map, Path socket) {
    long before;
    synchronized (registry.lock) {
      if (connection.isOpen()) {
        return;
      }
      before = connection.grant();
    }
    handshake.open(socket, keys);
    synchronized (registry.lock) {
      if (connection.grant() != before) {
        data.forgetMap(map.shared.number); // the entries of the earlier grant are gone with it
        registry.leftovers.forget(map);
      } else {
        data.doubtMap(map.shared.number); // it may serve programs that the last one did not know
      }
      map.shared.forgetEntries();
    }
    tryAll(map);
  }

  private void tryAll(OpenMap map) {
    try {
      walk.all(map, Work.TRY_AGAIN);
    } catch (RuntimeException | Error e) {
      map.failed(e); // the keeper tries it again
    }
  }

  /** {@return whether the serving side is there} */
  boolean isServed(OpenMap map) {
    try (Pinned _ = Pinned.here()) {
      boolean answersAgain;
      boolean isOpen;
      synchronized (registry.lock) {
        answersAgain = connection.tend();
        isOpen = connection.isOpen();
      }
      if (answersAgain) {
        tryAll(map);
      }
      return isOpen;
    }
  }

  /** {@return why it is not there} */
  static KernelException gone(OpenMap map) {
    return Refusal.of("reach", map.shared.socket(), Refusal.GONE);
  }
}
