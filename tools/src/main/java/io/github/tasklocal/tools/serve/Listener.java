// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.serve;

import io.github.tasklocal.tools.system.Errnos;
import io.github.tasklocal.tools.system.Failure;
import io.github.tasklocal.tools.system.FileAccess;
import io.github.tasklocal.tools.system.Native;
import io.github.tasklocal.tools.system.Sockets;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermissions;

/** A socket to which processes can connect; its file goes when it is closed, or before. */
final class Listener implements AutoCloseable {

  private static final int WAITING = 1024;

  private final int descriptor;
  private final Path path;
  private boolean left;

  private Listener(int descriptor, Path path) {
    this.descriptor = descriptor;
    this.path = path;
  }

  int descriptor() {
    return descriptor;
  }

  Path path() {
    return path;
  }

  /**
   * Listens at the path. Its folder is made if there is none, and stays: a container that has it
   * mounted would not see another one.
   *
   * @throws Failure if another serving side does, or the path cannot be used
   */
  static Listener open(ServingSide.Socket socket) throws Failure, IOException {
    Path at = socket.path().toAbsolutePath();
    Path folder = at.getParent();
    if (folder == null
        || at.toString().getBytes(StandardCharsets.UTF_8).length > Sockets.LONGEST_PATH) {
      throw new Failure(
          "%s is no path for a socket".formatted(at),
          "name one of at most " + Sockets.LONGEST_PATH + " bytes with --socket");
    }
    makeFolder(folder);
    // No lock on the folder: whoever may read it could keep it, and no side would ever start.
    requireNobody(at);
    return bind(at, socket);
  }

  /** Everybody may look for the socket, whose own mode says who may connect. */
  private static void makeFolder(Path folder) throws Failure {
    int umask = Native.umask(022);
    try {
      Files.createDirectories(
          folder,
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwxr-xr-x")));
    } catch (IOException e) {
      throw new Failure(
          "cannot make the folder %s (%s)".formatted(folder, FileAccess.reason(e)),
          "run as root, or name a path of yours with --socket");
    } finally {
      int ignored = Native.umask(umask);
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

  /** Removes the socket of one that was killed, if there is one. */
  static void removeDead(Path at) throws IOException {
    if (Files.exists(at, LinkOption.NOFOLLOW_LINKS) && connect(at) == -Errnos.ECONNREFUSED) {
      Files.deleteIfExists(at);
    }
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

  private static Listener bind(Path at, ServingSide.Socket socket) throws Failure, IOException {
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
    Listener listener = new Listener(descriptor, at);
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

  /** From now on nobody finds it, and another may have its path. */
  void leave() throws IOException {
    if (!left) {
      left = true;
      Files.deleteIfExists(path);
    }
  }

  @Override
  public void close() throws IOException {
    leave();
    Native.close(descriptor);
  }
}
