// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import com.grack.nanojson.JsonObject;
import io.github.tasklocal.bpf.BpfLink;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.bpf.PerfEvent;
import io.github.tasklocal.bpf.RingBuffer;
import io.github.tasklocal.tools.ProfileCounts.Named;
import io.github.tasklocal.tools.ProfileCounts.Result;
import io.github.tasklocal.tools.system.Failure;
import io.github.tasklocal.tools.system.Programs;
import java.io.BufferedReader;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** In which code processor time is used, by the value of a key. */
@Command(
    name = "profile",
    mixinStandardHelpOptions = true,
    versionProvider = Tools.Version.class,
    description = {
      "Samples the stacks of threads that run, by the value that each has at that instant.",
      "",
    },
    footer = {
      "",
      "Shows the processes that have registered any thread, with all their threads. Each sample"
          + " stands for 1/FREQUENCY seconds of processor time. Frames are those of the kernel, of"
          + " native files, and of what JVMs have compiled, for which each JVM is asked as by jcmd"
          + " PID Compiler.perfmap (JDK 17). Methods that were inlined or are interpreted have no"
          + " frame of their own.",
      "",
      "html: a page with a flame graph, which loads nothing. collapsed: a line for each stack, as"
          + " flame graph tools read them, the value as the first frame. pprof: for go tool pprof,"
          + " with the value as a label.",
      "",
      "A JVM's stacks are whole if it was started with -XX:+PreserveFramePointer.",
      "",
      SeenValue.LIMITS,
      "",
      ProcessOption.NAMESPACES,
      "",
      "Needs root or CAP_BPF and CAP_PERFMON, and for JVMs of other users root; Linux 6.13 or"
          + " newer, or from 5.17 on a serving side."
    })
final class Profile implements Callable<Integer> {

  /** How it is written. */
  enum Format {
    HTML,
    COLLAPSED,
    PPROF;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** What samples are split by, if not by a key. */
  enum By {
    THREAD,
    PROCESS,
    CGROUP;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** {@code USER_FRAMES} of {@code profile.bpf.h}. */
  private static final int MOST_FRAMES = 1024;

  @Spec private @Nullable CommandSpec spec;

  @Mixin private MapOptions map = new MapOptions();

  @ArgGroup private Split split = new Split();

  /** One of them. */
  static final class Split {
    @Option(
        names = "--key",
        paramLabel = "NAME[:TYPE]",
        converter = KeyOption.Converter.class,
        description = SeenValue.KEY)
    private @Nullable KeyOption key;

    @Option(
        names = "--by",
        paramLabel = "WHAT",
        description =
            "${COMPLETION-CANDIDATES}: split by that, without a key or a map; shows all processes.")
    private @Nullable By by;
  }

  @Mixin private ProcessOption process = new ProcessOption();

  @Mixin private ValueNames names = new ValueNames();

  @Option(
      names = "--duration",
      paramLabel = "SECONDS",
      defaultValue = "10",
      description = "How long to sample (${DEFAULT-VALUE}); Ctrl-C ends it sooner.")
  private double duration;

  @Option(
      names = "--frequency",
      paramLabel = "HERTZ",
      defaultValue = "99",
      description = "How many samples a second on each processor, up to 1000 (${DEFAULT-VALUE}).")
  private int frequency;

  @Option(
      names = "--format",
      paramLabel = "FORMAT",
      defaultValue = "html",
      description = "${COMPLETION-CANDIDATES} (${DEFAULT-VALUE}).")
  private Format format = Format.HTML;

  @Option(
      names = "--output",
      paramLabel = "FILE",
      description = "Where the stacks are written; has to be named.")
  private @Nullable Path output;

  @Option(names = "--json", description = "The summary as a JSON object, on a line.")
  private boolean json;

