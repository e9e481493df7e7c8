// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench.sched;

import io.github.tasklocal.kit.Jvm;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;

/**
 * A process that wants all processors, in a control group beside that of this process: both are
 * children of one group, which has the processors to itself but for what the system does. This
 * process's group has the weight 100, as every group that nobody has given another.
 */
final class Neighbour implements AutoCloseable {

  static final int SERVERS_WEIGHT = 100;

  /** In nanoseconds: longer reads are done again, as their thread had to wait. */
  private static final long AT_ONCE = 20_000_000;

  private static final int MOST = 10;

  private static final Path ROOT = Path.of("/sys/fs/cgroup");

  private final Path groups;
  private final Path before;
  private final Thread hook = new Thread(this::remove);
  private final Process process;

  private Neighbour(int weight, int threads) throws IOException {
    this.before = ROOT.resolve(own());
    this.groups = ROOT.resolve("tasklocal-bench-" + ProcessHandle.current().pid());
    Runtime.getRuntime().addShutdownHook(hook);
    enable(ROOT);
    Files.createDirectory(groups);
    enable(groups);
    Path server = group("server", SERVERS_WEIGHT);
    Path neighbour = group("neighbour", weight);
    move(ProcessHandle.current().pid(), server);
    process =
        Jvm.start(
            Jvm.command(
                List.of("-Xmx64m", "-XX:+UseSerialGC"),
                Jvm.join(Jvm.classPath()),
                Neighbour.class,
                neighbour.toString(),
                String.valueOf(threads)));
    if (process.getInputStream().read() < 0) {
      throw new IllegalStateException("the neighbour has ended before it began");
    }
  }

  /**
   * Starts one.
   *
   * @param weight of its control group, 1 to 10,000 (cpu.weight)
   * @param threads how many of its threads never sleep
   * @throws IllegalStateException if this machine has no control groups of version 2 with weights
   */
  static Neighbour start(int weight, int threads) throws IOException {
    if (!Files.exists(ROOT.resolve("cgroup.subtree_control"))) {
      throw new IllegalStateException(
          ROOT + " has no control groups of version 2: mount -t cgroup2 cgroup2 " + ROOT);
    }
    return new Neighbour(weight, threads);
  }

  private static String own() throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/self/cgroup"))) {
      if (line.startsWith("0::/")) {
        return line.substring("0::/".length());
      }
    }
    throw new IllegalStateException("this process is in no control group of version 2");
  }

  private static void enable(Path group) throws IOException {
    Files.writeString(group.resolve("cgroup.subtree_control"), "+cpu");
  }

  private Path group(String name, int itsWeight) throws IOException {
    Path group = Files.createDirectory(groups.resolve(name));
    Files.writeString(group.resolve("cpu.weight"), String.valueOf(itsWeight));
    return group;
  }

  private static void move(long pid, Path group) throws IOException {
    Files.writeString(group.resolve("cgroup.procs"), String.valueOf(pid));
  }

  /**
   * The processor time that it has had, and when that was read.
   *
   * @param busy nanoseconds of all processors together
   * @param now as of {@link System#nanoTime}
   */
  record Time(long busy, long now) {

    /** {@return the share of all processors that it has had since} */
    double since(Time earlier) {
      return (double) (busy - earlier.busy)
          / (now - earlier.now)
          / Runtime.getRuntime().availableProcessors();
    }
  }

  /** {@return what it has had so far} The caller may have to wait for a processor meanwhile. */
  Time time() {
    if (!process.isAlive()) {
      throw new IllegalStateException("the neighbour has ended, with " + process.exitValue());
    }
    for (int tries = 0; ; tries++) {
      long before = System.nanoTime();
      long busy = nanos();
      long now = System.nanoTime();
      if (now - before < AT_ONCE || tries == MOST) {
        return new Time(busy, before + (now - before) / 2);
      }
    }
  }

  private long nanos() {
    try {
      return Files.readAllLines(groups.resolve("neighbour/cpu.stat")).stream()
          .filter(line -> line.startsWith("usage_usec "))
          .mapToLong(line -> Long.parseLong(line.substring("usage_usec ".length())) * 1000)
          .findFirst()
          .orElseThrow();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() {
    Runtime.getRuntime().removeShutdownHook(hook);
    remove();
  }

  private void remove() {
    try {
      if (process != null) {
        process.destroyForcibly().waitFor();
      }
      move(ProcessHandle.current().pid(), before);
      for (String each : List.of("server", "neighbour", "")) {
        remove(groups.resolve(each));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void remove(Path group) throws IOException {
    try {
      Files.deleteIfExists(group); // the files in it go with it
    } catch (NoSuchFileException e) {
      // It was not made.
    }
  }

  /**
   * Is busy until its input ends, which it does with the process that has started it.
   *
   * @param args its control group, and how many threads
   */
  public static void main(String[] args) throws IOException {
    move(ProcessHandle.current().pid(), Path.of(args[0])); // out of the server's, before any work
    for (int i = 0; i < Integer.parseInt(args[1]); i++) {
      Orders orders = new Orders(i);
      new Thread(() -> work(orders)).start();
    }
    System.out.println("working");
  }

  @SuppressWarnings("InfiniteLoopStatement")
  private static void work(Orders orders) {
    while (true) {
      long ignored = orders.reports(20);
    }
  }
}
