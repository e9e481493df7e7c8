// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.slf4j;

import io.github.tasklocal.TaskLocal;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.ValueLayout;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;

/** An application that logs, and then looks at the task local that it knows nothing of. */
final class MdcChild {

  private MdcChild() {}

  public static void main(String[] args) throws Exception {
    LoggerFactory.getLogger(MdcChild.class).error("a line of the application");
    System.out.println("backend " + LoggerFactory.getILoggerFactory().getClass().getName());
    for (Thread.Builder each : new Thread.Builder[] {Thread.ofPlatform(), Thread.ofVirtual()}) {
      each.start(MdcChild::work).join();
    }
  }

  private static void work() {
    TaskLocal.OfSegment tenant =
        TaskLocal.of("tenant", MemoryLayout.sequenceLayout(16, ValueLayout.JAVA_BYTE));
    StringBuilder seen = new StringBuilder();
    try (MDC.MDCCloseable _ = MDC.putCloseable("tenant", "acme")) {
      seen.append(tenant.getString()).append(' ').append(MDC.get("tenant"));
    }
    seen.append(" [").append(tenant.getString()).append(']');
    System.out.println("seen " + seen);
  }
}