  /** What the program has counted of itself. */
  private record Cost(long runs, long busy, long lost, long nanos, long busyTime, long at) {
    static Cost read(BpfObject object) throws IOException {
      return new Cost(
          object.global("runs").get(JAVA_LONG, 0),
          object.global("busy").get(JAVA_LONG, 0),
          object.global("lost").get(JAVA_LONG, 0),
          object.global("cost_nanos").get(JAVA_LONG, 0),
          busyNanos(),
          System.nanoTime());
    }

    Cost since(Cost before) {
      return new Cost(
          runs - before.runs,
          busy - before.busy,
          lost - before.lost,
          nanos - before.nanos,
          busyTime - before.busyTime,
          at - before.at);
    }

    /**
     * {@return how long all processors were not idle} An idle one need not be sampled, and in some
     * virtual machines is not. Time that the host took from this machine does not count.
     */
    private static long busyNanos() throws IOException {
      try (BufferedReader lines = Files.newBufferedReader(Path.of("/proc/stat"))) {
        // "cpu", user, nice, system, idle, iowait, irq, softirq, ...
        String[] words = lines.readLine().split("\\s+", -1);
        long ticks = 0;
        for (int i : new int[] {1, 2, 3, 6, 7}) {
          ticks += Long.parseLong(words[i]);
        }
        return ticks * TopCounts.NANOS_PER_TICK;
      }
    }
  }

  private Profile() {}

  @Override
  public Integer call() throws Exception {
    if (!(duration > 0 && duration <= 86_400)) {
      throw bad("--duration takes seconds above 0, up to 86400, not " + duration);
    }
    if (frequency < 1 || frequency > 1000) {
      throw bad("--frequency takes a number from 1 to 1000, not " + frequency);
    }
    if (split.key == null && split.by == null) {
      throw bad("name a key with --key, or what else to split by with --by");
    }
    if (output == null) {
      throw bad("name a file for the stacks with --output");
    }
    Path file = output;
    int pid = process.require();
    Map<String, String> named = names.read();
    requireWritable(file);
    try (Stop stop = new Stop();
        BpfObject object = load(pid);
        ProfileCounts counts = new ProfileCounts(mostFrames(), this::say)) {
      object.program("prepare").run();
      if (split.key != null && map.created()) {
        boolean ignored = stop.await(MapOptions.REGISTRATION_MILLIS);
      }
      List<Integer> processors = processors();
      TextHint hint = new TextHint();
      ProfileGroups groups = new ProfileGroups();
      Cost cost = run(object, processors, counts, groups, pid, named, hint, stop);
      Result result = counts.name(groups::name, stop);
      write(result, cost, file);
      report(result, cost, processors.size(), file);
      if (split.key != null) {
        String text = hint.about(split.key);
        if (text != null) {
          say(text);
        }
      }
    }
    return 0;
  }

  private BpfObject load(int pid) throws Failure, IOException {
    KeyOption key = split.key;
    if (key != null) {
      return map.load(
          "profile",
          program -> {
            SeenValue.choose(program, key);
            ProcessOption.choose(program, pid);
          });
    }
    BpfObject object = Programs.open("profile_tasks");
    boolean done = false;
    try {
      ProcessOption.choose(object, pid);
      object.load();
      done = true;
      return object;
    } finally {
      if (!done) {
        object.close();
      }
    }
  }

