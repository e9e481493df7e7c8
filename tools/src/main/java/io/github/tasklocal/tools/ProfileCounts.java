// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.tools.symbols.Frame;
import io.github.tasklocal.tools.symbols.KernelSymbols;
import io.github.tasklocal.tools.symbols.ProcessSymbols;
import io.github.tasklocal.tools.symbols.ProcessSymbols.ElfFiles;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The stacks that were sampled, counted by group, and what is needed to name their frames. One
 * thread adds samples; others look at the processes meanwhile.
 */
final class ProfileCounts implements AutoCloseable {

  /** A stack of one group. */
  @SuppressWarnings("ArrayRecordComponent") // compared below
  private record Stack(int pid, String group, long[] kernel, long[] user) {
    @Override
    public boolean equals(@Nullable Object other) {
      return other instanceof Stack o
          && pid == o.pid
          && group.equals(o.group)
          && Arrays.equals(kernel, o.kernel)
          && Arrays.equals(user, o.user);
    }

    @Override
    public int hashCode() {
      return 31 * (31 * Arrays.hashCode(user) + Arrays.hashCode(kernel)) + pid + group.hashCode();
    }
  }

  /** A process that was sampled. */
  private static final class Seen {
    final String name;
    final int procId;
    final long procTime;
    final ProcessSymbols symbols;
    boolean shown;
    long samples;

    /** Ends after the last look that was begun. */
    CompletableFuture<Void> looks = CompletableFuture.completedFuture(null);

    /** Whether it was asked for its code, if it is a JVM; of the looks. */
    boolean asked;

    /** What the user was told last that it lacks. */
    @Nullable String told;

    long procNanos = -1;

    Seen(String name, int procId, long procTime, ProcessSymbols symbols) {
      this.name = name;
      this.procId = procId;
      this.procTime = procTime;
      this.symbols = symbols;
    }

    String who() {
      return name + " (" + procId + ")";
    }

    /** {@return whether it is a JVM that has not told all its code} */
    boolean lacksCode() {
      return shown
          && symbols.isJvm()
          && (!looks.isDone() || looks.isCompletedExceptionally() || symbols.problem() != null);
    }
  }

  /**
   * A stack with names.
   *
   * @param group what the samples are split by, such as a value
   * @param process the process's name
   * @param frames the outermost first
   * @param count how often it was sampled
   */
  record Named(String group, String process, List<Frame> frames, long count) {}

  /**
   * What is known of all samples.
   *
   * @param stacks with names
   * @param samples of the processes that are shown
   * @param others samples of other processes
   * @param processes how many are shown
   * @param resolved samples whose innermost frame has a name
   * @param cut samples of JVMs whose stacks do not reach the thread's start
   * @param unanswered how many JVMs have not told all their code
   * @param deep samples whose stacks have as many frames as the kernel gives
   * @param compared how many of those lived to the end, so that {@code /proc} tells of them
   * @param procNanos what it says that those have used meanwhile
   * @param procSamples the samples of those
   */
  record Result(
      List<Named> stacks,
      long samples,
      long others,
      int processes,
      long resolved,
      long cut,
      int unanswered,
      long deep,
      int compared,
      long procNanos,
      long procSamples) {}

  /** How long looks may take after a signal, in all; {@link Stop} then waits for 30 s. */
  private static final long MILLIS_AFTER_STOP = 15_000;

  private static final long MILLIS_PER_WAIT = 100;

  private final Map<Stack, Long> counts = new HashMap<>();
  private final Map<Integer, Seen> processes = new HashMap<>();

  /** What processes had used before, by their ids in {@code /proc}. */
  private final Map<Integer, Long> procTimes = new HashMap<>();

  private final ElfFiles files = new ElfFiles();

  /** Looks at what processes have mapped, which takes no time that counts. */
  private final ExecutorService looking =
      Executors.newSingleThreadExecutor(Thread.ofPlatform().daemon().factory());

