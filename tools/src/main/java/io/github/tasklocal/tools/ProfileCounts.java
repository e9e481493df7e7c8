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
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The stacks that were sampled, counted by group, and what is needed to name their frames. One
 * thread adds samples; another looks at the processes meanwhile.
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
    long procNanos = -1;

    Seen(String name, int procId, long procTime, ProcessSymbols symbols) {
      this.name = name;
      this.procId = procId;
      this.procTime = procTime;
      this.symbols = symbols;
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
      long deep,
      int compared,
      long procNanos,
      long procSamples) {}

  private final Map<Stack, Long> counts = new HashMap<>();
  private final Map<Integer, Seen> processes = new HashMap<>();

  /** What processes had used before, by their ids in {@code /proc}. */
  private final Map<Integer, Long> procTimes = new HashMap<>();

  private final ElfFiles files = new ElfFiles();
  private final ExecutorService looks =
      Executors.newSingleThreadExecutor(Thread.ofPlatform().daemon().factory());
  private final List<Future<?>> looking = new ArrayList<>();
  private final int mostFrames;
  private final Consumer<String> problems;

  /** Whether the user was told of a JVM without frame pointers; of the thread that looks. */
  private boolean cutting;

  /**
   * Makes counts without any.
   *
   * @param mostFrames how many frames a stack has at most
   * @param problems gets what users can mend; called by another thread
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
    if (shown && !process.shown) {
      process.shown = true;
      looking.add(looks.submit(() -> lookFirst(process)));
    }
    process.samples++;
    counts.merge(new Stack(sample.pid(), group, sample.kernel(), sample.user()), 1L, Long::sum);
  }

  private Seen seen(ProfileSample sample) {
    return new Seen(
        ProcessName.of(sample.procId(), sample.comm()),
        sample.procId(),
        procTimes.getOrDefault(sample.procId(), 0L),
        new ProcessSymbols(sample.procId(), sample.ownPid(), files));
  }

  private void lookFirst(Seen process) {
    process.symbols.look();
    String who = process.name + " (" + process.procId + ")";
    String problem = process.symbols.problem();
    if (problem != null) {
      problems.accept(who + ": Java frames will have no names: " + problem);
    }
    if (Boolean.FALSE.equals(process.symbols.framePointers())) {
      problems.accept(
          cutting
              ? who + ": cut, too"
              : who
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
        looking.add(looks.submit(process.symbols::look));
      }
    }
  }

  /** Names all frames. */
  Result name() throws InterruptedException {
    try {
      for (Future<?> look : looking) {
        look.get();
      }
    } catch (ExecutionException e) {
      throw new IllegalStateException(e);
    }
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
      stacks.add(new Named(stack.group, process.name, frames.reversed(), count));
    }
    int shown = 0;
    int compared = 0;
    long procNanos = 0;
    long procSamples = 0;
    for (Seen process : processes.values()) {
      shown += process.shown ? 1 : 0;
      if (process.procNanos >= 0) {
        compared++;
        procNanos += process.procNanos;
        procSamples += process.samples;
      }
    }
    return new Result(
        stacks, samples, others, shown, resolved, cut, deep, compared, procNanos, procSamples);
  }

  @Override
  public void close() {
    looks.shutdownNow();
  }
}
