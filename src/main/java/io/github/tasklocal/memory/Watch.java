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

/** The map behind a pin, whichever that is from time to time. */
public final class Watch {

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
          isNew(e); // said before the map goes, or for a moment nothing would seem wrong
      leave(before);
      if (e instanceof WrongObjectException || e instanceof NotSupportedException) {
        file = found; // trying writes into somebody's map
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
      return new Object(); // like no other: opening says what is wrong
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
