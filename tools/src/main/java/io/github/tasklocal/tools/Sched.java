// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.bpf.BpfMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kit.SchedExt;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.tools.serve.Interim;
import io.github.tasklocal.tools.serve.ServingSide;
import io.github.tasklocal.tools.system.Failure;
import io.github.tasklocal.tools.system.FileAccess;
import io.github.tasklocal.tools.system.Programs;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Loads {@code scx_tasklocal}, shows what it does, and gives the machine back at the end. */
@Command(
    name = "sched",
    mixinStandardHelpOptions = true,
    versionProvider = Tools.Version.class,
    description = {
      "Runs this machine's tasks under a sched_ext scheduler that takes hints, until Ctrl-C.",
      "",
      "A thread's hints are its values of the keys priority (an int: 0 is normal, 1 to 3 are served"
          + " before lower ones and preempt them) and deadline_ns (a long: CLOCK_MONOTONIC, the"
          + " earliest first within a class). Its process opens the map that this command pins.",
      "",
    },
    footer = {
      "",
      "The figures are per second: how often tasks of each class were given a processor, how often"
          + " one lost it to a higher class (preemptions) or was given it after higher ones had"
          + " been served for too long (rescues), and how often a hint was read (hints).",
      "",
      "Needs root, Linux 6.13 or newer with CONFIG_SCHED_CLASS_EXT, and libbpf 1.4 or newer."
    })
final class Sched implements Callable<Integer> {

  private static final int LINES_PER_HEADER = 20;

  /** Of the kernel's enum scx_exit_kind: whoever loaded the scheduler has ended it. */
  private static final int UNREGISTERED = 64;

  @Spec private @Nullable CommandSpec spec;

  /** Where a serving side has a map of this wire, too. */
  private static final Path PIN = Serve.HOME.resolveSibling(Wire.A.mapName()).toAbsolutePath();

  @Option(
      names = "--pin",
      paramLabel = "PATH",
      description =
          "Where to pin the map that processes open (${DEFAULT-VALUE}). Where a serving side has"
              + " one there, that is used.")
  private Path pin = PIN;

  @Mixin private PinAccess access = new PinAccess();

  @Mixin private ServeOption serve = new ServeOption();

  @Option(
      names = "--interval",
      paramLabel = "SECONDS",
      defaultValue = "1",
      description = "How often to print a line of figures (${DEFAULT-VALUE}).")
  private int interval;

  @Option(
      names = "--json",
      description =
          "Print a JSON object for each interval, on a line: what was counted in it. All else goes"
              + " to standard error.")
  private boolean json;

  private Sched() {}

  @Override
  public Integer call() throws Exception {
    if (interval < 1) {
      throw bad("--interval takes a number of seconds of at least 1, not " + interval);
    }
    requireSchedExt();
    try (Stop stop = new Stop()) {
      return run(stop);
    }
  }

  private int run(Stop stop) throws Exception {
    PrintStream words = json ? System.err : System.out;
    String why;
    SchedStats total;
    try (BpfObject object = Programs.open("scx_tasklocal");
        Interim _ = load(object)) {
      String source =
          MapOptions.readsSlots()
              ? "slots, which serve gives to processes"
              : "%s (%s)".formatted(pin, PinAccess.of(pin));
      MemorySegment stats = object.global("stats");
      MemorySegment exited = object.global("exited");
      object.map("tasklocal_ops").attach();
      words.printf(
          "%s runs this machine's tasks and takes hints through %s. Ctrl-C ends it.%n",
          SchedExt.scheduler(), source);
      show(stats, exited, stop);
      why = reason(exited);
      total = SchedStats.read(stats);
    }
    boolean given = SchedExt.await("disabled", Duration.ofSeconds(5));
    words.println();
    words.println(total.total());
    if (!why.isEmpty()) {
      throw new Failure("the kernel has unloaded it: " + why);
    }
    if (!given) {
      throw new Failure("sched_ext is still " + SchedExt.state() + " after 5 seconds");
    }
    words.println("the default scheduler has the machine back");
    return 0;
  }

  /** Loads the scheduler with its map, and serves that, if it is to and nobody else does. */
  private @Nullable Interim load(BpfObject object) throws Failure, IOException {
    boolean shared = MapOptions.readsSlots() || pin.toAbsolutePath().normalize().equals(PIN);
    if (MapOptions.readsSlots()) {
      object.load();
    } else {
      BpfMap map = object.map(Wire.A.mapName());
      if (shared && ServingSide.isAtHome(Serve.HOME) && FileAccess.exists(pin)) {
        map.pinPath(pin);
        object.load();
      } else {
        object.load();
        map.pin(pin);
      }
      access.apply(pin, map);
    }
    return shared ? serve.start(access, pin) : null;
  }

  /**
   * Prints a line each interval, until the scheduler is asked to end or the kernel has unloaded it.
   */
  private void show(MemorySegment stats, MemorySegment exited, Stop stop) {
    SchedStats before = SchedStats.read(stats);
    long then = System.nanoTime();
    for (int line = 0; ; line++) {
      if (!json && line % LINES_PER_HEADER == 0) {
        System.out.println(SchedStats.header());
      }
      for (int second = 0; second < interval; second++) {
        if (stop.await(1000) || exited.get(JAVA_INT, 0) != 0) {
          return;
        }
      }
      long now = System.nanoTime();
      SchedStats after = SchedStats.read(stats);
      double seconds = (now - then) / 1e9;
      System.out.println(json ? after.json(before, seconds) : after.rates(before, seconds));
      before = after;
      then = now;
    }
  }

  /** {@return why it ended without our doing, or an empty string} */
  private static String reason(MemorySegment exited) {
    int kind = exited.get(JAVA_INT, 0);
    if (kind == 0 || kind == UNREGISTERED) {
      return "";
    }
    String message = exited.getString(80);
    return exited.getString(16)
        + (message.isEmpty() ? "" : ", " + message)
        + " (kind "
        + kind
        + ", code "
        + exited.get(JAVA_LONG, 8)
        + ")";
  }

  private static void requireSchedExt() throws Failure, IOException {
    if (!SchedExt.supported()) {
      throw new Failure(
          "this kernel ("
              + System.getProperty("os.name")
              + " "
              + System.getProperty("os.version")
              + ") has no sched_ext: it needs Linux 6.13 or newer with CONFIG_SCHED_CLASS_EXT."
              + " To try it in a virtual machine: scripts/vm --kernel backports -- COMMAND");
    }
    if (!SchedExt.state().equals("disabled")) {
      throw new Failure(
          "sched_ext is "
              + SchedExt.state()
              + " with the scheduler "
              + SchedExt.scheduler()
              + ", and there can be one only: end that first");
    }
  }

  private ParameterException bad(String message) {
    return new ParameterException(Tools.require(spec).commandLine(), message);
  }
}
