// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.context;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Tells profilers what this process is, and how they find its threads' traces, as OpenTelemetry's
 * enhancement proposal 4719, "Process Context", has it: a mapping with a name that they know, which
 * has the attributes of the SDK's resource. Only if {@code -Dtasklocal.profilers} asks for it. A
 * process has one; that of somebody else is left as it is.
 */
@SuppressWarnings("restricted")
public final class ProcessContext {

  private static final String SIGNATURE = "OTEL_CTX";
  private static final int VERSION = 2;
  private static final int HEADER = 32;

  /** What OpenTelemetry's profiler reads at most. */
  private static final int MOST_BYTES = 16384;

  private static final int PAGE = 4096;

  /**
   * As the names are in /proc/PID/maps, of a kernel that names mappings and of one that does not.
   */
  private static final List<String> NAMES =
      List.of("[anon_shmem:" + SIGNATURE, "[anon:" + SIGNATURE, "/memfd:" + SIGNATURE);

  private static boolean isDone;

  private ProcessContext() {}

  /** {@return whether this process has one already, whoever has published it} */
  static boolean isPublished() {
    try (Stream<String> mappings = Files.lines(Path.of("/proc/self/maps"))) {
      return mappings.anyMatch(each -> NAMES.stream().anyMatch(each::contains));
    } catch (IOException | RuntimeException e) {
      return false; // no procfs: then nobody can look for it
    }
  }

  /**
   * Publishes the process's context, if it was asked for and this is the first call. Throws
   * nothing: what cannot be is logged.
   *
   * @param resource the attributes of the SDK's resource: texts, booleans, whole numbers,
   *     fractions, and lists of these; another value counts as its text
   */
  public static synchronized void publish(Map<String, ?> resource) {
    if (isDone || ThreadContext.asked() == null) {
      return;
    }
    isDone = true;
    try {
      boolean ignored = TraceKeys.areShown(); // makes the record of each thread
      if (!ThreadContext.isPossible() || isPublished()) {
        return; // said with the record
      }
      Calls.publish(payload(resource));
    } catch (RuntimeException | Error e) {
      ContextKeys.warn("Profilers do not see OpenTelemetry's process context: " + e);
    }
  }

  // The wire format of protocol buffers, of the three shapes that occur.

  private static byte[] payload(Map<String, ?> resource) {
    byte[] threads = {};
    if (ThreadContext.isFound()) {
      threads =
          join(
              field(2, pair("threadlocal.schema_version", "tlsdesc_v1_dev")),
              field(2, pair("threadlocal.attribute_key_map", List.of())));
    }
    byte[] attributes = {};
    List<String> left = new ArrayList<>();
    for (Map.Entry<String, ?> each : resource.entrySet()) {
      byte[] more = join(attributes, field(1, pair(each.getKey(), each.getValue())));
      if (more.length + threads.length + 16 > MOST_BYTES) {
        left.add(each.getKey());
      } else {
        attributes = more;
      }
    }
    if (!left.isEmpty()) {
      ContextKeys.warn(
          "Profilers do not see attributes of OpenTelemetry's resource for which the %d bytes that they read have no room: %s"
              .formatted(MOST_BYTES, String.join(", ", left)));
    }
    return join(field(1, attributes), threads);
  }

  private static byte[] pair(String key, Object value) {
    return join(field(1, text(key)), field(2, any(value)));
  }

  private static byte[] any(Object value) {
    return switch (value) {
      case Boolean is -> new byte[] {2 << 3, (byte) (is ? 1 : 0)};
      case Long number -> join(new byte[] {3 << 3}, varint(number));
      case Double number ->
          ByteBuffer.allocate(9)
              .order(ByteOrder.LITTLE_ENDIAN)
              .put((byte) (4 << 3 | 1))
              .putDouble(number)
              .array();
      case List<?> list -> {
        byte[] all = {};
        for (Object each : list) {
          all = join(all, field(1, any(each)));
        }
        yield field(5, all);
      }
      default -> field(1, text(value.toString()));
    };
  }

  private static byte[] text(String value) {
    return value.getBytes(StandardCharsets.UTF_8);
  }

  private static byte[] field(int number, byte[] content) {
    return join(new byte[] {(byte) (number << 3 | 2)}, varint(content.length), content);
  }

