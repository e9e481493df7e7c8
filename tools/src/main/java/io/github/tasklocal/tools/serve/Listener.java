// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.serve;

import io.github.tasklocal.tools.system.Errnos;
import io.github.tasklocal.tools.system.Failure;
import io.github.tasklocal.tools.system.FileAccess;
import io.github.tasklocal.tools.system.FolderLock;
import io.github.tasklocal.tools.system.Native;
import io.github.tasklocal.tools.system.Sockets;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermissions;

/**
 * A socket to which processes can connect; its file goes when it is closed.
 *
 * @param madeFolder whether its folder goes, too, if nothing else is there
 */
record Listener(int descriptor, Path path, boolean madeFolder) implements AutoCloseable {

  private static final int WAITING = 1024;

  /**
   * Listens at the path.
   *
   * @throws Failure if another serving side does, or the path cannot be used
   */
  static Listener open(ServingSide.Socket socket, boolean interim) throws Failure, IOException {
    Path at = socket.path().toAbsolutePath();
    Path folder = at.getParent();
    if (folder == null
        || at.toString().getBytes(StandardCharsets.UTF_8).length > Sockets.LONGEST_PATH) {
      throw new Failure(
          "%s is no path for a socket".formatted(at),
          "name one of at most " + Sockets.LONGEST_PATH + " bytes with --socket");
    }
    boolean isNew = !Files.exists(folder);
    try {
      Files.createDirectories(
          folder,
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwxr-xr-x")));
    } catch (IOException e) {
      throw new Failure(
          "cannot make the folder %s (%s)".formatted(folder, FileAccess.reason(e)),
          "run as root, or name a path of yours with --socket");
    }
    try (FolderLock _ = FolderLock.lock(folder)) {
      requireNobody(at);
      return bind(at, socket, isNew && interim);
    }
  }

  private static void requireNobody(Path at) throws Failure, IOException {
    if (!Files.exists(at, LinkOption.NOFOLLOW_LINKS)) {
      return;
    }
    int status = connect(at);
    if (status != -Errnos.ECONNREFUSED) {
      throw new Failure(
          status == 0 || status == -Errnos.EAGAIN
              ? "another serving side listens at " + at
              : "%s is there, and is no socket of a serving side (%s)"
                  .formatted(at, Errnos.name(-status)),
          "end that first, or name another path with --socket");
    }
    Files.delete(at); // of one that was killed
  }

  /** {@return whether a serving side listens at a path, or something else has it} */
  static boolean isServed(Path path) {
    int status = connect(path.toAbsolutePath());
    return status != -Errnos.ENOENT && status != -Errnos.ECONNREFUSED;
  }

  private static int connect(Path at) {
    int probe = Sockets.open();
    int status = Sockets.connect(probe, at);
    Native.close(probe);
    return status;
  }

  private static Listener bind(Path at, ServingSide.Socket socket, boolean madeFolder)
      throws Failure, IOException {
    int descriptor = Sockets.open();
    int umask = Native.umask(0177);
    int status;
    try {
      status = Sockets.bind(descriptor, at);
    } finally {
      int ignored = Native.umask(umask);
    }
    if (status < 0) {
      Native.close(descriptor);
      throw new Failure(
          "cannot make the socket " + at + " (" + Errnos.name(-status) + ")",
          "run as root, or name a path of yours with --socket");
    }
    Listener listener = new Listener(descriptor, at, madeFolder);
    boolean done = false;
    try {
      setAccess(at, socket);
      if (Sockets.listen(descriptor, WAITING) < 0) {
        throw new Failure("cannot listen at " + at, "run this again");
      }
      done = true;
      return listener;
    } finally {
      if (!done) {
        listener.close();
      }
    }
  }

  private static void setAccess(Path at, ServingSide.Socket socket) throws Failure {
    try {
      if (socket.group() != null) {
        Files.getFileAttributeView(at, PosixFileAttributeView.class).setGroup(socket.group());
      }
      Files.setPosixFilePermissions(at, socket.mode());
    } catch (IOException e) {
      throw new Failure(
          "the mode or group of %s cannot be set (%s)".formatted(at, FileAccess.reason(e)),
          "run as root, or choose a group of yours");
    }
  }

  @Override
  public void close() throws IOException {
    Files.deleteIfExists(path);
    Native.close(descriptor);
    if (madeFolder) {
      try {
        Files.deleteIfExists(path.getParent());
      } catch (DirectoryNotEmptyException e) {
        // Somebody else uses it by now.
      }
    }
  }
}
