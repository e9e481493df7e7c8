// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.examples.jvm;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.NativeThread;
import io.github.tasklocal.NotFoundException;
import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalException;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfObject;
import java.io.InputStream;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.LongUnaryOperator;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/**
 * Tells BPF programs which threads of a JVM collect garbage, which compile, and which are the
 * virtual machine's others: the key "jvm.kind", an int.
 *
 * <p>{@link #premain} is the agent, for any JVM. {@link #main} is a demonstration of it.
 */
public final class JvmLabels {

  /** What BPF reads is the ordinal. */
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

  private JvmLabels() {}

  /**
   * Labels the threads of this JVM, now and for as long as it runs. The application goes on if that
   * is not possible.
   *
   * @param option the pin of the map to share the labels through, which may come later
   */
  public static void premain(String option) {
    pin = Path.of(option == null || option.isEmpty() ? "/sys/fs/bpf/jvm_labels" : option);
    try {
      JvmLabels agent = new JvmLabels();
      TaskLocalMap.watch(pin); // stays open as long as the JVM runs
      Executors.newSingleThreadScheduledExecutor(
              Thread.ofPlatform().daemon().name("jvm-labels").factory())
          .scheduleWithFixedDelay(agent::label, 0, 200, TimeUnit.MILLISECONDS);
    } catch (TaskLocalException e) {
      warn(e);
    }
  }

  /** Labels what is new. */
  private void label() {
    try {
      Map<NativeThread, Label> now = new HashMap<>();
      for (NativeThread thread : NativeThread.list()) {
        // Compared, as a thread gets the name that tells its kind a moment after its start.
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
    System.err.println("jvm-labels: " + e.getMessage());
  }

  // ---- The demonstration ----

  /** A thread as BPF sees it: struct record in jvm_labels.bpf.c. */
  private record Seen(int process, int thread, Label label, int switches, long nanoseconds) {

    static final long BYTES = 24;

    static Seen of(MemorySegment record) {
      return new Seen(
          record.get(JAVA_INT, 0),
          record.get(JAVA_INT, 4),
          Label.values()[record.get(JAVA_INT, 8)],
          record.get(JAVA_INT, 12),
          record.get(JAVA_LONG, 16));
    }
  }

  /**
   * Loads the BPF program, keeps the collector and the compilers busy, prints what BPF sees, and
   * fails if it does not see every thread's label.
   *
   * @param args for how many seconds; 3 unless told
   * @throws Exception if it does not work here
   */
  public static void main(String[] args) throws Exception {
    int seconds = args.length == 0 ? 3 : Integer.parseInt(args[0]);
    if (pin == null) {
      premain(null); // no -javaagent
    }
    try (InputStream file = JvmLabels.class.getResourceAsStream("/jvm_labels.bpf.o");
        BpfObject object = BpfObject.load(file)) {
      object.map("tld_data_map").pin(pin);
      check(object);
      List<Seen> first = look(object);
      System.out.printf("%d s of garbage and of code to compile...%n%n", seconds);
      work(seconds);
      String result = check(object);
      print(first, look(object));
      System.out.printf("%n%s%n", result);
    } catch (TaskLocalException | IllegalStateException e) {
      warn(e);
      System.exit(1);
    }
  }

  /** {@return every thread of the system} */
  private static List<Seen> look(BpfObject object) {
    return object
        .program("labels")
        .iterate()
        .elements(MemoryLayout.sequenceLayout(Seen.BYTES, JAVA_BYTE))
        .map(Seen::of)
        .toList();
  }

  /** Waits for up to 2 s until BPF sees the label of each thread of the collector and compilers. */
  private static String check(BpfObject object) throws InterruptedException {
    for (int tries = 0; ; tries++) {
      List<NativeThread> threads =
          NativeThread.list().stream()
              .filter(each -> EnumSet.of(Label.GC, Label.JIT).contains(Label.of(each)))
              .toList();
      Map<Integer, Label> seen =
          look(object).stream().collect(Collectors.toMap(Seen::thread, Seen::label, (a, b) -> b));
      List<NativeThread> missed =
          threads.stream().filter(each -> seen.get(each.tid()) != Label.of(each)).toList();
      if (!threads.isEmpty() && missed.isEmpty()) {
        return "BPF sees the labels of all " + threads.size() + " GC and JIT threads.";
      } else if (tries == 20) {
        throw new IllegalStateException(
            threads.isEmpty()
                ? "this JVM has no threads for GC and JIT: run it with -XX:+UseG1GC"
                : "BPF does not see the labels of " + missed);
      }
      Thread.sleep(100);
    }
  }

  private static void print(List<Seen> first, List<Seen> last) {
    System.out.println("process  label  threads  at first  processor time  switches");
    last.stream()
        .filter(each -> each.label != Label.NONE)
        .map(Seen::process)
        .distinct()
        .sorted()
        .forEach(
            process -> {
              for (Label label : Label.values()) {
                Predicate<Seen> in = each -> each.process == process && each.label == label;
                System.out.printf(
                    "%7d  %-5s  %7d  %8d  %11d ms  %8d%n",
                    process,
                    label,
                    last.stream().filter(in).count(),
                    first.stream().filter(in).count(),
                    last.stream().filter(in).mapToLong(Seen::nanoseconds).sum() / 1_000_000,
                    last.stream().filter(in).mapToLong(Seen::switches).sum());
              }
            });
  }

  // ---- Something to do for the collector and the compilers ----

  private static void work(int seconds) throws Exception {
    long end = System.nanoTime() + seconds * 1_000_000_000L;
    byte[] code;
    try (InputStream file = JvmLabels.class.getResourceAsStream("JvmLabels$Work.class")) {
      code = file.readAllBytes();
    }
    byte[][] kept = new byte[8192][];
    while (System.nanoTime() < end) {
      // The same class again and again, each of which the JVM compiles as another one.
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