  private static byte[] varint(long value) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    long rest = value;
    for (; (rest & ~0x7fL) != 0; rest >>>= 7) {
      bytes.write((int) ((rest & 0x7f) | 0x80));
    }
    bytes.write((int) rest);
    return bytes.toByteArray();
  }

  private static byte[] join(byte[]... parts) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    for (byte[] each : parts) {
      bytes.writeBytes(each);
    }
    return bytes.toByteArray();
  }

  /** Linked only where a context is published. */
  private static final class Calls {

    private static final boolean IS_AMD64 = System.getProperty("os.arch", "").equals("amd64");

    private static final long FTRUNCATE = IS_AMD64 ? 77 : 46;
    private static final long CLOSE = IS_AMD64 ? 3 : 57;
    private static final long MMAP = IS_AMD64 ? 9 : 222;
    private static final long MUNMAP = IS_AMD64 ? 11 : 215;
    private static final long MADVISE = IS_AMD64 ? 28 : 233;
    private static final long PRCTL = IS_AMD64 ? 157 : 167;
    private static final long CLOCK_GETTIME = IS_AMD64 ? 228 : 113;
    private static final long MEMFD_CREATE = IS_AMD64 ? 319 : 279;

    private static final long MFD_CLOEXEC = 1;
    private static final long MFD_ALLOW_SEALING = 2;
    private static final long MFD_NOEXEC_SEAL = 8;
    private static final long PROT_READ_WRITE = 3;
    private static final long MAP_PRIVATE = 2;
    private static final long MAP_ANONYMOUS = 0x20;
    private static final long MADV_DONTFORK = 10;
    private static final long PR_SET_VMA = 0x53564d41;
    private static final long PR_SET_VMA_ANON_NAME = 0;
    private static final long CLOCK_BOOTTIME = 7;

    /** One function for all: each that is linked costs the start some milliseconds. */
    private static final MethodHandle SYSCALL =
        Linker.nativeLinker()
            .downcallHandle(
                Linker.nativeLinker().defaultLookup().find("syscall").orElseThrow(),
                FunctionDescriptor.of(
                    JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
                    JAVA_LONG),
                Linker.Option.firstVariadicArg(1));

    private static long call(long number, long a, long b, long c, long d, long e) {
      try {
        return (long) SYSCALL.invokeExact(number, a, b, c, d, e, 0L);
      } catch (RuntimeException | Error e1) {
        throw e1;
      } catch (Throwable e1) {
        throw new AssertionError(e1);
      }
    }

    static void publish(byte[] payload) {
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment name = arena.allocateFrom(SIGNATURE);
        long size = (HEADER + payload.length + PAGE - 1L) & -PAGE;
        long address = map(name.address(), size);
        boolean isPublished = false;
        try {
          write(MemorySegment.ofAddress(address).reinterpret(size), payload, arena);
          isPublished = true;
        } finally {
          if (!isPublished) {
            long ignored = call(MUNMAP, address, size, 0, 0, 0);
          }
        }
        // Not every kernel names mappings; that of a memfd has a name anyhow.
        long ignored = call(PRCTL, PR_SET_VMA, PR_SET_VMA_ANON_NAME, address, size, name.address());
      }
    }

    /** The steps of the proposal's publication protocol, in their order. */
    private static void write(MemorySegment memory, byte[] payload, Arena arena) {
      if (call(MADVISE, memory.address(), memory.byteSize(), MADV_DONTFORK, 0, 0) != 0) {
        throw new IllegalStateException("the kernel refuses MADV_DONTFORK");
      }
      MemorySegment.copy(payload, 0, memory, JAVA_BYTE, HEADER, payload.length);
      MemorySegment.copy(text(SIGNATURE), 0, memory, JAVA_BYTE, 0, SIGNATURE.length());
      memory.set(JAVA_INT, 8, VERSION);
      memory.set(JAVA_INT, 12, payload.length);
      memory.set(JAVA_LONG, 24, memory.address() + HEADER);
      MemorySegment time = arena.allocate(2 * Long.BYTES, Long.BYTES);
      if (call(CLOCK_GETTIME, CLOCK_BOOTTIME, time.address(), 0, 0, 0) != 0) {
        throw new IllegalStateException("the kernel has no CLOCK_BOOTTIME");
      }
      VarHandle.fullFence();
      memory.set(
          JAVA_LONG, 16, time.get(JAVA_LONG, 0) * 1_000_000_000 + time.get(JAVA_LONG, Long.BYTES));
    }

    private static long map(long name, long size) {
      long flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
      long fd = call(MEMFD_CREATE, name, flags | MFD_NOEXEC_SEAL, 0, 0, 0);
      if (fd < 0) {
        fd = call(MEMFD_CREATE, name, flags, 0, 0, 0); // before Linux 6.3
      }
      if (fd >= 0 && call(FTRUNCATE, fd, size, 0, 0, 0) != 0) {
        long ignored = call(CLOSE, fd, 0, 0, 0, 0);
        fd = -1;
      }
      long kind = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_PRIVATE;
      long address = call(MMAP, 0, size, PROT_READ_WRITE, kind, fd);
      if (fd >= 0) {
        long ignored = call(CLOSE, fd, 0, 0, 0, 0);
      }
      if (address == -1) {
        throw new IllegalStateException("the system gives no memory");
      }
      return address;
    }
  }
}
