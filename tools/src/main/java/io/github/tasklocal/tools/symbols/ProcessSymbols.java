// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.symbols;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The code of a process. What it is can be asked for while the process lives, so it is looked at
 * early and again later. To be used by one thread at a time.
 */
public final class ProcessSymbols {

  private static final Pattern MAPPING =
      Pattern.compile("(\\p{XDigit}+)-(\\p{XDigit}+) ..x. (\\p{XDigit}+) (\\S+) (\\d+) *(.*)");

  /** Files that several processes have mapped are read once: by device and inode. */
  public static final class ElfFiles {

    private final Map<String, Optional<ElfSymbols>> files = new HashMap<>();

    /** Makes a set that has no file yet. */
    public ElfFiles() {}
  }

  private record Mapping(
      long start, long end, long offset, String device, long inode, String path) {

    String name() {
      String file = path.substring(path.lastIndexOf('/') + 1);
      return file.endsWith(" (deleted)") ? file.substring(0, file.length() - 10) : file;
    }
  }

  private final int pid;
  private final ElfFiles files;
  private final TreeMap<Long, Mapping> mappings = new TreeMap<>(Long::compareUnsigned);
  private final JavaCode java;
  private boolean isJvm;

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

  /** Takes note of the code that the process has now, if it still lives. May take seconds. */
  public void look() {
    String maps;
    try {
      maps =
          new String(
              Files.readAllBytes(Path.of("/proc", pid + "", "maps")), StandardCharsets.UTF_8);
    } catch (IOException e) {
      return;
    }
    maps.lines().map(MAPPING::matcher).filter(Matcher::matches).forEach(this::add);
    if (isJvm) {
      java.look();
    }
  }

  private void add(Matcher line) {
    Mapping mapping =
        new Mapping(
            Long.parseUnsignedLong(line.group(1), 16),
            Long.parseUnsignedLong(line.group(2), 16),
            Long.parseUnsignedLong(line.group(3), 16),
            line.group(4),
            Long.parseLong(line.group(5)),
            line.group(6));
    mappings.put(mapping.start, mapping);
    isJvm |= mapping.name().equals("libjvm.so");
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
    ElfSymbols symbols =
        files
            .files
            .computeIfAbsent(mapping.device + ":" + mapping.inode, key -> open(mapping))
            .orElse(null);
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
   * container, or, once the process has ended, at its path, if the file there is the same.
   */
  private Optional<ElfSymbols> open(Mapping mapping) {
    Path process = Path.of("/proc", String.valueOf(pid));
    try {
      return Optional.of(
          new ElfSymbols(process.resolve("map_files/%x-%x".formatted(mapping.start, mapping.end))));
    } catch (IOException e) {
      // It has ended, or this user may not.
    }
    for (Path path : List.of(Path.of(process + "/root" + mapping.path), Path.of(mapping.path))) {
      try {
        if (Files.getAttribute(path, "unix:ino").equals(mapping.inode)) {
          return Optional.of(new ElfSymbols(path));
        }
      } catch (IOException e) {
        // Not there.
      }
    }
    return Optional.empty();
  }

  /**
   * {@return whether a JVM's stack leads down to where its thread began: elsewhere, code without
   * frame pointers has cut it}
   */
  public boolean reachesStart(long[] addresses) {
    for (int i = Math.max(0, addresses.length - 4); i < addresses.length; i++) {
      Mapping mapping = mapping(addresses[i]);
      if (mapping != null
          && (mapping.name().equals("libjvm.so") || mapping.name().equals("libjli.so"))) {
        return true;
      }
    }
    return false;
  }
}
