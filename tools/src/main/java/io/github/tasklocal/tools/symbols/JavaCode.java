// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.symbols;

import io.github.tasklocal.tools.system.FileAccess;
import io.github.tasklocal.tools.system.Native;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The code that a JVM has made, by the map that it writes when {@code jcmd} asks for it ({@code
 * Compiler.perfmap}, JDK 17). It goes to {@code /tmp} as the JVM sees it, with the JVM's own id in
 * its name. Code that was made or moved since is missing there.
 */
final class JavaCode {

  /** Long, since the machine may be busy, and jcmd is a JVM, too. */
  private static final long ANSWER_SECONDS = 60;

  /** That of 240 MB of code, which is what a JVM has room for, has some 10 MiB. */
  private static final long LARGEST_MAP = 64L << 20;

  /** A method: type, class and name, parameters. Stubs have other names. */
  private static final Pattern METHOD = Pattern.compile("\\S+ ([^\\s(]+\\.[^\\s(]+)\\(.*\\)");

  /** Code that the JVM made at its start, such as {@code compilerstubs}. */
  private static final Pattern STUBS = Pattern.compile("StubRoutines \\((.+)\\)");

  private final int pid;
  private final int ownPid;

  /** The newest map first: what it does not have, the one before may. Read by another thread. */
  private volatile List<SymbolTable> maps = List.of();

  private volatile @Nullable Boolean framePointers;
  private volatile @Nullable String problem;

  /**
   * Makes the code of a JVM, of which nothing is known yet.
   *
   * @param pid of the JVM here
   * @param ownPid its id in its own pid namespace
   */
  JavaCode(int pid, int ownPid) {
    this.pid = pid;
    this.ownPid = ownPid;
  }

  /** Asks the JVM for what it has now. */
  void look() {
    String failed = null;
    try {
      ask();
    } catch (IOException e) {
      failed = e.getMessage();
    } catch (OutOfMemoryError e) {
      failed = "there is no room for its map of compiled code: give this Java more by -Xmx";
    }
    problem = FileAccess.exists(Path.of("/proc", pid + "")) ? failed : null;
  }

  private void ask() throws IOException {
    int folder = Native.hold(folder());
    try {
      Path map = Path.of("/proc/self/fd", folder + "", "perf-" + ownPid + ".map");
      Object before = version(map);
      String answer =
          jcmd(framePointers == null ? "VM.flags\nCompiler.perfmap\n" : "Compiler.perfmap\n");
      if (answer.contains("-XX:")) {
        framePointers = answer.contains("-XX:+PreserveFramePointer");
      }
      Object now = version(map);
      if (now == null) {
        throw new IOException(
            "it has written no map of its compiled code: "
                + answer.lines().reduce((a, b) -> b).orElse("no answer"));
      }
      if (now.equals(before)) { // it says that all went well, nevertheless
        throw new IOException(
            "it could not write its map of compiled code: remove %s from its /tmp"
                .formatted(map.getFileName()));
      }
      try {
        SymbolTable table = new SymbolTable();
        read(map, table);
        maps = maps.isEmpty() ? List.of(table) : List.of(table, maps.getFirst());
      } finally {
        if (before == null) {
          remove(map);
        }
      }
    } finally {
      Native.close(folder);
    }
  }

  /**
   * {@return the JVM's {@code /tmp}} A link there could lead to this process's files, which jcmd
   * would follow, too. Without a root of its own the JVM has the machine's, and who made that link
   * may.
   */
  private Path folder() throws IOException {
    Path root = Path.of("/proc", pid + "", "root");
    Path folder = root.resolve("tmp");
    if (!Files.isSymbolicLink(folder)) {
      return folder;
    }
    if (!Files.isSameFile(root, Path.of("/"))) {
      throw new IOException(
          "its /tmp is a symbolic link, which may lead out of its container: make it a folder");
    }
    return folder.toRealPath();
  }

