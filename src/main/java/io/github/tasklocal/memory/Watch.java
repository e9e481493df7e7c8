// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.KernelException;
import io.github.tasklocal.NotFoundException;
import io.github.tasklocal.Wire;
import io.github.tasklocal.kernel.KernelMap;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** The map behind a pin, whichever that is from time to time. */
public final class Watch {

  private static final Logger LOGGER = System.getLogger("io.github.tasklocal");

  /** Stands for a file of which nothing can be told. */
  private static final Object UNKNOWN = new Object();

  private final Path pin;
  private final @Nullable Wire wire;
  private final Runnable changed;

  /**
   * What tells the pin's file from any other; null where there is none. A bpffs gives each pin an
   * inode of its own, also the second pin of the same map (bpf_get_inode in kernel/bpf/inode.c).
   */
  private @Nullable Object file;

  private boolean takesOver;
  private boolean closed;
  private volatile @Nullable OpenMap map;
  private volatile @Nullable KernelException problem;

  /**
   * Makes a watch that has not looked yet.
   *
   * @param pin the path
   * @param wire the wire of what will be pinned there, or null if the map has to tell
   * @param changed is run after each change, by the thread that saw it, under no lock
   */
  public Watch(Path pin, @Nullable Wire wire, Runnable changed) {
    this.pin = pin;
    this.wire = wire;
    this.changed = changed;
  }

  /** Opens what is pinned at the path now, if anything is, and follows it. */
  public void start() {
    look();
    Keeper.follow(this);
  }

  /** Looks at the pin, and opens and closes maps as it says. */
  void look() {
    if (lookAlone()) {
      KernelException now = problem;
      if (now != null) {
        LOGGER.log(Level.WARNING, now.getMessage() + ". Waiting for a map that can be opened.");
      }
      changed.run();
    }
  }

  /** {@return whether anything has changed} */
  private synchronized boolean lookAlone() {
    if (closed) {
      return false;
    }
    Object found = file();
    OpenMap before = map;
    if (before != null && found != null && found.equals(file)) {
      return false;
    }
    if (found == null) {
      boolean waited = before == null && problem == null;
      leave(before);
      problem = null;
      return !waited;
    }
    try {
      KernelMap opened = KernelMap.open(pin);
      file = found;
      if (before != null && before.id() == opened.id()) {
        opened.close(); // the same map, pinned once more
        return false;
      }
      map = ThreadPages.open(opened, wireOf(opened), takesOver);
      problem = null;
      if (before != null) {
        ThreadPages.close(before); // the new one first: threads are never without an entry
      }
      return true;
    } catch (NotFoundException e) {
      boolean waited = before == null && problem == null;
      leave(before); // removed since we looked
      problem = null;
      return !waited;
    } catch (KernelException e) {
      boolean isNew =
          isNew(e); // said before the map goes, or for a moment nothing would seem wrong
      leave(before);
      return isNew;
    }
  }

  private Wire wireOf(KernelMap opened) {
    try {
      return OpenMap.wireOf(opened, wire);
    } catch (KernelException e) {
      opened.close();
      throw e;
    }
  }

  private void leave(@Nullable OpenMap before) {
    file = null;
    if (before != null) {
      map = null;
      ThreadPages.close(before);
    }
  }

  private boolean isNew(KernelException e) {
    KernelException last = problem;
    if (last != null && Objects.equals(last.getMessage(), e.getMessage())) {
      return false;
    }
    problem = e;
    return true;
  }

  private @Nullable Object file() {
    try {
      Object key = Files.readAttributes(pin, BasicFileAttributes.class).fileKey();
      return key == null ? UNKNOWN : key;
    } catch (NoSuchFileException e) {
      return null;
    } catch (IOException e) {
      return UNKNOWN; // opening says what is wrong
    }
  }

  /** {@return the map that is attached, or null while there is none} */
  public @Nullable OpenMap map() {
    return map;
  }

  /** {@return why what lies at the pin cannot be opened, or null if nothing is there or it can} */
  public @Nullable KernelException problem() {
    return problem;
  }

  /** Says whether to replace entries that somebody else made; now, and in maps to come. */
  public synchronized void takeOver(boolean takeOver) {
    takesOver = takeOver;
    OpenMap now = map;
    if (now != null) {
      ThreadPages.takeOver(now, takeOver);
    }
  }

  /** Stops following, and closes the map. */
  public synchronized void close() {
    closed = true;
    Keeper.unfollow(this);
    leave(map);
  }

  @Override
  public String toString() {
    return "pin " + pin;
  }
}
