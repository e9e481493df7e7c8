// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kernel.Pin;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What a path shows at which a map is pinned, or a serving side listens; or may be. */
public final class PinFile {

  /**
   * What is there, where it is no file as others. Not records: the JDK remembers a record class
   * whose equals was called, softly (java.lang.runtime.ObjectMethods), and with it this copy of the
   * library.
   */
  abstract static sealed class Special {
    private final Object key;

    private Special(Object key) {
      this.key = key;
    }

    @Override
    public boolean equals(@Nullable Object other) {
      return other instanceof Special special
          && special.getClass() == getClass()
          && special.key.equals(key);
    }

    @Override
    public int hashCode() {
      return key.hashCode();
    }
  }

  /** A file that is there or not: it cannot be looked at. */
  static final class Unknown extends Special {
    private Unknown() {
      super("");
    }
  }

  /** A file that is still mounted, and that no folder has any more. */
  static final class Removed extends Special {
    private Removed(Object key) {
      super(key);
    }
  }

  /** A socket, at which a serving side may listen. */
  static final class Socket extends Special {
    private Socket(Object key) {
      super(key);
    }
  }

  /** Of a file's mode: what kind of file it is, and a socket. */
  private static final int KIND = 0xf000;

  private static final int SOCKET = 0xc000;

  final Path pin;

  /** Why what is there could not be opened when that was tried last, for the {@link Watch}. */
  @Nullable KernelException refused;

  /** Why nothing can be there yet. */
  private @Nullable KernelException lacking;

  PinFile(Path pin) {
    this.pin = pin;
  }

  /**
   * {@return what identifies the file, or null if there is none} A bpffs gives each pin an inode of
   * its own, even a second pin of the same map (bpf_get_inode in kernel/bpf/inode.c). One that was
   * removed has no link left; where the file alone is mounted, it stays to be seen.
   */
  @Nullable Object look() {
    try {
      Map<String, Object> found = Files.readAttributes(pin, "unix:fileKey,nlink,mode");
      Object key = found.get("fileKey");
      if (key == null) {
        return new Unknown();
      }
      if (Integer.valueOf(0).equals(found.get("nlink"))) {
        return new Removed(key);
      }
      return found.get("mode") instanceof Integer mode && (mode & KIND) == SOCKET
          ? new Socket(key)
          : key;
    } catch (NoSuchFileException e) {
      return null;
    } catch (IOException e) {
      return new Unknown(); // opening says what is wrong
    }
  }

  /** {@return what is wrong with a {@link Removed} file} */
  WrongObjectException removed() {
    return new WrongObjectException(
        "watch",
        pin.toString(),
        null,
        "its owner has removed the file that is mounted here, and what it pins since cannot be seen",
        "mount the folder in which the pin lies, not the file");
  }

  /** {@return why there can be no pin at the path, or null if one may come} */
  @Nullable KernelException wrongPlace() {
    lacking = null;
    try {
      Pin.requirePlaceInTime("watch", pin);
      return null;
    } catch (NotFoundException e) {
      lacking = e; // the folder may be made
      return null;
    } catch (KernelException e) {
      return e;
    }
  }

  /** {@return what is said of a pin that does not come} */
  String waits() {
    KernelException why = lacking;
    return pin
        + (mayBePin()
            ? ": no map has been pinned there for 10 seconds"
            : ": no serving side has listened there for 10 seconds")
        + (why == null ? "" : " (" + why.getMessage() + ")")
        + (mayBePin() ? "" : ": " + startOrMount())
        + ". Waiting for one.";
  }

  /** {@return how a serving side comes to be there} */
  private String startOrMount() {
    Path folder = pin.toAbsolutePath().getParent();
    return folder == null || Pin.exists(folder)
        ? "start it, tasklocal-tools.jar serve"
        : "there is no folder %1$s; in a container, mount the machine's there (-v %1$s:%1$s), else"
                .formatted(folder)
            + " start it, tasklocal-tools.jar serve";
  }

  /** {@return whether a pin can have the name; one with a dot is a socket's} */
  boolean mayBePin() {
    return !String.valueOf(pin.getFileName()).contains(".");
  }

  @Override
  public String toString() {
    return (mayBePin() ? "pin " : "socket ") + pin;
  }

  /** {@return whether a socket is there} */
  public static boolean isSocket(Path path) {
    return new PinFile(path).look() instanceof Socket;
  }

  /** {@return whether a socket is there, or may come: no pin can have such a name} */
  public static boolean mayBeSocket(Path path) {
    return !new PinFile(path).mayBePin() || isSocket(path);
  }
}
