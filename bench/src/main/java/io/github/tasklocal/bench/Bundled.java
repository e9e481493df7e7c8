// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import io.github.tasklocal.bpf.BpfObject;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;

/** The BPF objects in the benchmarks' jar. */
public final class Bundled {

  private Bundled() {}

  /** {@return a loaded object, by the name of its source in {@code bpf/progs}} */
  static BpfObject load(String name) {
    BpfObject object = open(name);
    boolean done = false;
    try {
      object.load();
      done = true;
      return object;
    } finally {
      if (!done) {
        object.close();
      }
    }
  }

  /** {@return the same, not loaded yet} */
  public static BpfObject open(String name) {
    String file = "/bpf/" + name + ".bpf.o";
    try (InputStream stream = Bundled.class.getResourceAsStream(file)) {
      if (stream == null) {
        throw new IllegalStateException(file + " is not in the jar: build it by scripts/bench");
      }
      return BpfObject.open(stream);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
