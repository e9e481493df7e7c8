// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.tasklocal.Clang;
import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.error.ObjectLoadException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Descriptors;
import io.github.tasklocal.kit.junit.KernelTest;
import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Programs that are attached to places which the caller names. */
@KernelTest
class PlacesKernelIT {

  private static final Path LIBC = Path.of("libc.so.6");

  private static Path file;
  private static BpfObject object;

  @BeforeAll
  static void load(@TempDir Path folder) {
    file = Clang.compile(folder, "places");
    object = BpfObject.load(file);
    object.global("process").set(JAVA_INT, 0, Math.toIntExact(ProcessHandle.current().pid()));
  }

  @AfterAll
  static void close() {
    object.close();
  }

  private static long count(String name) {
    return object.global(name).get(JAVA_LONG, 0);
  }

  @Test
  void aFunctionOfALibraryIsSeenAtItsBeginAndItsEnd() throws Throwable {
    MethodHandle getppid = getppid();
    for (int pid : new int[] {-1, 0, Math.toIntExact(ProcessHandle.current().pid())}) {
      long calls = count("calls");
      long returns = count("returns");
      try (BpfLink call = object.program("called").attachUprobe(LIBC, "getppid", pid);
          BpfLink end = object.program("returned").attachUprobe(LIBC, "getppid", pid)) {
        assertThat(call.fd()).isNotEqualTo(end.fd()).isNotNegative();
        for (int i = 0; i < 5; i++) {
          assertThat((int) getppid.invokeExact()).isPositive();
        }
        assertThat(count("calls")).as("with pid " + pid).isEqualTo(calls + 5);
        assertThat(count("returns")).isEqualTo(returns + 5);
      }
      assertThat((int) getppid.invokeExact()).isPositive();
      assertThat(count("calls")).isEqualTo(calls + 5);
    }
  }

  @Test
  void anotherProcessesCallsAreNotSeenIfOneIsNamed() throws Throwable {
    MethodHandle getppid = getppid();
    long calls = count("calls");
    try (BpfLink link = object.program("called").attachUprobe(LIBC, "getppid", 1)) {
      assertThat(link.fd()).isNotNegative();
      assertThat((int) getppid.invokeExact()).isPositive();
      assertThat(count("calls")).isEqualTo(calls);
    }
  }

  @SuppressWarnings("restricted")
  private static MethodHandle getppid() {
    Linker linker = Linker.nativeLinker();
    return linker.downcallHandle(
        linker.defaultLookup().find("getppid").orElseThrow(), FunctionDescriptor.of(JAVA_INT));
  }

  @Test
  void aFunctionOrAFileThatIsNotThereIsSaid() {
    BpfProgram called = object.program("called");
    assertThatThrownBy(() -> called.attachUprobe(LIBC, "no_such_function", -1))
        .isInstanceOf(NotFoundException.class)
        .hasMessageContainingAll("called", "no_such_function", "libc.so.6");
    assertThatThrownBy(() -> called.attachUprobe(Path.of("/no/such/file"), "main", -1))
        .isInstanceOf(NotFoundException.class)
        .hasMessageContainingAll("/no/such/file", "there is no such file");
    assertThatThrownBy(() -> object.program("packet").attachUprobe(LIBC, "getppid", -1))
        .isInstanceOf(WrongObjectException.class)
        .hasMessageContainingAll("packet", "its section is tc", "uprobe");
  }

  @Test
  void aProgramRunsAtTheClockOfEachCpuUntilItsLinkIsClosed() throws IOException {
    List<BpfLink> links = new ArrayList<>();
    for (int cpu : online()) {
      links.add(object.program("sample").attach(PerfEvent.ofCpu(cpu, 1000)));
    }
    long before = count("samples");
    Await.until("samples", PlacesKernelIT::burn, counted -> counted > before + 10);
    links.forEach(BpfLink::close);
    long after = count("samples");
    for (int i = 0; i < 10; i++) {
      assertThat(burn()).isEqualTo(after);
    }
  }

  @Test
  void aProgramRunsAtTheClockOfAThread() {
    long before = count("samples");
    try (BpfLink link = object.program("sample").attach(PerfEvent.ofThread(0, 1000))) {
      assertThat(link.fd()).isNotNegative();
      long counted = Await.until("samples", PlacesKernelIT::burn, now -> now > before + 10);
      assertThat(counted).isPositive();
    }
  }

  /** {@return the samples so far, after some work} */
  private static long burn() {
    double sum = 0;
    for (int i = 1; i < 1_000_000; i++) {
      sum += Math.sqrt(i);
    }
    assertThat(sum).isPositive();
    return count("samples");
  }

  private static List<Integer> online() throws IOException {
    List<Integer> cpus = new ArrayList<>();
    for (String range :
        Files.readString(Path.of("/sys/devices/system/cpu/online")).strip().split(",", -1)) {
      String[] ends = range.split("-", -1);
      for (int cpu = Integer.parseInt(ends[0]);
          cpu <= Integer.parseInt(ends[ends.length - 1]);
          cpu++) {
        cpus.add(cpu);
      }
    }
    return cpus;
  }

