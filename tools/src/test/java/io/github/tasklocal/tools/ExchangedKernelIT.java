// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;

import com.grack.nanojson.JsonObject;
import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.Memory;
import io.github.tasklocal.memory.ThreadPages;
import java.lang.foreign.MemoryLayout;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** While a process exchanges the values of virtual threads, no command takes two for one. */
@KernelTest
class ExchangedKernelIT {

  private static final TaskLocal.OfSegment TEXT =
      TaskLocal.of("exchanged.text", MemoryLayout.sequenceLayout(20, JAVA_BYTE));

  private static final String PID = String.valueOf(ProcessHandle.current().pid());
  private static final String KEY = "exchanged.text:string";

  @ParameterizedTest
  @EnumSource
  void whatIsExchangedIsSkippedAndCounted(Wire wire) throws Exception {
    AtomicLong page = new AtomicLong();
    try (PinnedMap pinned = new PinnedMap(wire);
        TaskLocalMap map = TaskLocalMap.open(pinned.pin(), wire);
        Busy busy = new Busy()) {
      busy.spin(
          () -> {
            TEXT.setString("acme-corporation");
            page.set(ThreadPages.of(Thread.currentThread()).start);
          });
      Await.until("the thread's page", () -> page.get() != 0);
      long sequence = page.get() + DataPage.SEQUENCE;

      Memory.ALL.set(JAVA_INT, sequence, 1);
      JsonObject top = command(pinned, "top", "--once", "--json", "--interval", 0.5).json();
      assertThat(top.getInt("sightings_skipped")).isPositive();
      assertThat(top.getArray("rows").toString()).doesNotContain("acme");
      assertThat(command(pinned, "top", "--once", "--interval", 0.5).out())
          .contains("sightings skipped");
      Command dump = command(pinned, "dump");
      assertThat(dump.out()).contains("\"acme-corporation\"~");
      assertThat(dump.err()).contains("1 thread was read while its process exchanged");
      Command trace = command(pinned, "trace", "--seconds", 0.5);
      assertThat(trace.out()).doesNotContain("acme");
      assertThat(trace.err()).contains("looks were skipped");

      Memory.ALL.set(JAVA_INT, sequence, 2);
      top = command(pinned, "top", "--once", "--json", "--interval", 0.5).json();
      assertThat(top.getInt("sightings_skipped")).isZero();
      assertThat(top.getArray("rows").toString()).contains("acme-corporation");
      assertThat(command(pinned, "dump").out())
          .contains("\"acme-corporation\"")
          .doesNotContain("~");
      assertThat(map.failures()).isZero();
    }
  }

  private static Command command(PinnedMap pinned, String name, Object... more) {
    Object[] command = {name, "--pin", pinned.pin(), "--key", KEY, "--pid", PID};
    Object[] all = Arrays.copyOf(command, command.length + more.length);
    System.arraycopy(more, 0, all, command.length, more.length);
    return Command.run(all);
  }
}
