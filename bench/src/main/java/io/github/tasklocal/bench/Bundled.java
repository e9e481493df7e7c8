// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import io.github.tasklocal.bpf.BpfObject;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;

/** The BPF objects in the benchmarks' jar. */
final class Bundled {

  private Bundled() {}

  /** {@return a loaded object, by the name of its source in {@code bpf/progs}} */
  static BpfObject load(String name) {
    String file = "/bpf/" + name + ".bpf.o";
    try (InputStream stream = Bundled.class.getResourceAsStream(file)) {
      if (stream == null) {
        throw new IllegalStateException(file + " is not in the jar: build it by scripts/bench");
      }
      return BpfObject.load(stream);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
