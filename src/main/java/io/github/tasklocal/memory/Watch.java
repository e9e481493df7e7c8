// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.layout.Wire;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Follows a path: opens the map that is pinned there, and closes it when it is gone or replaced; or
 * connects to the serving side that listens there, and connects again when it is back. Of several
 * paths, the first where that can be done.
 */
public final class Watch {

  private final Maps maps;
  private final @Nullable Wire wire;
  private final Runnable changed;
  private final Absence absence;

  /** Where the map is, or what is wrong. */
  private PinFile place;

  /** Its file as it was attached or refused; null if there is none. */
  private @Nullable Object file;

  private final ServedWatch served;

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
   * @param paths the paths, at least one
   * @param wire the wire of the map that will be pinned there, or null to find it out from the map
   * @param changed is run after each change, under no lock
   */
  public Watch(Maps maps, List<Path> paths, @Nullable Wire wire, Runnable changed) {
    this.maps = maps;
    this.absence = new Absence(paths);
    this.place = absence.places[0];
    this.served = new ServedWatch(maps.sockets());
    this.wire = wire;
    this.changed = changed;
  }

  /** Opens what is at the path now, if anything is, and follows it. */
  public void start() {
    look();
    report();
    maps.keeper().follow(this);
  }

  /**
   * Checks the paths, and opens or closes maps if something has changed. What fails, if it is no
   * fault of the map's, leaves all as it was, for the next look. The caller sees to the {@link
   * #report}.
   */
  synchronized void look() {
    if (closed || isServed() || (map != null && isSame(place, place.look()))) {
      return;
    }
    boolean isThere = false;
    for (PinFile each : absence.places) {
      Object found = each.look();
      if (served.map() != null && !(found instanceof PinFile.Socket)) {
        continue; // it is waited for
      }
      if (found == null) {
        each.refused = null;
      } else {
        isThere |= isSame(each, found) || open(each, found);
      }
      if (map != null) {
        break;
      }
    }
    if (isThere) {
      absence.end();
      if (map == null) {
        sayFirst(); // what was wrong at an earlier path may be gone
      }
    } else {
      lookWhatLacks();
    }
  }

  /** {@return whether a file is attached, or as wrong as before} */
  @SuppressWarnings("ReferenceEquality")
  private boolean isSame(PinFile at, @Nullable Object found) {
    return at == place && found != null && found.equals(file);
  }

  /** {@return whether there is a serving side, to which this is connected} */
  private boolean isServed() {
    OpenMap now = served.map();
    if (now == null) {
      return false;
    }
    boolean isThere = maps.sockets().isServed(now);
    if (isThere != (map != null)) {
      problem = isThere ? null : SocketMaps.gone(now);
      map = isThere ? now : null;
      news = true;
    }
    return isThere;
  }

  /** {@return whether there is something, right or wrong} */
  private boolean open(PinFile at, Object found) {
    OpenMap before = map;
    try {
      if (found instanceof PinFile.Removed) { // no switch: the first one over types takes 10 ms
        throw at.removed();
      } else if (found instanceof PinFile.Socket socket) {
        connect(at, socket, before);
      } else {
        attach(at, found, before);
      }
    } catch (NotFoundException e) {
      if (!(found instanceof PinFile.Socket)) {
        at.refused = null;
        return false; // removed since we looked
      }
      if (served.map() == null) {
        refuse(at, e);
      }
    } catch (KernelException e) {
      if (found instanceof PinFile.Unknown && before != null) {
        return true; // nobody says that the pin has changed
      }
      refuse(at, e);
      if (e instanceof WrongObjectException || e instanceof NotSupportedException) {
        place = at;
        file =
            known(found); // not tried again: opening would write into somebody else's map each time
      }
    }
    return true;
  }

  private void refuse(PinFile at, KernelException e) {
    at.refused = e;
    sayFirst();
  }

  /** Says what is wrong at the first of the paths where anything is: that would be taken first. */
  private void sayFirst() {
    for (PinFile each : absence.places) {
      KernelException first = each.refused;
      if (first != null) {
        say(first);
        return;
      }
    }
  }

  /** Says what is wrong, unless that was said last. */
  private void say(KernelException e) {
    KernelException last = problem;
    boolean isNew = last == null || !Objects.equals(last.getMessage(), e.getMessage());
    if (isNew || map != null) {
      news = true;
      leave(isNew ? e : last);
    }
  }

  /** Nothing is there: is there anything that a map cannot come for? */
  private void lookWhatLacks() {
    boolean isChange = map != null || problem != null;
    KernelException wrong =
        absence.goesOn(problem != null) && served.map() == null ? absence.wrongPlace() : null;
    if (wrong != null) {
      say(wrong);
    } else {
      leave(null);
      news |= isChange;
    }
  }

  private void connect(PinFile at, PinFile.Socket found, @Nullable OpenMap before) {
    OpenMap now = served.connect(at, found);
    if (now == null) {
      return;
    }
    begin(at, null, now, before);
    if (before != null) {
      maps.close(before);
    }
  }

  private void attach(PinFile at, Object found, @Nullable OpenMap before) {
    KernelMap opened = maps.open(at.pin);
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
    begin(at, known(found), now, before);
  }

  private void begin(PinFile at, @Nullable Object found, OpenMap now, @Nullable OpenMap before) {
    left = before;
    place = at;
    file = found;
    map = now;
    problem = null;
    for (PinFile each : absence.places) {
      each.refused = null;
    }
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

  /** Closes the map of a pin, and says first why, or for a moment nothing would seem wrong. */
  private void leave(@Nullable KernelException why) {
    OpenMap last = map;
    problem = why;
    if (last != null) {
      close(last);
    }
    file = null;
  }

  private void close(OpenMap last) {
    maps.close(last);
    left = last;
    map = null;
  }

  /** {@return whether {@link #report} has something to say} */
  boolean hasNews() {
    return news || absence.isLate();
  }

  /** Logs what is wrong, and says that there was a change, if there was. Under no lock. */
  void report() {
    OpenMap now;
    OpenMap last;
    KernelException wrong;
    boolean isNew;
    String late;
    synchronized (this) {
      now = map;
      last = left;
      wrong = problem;
      isNew = news;
      late = absence.late();
      left = null;
      news = false;
    }
    if (last != null) {
      last.log();
    }
    if (now != null) {
      now.log();
    }
    if (late != null) {
      boolean ignored = Log.warn(late, null);
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

  /** {@return whether nothing is open for it, not even a socket's map that waits} */
  boolean isWithoutMap() {
    return map == null && served.map() == null;
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
      OpenMap last = served.map();
      if (last != null) {
        close(last);
        served.leave();
        problem = null;
      } else {
        leave(null);
      }
      closed = true;
      news = false;
      String ignored = absence.late();
    }
    maps.keeper().unfollow(this);
    report();
  }

  @Override
  public String toString() {
    return absence.toString();
  }
}
