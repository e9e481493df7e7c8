// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.serve;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.bpf.BpfLink;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.error.TaskLocalException;
import io.github.tasklocal.tools.system.Errnos;
import io.github.tasklocal.tools.system.Failure;
import io.github.tasklocal.tools.system.FileAccess;
import io.github.tasklocal.tools.system.Programs;
import io.github.tasklocal.tools.system.RawMaps;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;

/**
 * Slots, where the kernel has no uptrs: which page of which array is a thread's. Its layouts are
 * those of {@code serve_slots.bpf.c}.
 */
final class SlotTables implements AutoCloseable {

  /** How a thread registers itself: the programs that answer its call, the better one first. */
  private static final List<String> HOOKS = List.of("register_modify", "register_probe");

  /** The name of one of them, for tests: where something better works, it is never tried. */
  static final String ONLY = System.getProperty("tasklocal.serve.hook", "");

  private static final List<String> OWN = List.of("tld_grants", "tld_owners");
  private static final List<String> BY_NAME = List.of("tld_arrays", "tld_slot_map");

  /** How often to sweep where the kernel was at another's storage on the same processor. */
  private static final int SWEEPS = 100;

  /** Of the struct order. */
  private static final int TID = 4;

  private static final int TOKEN = 8;
  private static final int ARRAY = 16;
  private static final int PAGE = 20;
  private static final int START = 24;
  private static final int RESULT = 28;

  private final BpfObject object;
  private final String hook;

  private SlotTables(BpfObject object, String hook) {
    this.object = object;
    this.hook = hook;
  }

  /**
   * Takes over the slots that are pinned, or makes them.
   *
   * @param hooked whether threads are to register themselves by a call
   * @throws Failure if that is asked for and cannot be
   */
  static SlotTables open(PinFolder pins, boolean hooked) throws Failure, IOException {
    pins.requireAlone();
    if (!hooked) {
      return new SlotTables(load(pins, ""), "");
    }
    List<String> reasons = new ArrayList<>();
    for (String hook : HOOKS) {
      if (!ONLY.isEmpty() && !ONLY.equals(hook)) {
        continue;
      }
      BpfObject object = null;
      try {
        object = load(pins, hook);
        pinLink(object.program(hook).attach(), pins);
        return new SlotTables(object, hook);
      } catch (TaskLocalException e) {
        if (object != null) {
          object.close();
        } else if (hook.equals(HOOKS.getLast())) {
          throw e; // not even what needs no such attachment can be loaded
        }
        reasons.add("%s: %s".formatted(hook, e.getMessage()));
      }
    }
    throw new Failure(
        "no program can be attached to security_task_prctl: " + String.join("; ", reasons),
        "run a kernel of 6.9 or newer, or one that allows fmod_ret or kprobes");
  }

  private static BpfObject load(PinFolder pins, String hook) throws Failure, IOException {
    BpfObject object = Programs.open("serve_slots");
    boolean done = false;
    try {
      for (String each : HOOKS) {
        object.program(each).autoload(each.equals(hook));
      }
      for (String name : OWN) {
        object.map(name).pinPath(pins.own(name));
      }
      for (String name : BY_NAME) {
        if (FileAccess.exists(pins.byName(name))) {
          object.map(name).pinPath(pins.byName(name));
        }
      }
      object.load();
      for (String name : BY_NAME) {
        pins.pin(object.map(name).fd(), pins.byName(name));
      }
      done = true;
      return object;
    } finally {
      if (!done) {
        object.close();
      }
    }
  }

  /** Has the hook outlive this process, in place of an earlier one, without a gap. */
  private static void pinLink(BpfLink link, PinFolder pins) throws Failure, IOException {
    Path fresh = pins.own("hook_new");
    Files.deleteIfExists(fresh);
    pins.pin(link.fd(), fresh);
    Path ignored = Files.move(fresh, pins.own("hook"), StandardCopyOption.ATOMIC_MOVE);
  }

  /** {@return the program that answers threads' calls; empty where none does} */
  String hook() {
    return hook;
  }

  /** {@return the map of threads' slots} */
  int slots() {
    return object.map("tld_slot_map").fd();
  }

  /**
   * Shows arrays to programs. Waits for the kernel: once for all of them where that takes several
   * at once.
   *
   * @param numbers of the arrays
   * @param arrays their descriptors
   * @return how many are shown, from the first on; a negative errno if none
   */
  int show(int[] numbers, int[] arrays) {
    int map = object.map("tld_arrays").fd();
    int shown = numbers.length == 1 ? 0 : RawMaps.update(map, numbers, arrays);
    int status = 0;
    while (status == 0 && shown < numbers.length) {
      status = show(numbers[shown], arrays[shown]);
      shown += status == 0 ? 1 : 0;
    }
    return shown == 0 ? status : shown;
  }

  private int show(int number, int array) {
    try (Arena arena = Arena.ofConfined()) {
      return RawMaps.update(
          object.map("tld_arrays").fd(),
          arena.allocateFrom(JAVA_INT, number),
          arena.allocateFrom(JAVA_INT, array));
    }
  }

  /** Shows an array no longer. */
  void hide(int number) {
    try (Arena arena = Arena.ofConfined()) {
      int ignored =
          RawMaps.delete(object.map("tld_arrays").fd(), arena.allocateFrom(JAVA_INT, number));
    }
  }

  /** Registers a thread by its number; {@return 0 or a negative errno} */
  int place(int process, long tid, long token, int array, int page, int start) {
    return walk("place", process, tid, token, array, page, start);
  }

  /** Takes out the entry of a thread by its number; {@return 0 or a negative errno} */
  int takeOut(int process, long tid) {
    return walk("take_out", process, tid, 0, 0, 0, 0);
  }

  private synchronized int walk(
      String program, int process, long tid, long token, int array, int page, int start) {
    if (tid <= 0 || tid > Integer.MAX_VALUE) {
      return -Errnos.EINVAL;
    }
    MemorySegment order = object.global("order");
    order.set(JAVA_INT, 0, process);
    order.set(JAVA_INT, TID, (int) tid);
    order.set(JAVA_LONG, TOKEN, token);
    order.set(JAVA_INT, ARRAY, array);
    order.set(JAVA_INT, PAGE, page);
    order.set(JAVA_INT, START, start);
    order.set(JAVA_INT, RESULT, -Errnos.ESRCH);
    MemorySegment ignored = object.program(program).iterate();
    return order.get(JAVA_INT, RESULT);
  }

  /** Takes out all entries that lie in arrays which their processes have not, or no longer. */
  synchronized void sweep() {
    MemorySegment missed = object.global("missed");
    for (int tries = 0; tries < SWEEPS; tries++) {
      missed.set(JAVA_LONG, 0, 0);
      MemorySegment ignored = object.program("sweep").iterate();
      if (missed.get(JAVA_LONG, 0) == 0) {
        return;
      }
    }
  }

  @Override
  public void close() {
    object.close();
  }
}
