// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.system;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Map;
import java.util.Objects;

/** What this process can reach, and who else decides what is there. */
public final class FileAccess {

  private FileAccess() {}

  /**
   * {@return whether something is at a path, and can be reached} {@link Files#exists} asks for the
   * real user, whatever capabilities the process has.
   */
  public static boolean exists(Path path) {
    try {
      BasicFileAttributes ignored = Files.readAttributes(path, BasicFileAttributes.class);
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  /** {@return why something could not be done with a file, in words} */
  public static String reason(IOException failed) {
    if (failed instanceof AccessDeniedException) {
      return "not allowed to this user";
    }
    if (failed instanceof NoSuchFileException) {
      return "there is no such file or folder";
    }
    if (failed instanceof FileAlreadyExistsException) {
      return "a file is there";
    }
    return failed instanceof FileSystemException of && of.getReason() != null
        ? of.getReason()
        : failed.toString();
  }

  /**
   * Checks that a folder is one, and that nobody else decides what is in it.
   *
   * @throws Failure if it is a symbolic link or a file, or belongs to another user who is not root
   */
  public static void requireOwnFolder(Path directory) throws Failure, IOException {
    Map<String, Object> attributes;
    try {
      attributes =
          Files.readAttributes(directory, "unix:uid,owner,isDirectory", LinkOption.NOFOLLOW_LINKS);
    } catch (IOException e) {
      return; // The directory does not exist, or it is out of reach, and so are the pins in it.
    }
    String cure = "rm -r " + directory + " # as root";
    if (!Boolean.TRUE.equals(attributes.get("isDirectory"))) {
      throw new Failure(directory + " is not a directory", cure);
    }
    Object uid = attributes.get("uid");
    if (!Objects.equals(uid, 0)
        && !Objects.equals(uid, Files.getAttribute(Path.of("/proc/self"), "unix:uid"))) {
      throw new Failure(
          "%s belongs to %s, not to root or to this user"
              .formatted(directory, attributes.get("owner")),
          cure);
    }
  }
}
