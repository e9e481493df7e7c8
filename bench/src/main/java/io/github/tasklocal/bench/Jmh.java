// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.openjdk.jmh.annotations.Warmup;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;

/** The benchmarks of a class, run by JMH. */
final class Jmh {

  /** How long JMH needs to start a JVM and to end it. */
  private static final int JVM_MILLIS = 800;

  private final Path logs;

  /** What the benchmarks allocated, in bytes per operation, by their names in the table. */
  private final Map<String, Double> allocated = new HashMap<>();

  /**
   * Makes one for a run.
   *
   * @param logs a folder for JMH's own output
   */
  Jmh(Path logs) {
    this.logs = logs;
  }

  private record Schedule(int rounds, int warmups, int iterations, TimeValue time) {

    static Schedule of(boolean quick) {
      return quick
          ? new Schedule(1, 3, 8, TimeValue.milliseconds(300))
          : new Schedule(3, 5, 10, TimeValue.milliseconds(500));
    }

    int seconds(int benchmarks) {
      long each = JVM_MILLIS + (warmups + iterations) * time.convertTo(TimeUnit.MILLISECONDS);
      return (int) ((long) benchmarks * rounds * each / 1000);
    }
  }

  /** {@return the group of a class, with a line for each method that is {@link Compared}} */
  Group group(String name, String title, Class<?> benchmarks) {
    int count = methods(compared(benchmarks)).size();
    return new Group(
        name,
        title,
        Schedule.of(true).seconds(count),
        Schedule.of(false).seconds(count),
        quick -> rows(name, benchmarks, Schedule.of(quick)));
  }

  /** {@return what the benchmarks so far allocated, in bytes per operation} */
  Map<String, Double> allocated() {
    return allocated;
  }

  private List<Row> rows(String group, Class<?> benchmarks, Schedule schedule)
      throws RunnerException, IOException {
    List<Method> compared = compared(benchmarks);
    Map<String, List<Double>> scores = new HashMap<>();
    Map<String, String> units = new HashMap<>();
    Map<String, Double> bytes = new HashMap<>();
    // JMH would run all forks of one benchmark before the next. In rounds, what disturbs the
    // machine for a while disturbs both sides of a ratio.
    for (int round = 0; round < schedule.rounds(); round++) {
      Path log = logs.resolve(group + "-" + (round + 1) + ".txt");
      Files.createDirectories(logs);
      for (RunResult result : run(benchmarks, methods(compared), schedule, log)) {
        String method = method(result);
        Result<?> primary = result.getPrimaryResult();
        units.put(method, primary.getScoreUnit().replace("/op", ""));
        result.getBenchmarkResults().stream()
            .flatMap(fork -> fork.getIterationResults().stream())
            .map(IterationResult::getPrimaryResult)
            .forEach(
                each ->
                    scores
                        .computeIfAbsent(method, ignored -> new ArrayList<>())
                        .add(each.getScore()));
        Result<?> allocations = result.getSecondaryResults().get("gc.alloc.rate.norm");
        if (allocations != null) {
          bytes.merge(method, allocations.getScore(), Math::max);
        }
      }
    }
    List<Row> rows = new ArrayList<>();
    for (Method method : compared) {
      Compared line = method.getAnnotation(Compared.class);
      rows.add(
          new Row(
              group,
              line.work(),
              Objects.requireNonNull(units.get(method.getName())),
              measure(scores, method.getName()),
              line.named(),
              measure(scores, line.to()),
              Double.isNaN(line.goal()) ? null : line.goal(),
              null));
      allocated.put(group + ": " + line.work(), bytes.get(method.getName()));
    }
    return rows;
  }

  private static List<RunResult> run(
      Class<?> benchmarks, Set<String> methods, Schedule schedule, Path log)
      throws RunnerException {
    ChainedOptionsBuilder options =
        new OptionsBuilder()
            .forks(1)
            .measurementIterations(schedule.iterations())
            .measurementTime(schedule.time())
            .addProfiler(GCProfiler.class)
            .jvmArgs("--enable-native-access=ALL-UNNAMED")
            .shouldFailOnError(true)
            .output(log.toString());
    if (!benchmarks.isAnnotationPresent(Warmup.class)) {
      options.warmupIterations(schedule.warmups()).warmupTime(schedule.time());
    }
    for (String method : methods) {
      options.include("^" + Pattern.quote(benchmarks.getName() + "." + method) + "$");
    }
    try {
      return List.copyOf(new Runner(options.build()).run());
    } catch (RunnerException e) {
      throw new RunnerException("JMH's output is in " + log, e);
    }
  }

  private static String method(RunResult result) {
    String name = result.getParams().getBenchmark();
    return name.substring(name.lastIndexOf('.') + 1);
  }

  private static Measure measure(Map<String, List<Double>> scores, String method) {
    List<Double> all = scores.get(method);
    if (all == null) {
      throw new IllegalStateException("JMH has no result of " + method);
    }
    return Measure.of(all.stream().mapToDouble(Double::doubleValue).toArray());
  }

  /** {@return the methods by name, since reflection keeps no order} */
  private static List<Method> compared(Class<?> benchmarks) {
    return Arrays.stream(benchmarks.getMethods())
        .filter(method -> method.isAnnotationPresent(Compared.class))
        .sorted(Comparator.comparing(Method::getName))
        .toList();
  }

  private static Set<String> methods(List<Method> compared) {
    Set<String> methods = new LinkedHashSet<>();
    for (Method method : compared) {
      methods.add(method.getName());
      methods.add(method.getAnnotation(Compared.class).to());
    }
    return methods;
  }
}
