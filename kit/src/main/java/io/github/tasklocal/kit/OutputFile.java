// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/** A file that is written at the end of something long. */
public final class OutputFile {

  private OutputFile() {}

  /**
   * {@return why a file can be neither written nor made, for a message; null if it can} It is
   * tried, and what was made for that is removed: access(2), behind {@link Files#isWritable}, asks
   * for the real user, whatever capabilities the process has.
   */
  public static @Nullable String obstacle(Path file) {
    if (Files.isDirectory(file)) {
      return "it is a folder; name a file";
    }
    Path folder = file.toAbsolutePath().getParent();
    if (folder == null || !Files.isDirectory(folder)) {
      return "there is no folder " + folder;
    }
    try {
      try {
        Files.newByteChannel(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE).close();
        Files.delete(file);
      } catch (FileAlreadyExistsException e) {
        Files.newByteChannel(file, StandardOpenOption.WRITE).close();
      }
      return null;
    } catch (AccessDeniedException e) {
      return "this user may not write there";
    } catch (IOException e) {
      return String.valueOf(e.getMessage());
    }
  }
}
