// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.NotPermittedException;
import io.github.tasklocal.error.WrongObjectException;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A pin that this process made; it is removed at the virtual machine's end at the latest.
 *
 * <p>The kernel's errnos mislead: a folder gives EACCES, a dot in a name gives EPERM even to root,
 * a folder of mode 0700 hides its files. So once a call has failed, the path is looked at, too.
 * What a mode permits is never asked before: access(2) answers for the real user, who may have
 * fewer rights than this process with its capabilities has.
 */
public final class Pin {

  private static final Logger LOGGER = System.getLogger("io.github.tasklocal");

  private static final String MOUNT =
      "mount a bpffs: mount -t bpf bpf /sys/fs/bpf; into a container, the machine's as a volume";

  /**
   * The pins that the shutdown hook removes, and the lock under which pins are made and removed: it
   * must not wait for an object's lock, which may be held for as long as a program runs.
   */
  private static final Set<Pin> MADE = new HashSet<>();

  /** Registered as long as there are pins; nothing of us stays reachable longer. */
  private static @Nullable Thread hook;

  private static boolean ending;

  private final Path path;

  /**
   * The file's device and inode: another pin at the same path, even of the same map, has others.
   */
  private final Object file;

  private Pin(Path path, Object file) {
    this.path = path;
    this.file = file;
  }

  /**
   * Explains why a pin could not be opened, if the path tells.
   *
   * @param operation what was tried, for messages
   * @param path the path
   * @param errno what the kernel said
   * @throws NotFoundException if nothing is there
   * @throws NotPermittedException if a mode forbids it
   * @throws WrongObjectException if it is a folder or lies on another file system
   */
  static void explainOpen(String operation, Path path, int errno) {
    requireReach(operation, path);
    String subject = path.toString();
    if (!exists(path)) {
      throw new NotFoundException(
          operation,
          subject,
          null,
          "there is no such file",
          mounted() ? "pin a map there first, or check the path" : MOUNT);
    }
    if (Files.isDirectory(path)) {
      throw new WrongObjectException(
          operation, subject, null, "it is a directory", "name the map's pin in it");
    }
    requireBpffs(operation, path, path);
    if (errno == Errno.EACCES && !(Files.isReadable(path) && Files.isWritable(path))) {
      throw new NotPermittedException(
          operation,
          subject,
          null,
          "this process may not read and write the file" + owner(path),
          "let the pin's owner give it to a group or to all: chgrp, chmod 660 or 666");
    }
  }

  /**
   * Checks that there can be a pin at a path. Whether this process may make it, the call tells.
   *
   * @param operation what is tried, for messages
   * @param path the path
   * @throws NotFoundException if the folder does not exist
   * @throws NotPermittedException if this process may not enter the folder
   * @throws WrongObjectException if a folder is there, the name has a dot, or the folder lies on
   *     another file system
   */
  public static void requirePlace(String operation, Path path) {
    requireReach(operation, path);
    String subject = path.toString();
    Path folder = path.toAbsolutePath().getParent();
    if (folder == null || Files.isDirectory(path)) {
      throw new WrongObjectException(
          operation, subject, null, "it is a directory", "name a file in it");
    }
    if (String.valueOf(path.getFileName()).contains(".")) {
      throw new WrongObjectException(
          operation,
          subject,
          null,
          "a bpffs takes no name with a dot",
          "choose a name without one");
    }
    if (!exists(folder)) {
      throw new NotFoundException(
          operation,
          subject,
          null,
          "the directory " + folder + " does not exist",
          mounted() ? "make it: mkdir " + folder : MOUNT);
    }
    requireBpffs(operation, path, folder);
  }

  /**
   * Checks that there can be a pin at a path, now or once its folder is made; or a socket, where no
   * bpffs is, under a name that no pin can have.
   *
   * @throws NotFoundException if the folder does not exist, and can be made on a bpffs
   * @throws KernelException as {@link #requirePlace}, otherwise
   */
  public static void requirePlaceInTime(String operation, Path path) {
    Path existing = path.toAbsolutePath().getParent();
    while (existing != null && !exists(existing)) {
      existing = existing.getParent();
    }
    boolean hasDot = String.valueOf(path.getFileName()).contains(".");
    if (existing != null && hasDot && !"bpf".equals(type(existing))) {
      requireReach(operation, path);
      return;
    }
    if (existing != null && !hasDot) {
      requireReach(operation, path);
      requireBpffs(operation, path, existing);
    }
    requirePlace(operation, path);
  }

  /**
   * Pins a map; if one is pinned there already, its pin is replaced in one step.
   *
   * @param operation what is tried, for messages
   * @param fd descriptor of the map
   * @param path the path
   * @return the pin
   * @throws NotFoundException if the folder does not exist
   * @throws NotPermittedException if a mode forbids it
   * @throws WrongObjectException if something other than a map is pinned there, or no pin can be
   *     there
   * @throws IllegalStateException if the virtual machine is ending
   */
  public static Pin replace(String operation, int fd, Path path) {
    requirePlace(operation, path);
    synchronized (MADE) {
      removeAtExit();
      boolean made = false;
      try {
        Pin pin = new Pin(path, make(operation, fd, path));
        made = MADE.add(pin);
        return pin;
      } finally {
        if (!made) {
          unhookIfNone();
        }
      }
    }
  }