  /** Asks JVMs: a few at once, since one that does not answer is waited for. */
  private final ExecutorService asking =
      Executors.newFixedThreadPool(4, Thread.ofPlatform().daemon().factory());

  private final int mostFrames;
  private final Consumer<String> problems;

  /** Whether the user was told of a JVM without frame pointers. */
  private boolean cutting;

  /**
   * Makes counts without any.
   *
   * @param mostFrames how many frames a stack has at most
   * @param problems gets what users can mend; called by other threads, one at a time
   */
  ProfileCounts(int mostFrames, Consumer<String> problems) {
    this.mostFrames = mostFrames;
    this.problems = problems;
  }

  /** Takes note of what all processes have used so far, right before the first sample counts. */
  void start() throws IOException {
    try (DirectoryStream<Path> all = Files.newDirectoryStream(Path.of("/proc"), "[0-9]*")) {
      for (Path process : all) {
        int pid = Integer.parseInt(process.getFileName().toString());
        procTimes.put(pid, Math.max(0, TopCounts.Reader.procTime(pid)));
      }
    }
  }

  /**
   * Counts a sample.
   *
   * @param shown whether its process is one that is to be shown, for all its samples
   */
  void add(ProfileSample sample, String group, boolean shown) {
    Seen process = processes.computeIfAbsent(sample.pid(), pid -> seen(sample));
    process.samples++;
    boolean first = shown && !process.shown;
    process.shown |= shown;
    // Again and again, but ever less often: a process that has just begun maps more.
    if (first || (process.shown && Long.bitCount(process.samples) == 1)) {
      look(process, false);
    }
    counts.merge(new Stack(sample.pid(), group, sample.kernel(), sample.user()), 1L, Long::sum);
  }

  private Seen seen(ProfileSample sample) {
    return new Seen(
        ProcessName.of(sample.procId(), sample.comm()),
        sample.procId(),
        procTimes.getOrDefault(sample.procId(), 0L),
        new ProcessSymbols(sample.procId(), sample.ownPid(), files));
  }

  /**
   * Has a process looked at. A process can end soon, so what it has mapped does not wait for any
   * JVM's answer.
   */
  private void look(Seen process, boolean last) {
    CompletableFuture<Void> look = CompletableFuture.runAsync(process.symbols::look, looking);
    process.looks = process.looks.runAfterBothAsync(look, () -> ask(process, last), asking);
  }

  /**
   * A JVM is asked twice, since each time takes a jcmd: when it is known to be one, and at the end.
   */
  private void ask(Seen process, boolean last) {
    if (!process.symbols.isJvm() || isJcmd(process.procId) || (process.asked && !last)) {
      return;
    }
    process.asked = true;
    boolean first = process.symbols.framePointers() == null;
    process.symbols.ask();
    if (!asking.isShutdown()) {
      tell(process, first);
    }
  }

  /** {@return whether this is such a jcmd, which is a JVM, too, and would take another} */
  private static boolean isJcmd(int procId) {
    return ProcessHandle.of(procId)
        .flatMap(process -> process.info().command())
        .filter(path -> path.endsWith("/jcmd"))
        .isPresent();
  }

  private synchronized void tell(Seen process, boolean first) {
    String problem = process.symbols.problem();
    if (problem != null && !problem.equals(process.told)) {
      problems.accept(process.who() + ": Java frames will have no names: " + problem);
    }
    process.told = problem;
    if (first && Boolean.FALSE.equals(process.symbols.framePointers())) {
      problems.accept(
          cutting
              ? process.who() + ": cut, too"
              : process.who()
                  + ": stacks will be cut in compiled Java code: start it with"
                  + " -XX:+PreserveFramePointer");
      cutting = true;
    }
  }

  /** Looks at the processes once more, right after the last sample. */
  void end() {
    for (Seen process : processes.values()) {
      long now = process.shown ? TopCounts.Reader.procTime(process.procId) : -1;
      process.procNanos = now < 0 ? -1 : now - process.procTime;
    }
    for (Seen process : processes.values()) {
      if (process.shown) {
        look(process, true);
      }
    }
  }

