// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.seen.ThreadValues;
import io.github.tasklocal.layout.SeenKey;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What BPF programs see of the threads that a serving side has registered. */
final class ServeView implements AutoCloseable {

  private final BpfObject object;
  private final Wire wire;

  private ServeView(BpfObject object, Wire wire) {
    this.object = object;
    this.wire = wire;
  }

  /** {@return through a pinned map} */
  static ServeView ofMap(Path pin, Wire wire) throws IOException {
    BpfObject object = MapOptions.open("dump", wire);
    object.map(wire.mapName()).pinPath(pin);
    object.load();
    return new ServeView(object, wire);
  }

  /** {@return through slots, which the program is told to use, whatever the kernel has} */
  static ServeView ofSlots(ServeSide side, Path folder) throws IOException {
    BpfObject object = BpfObject.open(compiled(folder));
    for (String name : List.of("tld_arrays", "tld_slot_map")) {
      object.map(name).pinPath(side.bpffs().path(name));
    }
    object.load();
    return new ServeView(object, Wire.A);
  }

  private static Path compiled(Path folder) {
    Path object = folder.resolve("dump_slots.bpf.o");
    if (!Files.exists(object)) {
      Path root = Path.of(System.getProperty("basedir", "")).toAbsolutePath().getParent();
      String ignored =
          Jvm.output(
              List.of(
                  Optional.ofNullable(System.getenv("CLANG")).orElse("clang"),
                  "-target",
                  "bpf",
                  "-O2",
                  "-g",
                  "-mcpu=v3",
                  "-DTLD_WIRE=1",
                  "-DTLD_SLOTS",
                  "-I" + root.resolve("bpf/include"),
                  "-idirafter",
                  "/usr/include/"
                      + System.getProperty("os.arch").replace("amd64", "x86_64")
                      + "-linux-gnu",
                  "-c",
                  root.resolve("bpf/progs/dump.bpf.c").toString(),
                  "-o",
                  object.toString()));
    }
    return object;
  }

  /** {@return the values of the first key of all threads that have an entry, by thread} */
  List<Integer> values() {
    List<Integer> values = new ArrayList<>();
    for (ThreadValues thread : ThreadValues.look(object, wire)) {
      List<SeenKey> keys = thread.keys();
      MemorySegment value = keys.isEmpty() ? null : thread.value(keys.getFirst());
      values.add(value == null ? -1 : value.get(JAVA_INT.withByteAlignment(1), 0));
    }
    return values;
  }

  @Override
  public void close() {
    object.close();
  }
}
