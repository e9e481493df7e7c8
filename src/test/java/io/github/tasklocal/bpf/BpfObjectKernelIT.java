// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.tasklocal.Clang;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Descriptors;
import io.github.tasklocal.kit.junit.KernelTest;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@KernelTest
class BpfObjectKernelIT {

  private static Path file;

  @BeforeAll
  static void compile(@TempDir Path folder) {
    file = Clang.compile(folder, "object");
  }

  @Test
  void anObjectLoadsFromPathBytesAndStream() throws IOException {
    byte[] bytes = Files.readAllBytes(file);
    try (BpfObject object = BpfObject.load(file)) {
      assertThat(object.name()).isEqualTo("object.bpf.o");
      assertThat(object.program("multiply").run()).isEqualTo(5);
    }
    try (BpfObject object = BpfObject.load(bytes)) {
      assertThat(object.program("multiply").run()).isEqualTo(5);
    }
    try (InputStream stream = new ByteArrayInputStream(bytes);
        BpfObject object = BpfObject.load(stream)) {
      assertThat(object.program("multiply").run()).isEqualTo(5);
    }
  }

  @Test
  void aContextIsWrittenBackUnlessItIsReadOnlyAndIsNeverMemoryThatIsGone() {
    try (BpfObject object = BpfObject.load(file);
        Arena arena = Arena.ofConfined()) {
      BpfProgram twice = object.program("twice");
      MemorySegment context = arena.allocateFrom(JAVA_INT, 21, 0);
      assertThat(twice.run(context.asReadOnly())).isZero();
      assertThat(context.getAtIndex(JAVA_INT, 1)).isZero();
      assertThat(twice.run(context)).isZero();
      assertThat(context.getAtIndex(JAVA_INT, 1)).isEqualTo(42);
      MemorySegment onHeap = MemorySegment.ofArray(new int[] {4, 0});
      assertThat(twice.run(onHeap)).isZero();
      assertThat(onHeap.getAtIndex(JAVA_INT, 1)).isEqualTo(8);
      MemorySegment gone;
      try (Arena closed = Arena.ofConfined()) {
        gone = closed.allocateFrom(JAVA_INT, 1, 2);
      }
      assertThatIllegalStateException().isThrownBy(() -> twice.run(gone));
    }
  }

  @Test
  void structOpsAreAttachedUntilTheLinkOrTheObjectIsClosed(@TempDir Path folder) throws Exception {
    Path ops = Clang.compile(folder, "struct_ops");
    try (BpfObject object = BpfObject.load(ops)) {
      BpfLink link = object.map("control").attach();
      assertThat(congestionControls()).contains("tasklocal_it");
      link.close();
      link.close();
      awaitDetached();
    }
    BpfLink left;
    try (BpfObject object = BpfObject.load(ops)) {
      left = object.map("control").attach();
      assertThat(congestionControls()).contains("tasklocal_it");
    }
    assertThatIllegalStateException().isThrownBy(left::fd);
    awaitDetached();
  }