  @Test
  void anEventThatCannotBeIsSaid() throws IOException {
    BpfProgram sample = object.program("sample");
    assertThatThrownBy(() -> sample.attach(PerfEvent.ofCpu(100_000, 1)))
        .isInstanceOf(KernelException.class)
        .hasMessageContainingAll("sample", "CPU 100000");
    assertThatThrownBy(() -> sample.attach(new PerfEvent(1, 999, 1, false, 0, -1)))
        .isInstanceOf(NotSupportedException.class)
        .hasMessageContaining("no such event");
    assertThatIllegalArgumentException().isThrownBy(() -> PerfEvent.ofCpu(0, 0));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new PerfEvent(1, 0, 1, false, -1, -1))
        .withMessageContaining("of one thread or of one CPU");
    assertThatThrownBy(() -> object.program("called").attach(PerfEvent.ofCpu(0, 1)))
        .isInstanceOf(WrongObjectException.class)
        .hasMessageContaining("its section is uprobe");
  }

  @Test
  void packetsAreSeenAsTheyComeInAndGoOutUntilTheLinkIsClosed() throws IOException {
    NetworkInterface loopback = NetworkInterface.getByInetAddress(InetAddress.getLoopbackAddress());
    BpfProgram packet = object.program("packet");
    BpfLink in = packet.attachIngress(loopback);
    BpfLink out = packet.attachEgress(loopback);
    assertThat(in.fd()).isNotEqualTo(out.fd()).isNotNegative();
    long before = count("packets");
    send();
    assertThat(count("packets")).isGreaterThanOrEqualTo(before + 2);
    in.close();
    in.close();
    out.close();
    long after = count("packets");
    send();
    assertThat(count("packets")).isEqualTo(after);
    assertThatThrownBy(() -> object.program("called").attachIngress(loopback))
        .isInstanceOf(WrongObjectException.class)
        .hasMessageContaining("its section is uprobe");
  }

  private static void send() throws IOException {
    try (DatagramSocket socket = new DatagramSocket(0, InetAddress.getLoopbackAddress())) {
      byte[] bytes = new byte[1];
      socket.send(new DatagramPacket(bytes, 1, socket.getLocalSocketAddress()));
      socket.receive(new DatagramPacket(bytes, 1));
    }
  }

  @Test
  void controlGroupsAreWalkedFromTheOneThatIsGiven() throws IOException {
    Path root = cgroup2();
    Path one = Files.createDirectory(root.resolve("tasklocal-it-" + ProcessHandle.current().pid()));
    Path two = Files.createDirectory(one.resolve("below"));
    try (BpfObject iterators = withGroups()) {
      BpfProgram groups = iterators.program("groups");
      assertThat(levels(groups, one, CgroupOrder.SELF)).containsExactly(1L);
      assertThat(levels(groups, one, CgroupOrder.DESCENDANTS)).containsExactly(1L, 2L);
      assertThat(levels(groups, one, CgroupOrder.DESCENDANTS_FIRST)).containsExactly(2L, 1L);
      assertThat(levels(groups, two, CgroupOrder.ANCESTORS)).containsExactly(2L, 1L, 0L);
      assertThat(levels(groups, root, CgroupOrder.DESCENDANTS)).contains(0L, 1L, 2L);
      assertThatThrownBy(groups::iterate)
          .isInstanceOf(WrongObjectException.class)
          .hasMessageContainingAll("groups", "none was given", "iterate(path, order)");
      assertThatThrownBy(() -> groups.iterate(Path.of("/tmp"), CgroupOrder.SELF))
          .isInstanceOf(WrongObjectException.class)
          .hasMessageContainingAll("/tmp", "no directory of cgroup2");
      assertThatThrownBy(() -> groups.iterate(one.resolve("none"), CgroupOrder.SELF))
          .isInstanceOf(NotFoundException.class);
    } finally {
      Files.delete(two);
      Files.delete(one);
    }
  }

  private static BpfObject withGroups() {
    BpfObject iterators = BpfObject.open(file);
    iterators.program("groups").autoload(true);
    try {
      iterators.load();
    } catch (ObjectLoadException e) {
      assumeTrue(
          !e.getMessage().contains("(EPERM)"),
          "this kernel refuses iter/cgroup without a look at it (EPERM)");
      throw e;
    }
    return iterators;
  }

  private static Path cgroup2() throws IOException {
    try (Stream<String> mounts = Files.lines(Path.of("/proc/self/mounts"))) {
      List<Path> found =
          mounts
              .map(line -> line.split(" ", -1))
              .filter(fields -> fields[2].equals("cgroup2"))
              .map(fields -> Path.of(fields[1]))
              .toList();
      assumeTrue(!found.isEmpty(), "no cgroup2 is mounted");
      return found.getFirst();
    }
  }

  private static List<Long> levels(BpfProgram groups, Path from, CgroupOrder order) {
    MemorySegment records = groups.iterate(from, order);
    List<Long> levels = new ArrayList<>();
    for (long at = 0; at < records.byteSize(); at += Long.BYTES) {
      levels.add(records.get(JAVA_LONG, at));
    }
    return levels;
  }

  @Test
  void noDescriptorIsLeftBehind() throws IOException {
    NetworkInterface loopback = NetworkInterface.getByInetAddress(InetAddress.getLoopbackAddress());
    int before = Descriptors.count();
    for (int i = 0; i < 5; i++) {
      try (BpfObject each = BpfObject.load(file)) {
        BpfLink ignored = each.program("sample").attach(PerfEvent.ofThread(0, 1));
        ignored = each.program("called").attachUprobe(LIBC, "getppid", 0);
        ignored = each.program("packet").attachEgress(loopback);
        assertThatThrownBy(() -> each.program("called").attachUprobe(LIBC, "no_such", 0))
            .isInstanceOf(NotFoundException.class);
      }
    }
    assertThat(Descriptors.count()).isEqualTo(before);
  }
}