  private static void removeAtExit() {
    if (ending) {
      throw isEnding(null);
    }
    if (hook == null) {
      Thread made = new Thread(null, Pin::removeAll, "tasklocal-pins", 0, false);
      made.setContextClassLoader(null); // the caller's would stay reachable until the end
      try {
        Runtime.getRuntime().addShutdownHook(made);
      } catch (IllegalStateException e) {
        throw isEnding(e);
      }
      hook = made;
    }
  }

  private static IllegalStateException isEnding(@Nullable Throwable cause) {
    return new IllegalStateException(
        "the virtual machine is ending: nothing would remove a pin", cause);
  }

  private static void unhookIfNone() {
    Thread made = hook;
    if (MADE.isEmpty() && made != null && !ending) {
      try {
        boolean ignored = Runtime.getRuntime().removeShutdownHook(made);
        hook = null;
      } catch (IllegalStateException e) {
        // The virtual machine is ending, and the hook is about to run.
      }
    }
  }

  private static void removeAll() {
    List<Pin> pins;
    synchronized (MADE) {
      ending = true;
      pins = List.copyOf(MADE);
    }
    pins.forEach(Pin::remove);
  }

  /** {@return the device and inode of the new pin} */
  private static Object make(String operation, int fd, Path path) {
    boolean taken = exists(path);
    if (taken) {
      KernelMap.open(path).close();
    }
    Path place =
        taken
            ? path.resolveSibling(
                "%s_%d_%d"
                    .formatted(
                        path.getFileName(), ProcessHandle.current().pid(), System.nanoTime()))
            : path;
    int error = LibBpf.pin(fd, place);
    if (error < 0) {
      throw refused(operation, path, -error);
    }
    try {
      Object file = file(place);
      if (taken) {
        Files.move(place, path, StandardCopyOption.ATOMIC_MOVE);
      }
      return file;
    } catch (IOException e) {
      boolean ignored = place.toFile().delete();
      throw new KernelException(
          operation, path.toString(), null, "the pin cannot be put there: " + e, "remove it first");
    }
  }

  private static KernelException refused(String operation, Path path, int errno) {
    Path folder = path.toAbsolutePath().getParent();
    return errno == Errno.EACCES && folder != null && !Files.isWritable(folder)
        ? new NotPermittedException(
            operation,
            path.toString(),
            Errno.name(errno),
            "this process may not write to " + folder + owner(folder),
            "pin in a directory of your own, or run as its owner")
        : Errno.failure(operation, path.toString(), errno);
  }

  /** Removes the pin, if no other lies there by now. A second call does nothing. */
  public void remove() {
    try {
      synchronized (MADE) {
        try {
          if (MADE.remove(this) && file.equals(file(path))) {
            Files.delete(path);
          }
        } finally {
          unhookIfNone();
        }
      }
    } catch (IOException e) {
      LOGGER.log(Level.DEBUG, "the pin " + path + " is left alone: " + e);
    }
  }

  private static Object file(Path path) throws IOException {
    return Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
        .fileKey();
  }

  /** {@return whether something is there; unlike {@link Files#exists}, not for the real user} */
  public static boolean exists(Path path) {
    try {
      BasicFileAttributes ignored = Files.readAttributes(path, BasicFileAttributes.class);
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  private static void requireReach(String operation, Path path) {
    Path folder = path.toAbsolutePath().getRoot();
    for (Path name : path.toAbsolutePath()) {
      Path next = folder.resolve(name);
      try {
        BasicFileAttributes ignored = Files.readAttributes(next, BasicFileAttributes.class);
      } catch (AccessDeniedException e) {
        throw new NotPermittedException(
            operation,
            path.toString(),
            null,
            "this process may not enter "
                + (Files.isSymbolicLink(next)
                    ? "what " + next + " leads to"
                    : folder + owner(folder)),
            "open the directory (chmod 711), or pin on a bpffs mounted elsewhere; whether the pin"
                + " exists cannot be seen from here");
      } catch (IOException e) {
        return;
      }
      folder = next;
    }
  }

  private static void requireBpffs(String operation, Path path, Path existing) {
    String type = type(existing);
    if (type != null && !type.equals("bpf")) {
      throw new WrongObjectException(
          operation,
          path.toString(),
          null,
          "it lies on a file system of type " + type + ", not on a bpffs",
          mounted() ? "pins lie under /sys/fs/bpf" : MOUNT);
    }
  }

  private static boolean mounted() {
    return "bpf".equals(type(Path.of("/sys/fs/bpf")));
  }

  /**
   * {@return the type of the file system, or null if it is not known} The kernel is asked, since a
   * list of mounts does not tell which of several at one place is on top. The numbers are those of
   * linux/magic.h.
   */
  private static @Nullable String type(Path path) {
    int type = Libc.fileSystem(path);
    return switch (type) {
      case 0 -> null;
      case 0xcafe4a11 -> "bpf";
      case 0x01021994 -> "tmpfs";
      case 0x9fa0 -> "proc";
      case 0x62656572 -> "sysfs";
      case 0xef53 -> "ext4";
      case 0x58465342 -> "xfs";
      case 0x9123683e -> "btrfs";
      case 0x794c7630 -> "overlay";
      default -> "0x%x".formatted(type);
    };
  }

  private static String owner(Path path) {
    try {
      PosixFileAttributes a =
          Files.readAttributes(path, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
      return " (%s, owner %s, group %s)"
          .formatted(
              PosixFilePermissions.toString(a.permissions()),
              a.owner().getName(),
              a.group().getName());
    } catch (NoSuchFileException e) {
      return "";
    } catch (IOException e) {
      return " (its mode cannot be read)";
    }
  }
}