  private static String congestionControls() {
    try {
      return Files.readString(Path.of("/proc/sys/net/ipv4/tcp_available_congestion_control"));
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** The kernel removes struct_ops a moment after the last reference to them is gone. */
  private static void awaitDetached() throws Exception {
    String left =
        Await.until(
            "congestion controls without ours",
            BpfObjectKernelIT::congestionControls,
            names -> !names.contains("tasklocal_it"));
    assertThat(left).isNotEmpty();
  }

  @Test
  void aRawTracepointProgramRunsInTheCallingThread() {
    try (BpfObject object = BpfObject.load(file)) {
      assertThat(object.program("on_raw").run()).isEqualTo(7);
    }
  }

  @Test
  void aProgramThatIsOffHasNoDescriptor() {
    try (BpfObject object = BpfObject.load(file)) {
      assertThatIllegalStateException()
          .isThrownBy(() -> object.program("off").fd())
          .withMessageContaining("the program off was not loaded");
    }
  }

  @Test
  void anObjectOpensFirstAndLoadsLater() throws IOException {
    byte[] bytes = Files.readAllBytes(file);
    try (BpfObject object = BpfObject.open(file)) {
      assertThatIllegalStateException()
          .isThrownBy(() -> object.program("multiply").run())
          .withMessageContaining("call load()");
      assertThatIllegalStateException().isThrownBy(() -> object.map("counts").fd());
      object.load();
      assertThat(object.program("multiply").run()).isEqualTo(5);
      assertThatIllegalStateException()
          .isThrownBy(object::load)
          .withMessageContaining("loaded already");
    }
    try (BpfObject object = BpfObject.open(bytes)) {
      object.load();
      assertThat(object.program("multiply").run()).isEqualTo(5);
    }
    try (BpfObject object = BpfObject.open(new ByteArrayInputStream(bytes))) {
      object.load();
      assertThat(object.program("multiply").run()).isEqualTo(5);
    }
  }

  @Test
  void programsSeeReadOnlyDataThatWasWrittenBeforeLoad() {
    try (BpfObject object = BpfObject.open(file)) {
      MemorySegment factor = object.global("factor");
      assertThat(factor.get(JAVA_INT, 0)).isEqualTo(1);
      factor.set(JAVA_INT, 0, 7);
      object.load();
      assertThat(object.program("multiply").run()).isEqualTo(35);
      assertThat(object.global("factor").get(JAVA_INT, 0)).isEqualTo(7);
      assertThat(object.global("greeting").getString(0)).isEqualTo("hello");
    }
  }

  @Test
  void aStoreToReadOnlyDataAfterLoadThrows() {
    try (BpfObject object = BpfObject.load(file)) {
      MemorySegment factor = object.global("factor");
      assertThat(factor.isReadOnly()).isTrue();
      assertThatThrownBy(() -> factor.set(JAVA_INT, 0, 2))
          .isInstanceOfAny(IllegalArgumentException.class, UnsupportedOperationException.class);
      assertThatThrownBy(() -> factor.fill((byte) 1))
          .isInstanceOfAny(IllegalArgumentException.class, UnsupportedOperationException.class);
      assertThat(object.program("multiply").run()).isEqualTo(5);
    }
  }

  @Test
  void segmentsFromBeforeTheLoadAreDeadAfterIt() {
    try (BpfObject object = BpfObject.open(file)) {
      List<MemorySegment> early =
          List.of(object.global("factor"), object.global("in_bss"), object.global("in_data"));
      object.load();
      for (MemorySegment segment : early) {
        assertThatIllegalStateException().isThrownBy(() -> segment.get(JAVA_BYTE, 0));
      }
    }
  }

  @Test
  void dataIsLiveBothWays() {
    try (BpfObject object = BpfObject.open(file)) {
      object.global("in_bss").set(JAVA_LONG, 0, 40);
      object.load();
      MemorySegment inBss = object.global("in_bss");
      MemorySegment inData = object.global("in_data");
      assertThat(inBss.get(JAVA_LONG, 0)).isEqualTo(40);
      assertThat(inBss.byteSize()).isEqualTo(8);
      inData.set(JAVA_INT, 0, -6);
      assertThat(object.program("multiply").run()).isEqualTo(-6);
      assertThat(inBss.get(JAVA_LONG, 0)).isEqualTo(41);
      assertThat(object.global("seen").get(JAVA_INT, 0)).isEqualTo(-6);
    }
  }

  @Test
  void aGlobalIsDeadAfterClose() {
    BpfObject object = BpfObject.load(file);
    MemorySegment seen = object.global("seen");
    object.close();
    assertThatIllegalStateException().isThrownBy(() -> seen.get(JAVA_INT, 0));
  }

  @Test
  void mapSizesAreSetBeforeLoad() {
    try (BpfObject object = BpfObject.open(file)) {
      BpfMap counts = object.map("counts");
      counts.maxEntries(77);
      object.load();
      assertThat(counts.maxEntries()).isEqualTo(77);
      assertThat(counts.keySize()).isEqualTo(4);
      assertThat(counts.valueSize()).isEqualTo(8);
      assertThat(kernelsWord(counts.fd(), "max_entries")).isEqualTo("77");
      assertThatIllegalStateException()
          .isThrownBy(() -> counts.maxEntries(78))
          .withMessageContaining("before the object is loaded");
    }
  }

  @Test
  void aProgramRunsWithAContext() {
    try (BpfObject object = BpfObject.load(file);
        Arena arena = Arena.ofConfined()) {
      BpfProgram twice = object.program("twice");
      MemorySegment arguments = arena.allocateFrom(JAVA_INT, 21, 0);
      assertThat(twice.run(arguments)).isZero();
      assertThat(arguments.getAtIndex(JAVA_INT, 1)).isEqualTo(42);
      MemorySegment onHeap = MemorySegment.ofArray(new int[] {4, 0});
      assertThat(twice.run(onHeap)).isZero();
      assertThat(onHeap.getAtIndex(JAVA_INT, 1)).isEqualTo(8);
    }
  }

  @Test
  void aProgramThatCannotBeRunSaysWhichCan() {
    try (BpfObject object = BpfObject.load(file)) {
      assertThatThrownBy(() -> object.program("on_tracepoint").run())
          .isInstanceOf(NotSupportedException.class)
          .hasMessageContaining("on_tracepoint")
          .hasMessageContaining("ENOTSUPP")
          .hasMessageContaining("tracepoint/syscalls/sys_enter_getpgid")
          .hasMessageContaining("SEC(\"syscall\")");
    }
  }

  @Test
  void aMapOfAnotherTypeIsNotAttached() {
    try (BpfObject object = BpfObject.load(file)) {
      assertThatThrownBy(() -> object.map("counts").attach())
          .isInstanceOf(WrongObjectException.class)
          .hasMessageContaining("counts")
          .hasMessageContaining("struct_ops");
    }
  }

  @Test
  void aProgramIsAttachedUntilItsLinkIsClosed() {
    try (BpfObject object = BpfObject.load(file)) {
      MemorySegment events = object.global("events");
      BpfLink link = object.program("on_enter").attach();
      assertThat(link.fd()).isNotNegative();
      assertThat(makesEvents(events)).isTrue();
      link.close();
      link.close();
      assertThat(makesEvents(events)).isFalse();
      assertThatIllegalStateException()
          .isThrownBy(link::fd)
          .withMessageContaining("the link is closed");
    }
  }

  @Test
  void linksEndWithTheObject() throws IOException {
    Path closed;
    BpfLink link;
    try (BpfObject object = BpfObject.load(file)) {
      link = object.program("on_enter").attach();
      closed = Path.of("/proc/self/fd/" + link.fd());
      assertThat(Files.readSymbolicLink(closed).toString()).contains("link");
    }
    assertThat(Files.exists(closed) && Files.readSymbolicLink(closed).toString().contains("link"))
        .isFalse();
    link.close();
  }

  @Test
  void aSecondCloseIsHarmless() {
    BpfObject object = BpfObject.load(file);
    object.close();
    object.close();
    BpfObject opened = BpfObject.open(file);
    opened.close();
    opened.close();
  }

  @Test
  void nothingCanBeUsedAfterClose() {
    BpfObject object = BpfObject.load(file);
    BpfMap counts = object.map("counts");
    BpfProgram multiply = object.program("multiply");
    BpfProgram onEnter = object.program("on_enter");
    object.close();
    List<Runnable> uses =
        List.of(
            multiply::run,
            () -> multiply.run(MemorySegment.ofArray(new int[2])),
            multiply::fd,
            onEnter::attach,
            counts::fd,
            counts::attach,
            counts::maxEntries,
            counts::keySize,
            counts::valueSize,
            () -> counts.pin(Path.of("/sys/fs/bpf/never")),
            () -> counts.unpin(Path.of("/sys/fs/bpf/never")),
            () -> counts.pinPath(Path.of("/sys/fs/bpf/never")),
            () -> counts.maxEntries(2),
            () -> object.map("counts"),
            () -> object.program("multiply"),
            () -> object.global("seen"),
            object::load);
    assertThat(uses)
        .allSatisfy(
            use ->
                assertThatIllegalStateException()
                    .isThrownBy(use::run)
                    .withMessageContaining("object.bpf.o")
                    .withMessageContaining("closed"));
  }

  @Test
  void unknownNamesAreAnsweredWithTheKnownOnes() {
    try (BpfObject object = BpfObject.open(file)) {
      assertThatThrownBy(() -> object.map("count"))
          .isInstanceOf(NotFoundException.class)
          .hasMessageContainingAll("find map", "count in object.bpf.o", "counts", "declared_pin");
      assertThatThrownBy(() -> object.program("multiplied"))
          .isInstanceOf(NotFoundException.class)
          .hasMessageContainingAll("multiplied", "multiply", "twice", "on_enter");
      assertThatThrownBy(() -> object.global("sin"))
          .isInstanceOf(NotFoundException.class)
          .hasMessageContainingAll("sin", "seen", "factor", "in_bss", "in_data");
    }
  }

  @Test
  void runsThatMeetACloseEndWithAnExplanation() throws Exception {
    for (int round = 0; round < 20; round++) {
      BpfObject object = BpfObject.load(file);
      BpfProgram multiply = object.program("multiply");
      CountDownLatch running = new CountDownLatch(8);
      try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
        List<Future<String>> ends = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
          ends.add(
              threads.submit(
                  () -> {
                    running.countDown();
                    try {
                      while (true) {
                        assertThat(multiply.run()).isEqualTo(5);
                      }
                    } catch (IllegalStateException e) {
                      return String.valueOf(e.getMessage());
                    }
                  }));
        }
        running.await();
        object.close();
        for (Future<String> end : ends) {
          assertThat(end.get()).isEqualTo("the object object.bpf.o is closed");
        }
      }
    }
  }

  @Test
  void noDescriptorIsLeftBehind() throws IOException {
    BpfObject.load(file).close();
    int before = Descriptors.count();
    for (int i = 0; i < 200; i++) {
      try (BpfObject object = BpfObject.open(file)) {
        if (i % 4 == 3) {
          continue; // closed without a load
        }
        object.load();
        object.global("seen").set(JAVA_INT, 0, i);
        BpfLink ignored = object.program("on_enter").attach();
      }
    }
    assertThat(Descriptors.count()).isEqualTo(before);
  }

  private static boolean makesEvents(MemorySegment events) {
    long before = events.get(JAVA_LONG, 0);
    assertThat(Files.exists(Path.of("/"))).isTrue(); // a system call
    return events.get(JAVA_LONG, 0) > before;
  }

  private static String kernelsWord(int fd, String field) {
    try (Stream<String> lines = Files.lines(Path.of("/proc/self/fdinfo/" + fd))) {
      return lines
          .filter(line -> line.startsWith(field + ":"))
          .map(line -> line.substring(field.length() + 1).strip())
          .findFirst()
          .orElse("");
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }
}
