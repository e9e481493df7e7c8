// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.examples.gclabels;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import com.grack.nanojson.JsonObject;
import com.grack.nanojson.JsonParser;
import io.github.tasklocal.NativeThread;
import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.TaskLocalException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.lang.invoke.MethodHandles;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.LongUnaryOperator;
import java.util.stream.Collectors;

/**
 * Tells BPF programs which threads of a JVM collect garbage, which compile, and which are others of
 * the virtual machine, by the key "jvm.kind", an int.
 *
 * <p>{@link #premain} is the agent, for any JVM; {@link #agentmain} is the same for one that runs
 * already. {@link #main} is a demonstration of it.
 */
public final class GcLabels {

  /** BPF reads the ordinal. */
  private enum Label {
    NONE,
    GC,
    JIT,
    VM;

    static Label of(NativeThread thread) {
      return switch (thread.kind()) {
        case GC -> GC;
        case JIT -> JIT;
        case VM -> VM;
        case JAVA, OTHER -> NONE;
      };
    }
  }

  // ---- The agent ----

  private static Path pin;

  private final TaskLocal.OfInt kind = TaskLocal.of("jvm.kind", JAVA_INT);
  private Map<NativeThread, Label> labels = Map.of();
  private boolean failed;

  private GcLabels() {}

  /**
   * Labels the threads of this JVM, now and for as long as it runs. The application goes on if that
   * is not possible.
   *
   * @param option where the map is pinned that shares the labels, now or later
   */
  public static void premain(String option) {
    start(option);
  }

  /**
   * The same in a JVM that runs already. If the agent is there already, the labels are shared
   * through this map, too.
   *
   * @param option as of {@link #premain}
   */
  public static void agentmain(String option) {
    start(option);
  }

  private static synchronized void start(String option) {
    boolean isFirst = pin == null;
    try {
      pin = option == null || option.isEmpty() ? TaskLocalMap.defaultPin() : Path.of(option);
      TaskLocalMap.watch(pin); // stays open as long as the JVM runs
      if (isFirst) {
        GcLabels agent = new GcLabels();
        Executors.newSingleThreadScheduledExecutor(
                Thread.ofPlatform().daemon().name("gc-labels").factory())
            .scheduleWithFixedDelay(agent::label, 0, 200, TimeUnit.MILLISECONDS);
      }
    } catch (RuntimeException e) { // such as a bad path, or native access that is denied
      warn(e);
    }
  }

  /** Labels new threads. */
  private void label() {
    try {
      Map<NativeThread, Label> now = new HashMap<>();
      for (NativeThread thread : NativeThread.list()) {
        // Compared, as a thread gets the name that shows its kind a moment after its start.
        Label label = Label.of(thread);
        if (label != labels.getOrDefault(thread, Label.NONE)) {
          set(thread, label);
        }
        now.put(thread, label);
      }
      labels = now;
      failed = false;
    } catch (TaskLocalException e) {
      if (!failed) {
        warn(e);
      }
      failed = true;
    }
  }

  private void set(NativeThread thread, Label label) {
    try {
      kind.set(thread, label.ordinal());
    } catch (NotFoundException e) {
      // It has ended.
    }
  }

  private static void warn(Exception e) {
    System.err.println("gc-labels: " + e.getMessage());
  }

  // ---- The demonstration ----

  /**
   * Keeps the collector and the compilers busy. With "--check" it also checks what the tools say of
   * them, and exits with 1 if that is wrong.
   *
   * @param args for how many seconds, by default 60; or "--check" and the jar of the tools
   * @throws Exception if something fails
   */
  public static void main(String[] args) throws Exception {
    if (pin == null) {
      premain(null); // no -javaagent
    }
    System.out.printf("process %d makes garbage and code%n", ProcessHandle.current().pid());
    if (args.length == 2 && args[0].equals("--check")) {
      Thread.ofPlatform().daemon().name("work").start(() -> work(3600));
      if (!Check.seesLabels(args[1])
          || !Check.seesTimes(args[1])
          || !Check.seesLabelsOfAnother(args[1])) {
        System.exit(1);
      }
      return;
    }
    work(args.length == 1 ? Integer.parseInt(args[0]) : 60);
  }

  /** A class of its own, so that the agent loads without the JSON parser. */
  private static final class Check {

    /** How far a share may be off, in percentage points. */
    private static final double TOLERANCE = 5;

