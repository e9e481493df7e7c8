// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.ThreadPages;
import io.github.tasklocal.selftest.Fixture;
import io.github.tasklocal.selftest.ToldThreads;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.locks.LockSupport;

/** A million virtual threads, parked at the same time, each with values of its own. */
final class VirtualMillion {

  private VirtualMillion() {}

  static SoakRow row() {
    return new SoakRow(
        "virtual-million",
        "A million virtual threads with values",
        List.of("--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED", "-Xmx6g"),
        VirtualMillion::measure);
  }

  private static void measure(SoakRun run) throws Exception {
    int count = run.times(1_000_000, 50_000);
    Fixture fixture = run.on(Wire.A);
    BpfObject object = fixture.load("told");
    TaskLocalMap map = fixture.share(object);
    ToldThreads told = new ToldThreads(object, Path.of("/dev/null"));
    try {
      List<Thread> threads = told.startParked(count);
      while (told.thrown() == null && told.parked() < count) {
        run.progress(told.parked(), count, "threads parked");
        Thread.sleep(50);
      }
      told.stop();
      for (Thread each : threads) {
        LockSupport.unpark(each);
      }
      for (Thread each : threads) {
        each.join();
      }
    } finally {
      told.stop();
    }
    Throwable failure = told.thrown();
    if (failure != null) {
      throw new IllegalStateException("a thread failed: " + failure.getMessage(), failure);
    }
    run.equal(count, "threads parked at the same time", told.parked());
    run.equal(2L * count, "values right in BPF, before and after", told.right());
    run.equal(0, "values wrong in BPF", told.wrong());
    run.equal(0, "values not there in BPF", told.missing());
    run.equal(0, "values lost in Java", told.lost());
    run.atMost(64, "pages held for them", ThreadPages.REGISTRY.pages(), "");
    run.equal(0, "failed registrations", map.failures());
    run.equal(0, "threads unseen", ((TaskLocalMap.Attached) map.state()).unseen());
  }
}
