// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.serve;

import io.github.tasklocal.tools.system.Errnos;
import io.github.tasklocal.tools.system.Failure;
import io.github.tasklocal.tools.system.FileAccess;
import io.github.tasklocal.tools.system.FolderLock;
import io.github.tasklocal.tools.system.Native;
import io.github.tasklocal.tools.system.RawMaps;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;

/**
 * Where the serving side pins what is to outlive it: a folder on a bpffs, with a folder of its own
 * in it, whose name has the version of what is pinned there. What programs of others take over by
 * name lies beside the folder.
 */
final class PinFolder implements AutoCloseable {

  /** Of what is pinned, as {@code docs/serving.md} describes it. */
  static final int VERSION = 1;

  private static final String PREFIX = "serve_";

  /** A folder there says that the serving side goes with another command. */
  private static final String INTERIM = "interim";

  private static final long CLAIM_NANOS = 10_000_000_000L;

  private final Path folder;
  private final Path own;
  private final FolderLock lock;

  /** What was pinned or made there and was not there before, in order. */
  private final List<Path> made = new ArrayList<>();

  private PinFolder(Path folder, Path own, FolderLock lock) {
    this.folder = folder;
    this.own = own;
    this.lock = lock;
  }

  /**
   * Makes the folder if there is none, and keeps other serving sides out of it.
   *
   * @param interim whether for one that goes with another command
   * @throws Failure if it cannot be made or used, another serving side uses it, or one of a newer
   *     version has used it
   */
  static PinFolder open(Path folder, boolean interim) throws Failure, IOException {
    Path parent = folder.getParent();
    if (parent == null || !Native.isBpffs(parent)) {
      throw new Failure(
          folder + " is not on a bpffs",
          "mount one (mount -t bpf bpf /sys/fs/bpf), or name a folder on one with --pins");
    }
    boolean isNew = make(folder, "rwxr-xr-x");
    FileAccess.requireOwnFolder(folder);
    requireVersion(folder);
    Path own = folder.resolve(PREFIX + VERSION);
    boolean isOwnNew = make(own, "rwx------");
    FolderLock lock = FolderLock.tryLock(own);
    if (lock == null) {
      throw new Failure(
          "another serving side uses the pins in " + folder,
          "end that first, or use others with --pins");
    }
    boolean done = false;
    try {
      if (interim) {
        requireFree(folder); // once more, now that nobody else can come
      }
      mark(own.resolve(INTERIM), interim);
      done = true;
      PinFolder pins = new PinFolder(folder, own, lock);
      if (isNew) {
        pins.made.add(folder);
      }
      if (isOwnNew) {
        pins.made.add(own);
      }
      return pins;
    } finally {
      if (!done) {
        lock.close();
      }
    }
  }

  private static void mark(Path mark, boolean interim) throws IOException {
    if (!interim) {
      Files.deleteIfExists(mark);
    } else if (!FileAccess.exists(mark)) {
      Path ignored = Files.createDirectory(mark);
    }
  }

  /** {@return whether a serving side that is to stay uses a folder, or has and may come back} */
  static boolean isTaken(Path folder) throws IOException {
    Path own = folder.resolve(PREFIX + VERSION);
    if (!FileAccess.exists(own)) {
      return false;
    }
    List<String> names = names(own);
    return !names.isEmpty() && !names.contains(INTERIM);
  }

  /** Checks that no serving side that is to stay has pins there. */
  static void requireFree(Path folder) throws Failure, IOException {
    if (isTaken(folder)) {
      throw new Failure(
          "a serving side has left pins in %s, and may come back".formatted(folder),
          "start it again, or take away what it has left with serve --remove");
    }
  }

  /**
   * Has one that goes with another command end, and waits until it has: what it has given to
   * processes stays.
   */
  static void claim(Path folder, Path socket) throws Failure, IOException {
    Path own = folder.resolve(PREFIX + VERSION);
    if (!FileAccess.exists(own.resolve(INTERIM))) {
      return;
    }
    Files.deleteIfExists(own.resolve(INTERIM));
    long end = System.nanoTime() + CLAIM_NANOS;
    while ((isLocked(own) || Listener.isServed(socket)) && System.nanoTime() - end < 0) {
      LockSupport.parkNanos(50_000_000);
    }
  }

  private static boolean isLocked(Path own) throws Failure {
    try (FolderLock lock = FolderLock.tryLock(own)) {
      return lock == null;
    } catch (Failure e) {
      if (FileAccess.exists(own)) {
        throw e;
      }
      return false; // It has just ended, and nothing of it is left.
    }
  }

