// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.bpf.BpfProgram;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.Folders;
import io.github.tasklocal.kit.Need;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/** The resources of a test. They are closed after it, the last one first. */
public final class Fixture implements AutoCloseable {

  /** How often to look again for an entry: each look takes long on an emulated machine. */
  private static final int TRIES = 3;

  private final @Nullable Wire wire;
  private final Settings settings;
  private final Bpffs bpffs;
  private final Deque<AutoCloseable> open = new ArrayDeque<>();

  /**
   * What is the same for all tests of a run.
   *
   * @param threads how many threads a test of many threads uses
   * @param seed the seed of its random numbers
   */
  public record Settings(int threads, long seed) {}

  public Fixture(@Nullable Wire wire, Settings settings, Bpffs bpffs) {
    this.wire = wire;
    this.settings = settings;
    this.bpffs = bpffs;
  }

  /** {@return the wire that the test is run for} */
  public Wire wire() {
    if (wire == null) {
      throw new IllegalStateException("a test without a wire asks for its wire");
    }
    return wire;
  }

  int threads() {
    return settings.threads();
  }

  /** {@return random numbers that are the same for the same seed} */
  Random random() {
    return new Random(settings.seed());
  }

  /** {@return the bpffs for pins, which are deleted with it} */
  public Path bpffs() {
    return bpffs.folder();
  }

  /** {@return a path for a pin which no other test has} */
  public Path pin(String name) throws IOException {
    Path folder = Files.createTempDirectory(bpffs(), "pins_");
    Files.setPosixFilePermissions(folder, Files.getPosixFilePermissions(bpffs()));
    return folder.resolve(name);
  }

  /** {@return a new folder, deleted after the test} */
  Path folder() throws IOException {
    Path folder = Folders.make("files");
    open.push(() -> Folders.delete(folder));
    return folder;
  }

  /** {@return the bytes of an object as it was compiled for this wire, or for none} */
  byte[] objectFile(String name) throws IOException {
    return objectFile(name, wire);
  }

  private static byte[] objectFile(String name, @Nullable Wire wire) throws IOException {
    String file =
        "/bpf/"
            + name
            + (wire == null ? "" : "." + wire.name().toLowerCase(Locale.ROOT))
            + ".bpf.o";
    try (InputStream stream = Fixture.class.getResourceAsStream(file)) {
      Check.that(stream != null, file + " is not in the jar: build it with Maven");
      return stream.readAllBytes();
    }
  }

  /** {@return an object that is open and not loaded} */
  public BpfObject open(String name) throws IOException {
    return closing(BpfObject.open(objectFile(name)));
  }

  /** {@return a loaded object} */
  public BpfObject load(String name) throws IOException {
    return closing(BpfObject.load(objectFile(name)));
  }

  /** {@return a loaded object of a wire other than the test's} */
  BpfObject load(String name, Wire other) throws IOException {
    return closing(BpfObject.load(objectFile(name, other)));
  }

  /** {@return a loaded object that knows no wire} */
  public BpfObject loadWithoutWire(String name) throws IOException {
    return closing(BpfObject.load(objectFile(name, null)));
  }

  /** {@return the map through which an object of this wire reads} */
  public BpfMap dataMap(BpfObject object) {
    return object.map(wire().mapName());
  }

  /**
   * {@return the object's map, open for all threads of this process; or what a serving side shares
   * with it, where the kernel has no uptrs}
   */
  public TaskLocalMap share(BpfObject object) {
    return share(object, wire());
  }

  /** {@return the same for an object of a wire other than the test's} */
  TaskLocalMap share(BpfObject object, Wire other) {
    Path socket = Need.socket();
    if (socket != null) {
      return closing(served(socket));
    }
    TaskLocalMap map = closing(TaskLocalMap.of(object.map(other.mapName()).fd()));
    Check.equal(other, map.wire(), "the wire that the library finds from the map");
    return map;
  }

  /** {@return what a serving side shares} Its answer may take long on an emulated machine. */
  static TaskLocalMap served(Path socket) {
    TaskLocalMap map = TaskLocalMap.watch(socket);
    Await.until("the serving side at " + socket, () -> map.state() instanceof TaskLocalMap.Served);
    return map;
  }

  /**
   * Checks that a program sees what the calling thread has set, at once. Only a serving side may be
   * late: then the thread is registered at a later use of a key, as is one that had a page before
   * the map was opened.
   */
  static void seen(TaskLocal.OfInt key, BpfProgram lookUp, String what) {
    if (Need.socket() != null) {
      Await.until(what + " at a later use of the key", () -> lookUp.run() == key.get());
    }
    Check.equal(key.get(), find(lookUp), what);
  }

  /**
   * {@return what {@code look_up.bpf.c} finds for the calling thread} On Linux 6.1 it has found no
   * entry of a thread that had one; by the source, it finds none while its processor is at the
   * storage of another task that it has preempted (bpf_task_storage_trylock in
   * kernel/bpf/bpf_task_storage.c, until 6.2). Where there are slots it looks again.
   */
  static int find(BpfProgram lookUp) {
    int found = lookUp.run();
    for (int tries = 0;
        found == MapTests.NO_ENTRY && Need.socket() != null && tries < TRIES;
        tries++) {
      LockSupport.parkNanos(5_000_000);
      found = lookUp.run();
    }
    return found;
  }

  /** {@return the resource, which is closed after the test} */
  public <T extends AutoCloseable> T closing(T resource) {
    open.push(resource);
    return resource;
  }

  @Override
  public void close() {
    IllegalStateException failure = null;
    while (!open.isEmpty()) {
      try {
        open.pop().close();
      } catch (Exception e) {
        if (failure == null) {
          failure = new IllegalStateException("cannot close what the test has opened", e);
        } else {
          failure.addSuppressed(e);
        }
      }
    }
    if (failure != null) {
      throw failure;
    }
  }
}
