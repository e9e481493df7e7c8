// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.github.tasklocal.Clang;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.Descriptors;
import io.github.tasklocal.kit.junit.KernelTest;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Objects that are loaded and closed while a native call of another thread has a global. */
@KernelTest
@SuppressWarnings("restricted")
class HeldGlobalKernelIT {

  private static final Linker LINKER = Linker.nativeLinker();
  private static final MethodHandle PIPE = function("pipe", JAVA_INT, ADDRESS);
  private static final MethodHandle READ =
      function("read", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG);
  private static final MethodHandle WRITE =
      function("write", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG);
  private static final MethodHandle CLOSE = function("close", JAVA_INT, JAVA_INT);

  private static Path file;

  private static MethodHandle function(
      String name, MemoryLayout result, MemoryLayout... arguments) {
    return LINKER.downcallHandle(
        LINKER.defaultLookup().find(name).orElseThrow(), FunctionDescriptor.of(result, arguments));
  }

  @BeforeAll
  static void compile(@TempDir Path folder) throws IOException {
    file = Clang.compile(folder, "object");
    BpfObject.load(file).close();
  }

  /** A native call that reads from a pipe into a segment, until this is closed. */
  private static final class Reading implements AutoCloseable {
    private final Arena arena = Arena.ofShared();
    private final MemorySegment ends = arena.allocate(JAVA_INT, 2);
    private final FutureTask<Long> read;

    Reading(MemorySegment into) throws Throwable {
      assertThat((int) PIPE.invokeExact(ends)).isZero();
      int from = ends.getAtIndex(JAVA_INT, 0);
      this.read = new FutureTask<>(() -> readInto(from, into));
      Thread thread = Thread.ofPlatform().daemon().name("reading").start(read);
      Await.until("a native call", () -> isReading(), found -> found || !thread.isAlive());
    }

    private static long readInto(int from, MemorySegment into) {
      try {
        return (long) READ.invokeExact(from, into, into.byteSize());
      } catch (Throwable e) {
        throw new AssertionError(e);
      }
    }

    private static boolean isReading() {
      try (var tasks = Files.newDirectoryStream(Path.of("/proc/self/task"))) {
        for (Path task : tasks) {
          if (Files.readString(task.resolve("comm")).equals("reading\n")
              && Files.readString(task.resolve("wchan")).contains("pipe_read")) {
            return true;
          }
        }
        return false;
      } catch (IOException e) {
        return false; // a thread has ended
      }
    }

    void end() throws Throwable {
      MemorySegment bytes = arena.allocateFrom(JAVA_LONG, 77);
      assertThat((long) WRITE.invokeExact(ends.getAtIndex(JAVA_INT, 1), bytes, 8L)).isEqualTo(8);
      assertThat(Await.result("the read", read)).isPositive();
    }

    @Override
    public void close() {
      try {
        for (int i = 0; i < 2; i++) {
          assertThat((int) CLOSE.invokeExact(ends.getAtIndex(JAVA_INT, i))).isZero();
        }
        arena.close();
      } catch (Throwable e) {
        throw new AssertionError(e);
      }
    }
  }

  @Test
  void aCloseThatCannotUnmapAGlobalClosesNothingAndSucceedsAfterwards() throws Throwable {
    int before = Descriptors.count();
    try (Bpffs bpffs = new Bpffs("rwxrwxrwx")) {
      BpfObject object = BpfObject.load(file);
      MemorySegment held = object.global("in_bss");
      BpfLink link = object.program("on_enter").attach();
      Path pin = bpffs.path("counts");
      object.map("counts").pin(pin);
      try (Reading reading = new Reading(held)) {
        assertThatIllegalStateException()
            .isThrownBy(object::close)
            .withMessageContainingAll("object.bpf.o", "native call");
        assertThat(link.fd()).isNotNegative();
        assertThat(pin).exists();
        assertThat(object.program("multiply").run()).isEqualTo(5);
        MemorySegment events = object.global("events");
        long seen = events.get(JAVA_LONG, 0);
        assertThat(Files.exists(pin)).isTrue();
        assertThat(events.get(JAVA_LONG, 0)).isGreaterThan(seen);
        reading.end();
        assertThat(held.get(JAVA_LONG, 0)).isEqualTo(77);
      }
      object.close();
      object.close();
      assertThat(pin).doesNotExist();
      assertThatIllegalStateException().isThrownBy(link::fd);
      assertThatIllegalStateException().isThrownBy(() -> held.get(JAVA_LONG, 0));
    }
    assertThat(Descriptors.count()).isEqualTo(before);
  }

  @Test
  void aLoadThatCannotEndAnInitialValueChangesNothingAndSucceedsAfterwards() throws Throwable {
    int before = Descriptors.count();
    try (Bpffs bpffs = new Bpffs("rwxrwxrwx");
        BpfObject first = BpfObject.load(file)) {
      Path pin = bpffs.path("counts");
      first.map("counts").pin(pin);
      BpfObject object = BpfObject.open(file);
      object.map("counts").pinPath(pin);
      MemorySegment held = object.global("in_bss");
      try (Reading reading = new Reading(held)) {
        assertThatIllegalStateException()
            .isThrownBy(object::load)
            .withMessageContainingAll("load", "object.bpf.o", "native call");
        assertThatIllegalStateException().isThrownBy(object::close);
        object.global("factor").set(JAVA_INT, 0, 3);
        reading.end();
      }
      object.load();
      assertThat(object.program("multiply").run()).isEqualTo(15);
      assertThat(object.global("in_bss").get(JAVA_LONG, 0)).isEqualTo(78);
      object.close();
      assertThat(pin).exists();
    }
    assertThat(Descriptors.count()).isEqualTo(before);
  }
}