  /**
   * Checks that no other serving side has pins beside these: programs look for slots by name, so
   * the maps of slots lie beside the folder, and their indexes are given out by one side.
   */
  void requireAlone() throws Failure, IOException {
    try (Stream<Path> beside = Files.list(Objects.requireNonNull(folder.getParent()))) {
      for (Path other : beside.filter(Files::isDirectory).toList()) {
        if (!other.equals(folder) && isServing(other)) {
          throw new Failure(
              "%s has pins of another serving side, and programs find the slots of one only in %s"
                  .formatted(other, folder.getParent()),
              "take those away with serve --remove --pins %s, or have a folder elsewhere with --pins"
                  .formatted(other));
        }
      }
    }
  }

  private static boolean isServing(Path folder) throws IOException {
    try {
      return names(folder).stream().anyMatch(name -> name.startsWith(PREFIX));
    } catch (AccessDeniedException e) {
      return false; // another user's, who cannot be asked
    }
  }

  /** {@return whether what is here goes with another command: nobody has claimed it} */
  boolean isInterim() {
    return FileAccess.exists(own.resolve(INTERIM));
  }

  /** {@return whether it was not there} */
  private static boolean make(Path folder, String permissions) throws Failure {
    int umask = Native.umask(0);
    try {
      if (FileAccess.exists(folder)) {
        return false;
      }
      Files.createDirectory(
          folder,
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions)));
      return true;
    } catch (IOException e) {
      throw new Failure(
          "cannot make the folder %s (%s)".formatted(folder, FileAccess.reason(e)),
          "run as root, or name a folder of yours on a bpffs with --pins");
    } finally {
      int ignored = Native.umask(umask);
    }
  }

  private static void requireVersion(Path folder) throws Failure, IOException {
    for (String name : names(folder)) {
      String version = name.startsWith(PREFIX) ? name.substring(PREFIX.length()) : "0";
      if (version.matches("[0-9]{1,9}") && Integer.parseInt(version) > VERSION) {
        throw new Failure(
            "%s has pins of version %s, this side knows %d".formatted(folder, version, VERSION),
            "run the tools that made them, or remove them with those: serve --remove");
      }
    }
  }

  private static List<String> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> String.valueOf(file.getFileName())).toList();
    }
  }

  /** {@return where something of the serving side's own is pinned} */
  Path own(String name) {
    return own.resolve(name);
  }

  /** {@return where something is pinned that our tools and the library look for} */
  Path known(String name) {
    return folder.resolve(name);
  }

  /** {@return where programs of others look for a map} */
  Path byName(String name) {
    return Objects.requireNonNull(folder.getParent()).resolve(name);
  }

  /** Pins a map or a link for good, unless one is pinned there. */
  void pin(int descriptor, Path path) throws Failure {
    int status = RawMaps.pin(descriptor, path);
    if (status == 0) {
      made.add(path);
    } else if (status != -Errnos.EEXIST) {
      throw new Failure("cannot pin at " + path + " (" + Errnos.name(-status) + ")", "run as root");
    }
  }

  /** What was pinned is to stay. */
  void keep() {
    made.clear();
  }

  /** Leaves everything as it was before a start that failed. */
  private void undo() throws IOException {
    if (made.contains(own)) {
      remove();
    }
    for (Path path : made.reversed()) {
      if (path.equals(folder)) {
        removeIfEmpty();
      } else {
        Files.deleteIfExists(path);
      }
    }
  }

  /** {@return the names of all that is pinned of the serving side's own} */
  List<String> names() throws IOException {
    return names(own);
  }

  /** Removes what is the serving side's own. */
  void remove() throws IOException {
    for (String name : names()) {
      if (!name.equals(INTERIM)) {
        Files.deleteIfExists(own(name));
      }
    }
    Files.deleteIfExists(own(INTERIM)); // last, so that whoever comes after a kill knows
    Files.deleteIfExists(own);
  }

  /** Removes the folder, too, unless something is pinned there. */
  void removeIfEmpty() throws IOException {
    try {
      Files.deleteIfExists(folder);
    } catch (DirectoryNotEmptyException e) {
      // It has a map that commands share.
    }
  }

  /** Lets others come. Unless {@link #keep} was called, nothing is left that was not there. */
  @Override
  public void close() throws IOException {
    try {
      undo();
    } finally {
      lock.close();
    }
  }
}
