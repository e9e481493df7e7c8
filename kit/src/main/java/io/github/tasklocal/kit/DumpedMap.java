// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/**
 * A map that the tools' jar has made, pinned in a bpffs of its own, and what its BPF program finds
 * there at the threads.
 */
public final class DumpedMap implements AutoCloseable {

  private final Bpffs bpffs = new Bpffs("rwx------");

  /** Makes the map. */
  public DumpedMap() {
    run("--create");
  }

  /** {@return where it is pinned} */
  public Path pin() {
    return bpffs.path("map");
  }

  /**
   * {@return what the command {@code dump} prints of the threads that are registered, a line each}
   *
   * @param keys and how they are shown, such as {@code tenant:string}
   */
  public String dump(String... keys) {
    List<String> options = new ArrayList<>();
    for (String each : keys) {
      options.add("--key");
      options.add(each);
    }
    return run(options.toArray(String[]::new));
  }

  private String run(String... options) {
    List<String> command =
        new ArrayList<>(
            List.of(
                Jvm.java(),
                "-jar",
                System.getProperty(ServeProcess.JAR),
                "dump",
                "--pin",
                pin().toString()));
    command.addAll(List.of(options));
    return Jvm.output(command);
  }

  /** Keeps the calling thread on its task meanwhile: no task shows a virtual thread that waits. */
  public static void stayUntil(BooleanSupplier isOver) {
    while (!isOver.getAsBoolean()) {
      if (Thread.currentThread().isVirtual()) {
        Thread.onSpinWait();
      } else {
        LockSupport.parkNanos(1_000_000);
      }
    }
  }

  @Override
  public void close() throws IOException {
    bpffs.close();
  }
}