  /** {@return what tells one file at a path from another, and from itself before it was written} */
  private static @Nullable Object version(Path map) throws IOException {
    try {
      return Files.readAttributes(map, "unix:ino,ctime,size", LinkOption.NOFOLLOW_LINKS);
    } catch (NoSuchFileException e) {
      return null;
    }
  }

  private static void remove(Path map) {
    try {
      Files.deleteIfExists(map);
    } catch (IOException e) {
      // It stays there until the JVM writes the next.
    }
  }

  /** {@return what a JVM answers to commands} */
  private String jcmd(String commands) throws IOException {
    Path jcmd = Path.of(System.getProperty("java.home"), "bin", "jcmd");
    if (!Files.isExecutable(jcmd)) {
      throw new IOException(
          "this Java has no " + jcmd + ", which asks JVMs for their compiled code: run a JDK");
    }
    // Not /dev/stdin, which a small system's /dev does not have.
    Process process =
        new ProcessBuilder(jcmd.toString(), String.valueOf(pid), "-f", "/proc/self/fd/0")
            .redirectErrorStream(true)
            .start();
    try (Writer writer =
        new OutputStreamWriter(process.getOutputStream(), StandardCharsets.UTF_8)) {
      writer.write(commands);
    }
    // Its answer has a few lines, for which the pipe has room.
    if (!await(process)) {
      Object ignored = process.destroyForcibly().onExit().join();
      // It is a JVM, too, and others may have asked it; only one that ends by itself removes this.
      ignored = Files.deleteIfExists(Path.of("/tmp", ".java_pid" + process.pid()));
      throw new IOException("it has not answered jcmd for %d s".formatted(ANSWER_SECONDS));
    }
    String answer =
        new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
    if (process.exitValue() != 0) {
      throw new IOException(
          "jcmd fails: " + answer.lines().reduce((a, b) -> b).orElse("no reason"));
    }
    return answer;
  }

  private static boolean await(Process process) {
    try {
      return process.waitFor(ANSWER_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  /** Lines of an address, a size and a name. */
  static void read(Path map, SymbolTable table) throws IOException {
    // A link in a container would lead to a file outside of it.
    if (!Files.isRegularFile(map, LinkOption.NOFOLLOW_LINKS)) {
      throw new IOException("its map of compiled code is no file: " + map.getFileName());
    }
    if (Files.size(map) > LARGEST_MAP) {
      throw new IOException(
          "its map of compiled code has more than %d MiB".formatted(LARGEST_MAP >> 20));
    }
    try (BufferedReader lines =
        new BufferedReader(
            new InputStreamReader(
                Files.newInputStream(map, StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS),
                StandardCharsets.UTF_8))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        String[] words = line.split(" ", 3);
        if (words.length == 3) {
          try {
            table.add(number(words[0]), number(words[1]), words[2]);
          } catch (NumberFormatException e) {
            // Another program's line.
          }
        }
      }
    }
  }

  private static long number(String hex) {
    return Long.parseUnsignedLong(hex.startsWith("0x") ? hex.substring(2) : hex, 16);
  }

  /** {@return the frame of an address, or null if no code is known there} */
  @Nullable Frame find(long address) {
    for (SymbolTable map : maps) {
      String name = map.find(address);
      if (name != null) {
        return frame(name);
      }
    }
    return null;
  }

  static Frame frame(String name) {
    Matcher method = METHOD.matcher(name);
    if (method.matches()) {
      return new Frame(method.group(1), Frame.Kind.JAVA);
    }
    // pprof takes what is in brackets for parameters, and leaves it out.
    Matcher stubs = STUBS.matcher(name);
    String stub = stubs.matches() ? stubs.group(1) : name;
    return new Frame(
        stub.equals("Interpreter") ? "[interpreter]" : "[" + stub + "]", Frame.Kind.STUB);
  }

  /** {@return whether its code keeps frame pointers; null if it has not said} */
  @Nullable Boolean framePointers() {
    return framePointers;
  }

  /** {@return why its code is not known, or null} */
  @Nullable String problem() {
    return problem;
  }
}
