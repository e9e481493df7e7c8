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
    List<String> command = new ArrayList<>(command());
    command.add("--create");
    String ignored = Jvm.output(command);
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
    return Jvm.output(command(keys));
  }

  /** {@return the command that {@link #dump} runs} */
  public List<String> command(String... keys) {
    List<String> command =
        new ArrayList<>(
            List.of(
                Jvm.java(),
                "-jar",
                System.getProperty(ServeProcess.JAR),
                "dump",
                "--pin",
                pin().toString()));
    for (String each : keys) {
      command.add("--key");
      command.add(each);
    }
    return command;
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
