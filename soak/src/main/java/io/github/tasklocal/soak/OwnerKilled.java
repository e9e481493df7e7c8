// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.selftest.Check;
import io.github.tasklocal.selftest.Fixture;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A process that owns a map is killed and started again, while this one writes and watches the pin.
 * The new map may be of another wire, and the old pin may still be there or not.
 */
final class OwnerKilled {

  private static final int WRITERS = 8;

  /** How many milliseconds there may be from pin to values, on a machine where no thread waits. */
  private static final int LIMIT = 1_000;

  private static final String SEEN = "seen";

  private OwnerKilled() {}

  static SoakRow row() {
    return new SoakRow(
        "owner-killed",
        "The map's owner is killed and started again",
        List.of("-Xmx256m"),
        OwnerKilled::measure);
  }

  private static void measure(SoakRun run) throws Exception {
    int times = run.times(100, 5);
    Fixture fixture = run.on(Wire.A);
    Path pin = fixture.pin("map");
    var object = fixture.load("soak_tasks");
    Tasks tasks = new Tasks(object);
    int process = object.program("process_id").run();
    Random random = run.random();
    List<Long> gaps = new ArrayList<>();
    List<Attachment> attachments = new ArrayList<>();
    AtomicLong lost = new AtomicLong();
    AtomicInteger attached = new AtomicInteger();
    int removed = 0;
    try (Writers writers = Writers.counting(WRITERS, tasks, lost);
        TaskLocalMap map = TaskLocalMap.watch(pin)) {
      map.addListener(
          state -> {
            if (state instanceof TaskLocalMap.Attached) {
              attached.incrementAndGet();
            }
          });
      Owner owner = new Owner(fixture.bpffs(), pin, process, wire(random));
      attachments.add(owner.awaitValues());
      for (int i = 1; i <= times; i++) {
        Thread.sleep(random.nextInt(100)); // so that the end may come at any moment
        long killed = System.nanoTime();
        owner.kill();
        if (random.nextBoolean()) {
          Files.delete(pin);
          removed++;
        }
        owner = new Owner(fixture.bpffs(), pin, process, wire(random));
        attachments.add(owner.awaitValues());
        gaps.add((System.nanoTime() - killed) / 1_000_000);
        run.progress(i, times, "restarts");
      }
      int ignored =
          Await.until(
              "the listener to be told of the last map", attached::get, count -> count > times);
      owner.kill();
      run.any("values written in Java", writers.rounds());
    }
    run.equal(times, "restarts, values seen after each", gaps.size());
    run.any("of them after the pin was removed", removed);
    run.equal(times + 1, "attachments told to the listener", attached.get());
    run.any("longest gap from kill to values", Collections.max(gaps), "ms");
    run.any("median gap, with a JVM's start", median(gaps), "ms");
    Attachment worst =
        Collections.max(attachments, Comparator.comparingDouble(Attachment::beyondClock));
    Lateness.judge(
        run,
        LIMIT,
        "worst time from pin to values",
        (double) worst.millis,
        "worst delay of a clock then",
        worst.late);
    run.any(
        "median time from pin to values",
        median(attachments.stream().map(Attachment::millis).toList()),
        "ms");
    run.equal(0, "values lost in Java", lost.get());
  }

  private static Wire wire(Random random) {
    return List.of(Wire.values()).get(random.nextInt(Wire.values().length));
  }

  private static double median(List<Long> values) {
    return values.stream().sorted().skip(values.size() / 2).findFirst().orElseThrow().doubleValue();
  }

  /**
   * What a new owner has measured.
   *
   * @param millis from its pin to the values of all writers
   * @param late how late a clock was at the worst meanwhile
   */
  private record Attachment(long millis, double late) {

    double beyondClock() {
      return (double) millis - Lateness.limit(LIMIT, late);
    }
  }

  /** The other process, as this one sees it. */
  private static final class Owner {
    private final Process process;
    private final Jvm.Deadline deadline;
    private final BufferedReader output;

    Owner(Path bpffs, Path pin, int watched, Wire wire) throws IOException {
      this.process =
          Jvm.start(
              Jvm.command(
                  Jvm.shortLived(),
                  Jvm.join(Jvm.classPath()),
                  OwnerKilled.class,
                  bpffs.toString(),
                  pin.toString(),
                  Integer.toString(watched),
                  wire.name()));
      this.deadline = new Jvm.Deadline(process);
      this.output = process.inputReader(StandardCharsets.UTF_8);
    }

    /** {@return how long after its pin was made it saw the values of all writers} */
    Attachment awaitValues() throws IOException {
      StringBuilder said = new StringBuilder();
      for (String line = output.readLine(); line != null; line = output.readLine()) {
        if (line.startsWith(SEEN)) {
          String[] seen = line.split(" ", 3);
          return new Attachment(Long.parseLong(seen[1]), Double.parseDouble(seen[2]));
        }
        said.append(line).append('\n');
      }
      String how =
          deadline.killed() ? deadline.late() : "it ended before it saw the values of all writers";
      throw new IllegalStateException("the map's owner: " + how + "\n" + said);
    }

    /** With SIGKILL. */
    void kill() throws InterruptedException {
      deadline.close();
      int status = process.destroyForcibly().waitFor();
      Check.equal(128 + 9, status, "the status of the killed process");
    }
  }

  /**
   * The other process: pins a map, and waits for the values of all writers in it.
   *
   * @param args the bpffs, the pin on it, the process to look at, and the wire
   */
  public static void main(String[] args) throws Exception {
    try (Bpffs bpffs = new Bpffs(Path.of(args[0]));
        Fixture fixture = new Fixture(Wire.valueOf(args[3]), new Fixture.Settings(1, 0), bpffs)) {
      var object = fixture.load("soak_tasks");
      Tasks tasks = new Tasks(object, Integer.parseInt(args[2]));
      fixture.dataMap(object).pin(Path.of(args[1]));
      long pinned = System.nanoTime();
      try (Lateness clock = new Lateness()) {
        Map<Integer, Long> ignored =
            Await.until(
                "the values of all writers", tasks::values, values -> Tasks.own(values) == WRITERS);
        long millis = (System.nanoTime() - pinned) / 1_000_000;
        System.out.println(SEEN + " " + millis + " " + clock.millis());
      }
      new CountDownLatch(1).await(); // until it is killed
    }
  }
}
