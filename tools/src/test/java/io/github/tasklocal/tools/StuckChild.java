// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.Patience;
import java.io.BufferedReader;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * A JVM that uses a processor and answers nobody: a thread of it is in a loop that has no
 * safepoint, and all others wait for one.
 */
final class StuckChild implements AutoCloseable {

  private static final int MANY = Integer.MAX_VALUE - 1;

  private final Process process;

  /** Starts it, and waits until it is stuck. */
  StuckChild() throws IOException {
    // It cannot even exit, so the kernel has to kill it if this JVM is killed.
    List<String> command = new ArrayList<>(List.of("setpriv", "--pdeathsig", "KILL", "--"));
    command.addAll(
        Jvm.reading(
            List.of(
                "-XX:-UseCountedLoopSafepoints",
                "-XX:LoopStripMiningIter=0",
                "-Xbatch",
                "-XX:+UseSerialGC"),
            Jvm.join(Jvm.classPath()),
            StuckChild.class));
    process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    try (Jvm.Deadline _ = new Jvm.Deadline(process, Patience.WAIT)) {
      BufferedReader output = process.inputReader();
      await(output, "ready");
      // From now on jcmd finds that it takes commands, and waits for its answer.
      String ignored =
          Jvm.output(List.of(Jvm.tool("jcmd"), String.valueOf(process.pid()), "VM.version"));
      process.getOutputStream().write('\n');
      process.getOutputStream().flush();
      await(output, "stuck");
    } catch (IOException | Error e) {
      close();
      throw e;
    }
  }

  private static void await(BufferedReader output, String word) throws IOException {
    String line = output.readLine();
    while (line != null && !line.equals(word)) {
      line = output.readLine();
    }
    if (line == null) {
      throw new AssertionError("it has ended, before it was " + word);
    }
  }

  /** {@return its id} */
  long pid() {
    return process.pid();
  }

  @Override
  public void close() {
    Jvm.kill(process);
  }

  /** Gets stuck when it can read something. */
  public static void main(String... arguments) throws Exception {
    int[] warm = new int[1];
    for (int i = 0; i < 20_000; i++) {
      warm[0] += loop(10, 10);
    }
    System.out.println("ready");
    int ignored = System.in.read();
    Thread loop = Thread.ofPlatform().daemon().start(() -> warm[0] += loop(MANY, MANY));
    while (loop.getState() == Thread.State.NEW) {
      Thread.onSpinWait();
    }
    System.out.println("stuck");
    System.gc();
  }

  private static int loop(int rounds, int count) {
    int sum = 1;
    for (int i = 0; i < rounds; i++) {
      for (int j = 0; j < count; j++) {
        sum = sum * 31 % 1_000_003 + j;
      }
    }
    return sum;
  }
}
