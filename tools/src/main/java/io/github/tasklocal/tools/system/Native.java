// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.system;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** What only the C library and libbpf can tell. */
@SuppressWarnings("restricted")
public final class Native {

  /** The descriptor of standard output. */
  public static final int STDOUT = 1;

  /** The descriptor of standard error. */
  public static final int STDERR = 2;

  /** BPF_FS_MAGIC of linux/magic.h. */
  private static final int BPF_FS = 0xcafe4a11;

  /** Larger than struct statfs of any architecture; its first member is the type. */
  private static final int STATFS_BYTES = 256;

  /** Of asm-generic/fcntl.h; arm64 has others of the last two. */
  private static final int O_PATH = 010000000;

  private static final int O_CLOEXEC = 02000000;
  private static final boolean ARM = System.getProperty("os.arch", "").equals("aarch64");
  private static final int O_NOFOLLOW = ARM ? 0100000 : 0400000;
  private static final int O_DIRECTORY = ARM ? 040000 : 0200000;

  private Native() {}

  /** Linked at the first use of one of them, so that {@link #isEnabled} can be asked before. */
  private static final class Functions {
    static final MethodHandle ISATTY = Calls.libc("isatty", JAVA_INT, JAVA_INT);
    static final MethodHandle STATFS = Calls.libc("statfs", JAVA_INT, ADDRESS, ADDRESS);
    static final MethodHandle OPEN = Calls.variadic(2, "open", JAVA_INT, ADDRESS, JAVA_INT);
    static final MethodHandle CLOSE = Calls.libc("close", JAVA_INT, JAVA_INT);
    static final MethodHandle UMASK = Calls.libc("umask", JAVA_INT, JAVA_INT);
    static final MethodHandle PAGE_SIZE = Calls.libc("getpagesize", JAVA_INT);
  }

  /**
   * {@return the type of the file system that a path leads to, as in linux/magic.h; 0 if it leads
   * nowhere} The kernel is asked: of several mounts over one another, the path leads to the last.
   */
  public static int fileSystem(Path path) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment answer = arena.allocate(STATFS_BYTES, Long.BYTES);
      int status =
          (int)
              Functions.STATFS.invokeExact(
                  Calls.state(), arena.allocateFrom(path.toString()), answer);
      return status == 0 ? (int) answer.get(JAVA_LONG, 0) : 0;
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  /** {@return the name of such a type, where it is one that lies where a bpffs could} */
  public static String name(int fileSystem) {
    return switch (fileSystem) {
      case 0x01021994 -> "tmpfs";
      case 0x62656572 -> "sysfs";
      case 0x794c7630 -> "overlay";
      default -> "file system of type 0x%x".formatted(fileSystem);
    };
  }

  /** {@return whether a path leads to a bpffs} */
  public static boolean isBpffs(Path path) {
    return fileSystem(path) == BPF_FS;
  }

  /**
   * Holds the file at a path, whatever it is: {@code /proc/self/fd/N} is that file from now on.
   *
   * @return a descriptor that can do nothing else
   * @throws NoSuchFileException if nothing is there, or it cannot be reached
   */
  public static int hold(Path path) throws NoSuchFileException {
    int fd = open(path, O_PATH | O_NOFOLLOW);
    if (fd < 0) {
      throw new NoSuchFileException(path.toString());
    }
    return fd;
  }

  /** {@return a descriptor of a folder, which keeps it; a negative errno if it cannot be opened} */
  static int openFolder(Path folder) {
    return open(folder, O_DIRECTORY);
  }

  private static int open(Path path, int flags) {
    try (Arena arena = Arena.ofConfined()) {
      return Calls.checked(
          (int)
              Functions.OPEN.invokeExact(
                  Calls.state(), arena.allocateFrom(path.toString()), flags | O_CLOEXEC));
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  /** Closes a descriptor. */
  public static void close(int fd) {
    try {
      int ignored = (int) Functions.CLOSE.invokeExact(Calls.state(), fd);
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  /** Sets which permissions new files of this process do not get; {@return those before} */
  public static int umask(int without) {
    try {
      return (int) Functions.UMASK.invokeExact(Calls.state(), without);
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  /** {@return whether the JVM allows native access, as the jar's manifest asks} */
  public static boolean isEnabled() {
    return Native.class.getModule().isNativeAccessEnabled();
  }

  /** {@return whether a descriptor leads to a terminal} */
  public static boolean isTerminal(int descriptor) {
    try {
      return (int) Functions.ISATTY.invokeExact(Calls.state(), descriptor) == 1;
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  /** {@return the size of a page of memory in bytes} */
  public static int pageSize() {
    try {
      return (int) Functions.PAGE_SIZE.invokeExact(Calls.state());
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  /** {@return libbpf's version, such as {@code v1.1}; null if there is no libbpf} */
  public static @Nullable String libbpfVersion() {
    try {
      MethodHandle version = Calls.libbpf("libbpf_version_string", ADDRESS);
      return ((MemorySegment) version.invokeExact()).reinterpret(64).getString(0);
    } catch (IllegalArgumentException e) {
      return null;
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }
}
