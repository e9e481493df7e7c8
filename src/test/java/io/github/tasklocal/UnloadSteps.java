// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.management.TaskLocalMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.List;
import javax.management.MBeanServer;
import javax.management.ObjectName;

/** What an application does that is taken out of its server again: run in a copy of the library. */
public final class UnloadSteps {

  private UnloadSteps() {}

  /** Loads an object, pins and opens its map, watches the pin, and closes everything. */
  public static void run(String file, String map, String pin) throws Exception {
    TaskLocal.OfInt key = TaskLocal.of("life.00", JAVA_INT);
    key.set(7);
    try (BpfObject object = BpfObject.load(Path.of(file));
        TaskLocalMap open = TaskLocalMap.of(object.map(map).fd())) {
      object.map(map).pin(Path.of(pin));
      try (TaskLocalMap watch = TaskLocalMap.watch(Path.of(pin))) {
        watch.addListener(state -> {});
        Thread thread = new TaskLocalThread(() -> key.bind().set(8));
        thread.start();
        thread.join();
        // The platform's MBean server was started before.
        MBeanServer server = ManagementFactory.getPlatformMBeanServer();
        ObjectName name = new ObjectName(TaskLocalMXBean.NAME);
        Await.until("the copy's bean", () -> server.isRegistered(name));
        if (server.getAttribute(name, "Maps") == null) {
          throw new AssertionError("the bean has no maps");
        }
        for (NativeThread each : NativeThread.list()) {
          if (each.kind() == NativeThread.Kind.GC) {
            key.set(each, 9);
          }
        }
        if (open.threads() < 1 || key.get() != 7) {
          throw new AssertionError("not registered: " + open.unregistered());
        }
      }
    }
    Await.until(
        "no thread of the library's",
        () -> {
          List<String> names =
              Thread.getAllStackTraces().keySet().stream().map(Thread::getName).toList();
          return names.stream().noneMatch(name -> name.startsWith("tasklocal-"));
        });
  }
}
