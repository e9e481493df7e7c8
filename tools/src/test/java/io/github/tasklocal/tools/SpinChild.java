// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.kit.Jvm;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/** An application with a thread that always wants a processor, with a value of a key. */
final class SpinChild implements AutoCloseable {

  static final String KEY = "spin.int";

  /** Stands before a command, which becomes process 1 of a pid namespace of its own. */
  static final List<String> CONTAINER =
      List.of("unshare", "--kill-child", "--mount", "--pid", "--fork", "--mount-proc");

  private final Process process;
  private final Jvm.Deadline deadline;
  private final int pid;
  private final int spinning;

  /**
   * Starts the application.
   *
   * @param in what stands before its command; {@link #CONTAINER} or nothing
   * @param name of its main thread, and so of the process, as bytes in hexadecimal
   */
  SpinChild(List<String> in, Path pin, int value, String name) throws IOException {
    List<String> command = new ArrayList<>(in);
    command.addAll(
        Jvm.reading(
            Jvm.shortLived(),
            Jvm.join(Jvm.classPath()),
            SpinChild.class,
            pin.toString(),
            "" + value,
            name));
    process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    deadline = new Jvm.Deadline(process);
    try {
      BufferedReader output = process.inputReader();
      String ready = output.readLine();
      if (ready == null) {
        throw new AssertionError("the child has ended");
      }
      spinning = Integer.parseInt(ready);
      pid =
          (int) (in.isEmpty() ? process.pid() : process.children().findFirst().orElseThrow().pid());
    } catch (IOException | Error e) {
      close();
      throw e;
    }
  }

  /** {@return its id in this process's pid namespace} */
  int pid() {
    return pid;
  }

  /** {@return the id of the thread that spins, in its own pid namespace} */
  int spinning() {
    return spinning;
  }

  @Override
  public void close() throws IOException {
    process.getOutputStream().close();
    process.onExit().join();
    deadline.close();
  }

  /**
   * Runs until its input ends.
   *
   * @param arguments the map's pin, the value, and the process's name in hexadecimal
   */
  public static void main(String... arguments) throws IOException {
    TaskLocal.OfInt key = TaskLocal.of(KEY, JAVA_INT);
    rename(HexFormat.of().parseHex(arguments[2]));
    try (TaskLocalMap _ = TaskLocalMap.open(Path.of(arguments[0]))) {
      Thread.ofPlatform()
          .daemon()
          .start(
              () -> {
                key.set(Integer.parseInt(arguments[1]));
                System.out.println(tid());
                while (true) {
                  Thread.onSpinWait();
                }
              });
      while (System.in.read() >= 0) {}
    }
  }

  private static int tid() {
    try {
      return Integer.parseInt(
          Files.readSymbolicLink(Path.of("/proc/thread-self")).getFileName().toString());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Names the process: its first thread, which is not the one that runs {@code main}. */
  private static void rename(byte[] name) throws IOException {
    if (name.length > 0) {
      Files.write(Path.of("/proc/self/comm"), name);
    }
  }
}
