// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.opentelemetry;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A reader of other processes by the rules of OpenTelemetry's proposals 4719 and 4947, which uses
 * nothing of this project: it stops each thread, finds its thread pointer, and from there the
 * thread-local variable and the record.
 *
 * <p>It prints the process context, a line for each attribute; where it has found the variable; and
 * a line for each thread with a record. With a number of samples it looks at all threads so often,
 * and says how many records were valid, and how many of these were torn ({@link
 * ProfiledChild#isTorn}).
 */
@SuppressWarnings("restricted")
final class ProfilerReader {

  private static final String SYMBOL = "otel_thread_ctx_v1";
  private static final int RECORD = 28;

  private static final int PTRACE_GETREGS = 12;
  private static final int PTRACE_DETACH = 17;
  private static final int PTRACE_GETREGSET = 0x4204;
  private static final int PTRACE_SEIZE = 0x4206;
  private static final int PTRACE_INTERRUPT = 0x4207;
  private static final int NT_ARM_TLS = 0x401;
  private static final int WALL = 0x40000000;

  /** Of user_regs_struct on x86-64. */
  private static final int FS_BASE = 21;

  private static final boolean IS_AMD64 = System.getProperty("os.arch").equals("amd64");

  private static final MethodHandle PTRACE =
      function(
          "ptrace",
          FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG),
          Linker.Option.firstVariadicArg(1));
  private static final MethodHandle WAITPID =
      function("waitpid", FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT));

  private final String pid;
  private final FileChannel memory;

  private ProfilerReader(String pid) throws IOException {
    this.pid = pid;
    this.memory = FileChannel.open(Path.of("/proc", pid, "mem"), StandardOpenOption.READ);
  }

  private static MethodHandle function(
      String name, FunctionDescriptor descriptor, Linker.Option... options) {
    Linker linker = Linker.nativeLinker();
    return linker.downcallHandle(
        linker.defaultLookup().find(name).orElseThrow(), descriptor, options);
  }

  public static void main(String[] args) throws Throwable {
    ProfilerReader reader = new ProfilerReader(args[0]);
    reader.context();
    long descriptor = reader.descriptor();
    System.out.println("variable " + (descriptor == 0 ? "not found" : "found"));
    if (descriptor == 0) {
      return;
    }
    if (args.length == 1) {
      reader.threads(descriptor, null);
      return;
    }
    int[] counts = new int[3];
    for (int i = Integer.parseInt(args[1]); i > 0; i--) {
      reader.threads(descriptor, counts);
    }
    System.out.printf("records %d valid %d torn %d%n", counts[0], counts[1], counts[2]);
  }

  private ByteBuffer read(long address, int size) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    while (bytes.hasRemaining()) {
      if (memory.read(bytes, address + bytes.position()) <= 0) {
        throw new IOException("nothing at %x".formatted(address));
      }
    }
    return bytes.flip();
  }

  private List<String> mappings() throws IOException {
    return Files.readAllLines(Path.of("/proc", pid, "maps"));
  }

  private static long start(String mapping) {
    return Long.parseUnsignedLong(mapping.substring(0, mapping.indexOf('-')), 16);
  }

  private void context() throws IOException {
    int found = 0;
    for (String each : mappings()) {
      if (each.contains("[anon_shmem:OTEL_CTX]")
          || each.contains("[anon:OTEL_CTX]")
          || each.contains("/memfd:OTEL_CTX")) {
        ByteBuffer header = read(start(each), 32);
        byte[] signature = new byte[8];
        header.get(signature);
        if (!new String(signature, StandardCharsets.US_ASCII).equals("OTEL_CTX")
            || header.getInt(8) != 2
            || header.getLong(16) == 0) {
          System.out.println("context invalid");
          continue;
        }
        found++;
        message("", read(header.getLong(24), header.getInt(12)), header.getInt(12));
      }
    }
    System.out.println("contexts " + found);
  }

  /** Prints the texts of a message, with the numbers of the fields that lead there. */
  private static void message(String path, ByteBuffer bytes, int end) {
    while (bytes.position() < end) {
      int tag = (int) varint(bytes);
      String here = path + "." + (tag >>> 3);
      switch (tag & 7) {
        case 0 -> System.out.println("context " + here + " " + varint(bytes));
        case 1 -> System.out.println("context " + here + " " + bytes.getDouble());
        case 2 -> {
          int size = (int) varint(bytes);
          int stop = bytes.position() + size;
          // Keys are field 1 of a pair, texts are field 1 of a value: the rest are messages.
          if (here.matches("\\.[12](\\.1)?\\.1|\\.[12](\\.1)?\\.2(\\.5\\.1)?\\.1")
              && !here.equals(".1.1")) {
            byte[] text = new byte[size];
            bytes.get(text);
            System.out.println("context " + here + " " + new String(text, StandardCharsets.UTF_8));
          } else {
            message(here, bytes, stop);
          }
          bytes.position(stop);
        }
        default -> throw new IllegalStateException("wire type " + (tag & 7));
      }
    }
  }

  private static long varint(ByteBuffer bytes) {
    long value = 0;
    for (int shift = 0; ; shift += 7) {
      byte next = bytes.get();
      value |= (next & 0x7fL) << shift;
      if (next >= 0) {
        return value;
      }
    }
  }

  /** {@return where the process has the TLS descriptor of the variable, or 0} */
  private long descriptor() throws IOException {
    for (String each : mappings()) {
      String[] columns = each.split(" +", 6);
      if (columns.length == 6 && columns[1].contains("x") && columns[5].startsWith("/")) {
        Path file = Path.of("/proc", pid, "root").resolve(columns[5].substring(1));
        if (Files.isRegularFile(file)) {
          long address = relocation(file, Long.parseLong(columns[2], 16));
          if (address >= 0) {
            System.out.println("file " + columns[5]);
            return start(each) + address;
          }
        }
      }
    }
    return 0;
  }

  /**
   * {@return where the relocation of the variable is, relative to what is mapped from an offset on;
   * -1 if the file has none}
   */
  private static long relocation(Path path, long mapped) throws IOException {
    try (FileChannel file = FileChannel.open(path)) {
      ByteBuffer elf =
          file.map(FileChannel.MapMode.READ_ONLY, 0, file.size()).order(ByteOrder.LITTLE_ENDIAN);
      if (elf.capacity() < 64 || elf.getInt(0) != 0x464c457f) {
        return -1;
      }
      long base = Long.MIN_VALUE;
      for (int i = 0; i < elf.getShort(56); i++) {
        int header = (int) elf.getLong(32) + i * 56;
        if (elf.getInt(header) == 1
            && (elf.getInt(header + 4) & 1) != 0 // what is executed
            && (elf.getLong(header + 8) & -4096) == mapped) {
          base = elf.getLong(header + 16) & -4096;
        }
      }
      int sections = (int) elf.getLong(40);
      for (int i = 0; i < elf.getShort(60) && base != Long.MIN_VALUE; i++) {
        int section = sections + i * 64;
        int symbols = sections + elf.getInt(section + 40) * 64;
        if (elf.getInt(section + 4) == 4 && elf.getInt(symbols + 4) == 11) {
          int strings = (int) elf.getLong(sections + elf.getInt(symbols + 40) * 64 + 24);
          long end = elf.getLong(section + 24) + elf.getLong(section + 32);
          for (int at = (int) elf.getLong(section + 24); at < end; at += 24) {
            int symbol = (int) (elf.getLong(symbols + 24) + elf.getInt(at + 12) * 24L);
            if (elf.getInt(at + 8) == (IS_AMD64 ? 36 : 1031)
                && (elf.get(symbol + 4) & 15) == 6
                && elf.getLong(symbol + 16) == 8
                && isNamed(elf, strings + elf.getInt(symbol))) {
              return elf.getLong(at) - base;
            }
          }
        }
      }
      return -1;
    }
  }

  private static boolean isNamed(ByteBuffer elf, int at) {
    byte[] name = new byte[SYMBOL.length() + 1];
    elf.get(at, name);
    return new String(name, StandardCharsets.US_ASCII).equals(SYMBOL + "\0");
  }

  /** Looks at each thread; counts if there are counts, and prints otherwise. */
  private void threads(long descriptor, int @Nullable [] counts) throws Throwable {
    List<Integer> tids;
    try (Stream<Path> tasks = Files.list(Path.of("/proc", pid, "task"))) {
      tids = tasks.map(each -> Integer.valueOf(each.getFileName().toString())).sorted().toList();
    }
    for (int tid : tids) {
      byte[] record = stopped(tid, descriptor);
      if (record == null) {
        continue;
      }
      ByteBuffer bytes = ByteBuffer.wrap(record);
      boolean isValid = record[24] == 1;
      if (counts == null) {
        HexFormat hex = HexFormat.of();
        System.out.printf(
            "thread %d %s%n",
            tid,
            isValid
                ? "%s %s %d %d"
                    .formatted(
                        hex.formatHex(record, 0, 16),
                        hex.formatHex(record, 16, 24),
                        record[25],
                        record[26] | record[27])
                : "invalid");
      } else {
        counts[0]++;
        if (isValid) {
          counts[1]++;
          if (ProfiledChild.isTorn(
              bytes.getLong(0), bytes.getLong(8), bytes.getLong(16), record[25])) {
            counts[2]++;
          }
        }
      }
    }
  }

  /** {@return what a thread's variable leads to while the thread is stopped, or null} */
  private byte @Nullable [] stopped(int tid, long descriptor) throws Throwable {
    if ((long) PTRACE.invokeExact(PTRACE_SEIZE, tid, 0L, 0L) != 0) {
      return null; // it has ended
    }
    long signal = 0;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment status = arena.allocate(JAVA_INT);
      long ignored = (long) PTRACE.invokeExact(PTRACE_INTERRUPT, tid, 0L, 0L);
      if ((int) WAITPID.invokeExact(tid, status, WALL) != tid
          || (status.get(JAVA_INT, 0) & 0xff) != 0x7f) {
        return null; // it ends
      }
      // What it was about to get from the kernel, if it was not for us that it stopped.
      signal = status.get(JAVA_INT, 0) >>> 16 == 0 ? status.get(JAVA_INT, 0) >>> 8 & 0xff : 0;
      long pointer = pointer(threadPointer(tid, arena), descriptor);
      return pointer == 0 ? null : read(pointer, RECORD).array();
    } finally {
      long ignored = (long) PTRACE.invokeExact(PTRACE_DETACH, tid, 0L, signal);
    }
  }

  private static long threadPointer(int tid, Arena arena) throws Throwable {
    MemorySegment registers = arena.allocate(512, 8);
    if (IS_AMD64) {
      long ignored = (long) PTRACE.invokeExact(PTRACE_GETREGS, tid, 0L, registers.address());
      return registers.getAtIndex(JAVA_LONG, FS_BASE);
    }
    MemorySegment vector = arena.allocate(16, 8);
    vector.set(JAVA_LONG, 0, registers.address());
    vector.set(JAVA_LONG, 8, registers.byteSize());
    long ignored =
        (long) PTRACE.invokeExact(PTRACE_GETREGSET, tid, (long) NT_ARM_TLS, vector.address());
    return registers.get(JAVA_LONG, 0);
  }

  /** {@return the variable of the thread with a thread pointer} */
  private long pointer(long threadPointer, long descriptor) throws IOException {
    long argument = read(descriptor + 8, 8).getLong();
    if (Math.abs(argument) < 1 << 20) {
      return read(threadPointer + argument, 8).getLong(); // in the static TLS block
    }
    // A module and an offset; glibc has the thread's blocks in a vector, two words each.
    ByteBuffer index = read(argument, 16);
    long vector = read(threadPointer + (IS_AMD64 ? 8 : 0), 8).getLong();
    long block = read(vector + index.getLong(0) * 16, 8).getLong();
    return block == -1 || block == 0 ? 0 : read(block + index.getLong(8), 8).getLong();
  }
}
