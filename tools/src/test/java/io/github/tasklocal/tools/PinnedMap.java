// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A map of a wire, pinned in a directory of a test's own. */
final class PinnedMap implements AutoCloseable {

  private final BpfObject object;
  private final PinDirectory directory;
  private final Path pin;

  PinnedMap(Wire wire) throws IOException {
    object = MapOptions.open("dump", wire);
    object.load();
    directory = new PinDirectory();
    pin = directory.path("map");
    object.map(wire.mapName()).pin(pin);
  }

  Path pin() {
    return pin;
  }

  BpfObject object() {
    return object;
  }

  @Override
  public void close() throws IOException {
    try (directory) {
      object.close();
    }
  }

  /** A directory on the machine's bpffs, with all that is pinned there. */
  static final class PinDirectory implements AutoCloseable {

    private final Path path;

    PinDirectory() throws IOException {
      path =
          Files.createDirectory(
              Path.of(
                  "/sys/fs/bpf/tasklocal-tools-test-%d-%d"
                      .formatted(ProcessHandle.current().pid(), System.nanoTime())));
    }

    Path path(String name) {
      return path.resolve(name);
    }

    Path root() {
      return path;
    }

    @Override
    public void close() throws IOException {
      try (var pins = Files.list(path)) {
        for (Path pin : pins.toList()) {
          Files.delete(pin);
        }
      }
      Files.delete(path);
    }
  }
}
