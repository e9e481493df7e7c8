// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.kit.Jvm;
import java.io.BufferedReader;
import java.io.IOException;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;

/**
 * An application with a thread that serves two tenants in turns, each by a method of its own: one
 * computes with floating point, the other with whole numbers.
 */
final class ProfileChild implements AutoCloseable {

  static final String KEY = "profile.tenant";

  /** The methods of the tenants. */
  static final String ACME = ProfileChild.class.getName() + ".roots";

  static final String GLOBEX = ProfileChild.class.getName() + ".sums";

  /** Options of its JVM: two virtual threads, one for each tenant. */
  static final String[] VIRTUAL = {
    "-XX:+PreserveFramePointer",
    "-Dchild=virtual",
    "--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED"
  };

  /** An option of its JVM: acme's method calls the JVM itself, again and again. */
  static final String RUNTIME = "-Dchild=runtime";

  /** An option of its JVM: both methods are below more frames than a sample has room for. */
  static final String DEEP = "-Dchild=deep";

  /** What stands before its command as another user's, who may read this user's files and pins. */
  static final List<String> NOBODY =
      List.of(
          "setpriv",
          "--reuid=65534",
          "--regid=65534",
          "--clear-groups",
          "--inh-caps=+dac_override",
          "--ambient-caps=+dac_override",
          "--");

  private static final int DEPTH = 1500;

  private static final String DOES = System.getProperty("child", "");

  private final Process process;
  private final Jvm.Deadline deadline;
  private final int pid;

  /**
   * Starts the application, and waits until its methods are compiled.
   *
   * @param in what stands before its command, such as {@link SpinChild#CONTAINER} or {@link
   *     #NOBODY}
   * @param more options of its JVM
   */
  ProfileChild(List<String> in, Path pin, String... more) throws IOException {
    List<String> options = new ArrayList<>(Jvm.options(List.of(more)));
    options.add("-Xbatch"); // so that all is compiled after the warm-up, however busy the machine
    // So that each keeps a frame of its own.
    options.add("-XX:CompileCommand=dontinline," + ACME.replace(".roots", "::roots"));
    options.add("-XX:CompileCommand=dontinline," + GLOBEX.replace(".sums", "::sums"));
    options.add("-XX:CompileCommand=quiet");
    List<String> command = new ArrayList<>(in);
    command.addAll(
        Jvm.reading(options, Jvm.join(Jvm.classPath()), ProfileChild.class, pin.toString()));
    process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    deadline = new Jvm.Deadline(process);
    try {
      BufferedReader output = process.inputReader();
      String ready = output.readLine();
      while (ready != null && !ready.equals("ready")) {
        ready = output.readLine();
      }
      if (ready == null) {
        throw new AssertionError("the child has ended");
      }
      pid = (int) process.children().findFirst().orElse(process.toHandle()).pid();
    } catch (IOException | Error e) {
      close();
      throw e;
    }
  }

  /** {@return its id in this process's pid namespace} */
  int pid() {
    return pid;
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
   * @param arguments the map's pin
   */
  public static void main(String... arguments) throws IOException {
    TaskLocal.OfSegment key =
        TaskLocal.of(KEY, MemoryLayout.sequenceLayout(8, ValueLayout.JAVA_BYTE));
    try (TaskLocalMap _ = TaskLocalMap.open(Path.of(arguments[0]))) {
      double used = 0;
      for (int i = 0; i < 1000; i++) {
        used += roots(2000) + sums(2000) + serve(key);
      }
      double warm = used;
      if (DOES.equals("virtual")) {
        Thread acme = Thread.ofVirtual().unstarted(() -> turns(key, "acme", warm));
        acme.start();
        Thread globex = Thread.ofVirtual().unstarted(() -> turns(key, "globex", warm));
        globex.start();
      } else {
        Thread ignored =
            Thread.ofPlatform()
                .daemon()
                .start(() -> below(key, DOES.equals("deep") ? DEPTH : 0, warm));
      }
      System.out.println("ready");
      while (System.in.read() >= 0) {}
    }
  }

  private static double below(TaskLocal.OfSegment key, int frames, double warm) {
    if (frames > 0) {
      return 1 + below(key, frames - 1, warm);
    }
    double sum = warm;
    while (true) {
      sum += serve(key);
      if (sum == 42) {
        LockSupport.parkNanos(1);
      }
    }
  }

  private static void turns(TaskLocal.OfSegment key, String tenant, double warm) {
    key.with(tenant)
        .run(
            () -> {
              double sum = warm;
              while (sum != 42) {
                sum += tenant.equals("acme") ? roots(1_000_000) : sums(1_000_000);
                LockSupport.parkNanos(1);
              }
            });
  }

  private static double serve(TaskLocal.OfSegment key) {
    double one = key.with("acme").call(() -> roots(60_000));
    return one + key.with("globex").call(() -> (double) sums(60_000));
  }

  static double roots(int count) {
    double sum = 0;
    if (DOES.equals("runtime")) {
      for (int i = 1; i < count / 200; i++) { // each takes as much longer
        sum += "tenant".concat("-" + i % 10).intern().length();
      }
      return sum;
    }
    for (int i = 1; i < count; i++) {
      sum += Math.sqrt(i);
    }
    return sum;
  }

  /** Of ints: C1 has the JVM divide longs, by a function that has no frame and hides this one's. */
  static int sums(int count) {
    int sum = 1;
    for (int i = 1; i < count; i++) {
      sum = (sum * 31 + i) % 1_000_003;
    }
    return sum;
  }
}
