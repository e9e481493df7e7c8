// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import io.github.tasklocal.KernelException;
import io.github.tasklocal.NotFoundException;
import io.github.tasklocal.NotPermittedException;
import io.github.tasklocal.WrongObjectException;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import org.jspecify.annotations.Nullable;

/**
 * Paths on a bpffs, looked at before the kernel is asked: its errnos mislead (a folder gives
 * EACCES, a dot in a name gives EPERM to root, a folder of mode 0700 hides what lies in it).
 */
public final class Pin {

  private static final Logger LOGGER = System.getLogger("io.github.tasklocal");

  private static final String MOUNT = "mount a bpffs: mount -t bpf bpf /sys/fs/bpf";

  private Pin() {}

  /**
   * Checks that a path is a pin that this process may open.
   *
   * @param operation what is tried
   * @param path where
   * @throws NotFoundException if nothing is there
   * @throws NotPermittedException if a mode forbids it
   * @throws WrongObjectException if it is a folder or lies on another file system
   */
  public static void requirePin(String operation, Path path) {
    requireReach(operation, path);
    String subject = path.toString();
    if (!Files.exists(path)) {
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
    if (!Files.isReadable(path) || !Files.isWritable(path)) {
      throw new NotPermittedException(
          operation,
          subject,
          null,
          "this process may not read and write the file" + owner(path),
          "let the pin's owner give it to a group or to all: chgrp, chmod 660 or 666");
    }
  }

  /**
   * Checks that a new pin can be made at a path.
   *
   * @param operation what is tried
   * @param path where
   * @throws NotFoundException if the folder does not exist
   * @throws NotPermittedException if a mode forbids it
   * @throws WrongObjectException if a folder is there, the name has a dot, or the folder lies on
   *     another file system
   */
  public static void requireNewPin(String operation, Path path) {
    requireReach(operation, path);
    String subject = path.toString();
    Path folder = path.toAbsolutePath().getParent();
    if (folder == null || Files.isDirectory(path)) {
      throw new WrongObjectException(
          operation, subject, null, "it is a directory", "name a file in it");
    }
    if (!Files.exists(folder)) {
      throw new NotFoundException(
          operation,
          subject,
          null,
          "the directory " + folder + " does not exist",
          mounted() ? "make it: mkdir " + folder : MOUNT);
    }
    requireBpffs(operation, path, folder);
    if (String.valueOf(path.getFileName()).contains(".")) {
      throw new WrongObjectException(
          operation,
          subject,
          null,
          "a bpffs takes no name with a dot",
          "choose a name without one");
    }
    if (!Files.isWritable(folder)) {
      throw new NotPermittedException(
          operation,
          subject,
          null,
          "this process may not write to " + folder + owner(folder),
          "pin in a directory of your own, or run as its owner");
    }
  }

  /**
   * Pins a map, in place of one that is pinned there already, in one step.
   *
   * @param operation what is tried
   * @param fd descriptor of the map
   * @param path where
   * @throws NotFoundException if the folder does not exist
   * @throws NotPermittedException if a mode forbids it
   * @throws WrongObjectException if what is there is no map, or no pin can be there
   */
  public static void replace(String operation, int fd, Path path) {
    requireNewPin(operation, path);
    if (!Files.exists(path)) {
      LibBpf.pin(fd, path);
      return;
    }
    KernelMap.open(path).close();
    Path next =
        path.resolveSibling(
            "%s_%d_%d"
                .formatted(path.getFileName(), ProcessHandle.current().pid(), System.nanoTime()));
    LibBpf.pin(fd, next);
    try {
      Files.move(next, path, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      boolean ignored = next.toFile().delete();
      throw new KernelException(
          operation, path.toString(), null, "the pin cannot be replaced: " + e, "remove it first");
    }
  }

  /**
   * Removes a pin, if it is still this map's.
   *
   * @param fd descriptor of the map
   * @param path where it was pinned
   */
  public static void remove(int fd, Path path) {
    try (KernelMap pinned = KernelMap.open(path);
        KernelMap ours = KernelMap.duplicate(fd)) {
      if (pinned.id() == ours.id()) {
        Files.deleteIfExists(path);
      }
    } catch (KernelException | IOException e) {
      LOGGER.log(Level.DEBUG, "the pin " + path + " is left alone: " + e.getMessage());
    }
  }

  private static void requireReach(String operation, Path path) {
    Path folder = path.toAbsolutePath().getRoot();
    for (Path name : path.toAbsolutePath()) {
      if (folder == null || !Files.isDirectory(folder)) {
        return;
      }
      if (!Files.isExecutable(folder)) {
        throw new NotPermittedException(
            operation,
            path.toString(),
            null,
            "this process may not enter " + folder + owner(folder),
            "open the directory (chmod 711), or pin on a bpffs mounted elsewhere; whether the pin"
                + " exists cannot be seen from here");
      }
      folder = folder.resolve(name);
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

  /** {@return the type of the file system, or null where it cannot be told} */
  private static @Nullable String type(Path path) {
    try {
      return Files.getFileStore(path).type();
    } catch (IOException e) {
      return null;
    }
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