    /** Waits, five minutes at most, until {@code dump} sees the label of every thread. */
    static boolean seesLabels(String tools) throws Exception {
      long end = System.nanoTime() + TimeUnit.MINUTES.toNanos(5);
      while (true) {
        Map<Integer, Label> seen = new HashMap<>();
        // Without --pid, which would fail as long as this process has not registered.
        for (Object process : run(tools, "dump").getArray("processes")) {
          for (Object each : ((JsonObject) process).getArray("threads")) {
            JsonObject thread = (JsonObject) each;
            int label = thread.getObject("values").getInt("jvm.kind");
            seen.put(thread.getInt("tid"), Label.values()[label]);
          }
        }
        // Listed after dump, so a thread that started in between is missed now, and seen next time.
        List<NativeThread> threads = NativeThread.list();
        List<NativeThread> missed =
            threads.stream()
                .filter(each -> seen.getOrDefault(each.tid(), Label.NONE) != Label.of(each))
                .toList();
        Map<Label, Long> counts =
            threads.stream()
                .collect(
                    Collectors.groupingBy(
                        Label::of, () -> new EnumMap<>(Label.class), Collectors.counting()));
        if (missed.isEmpty() && counts.keySet().containsAll(EnumSet.of(Label.GC, Label.JIT))) {
          System.out.println("BPF sees the labels of all threads: " + counts);
          return true;
        } else if (System.nanoTime() > end) {
          System.out.println(
              "BPF does not see the labels of " + missed + "; threads by label: " + counts);
          return false;
        }
      }
    }

    /** Whether the shares of {@code top} match the kernel's accounts of each thread. */
    static boolean seesTimes(String tools) throws Exception {
      Map<NativeThread, Long> before;
      Map<NativeThread, Long> after = new HashMap<>();
      JsonObject second;
      Process top = start(tools, "top", "--interval=5", "--pid=" + ProcessHandle.current().pid());
      try (BufferedReader lines = top.inputReader()) {
        Object ignored = JsonParser.object().from(lines.readLine());
        before = times(); // the next interval begins
        while (!lines.ready() && top.isAlive()) {
          Thread.sleep(50);
          after.putAll(times()); // the times of threads that end meanwhile stay
        }
        second = JsonParser.object().from(lines.readLine());
      } finally {
        top.destroy();
      }
      Map<Label, Double> expected = new EnumMap<>(Label.class);
      after.forEach(
          (thread, time) ->
              expected.merge(
                  Label.of(thread), (double) time - before.getOrDefault(thread, 0L), Double::sum));
      Map<Label, Double> found = new EnumMap<>(Label.class);
      for (Object each : second.getArray("rows")) {
        JsonObject row = (JsonObject) each;
        // The value is null for the threads that have no entry.
        Label label = Label.values()[row.getInt("value", 0)];
        found.merge(label, row.getDouble("time_ns"), Double::sum);
      }
      boolean right = true;
      System.out.println("label  /proc     top");
      for (Label label : Label.values()) {
        double proc = share(expected, label);
        double share = share(found, label);
        right &= Math.abs(share - proc) <= TOLERANCE;
        System.out.printf("%-5s %4.1f %%  %4.1f %%%n", label, proc, share);
      }
      System.out.println(right ? "top is right." : "top is WRONG by more than 5 points.");
      return right;
    }

