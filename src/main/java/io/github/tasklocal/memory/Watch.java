// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Follows a pin: opens the map that is pinned there, and closes it when it is gone or replaced. */
public final class Watch {

  private final Path pin;
  private final @Nullable Wire wire;
  private final Runnable changed;

  /**
   * Identifies the pin's file; null if there is none. A bpffs gives each pin an inode of its own,
   * even a second pin of the same map (bpf_get_inode in kernel/bpf/inode.c).
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
   * @param wire the wire of the map that will be pinned there, or null to find it out from the map
   * @param changed is run after each change, by the thread that noticed it, under no lock
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

  /** Checks the pin, and opens or closes maps if it has changed. */
  void look() {
    OpenMap before = map;
    boolean isChanged = lookAlone();
    OpenMap now = map;
    KernelException wrong = problem;
    for (OpenMap each : new @Nullable OpenMap[] {before, now}) {
      if (each != null) {
        each.log();
      }
    }
    if (isChanged) {
      if (wrong != null) {
        boolean ignored =
            Log.warn(wrong.getMessage() + ". Waiting for a map that can be opened.", null);
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
    if (found != null && found.equals(file)) {
      return false; // attached, or as wrong as before
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
          isNew(e); // before the map is closed, or for a moment nothing would seem wrong
      leave(before);
      if (e instanceof WrongObjectException || e instanceof NotSupportedException) {
        file = found; // not tried again: opening would write into somebody else's map each time
      }
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
      return key == null ? new Object() : key;
    } catch (NoSuchFileException e) {
      return null;
    } catch (IOException e) {
      return new Object(); // equal to no other: opening then reports what is wrong
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

  /** Chooses whether to replace entries that somebody else made, now and in later maps. */
  public void takeOver(boolean takeOver) {
    OpenMap now;
    synchronized (this) {
      takesOver = takeOver;
      now = map;
      if (now != null) {
        ThreadPages.takeOver(now, takeOver);
      }
    }
    if (now != null) {
      now.log();
    }
  }

  /** Stops following, and closes the map. */
  public void close() {
    OpenMap last;
    synchronized (this) {
      closed = true;
      last = map;
      leave(last);
    }
    Keeper.unfollow(this);
    if (last != null) {
      last.log();
    }
  }

  @Override
  public String toString() {
    return "pin " + pin;
  }
}
