// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kit.Debugger;
import io.github.tasklocal.kit.Folders;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.Storm;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.selftest.Check;
import io.github.tasklocal.selftest.Fixture;
import io.github.tasklocal.selftest.ToldThreads;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * Many virtual threads on few carriers, while tools take their stacks, record them, and suspend
 * them.
 */
final class VirtualStorm {

  private static final int THREADS = 5_000;
  private static final int CARRIERS = 16;

  private VirtualStorm() {}

  static SoakRow row() {
    return new SoakRow(
        "virtual-storm",
        "Virtual threads under tools that look at them",
        List.of(
            "--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED",
            "-Djdk.virtualThreadScheduler.parallelism=" + CARRIERS,
            "-Djdk.virtualThreadScheduler.maxPoolSize=" + CARRIERS,
            Debugger.OPTION),
        VirtualStorm::measure);
  }

  private static void measure(SoakRun run) throws Exception {
    Fixture fixture = run.on(Wire.A);
    BpfObject object = fixture.load("told");
    TaskLocalMap map = fixture.share(object);
    Path folder = Folders.make("storm");
    try {
      Path file = Files.writeString(folder.resolve("file"), "something to read");
      ToldThreads told = new ToldThreads(object, file);
      measure(run, told, folder);
      run.atMost(CARRIERS, "carriers that were seen", told.carriers(), "");
      run.some("values right in BPF", told.right());
      run.equal(0, "values wrong in BPF", told.wrong());
      run.equal(0, "values not there in BPF", told.missing());
      run.equal(0, "values lost in Java", told.lost());
      run.some("a carrier's own value right", told.ownRight());
      run.equal(0, "a carrier's own value wrong", told.ownWrong());
      run.equal(0, "failed registrations", map.failures());
      run.equal(0, "threads unseen", ((TaskLocalMap.Attached) map.state()).unseen());
    } finally {
      Folders.delete(folder);
    }
  }

  private static void measure(SoakRun run, ToldThreads told, Path folder) throws Exception {
    long wanted = run.times(2_000_000, 100_000);
    int rounds = run.times(200, 10);
    List<Thread> threads = told.start(THREADS, Integer.MAX_VALUE, run.random());
    String alone;
    Process debugger = Jvm.start(Debugger.command(rounds));
    try (Storm storm = new Storm(threads, folder, run.random())) {
      // A number to reach, and each tool at work meanwhile.
      while (told.thrown() == null
          && (debugger.isAlive()
              || told.right() < wanted
              || storm.recordings() < 1
              || storm.dumps() < 2)) {
        run.progress(told.right(), wanted, "right values");
        Thread.sleep(50);
      }
      told.stop();
      alone = Jvm.end(debugger).output().strip();
      for (Thread each : threads) {
        each.join();
      }
      run.some("stack traces", storm.traces());
      run.some("dumps of all threads", storm.dumps());
      run.some("recordings", storm.recordings());
    } finally {
      told.stop();
      debugger.destroy();
    }
    Throwable failure = told.thrown();
    if (failure != null) {
      throw new IllegalStateException("a thread failed: " + failure.getMessage(), failure);
    }
    Check.that(alone.matches("[0-9]+"), "the debugger says: " + alone);
    run.any("suspensions of all by a debugger", rounds);
    run.some("suspensions of a virtual thread", Long.parseLong(alone));
  }
}