  private Cost run(
      BpfObject object,
      List<Integer> processors,
      ProfileCounts counts,
      ProfileGroups groups,
      int pid,
      Map<String, String> named,
      TextHint hint,
      Stop stop)
      throws IOException {
    RingBuffer samples = object.map("samples").ringBuffer();
    Consumer<MemorySegment> count =
        record -> {
          ProfileSample sample = ProfileSample.read(record);
          if (split.key != null) {
            SeenValue value = SeenValue.read(sample.value(), split.key, named);
            hint.see(value);
            counts.add(sample, value.text(), pid != 0 || !value.equals(SeenValue.NO_ENTRY_VALUE));
          } else if (split.by != null) {
            counts.add(sample, groups.of(sample, split.by), true);
          }
        };
    List<BpfLink> links = new ArrayList<>();
    Cost cost;
    try {
      for (int processor : processors) {
        links.add(object.program("sampled").attach(PerfEvent.ofCpu(processor, frequency)));
      }
      // Attaching takes long enough to be seen beside /proc, and so does the end of it below.
      counts.start();
      int _ = samples.consume(record -> {});
      Cost before = Cost.read(object);
      long left;
      do {
        int _ = samples.consume(count);
        left =
            TimeUnit.NANOSECONDS.toMillis(
                (long) (duration * 1e9) - (System.nanoTime() - before.at));
      } while (left > 0 && !stop.await(Math.min(left, 20)));
      int _ = samples.consume(count);
      counts.end();
      cost = Cost.read(object).since(before);
    } finally {
      links.forEach(BpfLink::close);
    }
    return cost;
  }

  private void requireWritable(Path file) throws Failure {
    Path folder = file.toAbsolutePath().getParent();
    if (Files.isDirectory(file) || folder == null || !Files.isDirectory(folder)) {
      throw new Failure("the profile cannot be written to " + file, "name a file in a folder");
    }
  }

  private void write(Result result, Cost cost, Path file) throws Failure {
    ProfileWriter writer =
        new ProfileWriter(what(), groups(result), result.stacks(), frequency, cost.at);
    try {
      switch (format) {
        case HTML -> writer.html(file);
        case COLLAPSED -> writer.collapsed(file);
        case PPROF -> writer.pprof(file, System.currentTimeMillis());
      }
    } catch (IOException e) {
      throw new Failure("the profile cannot be written to " + file + ": " + e);
    }
  }

  /** {@return what the samples are split by} */
  private String what() {
    return split.key != null ? split.key.name() : String.valueOf(split.by);
  }

  /** {@return the samples of each group, the largest first} */
  private static Map<String, Long> groups(Result result) {
    Map<String, Long> groups = new TreeMap<>();
    for (Named stack : result.stacks()) {
      groups.merge(stack.group(), stack.count(), Long::sum);
    }
    Map<String, Long> sorted = new LinkedHashMap<>();
    groups.entrySet().stream()
        .sorted(Map.Entry.<String, Long>comparingByValue().reversed())
        .forEach(group -> sorted.put(group.getKey(), group.getValue()));
    return sorted;
  }

