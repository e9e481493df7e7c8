// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.layout.Wire;
import java.nio.file.Path;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Follows a pin: opens the map that is pinned there, and closes it when it is gone or replaced. */
public final class Watch {

  private final Maps maps;
  private final Path pin;
  private final @Nullable Wire wire;
  private final Runnable changed;

  private final PinFile place;

  /** The pin's file as it was attached or refused; null if there is none. */
  private @Nullable Object file;

  /** How long it is taken for granted that a map will come. */
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(10);

  /** How often it is looked whether a map can come. */
  private static final long ASK_NANOS = TimeUnit.SECONDS.toNanos(1);

  private long asked;

  /** Whether nothing is at the path, and since when; and whether that was said. */
  private boolean absent;

  private long absentSince;
  private boolean saysThatItWaits;

  private boolean takesOver;
  private boolean closed;

  /** The map that was closed last, if its failures are not logged yet. */
  private @Nullable OpenMap left;

  private volatile boolean news;

  /** Whether it has to be said that it waits. */
  private volatile boolean isLate;

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
    this.place = new PinFile(pin);
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
    Object found = place.look();
    OpenMap before = map;
    if (found != null && found.equals(file)) {
      return; // attached, or as wrong as before
    }
    if (found == null) {
      lookWhatLacks();
      return;
    }
    try {
      if (found instanceof PinFile.Removed) {
        throw place.removed();
      }
      attach(found, before);
    } catch (NotFoundException e) {
      lookWhatLacks(); // removed since we looked
      return;
    } catch (KernelException e) {
      if (found instanceof PinFile.Unknown && before != null) {
        return; // nobody says that the pin has changed
      }
      refuse(e);
      if (e instanceof WrongObjectException || e instanceof NotSupportedException) {
        file =
            known(found); // not tried again: opening would write into somebody else's map each time
      }
    }
    absent = false;
  }

  /** Says what is wrong, unless that was said last. */
  private void refuse(KernelException e) {
    KernelException last = problem;
    boolean isNew = last == null || !Objects.equals(last.getMessage(), e.getMessage());
    news |= isNew || map != null;
    leave(isNew ? e : last);
  }

  /** Nothing is at the path: is there anything that a map cannot come for? */
  private void lookWhatLacks() {
    long now = System.nanoTime();
    boolean isFirst = !absent;
    boolean isTime = absent && !saysThatItWaits && now - absentSince >= PATIENCE_NANOS;
    boolean asks = isFirst || isTime || problem != null || now - asked >= ASK_NANOS;
    if (isFirst) {
      absent = true;
      absentSince = now;
      saysThatItWaits = false;
    }
    boolean isChange = map != null || problem != null;
    KernelException wrong = asks ? place.wrongPlace() : null;
    asked = asks ? now : asked;
    if (wrong != null) {
      refuse(wrong);
    } else {
      leave(null);
      news |= isChange;
    }
    if (isTime) {
      saysThatItWaits = true;
      isLate = wrong == null;
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
    return found instanceof PinFile.Unknown ? null : found;
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
    return news || isLate;
  }

  /** Logs what is wrong, and says that there was a change, if there was. Under no lock. */
  void report() {
    OpenMap now;
    OpenMap last;
    KernelException wrong;
    boolean isNew;
    boolean late;
    String why;
    synchronized (this) {
      now = map;
      last = left;
      wrong = problem;
      isNew = news;
      late = isLate;
      why = late ? place.waits() : "";
      left = null;
      news = false;
      isLate = false;
    }
    if (last != null) {
      last.log();
    }
    if (now != null) {
      now.log();
    }
    if (late) {
      boolean ignored = Log.warn(why, null);
    }
    if (isNew) {
      if (now == null && wrong != null) {
        boolean ignored =
            Log.warn(wrong.getMessage() + ". Waiting for a map that can be opened.", null);
      }
      changed.run();
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
      isLate = false;
    }
    maps.keeper().unfollow(this);
    report();
  }

  @Override
  public String toString() {
    return "pin " + pin;
  }
}
