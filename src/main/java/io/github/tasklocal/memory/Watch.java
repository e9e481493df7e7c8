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

  /** For a file that is there or not: it cannot be looked at. Never kept as {@link #file}. */
  private static final Object UNKNOWN = new Object();

  private final Maps maps;
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

  /** The map that was closed last, if its failures are not logged yet. */
  private @Nullable OpenMap left;

  private volatile boolean news;
  private volatile @Nullable OpenMap map;
  private volatile @Nullable KernelException problem;

  /**
   * Makes a watch that has not looked yet.
   *
   * @param maps where the map is opened
   * @param pin the path
   * @param wire the wire of the map that will be pinned there, or null to find it out from the map
   * @param changed is run after each change, under no lock
   */
  public Watch(Maps maps, Path pin, @Nullable Wire wire, Runnable changed) {
    this.maps = maps;
    this.pin = pin;
    this.wire = wire;
    this.changed = changed;
  }

  /** Opens what is pinned at the path now, if anything is, and follows it. */
  public void start() {
    look();
    report();
    maps.keeper().follow(this);
  }

  /**
   * Checks the pin, and opens or closes maps if it has changed. What fails, if it is no fault of
   * the map's, leaves all as it was, for the next look. The caller sees to the {@link #report}.
   */
  synchronized void look() {
    if (closed) {
      return;
    }
    Object found = file();
    OpenMap before = map;
    if (found != null && found.equals(file)) {
      return; // attached, or as wrong as before
    }
    if (found == null) {
      boolean isChange = before != null || problem != null;
      leave(null);
      news |= isChange;
      return;
    }
    try {
      attach(found, before);
    } catch (NotFoundException e) {
      boolean isChange = before != null || problem != null;
      leave(null); // removed since we looked
      news |= isChange;
    } catch (KernelException e) {
      if (found == UNKNOWN && before != null) {
        return; // nobody says that the pin has changed
      }
      KernelException last = problem;
      boolean isNew = last == null || !Objects.equals(last.getMessage(), e.getMessage());
      leave(isNew ? e : last);
      if (e instanceof WrongObjectException || e instanceof NotSupportedException) {
        file =
            known(found); // not tried again: opening would write into somebody else's map each time
      }
      news |= isNew;
    }
  }

  private void attach(Object found, @Nullable OpenMap before) {
    KernelMap opened = maps.open(pin);
    if (before != null && before.id() == opened.id()) {
      opened.close(); // the same map, pinned once more
      file = known(found);
      return;
    }
    OpenMap now = maps.open(opened, wireOf(opened), takesOver);
    boolean isDone = false;
    try {
      if (before != null) {
        maps.close(before); // the new one first: threads are never without an entry
      }
      isDone = true;
    } finally {
      if (!isDone) {
        maps.close(now);
      }
    }
    left = before;
    file = known(found);
    map = now;
    problem = null;
    news = true;
  }

  private static @Nullable Object known(Object found) {
    return found == UNKNOWN ? null : found;
  }

  private Wire wireOf(KernelMap opened) {
    boolean isKnown = false;
    try {
      Wire found = MapWire.of(opened, wire);
      isKnown = true;
      return found;
    } finally {
      if (!isKnown) {
        opened.close();
      }
    }
  }

  /** Closes the map, and says first why, or for a moment nothing would seem wrong. */
  private void leave(@Nullable KernelException why) {
    OpenMap last = map;
    problem = why;
    if (last != null) {
      maps.close(last);
      left = last;
      map = null;
    }
    file = null;
  }

  /** {@return whether {@link #report} has something to say} */
  boolean hasNews() {
    return news;
  }

  /** Logs what is wrong, and says that there was a change, if there was. Under no lock. */
  void report() {
    OpenMap now;
    OpenMap last;
    KernelException wrong;
    boolean isNew;
    synchronized (this) {
      now = map;
      last = left;
      wrong = problem;
      isNew = news;
      left = null;
      news = false;
    }
    if (last != null) {
      last.log();
    }
    if (now != null) {
      now.log();
    }
    if (isNew) {
      if (now == null && wrong != null) {
        boolean ignored =
            Log.warn(wrong.getMessage() + ". Waiting for a map that can be opened.", null);
      }
      changed.run();
    }
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

  /** Chooses whether to replace entries that somebody else made, now and in later maps. */
  public void takeOver(boolean takeOver) {
    OpenMap now;
    synchronized (this) {
      takesOver = takeOver;
      now = map;
      if (now != null) {
        maps.takeOver(now, takeOver);
      }
    }
    if (now != null) {
      now.log();
    }
  }

  /** Stops following, and closes the map. If this fails, all is as it was. */
  public void close() {
    synchronized (this) {
      leave(null);
      closed = true;
      news = false;
    }
    maps.keeper().unfollow(this);
    report();
  }

  @Override
  public String toString() {
    return "pin " + pin;
  }
}
