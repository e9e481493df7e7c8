// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bridges.bench;

import ch.qos.logback.classic.util.LogbackMDCAdapter;
import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalScope;
import io.github.tasklocal.log4j.TaskLocalThreadContextMap;
import io.github.tasklocal.micrometer.TaskLocalAccessor;
import io.github.tasklocal.opentelemetry.TaskLocalContextStorageProvider;
import io.github.tasklocal.slf4j.TaskLocalServiceProvider;
import io.micrometer.context.ContextRegistry;
import io.micrometer.context.ContextSnapshot;
import io.micrometer.context.ContextSnapshotFactory;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.ContextStorage;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.ValueLayout;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.apache.logging.log4j.spi.DefaultThreadContextMap;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.CommandLineOptionException;
import org.openjdk.jmh.runner.options.CommandLineOptions;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.slf4j.spi.MDCAdapter;

/**
 * Each pair of methods does the same with a bridge and without it. The table has the least of all
 * iterations, since whatever else the machine does only adds to them.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Thread)
@Warmup(iterations = 20, time = 100, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 40, time = 100, timeUnit = TimeUnit.MILLISECONDS)
@Fork(
    value = 3,
    jvmArgs = {
      "--enable-native-access=ALL-UNNAMED",
      "-Xbatch", // or on a busy machine the compilers would come too late
      "-Dtasklocal.context=tenant:16,http.route:32,user.id:long"
    })
public class BridgeBench {

  /** Changes of one invocation. */
  private static final int CHANGES = 2;

  private static final TaskLocal.OfSegment TENANT =
      TaskLocal.of("tenant", MemoryLayout.sequenceLayout(16, ValueLayout.JAVA_BYTE));
  private static final ThreadLocal<String> OTHER = new ThreadLocal<>();

  private final MDCAdapter plainMdc = new LogbackMDCAdapter();
  private final MDCAdapter mdc =
      Objects.requireNonNull(new TaskLocalServiceProvider().getMDCAdapter());
  private final DefaultThreadContextMap plainContext = new DefaultThreadContextMap();
  private final DefaultThreadContextMap context = new TaskLocalThreadContextMap();
  private final ContextSnapshotFactory plainSnapshots = snapshots(new ContextRegistry());
  private final ContextSnapshotFactory snapshots =
      snapshots(new ContextRegistry().registerThreadLocalAccessor(new TaskLocalAccessor()));
  private final ContextStorage plainStorage = ContextStorage.defaultStorage();
  private final ContextStorage storage = storage();
  private final Context traced =
      Context.root()
          .with(
              Span.wrap(
                  SpanContext.create(
                      "0af7651916cd43dd8448eb211c80319c",
                      "b7ad6b7169203331",
                      TraceFlags.getSampled(),
                      TraceState.getDefault())));
  private final String tenant = "initech";

  /** Each has another context already, as applications have. */
  private static ContextSnapshotFactory snapshots(ContextRegistry registry) {
    OTHER.set("a context");
    registry.registerThreadLocalAccessor("other", OTHER);
    return ContextSnapshotFactory.builder().contextRegistry(registry).build();
  }

  /** As in an application with the storage jar. */
  private static ContextStorage storage() {
    Object ignored = new TaskLocalContextStorageProvider();
    return ContextStorage.get();
  }

  /** A listed value is put and removed. */
  @Benchmark
  @OperationsPerInvocation(CHANGES)
  public void mdcListed() {
    mdc.put("tenant", tenant);
    mdc.remove("tenant");
  }

  /** The same without the bridge. */
  @Benchmark
  @OperationsPerInvocation(CHANGES)
  public void mdcListedWithout() {
    plainMdc.put("tenant", tenant);
    plainMdc.remove("tenant");
  }

  /** A value that is not listed is put and removed. */
  @Benchmark
  @OperationsPerInvocation(CHANGES)
  public void mdcUnlisted() {
    mdc.put("request", tenant);
    mdc.remove("request");
  }

  /** The same without the bridge. */
  @Benchmark
  @OperationsPerInvocation(CHANGES)
  public void mdcUnlistedWithout() {
    plainMdc.put("request", tenant);
    plainMdc.remove("request");
  }

  /** A listed value is put and removed. */
  @Benchmark
  @OperationsPerInvocation(CHANGES)
  public void log4jListed() {
    context.put("tenant", tenant);
    context.remove("tenant");
  }

  /** The same without the bridge. */
  @Benchmark
  @OperationsPerInvocation(CHANGES)
  public void log4jListedWithout() {
    plainContext.put("tenant", tenant);
    plainContext.remove("tenant");
  }

  /** A snapshot is taken, set and taken back. */
  @Benchmark
  public ContextSnapshot micrometerSnapshot() {
    ContextSnapshot snapshot = snapshots.captureAll();
    try (ContextSnapshot.Scope _ = snapshot.setThreadLocals()) {
      return snapshot;
    }
  }

  /** The same without the bridge. */
  @Benchmark
  public ContextSnapshot micrometerSnapshotWithout() {
    ContextSnapshot snapshot = plainSnapshots.captureAll();
    try (ContextSnapshot.Scope _ = snapshot.setThreadLocals()) {
      return snapshot;
    }
  }

  /** A context with a span is attached and closed. */
  @Benchmark
  public Context opentelemetryAttach() {
    try (io.opentelemetry.context.Scope _ = storage.attach(traced)) {
      return traced;
    }
  }

  /** The same without the bridge. */
  @Benchmark
  public Context opentelemetryAttachWithout() {
    try (io.opentelemetry.context.Scope _ = plainStorage.attach(traced)) {
      return traced;
    }
  }

  /** A value is captured, set and taken back. */
  @Benchmark
  public TaskLocalScope captured() {
    TaskLocalScope scope = TaskLocal.capture(TENANT);
    try (TaskLocalScope.Entered _ = scope.enter()) {
      return scope;
    }
  }

  /** The same with a ThreadLocal. */
  @Benchmark
  public String capturedWithout() {
    String value = OTHER.get();
    String before = OTHER.get();
    OTHER.set(value);
    OTHER.set(before);
    return value;
  }

  /**
   * Runs the benchmarks, and prints each beside its baseline.
   *
   * @param args options of JMH, such as {@code -f 1 -i 3}
   * @throws RunnerException if JMH fails
   * @throws CommandLineOptionException if an option is not JMH's
   */
  public static void main(String[] args) throws RunnerException, CommandLineOptionException {
    Collection<RunResult> results =
        new Runner(new OptionsBuilder().parent(new CommandLineOptions(args)).build()).run();
    Map<String, Double> scores = new LinkedHashMap<>();
    for (RunResult each : results) {
      String name = each.getParams().getBenchmark();
      scores.put(
          name.substring(name.lastIndexOf('.') + 1),
          each.getPrimaryResult().getStatistics().getMin());
    }
    System.out.printf("%n%-20s %10s %10s %8s%n", "", "with", "without", "ratio");
    scores.forEach(
        (name, with) -> {
          Double without = scores.get(name + "Without");
          if (without != null) {
            System.out.printf(
                "%-20s %7.1f ns %7.1f ns %8.2f%n", name, with, without, with / without);
          }
        });
  }
}
