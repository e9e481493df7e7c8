// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.system;

import io.github.tasklocal.bpf.BpfObject;
import java.io.IOException;
import java.io.InputStream;

/** The BPF programs of this jar. */
public final class Programs {

  private Programs() {}

  /**
   * {@return an object of this jar, not loaded yet}
   *
   * @param name such as {@code serve} for {@code serve.bpf.o}
   */
  public static BpfObject open(String name) throws IOException {
    String file = "/bpf/" + name + ".bpf.o";
    try (InputStream object = Programs.class.getResourceAsStream(file)) {
      if (object == null) {
        throw new IllegalStateException(
            file + " is not in the jar: build the library first, with Maven");
      }
      return BpfObject.open(object);
    }
  }
}
