// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;

/** Shows a value to BPF through the library, as early as a program can. */
final class StartUpLibrary {

  private static final TaskLocal.OfInt PRIORITY = TaskLocal.of("priority", ValueLayout.JAVA_INT);

  private StartUpLibrary() {}

  /**
   * Shows the value.
   *
   * @param args the map's pin
   */
  public static void main(String[] args) {
    TaskLocalMap map = TaskLocalMap.open(Path.of(args[0]));
    PRIORITY.set(7);
    Thread.yield(); // a system call, at which the BPF program looks
  }
}
