// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** What only the C library and libbpf can tell. */
@SuppressWarnings("restricted")
final class Native {

  private static final int STDOUT = 1;

  /** BPF_FS_MAGIC of linux/magic.h. */
  private static final int BPF_FS = 0xcafe4a11;

  /** Larger than struct statfs of any architecture; its first member is the type. */
  private static final int STATFS_BYTES = 256;

  /** Of asm-generic/fcntl.h; arm64 has another O_NOFOLLOW. */
  private static final int O_PATH = 010000000;

  private static final int O_CLOEXEC = 02000000;
  private static final int O_NOFOLLOW =
      System.getProperty("os.arch", "").equals("aarch64") ? 0100000 : 0400000;

  private Native() {}

  /** Linked at the first use, so that {@link #isEnabled} can be asked before. */
  private static final class Functions {

    static final Linker LINKER = Linker.nativeLinker();

    static final MethodHandle ISATTY = libc("isatty", FunctionDescriptor.of(JAVA_INT, JAVA_INT));

    static MethodHandle link(
        SymbolLookup library, String function, FunctionDescriptor type, Linker.Option... options) {
      return LINKER.downcallHandle(library.find(function).orElseThrow(), type, options);
    }

    static MethodHandle libc(String function, FunctionDescriptor type, Linker.Option... options) {
      return link(LINKER.defaultLookup(), function, type, options);
    }
  }

  /** Linked at the first use of one of them. */
  private static final class FileCalls {
    static final MethodHandle STATFS =
        Functions.libc("statfs", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS));

    static final MethodHandle OPEN =
        Functions.libc(
            "open",
            FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT),
            Linker.Option.firstVariadicArg(2));

    static final MethodHandle CLOSE =
        Functions.libc("close", FunctionDescriptor.of(JAVA_INT, JAVA_INT));

    static final MethodHandle UMASK =
        Functions.libc("umask", FunctionDescriptor.of(JAVA_INT, JAVA_INT));
  }

  /**
   * {@return the type of the file system that a path leads to, as in linux/magic.h; 0 if it leads
   * nowhere} The kernel is asked: of several mounts over one another, the path leads to the last.
   */
  static int fileSystem(Path path) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment answer = arena.allocate(STATFS_BYTES, Long.BYTES);
      int status = (int) call(FileCalls.STATFS, arena.allocateFrom(path.toString()), answer);
      return status == 0 ? (int) answer.get(JAVA_LONG, 0) : 0;
    }
  }

  /** {@return the name of such a type, where it is one that lies where a bpffs could} */
  static String name(int fileSystem) {
    return switch (fileSystem) {
      case 0x01021994 -> "tmpfs";
      case 0x62656572 -> "sysfs";
      case 0x794c7630 -> "overlay";
      default -> "file system of type 0x%x".formatted(fileSystem);
    };
  }

  /** {@return whether a path leads to a bpffs} */
  static boolean isBpffs(Path path) {
    return fileSystem(path) == BPF_FS;
  }

  /**
   * Holds the file at a path, whatever it is: {@code /proc/self/fd/N} is that file from now on.
   *
   * @return a descriptor that can do nothing else
   * @throws NoSuchFileException if nothing is there, or it cannot be reached
   */
  static int hold(Path path) throws NoSuchFileException {
    try (Arena arena = Arena.ofConfined()) {
      int flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
      int fd = (int) call(FileCalls.OPEN, arena.allocateFrom(path.toString()), flags);
      if (fd < 0) {
        throw new NoSuchFileException(path.toString());
      }
      return fd;
    }
  }

  static void close(int fd) {
    Object ignored = call(FileCalls.CLOSE, fd);
  }

  /** Sets which permissions new files of this process do not get; {@return those before} */
  static int umask(int without) {
    return (int) call(FileCalls.UMASK, without);
  }

  /** {@return whether the JVM allows native access, as the jar's manifest asks} */
  static boolean isEnabled() {
    return Native.class.getModule().isNativeAccessEnabled();
  }

  /** {@return whether standard output is a terminal} */
  static boolean isTerminal() {
    return (int) call(Functions.ISATTY, STDOUT) == 1;
  }

  /** {@return the size of a page of memory in bytes} */
  static int pageSize() {
    return (int) call(Functions.libc("getpagesize", FunctionDescriptor.of(JAVA_INT)));
  }

  /** {@return libbpf's version, such as {@code v1.1}; null if there is no libbpf} */
  static @Nullable String libbpfVersion() {
    try (Arena arena = Arena.ofConfined()) {
      SymbolLookup libbpf = SymbolLookup.libraryLookup("libbpf.so.1", arena);
      MethodHandle version =
          Functions.link(libbpf, "libbpf_version_string", FunctionDescriptor.of(ADDRESS));
      return ((MemorySegment) call(version)).reinterpret(64).getString(0);
    } catch (IllegalArgumentException e) {
      return null;
    }
  }

  private static Object call(MethodHandle function, Object... arguments) {
    try {
      return function.invokeWithArguments(arguments);
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }
}
