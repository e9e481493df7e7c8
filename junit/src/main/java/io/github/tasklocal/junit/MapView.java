// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.junit;

import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.error.TaskLocalException;
import io.github.tasklocal.kit.seen.ThreadValues;
import io.github.tasklocal.layout.SeenKey;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Assertions;

/** Through a map, with a BPF program that walks over the tasks. */
final class MapView implements View {

  private static final Wire WIRE = Wire.C;

  /** How often to read a value anew that is being written. */
  private static final int TRIES = 100;

  private final BpfObject object;
  private final TaskLocalMap map;

  /**
   * Loads the program.
   *
   * @throws TaskLocalException if it cannot be loaded, or the map cannot be opened
   */
  MapView() {
    object = load();
    boolean done = false;
    try {
      map = TaskLocalMap.of(object.map(WIRE.mapName()).fd(), WIRE);
      done = true;
    } finally {
      if (!done) {
        object.close();
      }
    }
  }

  private static BpfObject load() {
    try (InputStream file = MapView.class.getResourceAsStream("dump.c.bpf.o")) {
      if (file == null) {
        throw new IllegalStateException(
            "the BPF object is not in the jar: build the library first");
      }
      BpfObject opened = BpfObject.open(file);
      boolean done = false;
      try {
        opened.load();
        done = true;
        return opened;
      } finally {
        if (!done) {
          opened.close();
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public <T> T value(Thread thread, Access<T> access) {
    for (int tries = 0; ; tries++) {
      ThreadValues values = look(thread);
      SeenKey key = values == null ? null : values.key(access.key().name());
      MemorySegment bytes = values == null || key == null ? null : values.value(key);
      if (values == null || key == null || bytes == null) {
        return Assertions.fail(
            "a BPF program sees no value of \"%s\" on %s: %s%s"
                .formatted(access.key().name(), thread, why(thread, values, key), more()));
      }
      // A value of up to 8 bytes is read whole at any time.
      if (bytes.byteSize() <= Long.BYTES || !values.changing(key)) {
        return access.decode().apply(bytes);
      }
      if (tries == TRIES) {
        return Assertions.fail(
            "a BPF program sees no whole value of \"%s\" on %s: the thread writes it all the time"
                .formatted(access.key().name(), thread));
      }
    }
  }

  private String more() {
    return View.because(map.lastFailure());
  }

  private static String why(Thread thread, @Nullable ThreadValues values, @Nullable SeenKey key) {
    if (values == null) {
      return thread.isVirtual()
          ? "its carrier has none; values follow a virtual thread where java.base/jdk.internal.misc"
              + " is exported to the library, with --add-exports"
              + " java.base/jdk.internal.misc=ALL-UNNAMED for example"
          : "it has no entry in the map";
    }
    return key == null
        ? "the key is not among the first %d of the process, which is all that programs see"
            .formatted(WIRE.maxKeys())
        : "it would lie outside of the thread's page";
  }

  /** Looks at the thread, or at the one that carries it. */
  private @Nullable ThreadValues look(Thread thread) {
    if (thread != Thread.currentThread()) {
      return of(View.find(thread).tid());
    }
    // A virtual thread may have gone on to another carrier meanwhile.
    while (true) {
      int before = View.ownTid();
      ThreadValues found = of(before);
      if (View.ownTid() == before) {
        return found;
      }
    }
  }

  /** Only this process knows the map, so no other pid namespace can have the same id. */
  private @Nullable ThreadValues of(int tid) {
    return ThreadValues.look(object, WIRE).stream()
        .filter(each -> each.ownThread() == tid)
        .findFirst()
        .orElse(null);
  }

  @Override
  public void close() {
    try {
      map.close();
    } finally {
      object.close();
    }
  }
}