  /**
   * Waits for the looks that have begun. After a signal this is what the profile could be lost for,
   * so those that take too long are given up: what the looks before have found is used.
   */
  private void awaitLooks(Stop stop) throws InterruptedException {
    CompletableFuture<Void> all =
        CompletableFuture.allOf(
            processes.values().stream()
                .map(process -> process.looks)
                .toArray(CompletableFuture<?>[]::new));
    long left = MILLIS_AFTER_STOP;
    while (!all.isDone() && left > 0) {
      try {
        all.get(MILLIS_PER_WAIT, TimeUnit.MILLISECONDS);
      } catch (TimeoutException e) {
        left -= stop.await(0) ? MILLIS_PER_WAIT : 0;
      } catch (ExecutionException e) {
        break; // all have ended; which one has failed is said below
      }
    }
    List<String> late = new ArrayList<>();
    for (Seen process : processes.values()) {
      if (!process.looks.isDone()) {
        late.add(process.who() + ": it has not answered in time: new methods have no names");
      } else if (process.looks.isCompletedExceptionally()) {
        late.add(process.who() + ": its frames have no names: " + process.looks.exceptionNow());
      }
    }
    close();
    // So that no jcmd is left.
    boolean ignored = asking.awaitTermination(1, TimeUnit.SECONDS);
    late.forEach(problems);
  }

  /**
   * Names all frames.
   *
   * @param names gives the groups their names
   * @param stop is asked whether there is little time
   */
  Result name(UnaryOperator<String> names, Stop stop) throws InterruptedException {
    awaitLooks(stop);
    KernelSymbols kernel = new KernelSymbols();
    if (!kernel.areKnown()) {
      problems.accept("the kernel's frames have no names: /proc/kallsyms shows addresses to root");
    }
    List<Named> stacks = new ArrayList<>();
    long samples = 0;
    long others = 0;
    long resolved = 0;
    long cut = 0;
    long deep = 0;
    for (Map.Entry<Stack, Long> counted : counts.entrySet()) {
      Stack stack = counted.getKey();
      long count = counted.getValue();
      Seen process = processes.get(stack.pid);
      if (process == null || !process.shown) {
        others += count;
        continue;
      }
      samples += count;
      List<Frame> frames = new ArrayList<>();
      for (int i = 0; i < stack.kernel.length; i++) {
        frames.add(kernel.frame(stack.kernel[i] - (i == 0 ? 0 : 1)));
      }
      // Below a system call, the process's first frame is what goes on after it.
      frames.addAll(process.symbols.frames(stack.user, stack.kernel.length == 0));
      if (!frames.isEmpty() && frames.getFirst().isResolved()) {
        resolved += count;
      }
      if (stack.user.length >= mostFrames) {
        deep += count;
        frames.add(new Frame("[deeper frames]", Frame.Kind.UNKNOWN));
      } else if (process.symbols.isJvm()
          && stack.user.length > 0
          && !process.symbols.reachesStart(stack.user)) {
        cut += count;
        frames.add(new Frame("[cut: no frame pointer]", Frame.Kind.UNKNOWN));
      }
      stacks.add(new Named(names.apply(stack.group), process.name, frames.reversed(), count));
    }
    int shown = 0;
    int unanswered = 0;
    int compared = 0;
    long procNanos = 0;
    long procSamples = 0;
    for (Seen process : processes.values()) {
      shown += process.shown ? 1 : 0;
      unanswered += process.lacksCode() ? 1 : 0;
      if (process.procNanos >= 0) {
        compared++;
        procNanos += process.procNanos;
        procSamples += process.samples;
      }
    }
    return new Result(
        stacks,
        samples,
        others,
        shown,
        resolved,
        cut,
        unanswered,
        deep,
        compared,
        procNanos,
        procSamples);
  }

  @Override
  public void close() {
    looking.shutdownNow();
    asking.shutdownNow();
  }
}