    /**
     * Whether the agent labels the threads of a JVM that runs already, with nothing of ours on its
     * class path: the JDK's web server. Waits five minutes at most.
     */
    static boolean seesLabelsOfAnother(String tools) throws Exception {
      Path folder = Files.createTempDirectory("gc-labels");
      Process other =
          new ProcessBuilder(
                  program("java"),
                  "-XX:+UseG1GC",
                  "-XX:+EnableDynamicAgentLoading",
                  "--enable-native-access=ALL-UNNAMED",
                  "--add-modules", // which a program on the class path has anyway
                  "java.instrument",
                  "-m",
                  "jdk.httpserver",
                  "-p",
                  "0",
                  "-d",
                  folder.toString())
              .redirectErrorStream(true)
              .start();
      try {
        other.inputReader().readLine(); // it serves
        Path jar =
            Path.of(GcLabels.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        String pid = String.valueOf(other.pid());
        Process jcmd =
            new ProcessBuilder(
                    program("jcmd"), pid, "JVMTI.agent_load", jar.toString(), pin.toString())
                .redirectErrorStream(true)
                .start();
        String said = new String(jcmd.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (!said.contains("return code: 0")) { // jcmd's own status is 0 even then
          System.out.println("The agent was not attached to JVM " + pid + ": " + said.strip());
          return false;
        }
        long end = System.nanoTime() + TimeUnit.MINUTES.toNanos(5);
        Map<Label, Integer> seen = new EnumMap<>(Label.class);
        while (other.isAlive() && System.nanoTime() < end) {
          seen.clear();
          for (Object process : run(tools, "dump").getArray("processes")) {
            if (((JsonObject) process).getInt("pid") == other.pid()) {
              for (Object each : ((JsonObject) process).getArray("threads")) {
                int label = ((JsonObject) each).getObject("values").getInt("jvm.kind");
                seen.merge(Label.values()[label], 1, Integer::sum);
              }
            }
          }
          if (seen.keySet().containsAll(EnumSet.of(Label.GC, Label.JIT, Label.VM))) {
            System.out.println(
                "BPF sees the labels of a JVM that the agent was attached to: " + seen);
            return true;
          }
        }
        System.out.println("BPF does not see the labels of JVM " + pid + ", but " + seen);
        return false;
      } finally {
        other.destroy();
        other.waitFor();
        Files.delete(folder);
      }
    }

    static double share(Map<Label, Double> times, Label label) {
      double all = times.values().stream().mapToDouble(time -> time).sum();
      return 100 * times.getOrDefault(label, 0.0) / all;
    }

    /** The processor time of each thread in nanoseconds, according to the kernel. */
    static Map<NativeThread, Long> times() {
      Map<NativeThread, Long> times = new HashMap<>();
      for (NativeThread thread : NativeThread.list()) {
        try {
          String account =
              Files.readString(Path.of("/proc/self/task/" + thread.tid(), "schedstat"));
          times.put(thread, Long.parseLong(account.substring(0, account.indexOf(' '))));
        } catch (IOException e) {
          // It has ended.
        }
      }
      return times;
    }

    private static String program(String name) {
      return Path.of(System.getProperty("java.home"), "bin", name).toString();
    }

    private static Process start(String tools, String command, String... options)
        throws IOException {
      List<String> line = new ArrayList<>();
      line.add(program("java"));
      line.addAll(
          List.of(
              "-jar", tools, command, "--create", "--pin=" + pin, "--key=jvm.kind:int", "--json"));
      line.addAll(List.of(options));
      return new ProcessBuilder(line).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    }

    /** {@return what a command of the tools prints} */
    static JsonObject run(String tools, String command, String... options) throws Exception {
      Process process = start(tools, command, options);
      String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      int status = process.waitFor();
      if (status != 0) {
        throw new IllegalStateException("the command " + command + " ended with status " + status);
      }
      return JsonParser.object().from(said);
    }
  }

  // ---- Work for the collector and the compilers ----

  private static void work(int seconds) {
    long end = System.nanoTime() + seconds * 1_000_000_000L;
    byte[][] kept = new byte[8192][];
    try (InputStream file = GcLabels.class.getResourceAsStream("GcLabels$Work.class")) {
      byte[] code = file.readAllBytes();
      while (System.nanoTime() < end) {
        // Copies of the same class, each of which the JVM compiles anew.
        LongUnaryOperator[] copies = new LongUnaryOperator[32];
        for (int i = 0; i < copies.length; i++) {
          Class<?> copy = MethodHandles.lookup().defineHiddenClass(code, true).lookupClass();
          copies[i] = (LongUnaryOperator) copy.getDeclaredConstructor().newInstance();
        }
        for (int n = 0; n < 10_000 * copies.length; n++) {
          long hash = copies[n % copies.length].applyAsLong(n);
          kept[(int) (hash & (kept.length - 1))] = new byte[8192];
        }
      }
    } catch (IOException | ReflectiveOperationException e) {
      throw new IllegalStateException("the work has failed", e);
    }
  }

  static final class Work implements LongUnaryOperator {
    Work() {}

    @Override
    public long applyAsLong(long n) {
      long hash = n;
      for (char each : Long.toString(n).toCharArray()) {
        hash = hash * 31 + each;
      }
      return hash;
    }
  }
}
