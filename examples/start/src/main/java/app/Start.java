// SPDX-License-Identifier: Apache-2.0
package app;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfObject;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Tells the kernel how urgent the work of a thread is, and what the kernel has seen of it. */
public final class Start {

  static final TaskLocal.OfInt PRIORITY = TaskLocal.of("priority", ValueLayout.JAVA_INT);

  private Start() {}

  /** Does urgent work. */
  static void urgently(Runnable work) {
    PRIORITY.with(7).run(work);
  }

  /** {@return the last priority that the BPF program saw while this thread slept and woke up} */
  static int seenByTheKernel() throws Exception {
    try (InputStream file = Start.class.getResourceAsStream("/start.bpf.o");
        BpfObject object = BpfObject.load(file);
        TaskLocalMap map = TaskLocalMap.of(object.map("task_local_data_map").fd())) {
      object.program("switched").attach();
      MemorySegment seen = object.global("seen");
      for (int i = 0; i < 100 && seen.get(ValueLayout.JAVA_INT, 0) == 0; i++) {
        urgently(Start::sleep);
      }
      return seen.get(ValueLayout.JAVA_INT, 0);
    }
  }

  private static void sleep() {
    try {
      Thread.sleep(10);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Needs root. */
  public static void main(String[] args) throws Exception {
    System.out.println("the kernel switched to a thread of priority " + seenByTheKernel());
  }
}