  private void report(Result result, Cost cost, int processors, Path file) throws Failure {
    List<Map.Entry<String, Long>> rows = List.copyOf(groups(result).entrySet());
    double share = cost.nanos / ((double) cost.at * processors);
    Output out = Output.of(Tools.require(spec));
    if (json) {
      List<JsonObject> groupRows = new ArrayList<>();
      rows.forEach(
          row ->
              groupRows.add(
                  JsonObject.builder()
                      .value("text", row.getKey())
                      .value("samples", row.getValue())
                      .done()));
      out.json(
          JsonObject.builder()
              .value("file", file.toString())
              .value("duration_ns", cost.at)
              .value("frequency", frequency)
              .value("processors", processors)
              .value("processes", result.processes())
              .value("samples", result.samples())
              .value("samples_of_others", result.others())
              .value("samples_without_room", cost.lost)
              .value("samples_of_busy", cost.busy)
              .value("busy_ns", cost.busyTime)
              .value("samples_named", result.resolved())
              .value("samples_cut", result.cut())
              .value("samples_too_deep", result.deep())
              .value("jvms_without_answer", result.unanswered())
              .value("compared", result.compared())
              .value("proc_ns", result.procNanos())
              .value("samples_of_proc", result.procSamples())
              .array("rows", groupRows)
              .object("cost")
              .value("share", share)
              .value("runs", cost.runs)
              .value("ns_per_run", cost.runs == 0 ? 0 : cost.nanos / cost.runs)
              .end()
              .done());
      return;
    }
    List<List<String>> cells = new ArrayList<>();
    for (Map.Entry<String, Long> row : rows) {
      cells.add(
          List.of(
              row.getKey(),
              percent(row.getValue(), result.samples()),
              seconds(row.getValue()),
              row.getValue().toString()));
    }
    out.table(
        List.of(
            new Output.Column(what(), Output.Kind.TEXT),
            new Output.Column("share", Output.Kind.NUMBER),
            new Output.Column("time s", Output.Kind.NUMBER),
            new Output.Column("samples", Output.Kind.NUMBER)),
        cells);
    int all = result.processes();
    String processes =
        result.compared() < all
            ? " (%d of %d processes still live);".formatted(result.compared(), all)
            : all == 1 ? "; 1 process," : "; " + all + " processes,";
    out.said(
        "sampled %s%s %d samples"
            .formatted(
                compared(result.procSamples(), result.procNanos()), processes, result.samples()));
    out.said(
        "named: %s; cut for lack of frame pointers: %s; too deep: %s"
            .formatted(
                percent(result.resolved(), result.samples()),
                percent(result.cut(), result.samples()),
                percent(result.deep(), result.samples())));
    out.said(
        "all that ran: sampled %s; no room for %d samples"
            .formatted(compared(cost.busy, cost.busyTime), cost.lost));
    out.said(
        String.format(
            Locale.ROOT,
            "cost: %.2f%% of the processors, %d ns a sample",
            100 * share,
            cost.runs == 0 ? 0 : cost.nanos / cost.runs));
    Output.requireWritten(Tools.require(spec).commandLine().getOut());
    if (result.samples() == 0) {
      say(
          split.key == null
              ? "nothing ran"
              : "no process that has values ran; top says which have any");
    }
    if (result.deep() > 0) {
      int most = mostFrames();
      say(
          "stacks were cut at %d frames: %s"
              .formatted(
                  most,
                  most < MOST_FRAMES
                      ? "raise the sysctl kernel.perf_event_max_stack, up to " + MOST_FRAMES
                      : "there is no room for more"));
    }
  }

  /** {@return the time that samples stand for, beside what {@code /proc} says of it} */
  private String compared(long samples, long procNanos) {
    return String.format(
        Locale.ROOT,
        "%s s of /proc's %.2f s, %s",
        seconds(samples),
        procNanos / 1e9,
        procNanos == 0
            ? "too little to compare"
            : TopTable.percent(1e9 * samples / frequency / procNanos));
  }

  private String seconds(long samples) {
    return String.format(Locale.ROOT, "%.2f", (double) samples / frequency);
  }

  private static String percent(long part, long whole) {
    return whole == 0 ? "0%" : String.format(Locale.ROOT, "%.1f%%", 100.0 * part / whole);
  }

  /**
   * {@return how many frames a sample has at most: those that the kernel gives, if all find room}
   */
  private static int mostFrames() throws Failure {
    // Read at once: the kernel gives no more of such a file than the first read has room for.
    try (BufferedReader most =
        Files.newBufferedReader(Path.of("/proc/sys/kernel/perf_event_max_stack"))) {
      return Math.min(MOST_FRAMES, Integer.parseInt(most.readLine()));
    } catch (IOException | NumberFormatException e) {
      throw new Failure("the length of stacks is not known: " + e, "mount /proc");
    }
  }

  /** {@return the processors that are online} */
  private static List<Integer> processors() throws IOException {
    List<Integer> processors = new ArrayList<>();
    for (String range :
        Files.readString(Path.of("/sys/devices/system/cpu/online")).strip().split(",", -1)) {
      String[] ends = range.split("-", -1);
      for (int i = Integer.parseInt(ends[0]); i <= Integer.parseInt(ends[ends.length - 1]); i++) {
        processors.add(i);
      }
    }
    return processors;
  }

  private void say(String text) {
    Output.say(Tools.require(spec), Output.printable(text));
  }

  private ParameterException bad(String message) {
    return new ParameterException(Tools.require(spec).commandLine(), message);
  }
}
