// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.symbols;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The code of a process. What it is can be asked for while the process lives, so it is looked at
 * early and again later. One thread looks, one asks, and one names what they have found so far.
 */
public final class ProcessSymbols {

  private static final Pattern MAPPING =
      Pattern.compile("(\\p{XDigit}+)-(\\p{XDigit}+) ..x. (\\p{XDigit}+) (\\S+) (\\d+) *(.*)");

  /** Files that several processes have mapped are read once: by device and inode. */
  public static final class ElfFiles {

    /** Each takes a mapping, of which a process can have some ten thousand. */
    private static final int MOST = 8192;

    private final Map<String, ElfSymbols> files = new ConcurrentHashMap<>();

    /** Makes a set that has no file yet. */
    public ElfFiles() {}
  }

  private record Mapping(
      long start, long end, long offset, String device, long inode, String path) {

    /** {@return the file, however many mappings and names it has} */
    String file() {
      return device + ":" + inode;
    }

    String name() {
      String file = path.substring(path.lastIndexOf('/') + 1);
      return file.endsWith(" (deleted)") ? file.substring(0, file.length() - 10) : file;
    }
  }

  private final int pid;
  private final ElfFiles files;
  private final JavaCode java;

  /** Replaced by each look. */
  private volatile NavigableMap<Long, Mapping> mappings = new TreeMap<>(Long::compareUnsigned);

  private volatile boolean isJvm;

  /**
   * Makes the code of a process, of which nothing is known until it is looked at.
   *
   * @param pid its id in {@code /proc}
   * @param ownPid its id in its own pid namespace
   * @param files what other processes have mapped
   */
  public ProcessSymbols(int pid, int ownPid, ElfFiles files) {
    this.pid = pid;
    this.files = files;
    this.java = new JavaCode(pid, ownPid);
  }

  /**
   * Takes note of what the process has mapped now, if it still lives, and takes hold of the files.
   */
  public void look() {
    String maps;
    try {
      maps =
          new String(
              Files.readAllBytes(Path.of("/proc", pid + "", "maps")), StandardCharsets.UTF_8);
    } catch (IOException e) {
      return;
    }
    NavigableMap<Long, Mapping> now = new TreeMap<>(mappings);
    for (String line : maps.lines().toList()) {
      Matcher matcher = MAPPING.matcher(line);
      if (matcher.matches()) {
        Mapping mapping = mapping(matcher);
        now.put(mapping.start, mapping);
        open(mapping);
        if (mapping.name().equals("libjvm.so")) {
          isJvm = true;
        }
      }
    }
    mappings = now;
  }

  /** Asks a JVM for its code. May take a minute. */
  public void ask() {
    java.look();
  }

  private static Mapping mapping(Matcher line) {
    return new Mapping(
        Long.parseUnsignedLong(line.group(1), 16),
        Long.parseUnsignedLong(line.group(2), 16),
        Long.parseUnsignedLong(line.group(3), 16),
        line.group(4),
        Long.parseLong(line.group(5)),
        line.group(6));
  }

  /** {@return whether it is a JVM} */
  public boolean isJvm() {
    return isJvm;
  }

  /** {@return whether a JVM's code keeps frame pointers; null if it has not said, or is none} */
  public @Nullable Boolean framePointers() {
    return java.framePointers();
  }

  /** {@return why a JVM's code has no names, or null} */
  public @Nullable String problem() {
    return java.problem();
  }

  /**
   * {@return the frames of a stack, the innermost first}
   *
   * @param addresses where each goes on
   * @param interrupted whether the first is an instruction that was interrupted, and no return
   *     address
   */
  public List<Frame> frames(long[] addresses, boolean interrupted) {
    List<Frame> frames = new ArrayList<>();
    for (int i = 0; i < addresses.length; i++) {
      // A call can be its function's last instruction: then the return address is behind it.
      frames.add(frame(i == 0 && interrupted ? addresses[i] : addresses[i] - 1));
    }
    return frames;
  }

  private Frame frame(long address) {
    Frame compiled = java.find(address);
    if (compiled != null) {
      return compiled;
    }
    Mapping mapping = mapping(address);
    if (mapping == null) {
      return Frame.unknown("unknown");
    }
    if (mapping.path.startsWith("[")) {
      return new Frame(mapping.path, Frame.Kind.NATIVE); // the vdso
    }
    if (mapping.inode == 0) {
      return Frame.unknown(isJvm ? "unknown code of the JVM" : "unknown");
    }
    ElfSymbols symbols = files.files.get(mapping.file());
    String name = symbols == null ? null : symbols.find(address - mapping.start + mapping.offset);
    return name == null ? Frame.unknown(mapping.name()) : new Frame(name, Frame.Kind.NATIVE);
  }

  private @Nullable Mapping mapping(long address) {
    Map.Entry<Long, Mapping> found = mappings.floorEntry(address);
    return found == null || Long.compareUnsigned(address, found.getValue().end) >= 0
        ? null
        : found.getValue();
  }

  /**
   * Opens a mapped file: as the process has it, which also finds one that was deleted or is in a
   * container, or, for a user who may not, at its path, if the file there is the same.
   */
  private void open(Mapping mapping) {
    if (mapping.inode == 0
        || files.files.containsKey(mapping.file())
        || files.files.size() >= ElfFiles.MOST) {
      return;
    }
    Path process = Path.of("/proc", String.valueOf(pid));
    try {
      Path mapped = process.resolve("map_files/%x-%x".formatted(mapping.start, mapping.end));
      files.files.put(mapping.file(), new ElfSymbols(mapped));
      return;
    } catch (IOException e) {
      // It has ended, or this user may not.
    }
    for (Path path : List.of(Path.of(process + "/root" + mapping.path), Path.of(mapping.path))) {
      try {
        if (isAt(path, mapping)) {
          files.files.put(mapping.file(), new ElfSymbols(path));
          return;
        }
      } catch (IOException e) {
        // Not there.
      }
    }
  }

  /** {@return whether the file at a path is the one that is mapped} */
  private static boolean isAt(Path path, Mapping mapping) throws IOException {
    Map<String, Object> attributes = Files.readAttributes(path, "unix:dev,ino");
    return Objects.equals(attributes.get("ino"), mapping.inode)
        && attributes.get("dev") instanceof Long number
        && device(number).equals(mapping.device);
  }

  /** {@return a device as maps have it; its number's form is that of the C library} */
  static String device(long number) {
    return "%02x:%02x"
        .formatted(
            ((number >>> 8) & 0xfff) | ((number >>> 32) & 0xfffff000L),
            (number & 0xff) | ((number >>> 12) & 0xffffff00L));
  }

  /**
   * {@return whether a JVM's stack leads down to where its thread began: elsewhere, code without
   * frame pointers has cut it} A thread begins in the C library, which calls the JVM. A stack that
   * was cut ends in code that the JVM has made, in the JVM's function that such code calls, or
   * anywhere, since the register holds any number then.
   */
  public boolean reachesStart(long[] addresses) {
    boolean began = false;
    for (int i = addresses.length - 1; i >= 0; i--) {
      Mapping mapping = mapping(addresses[i]);
      if (mapping == null) {
        continue; // what the C library had in the register
      }
      String name = mapping.name();
      if (name.equals("libjvm.so") || name.equals("libjli.so")) {
        return began;
      }
      if (mapping.inode == 0) {
        return false;
      }
      began = true;
    }
    return false;
  }
}
