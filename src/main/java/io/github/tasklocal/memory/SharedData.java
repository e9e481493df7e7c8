// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.kernel.KernelPage;
import io.github.tasklocal.kernel.NativeAccess;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.KeyDirectory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.PhantomReference;
import java.lang.ref.Reference;
import java.lang.ref.ReferenceQueue;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What the copies of this library in one process share, each in a class loader of its own: keys,
 * pages, threads and open maps. It is made of the JDK's types and of addresses alone, so that no
 * copy keeps the classes of another; {@link Home} is where they find it. Each copy has records of
 * its own ({@link ThreadRecord}, {@link OpenMap}) beside what lies here.
 *
 * <p>Whatever is changed here is a new {@link Home#VERSION}. Under the registry's {@link #lock},
 * except what is final.
 */
@SuppressWarnings({"restricted", "unchecked"})
final class SharedData {

  /** How many maps a process can have open at once: a bit for each in {@link Place}. */
  static final int MAPS = Long.SIZE;

  /** Indexes of {@link #numbers}. */
  static final int FREE = 0;

  static final int ARRAYS_FREE = FreePages.NUMBERS;
  static final int SERVED = 2 * FreePages.NUMBERS;
  static final int PAGES = SERVED + Connection.NUMBERS;
  static final int MAPPED = PAGES + 1;
  static final int STARTING = PAGES + 2;
  private static final int NEWEST = PAGES + 3;
  private static final int MAPS_CHANGED = PAGES + 4;
  private static final int FORM_A = PAGES + 5;
  private static final int FORM_B = PAGES + 6;
  private static final int SLOT_BYTES = PAGES + 7;
  private static final int STAMP = PAGES + 8;
  private static final int PLAIN = PAGES + 9;
  private static final int SAID = PAGES + 10;
  private static final int NUMBERS = PAGES + 11;

  /** Indexes of {@link #ends}. */
  private static final int FIRST = 0;

  private static final int LAST = 1;

  /** The lock of the registries of all copies. */
  final Object lock;

  /** Whose turn it is to open, close or take over a map. First uses do not take this lock. */
  final Object opening;

  /** How many threads wait for the lock to make their first use of a key. */
  final AtomicInteger waiting;

  final long[] numbers;

  /** Addresses of pages that no thread has, as {@link FreePages} knows. */
  final long[][] pages;

  /** Blocks of pages, as address and size: from the JDK, and those that were taken out of use. */
  final List<long[]> early;

  final List<long[]> abandoned;

  /** The open maps, each as {@link SharedMap} knows. */
  final @Nullable Object[] maps;

  /** Names and layouts of the keys, in turn. */
  private final List<Object> keys;

  /** The first and last of the {@link Place places} of live threads. */
  private final @Nullable Object[] ends;

  private final ReferenceQueue<Object> queue;

  /** Holds on pages that have escaped from their threads, with the place of each. */
  private final Map<Object, Object> endings;

  /** What tells that a copy is gone, with how many times it has each map open. */
  private final Map<Object, Object> copies;

  /** Functions of the copies, which nothing here may keep. */
  final List<WeakReference<Consumer<Object>>> leavers;

  /** Of virtual threads: their values, and how many of them there were. */
  final ThreadLocal<MemorySegment> virtualValues;

  final AtomicLong unseen;

  /** The arrays that a serving side has given, as {@link ArrayPages} knows. */
  final ArrayList<long[]> arrays;

  /** The path of its socket, if there was any. */
  final @Nullable Object[] socket;

  private final @Nullable MemorySegment[] keyCopies;

  /**
   * Makes a view of the data.
   *
   * @param parts from {@link #fresh}, perhaps of another copy
   */
  SharedData(Object[] parts) {
    int i = 0;
    lock = parts[i++];
    opening = parts[i++];
    waiting = (AtomicInteger) parts[i++];
    numbers = (long[]) parts[i++];
    pages = (long[][]) parts[i++];
    early = (List<long[]>) parts[i++];
    abandoned = (List<long[]>) parts[i++];
    maps = (Object[]) parts[i++];
    keys = (List<Object>) parts[i++];
    ends = (Object[]) parts[i++];
    queue = (ReferenceQueue<Object>) parts[i++];
    endings = (Map<Object, Object>) parts[i++];
    copies = (Map<Object, Object>) parts[i++];
    leavers = (List<WeakReference<Consumer<Object>>>) parts[i++];
    virtualValues = (ThreadLocal<MemorySegment>) parts[i++];
    unseen = (AtomicLong) parts[i++];
    arrays = (ArrayList<long[]>) parts[i++];
    socket = (Object[]) parts[i++];
    keyCopies = (MemorySegment[]) parts[i];
  }

  /**
   * {@return data of a process without keys and threads}
   *
   * @param slotBytes how much each thread has: a page, or a part of one
   */
  static Object[] fresh(int slotBytes) {
    long[] numbers = new long[NUMBERS];
    numbers[FORM_A] = Arena.global().allocate(KernelPage.BYTES, KernelPage.BYTES).address();
    numbers[FORM_B] = Arena.global().allocate(KernelPage.BYTES, KernelPage.BYTES).address();
    numbers[SLOT_BYTES] = slotBytes;
    // Other libraries leave 0.
    numbers[STAMP] = ThreadLocalRandom.current().nextInt() | 1;
    return new Object[] {
      new Object(),
      new Object(),
      new AtomicInteger(),
      numbers,
      new long[2 * FreePages.ROWS][0],
      new ArrayList<long[]>(),
      new ArrayList<long[]>(),
      new Object[MAPS],
      new ArrayList<Object>(2 * KeyDirectory.MAX_KEYS),
      new Object[2],
      new ReferenceQueue<Object>(),
      new IdentityHashMap<Object, Object>(),
      new IdentityHashMap<Object, Object>(),
      new ArrayList<WeakReference<Consumer<Object>>>(),
      new ThreadLocal<MemorySegment>(),
      new AtomicLong(),
      new ArrayList<long[]>(),
      new Object[1],
      new MemorySegment[2]
    };
  }

  /** {@return the keys, which all copies have in common} */
  KeyDirectory directory() {
    return new KeyDirectory(page(FORM_A), page(FORM_B), slotBytes(), keys, keyCopies);
  }

  private MemorySegment page(int number) {
    return NativeAccess.allowed()
        ? MemorySegment.ofAddress(numbers[number]).reinterpret(DataPage.SIZE)
        : Arena.global().allocate(DataPage.SIZE, DataPage.SIZE); // no key can be made then
  }

  /** {@return how many bytes each thread has: a page, or a part of one} */
  int slotBytes() {
    return (int) numbers[SLOT_BYTES];
  }

  /** {@return how far the memory of a thread is from that of the next: a page of the kernel's} */
  int step() {
    return packed() ? slotBytes() : KernelPage.BYTES;
  }

  /** {@return whether threads share pages} */
  boolean packed() {
    return slotBytes() < DataPage.SIZE;
  }

  /** {@return what copies of this process write into entries; not 0} */
  int stamp() {
    return (int) numbers[STAMP];
  }

  /** {@return the number of the place that was listed last} */
  long newest() {
    return numbers[NEWEST];
  }

  /** {@return whether nobody has said yet what is said once} Takes the lock. */
  boolean firstToSay() {
    synchronized (lock) {
      return numbers[SAID]++ == 0;
    }
  }

  /** A virtual thread has values in plain memory from now on. */
  void plain() {
    numbers[PLAIN] = 1;
  }

  /** {@return whether any virtual thread has anything there} To ask one costs it 100 bytes. */
  boolean anyPlain() {
    return numbers[PLAIN] != 0;
  }

  /** Lists a live thread's place, so that all copies learn of it. Cannot fail. */
  void list(Place place) {
    Object last = ends[LAST];
    place.listed(++numbers[NEWEST], last);
    ends[LAST] = place.data();
    if (last == null) {
      ends[FIRST] = place.data();
    } else {
      Place.setNext(last, place.data());
    }
  }

  /** Takes an ended thread's place out of the list. Cannot fail. */
  void unlist(Place place) {
    Object before = place.previous();
    Object after = place.next();
    if (place.number() == 0) {
      return;
    }
    if (before == null) {
      ends[FIRST] = after;
    } else {
      Place.setNext(before, after);
    }
    if (after == null) {
      ends[LAST] = before;
    } else {
      Place.setPrevious(after, before);
    }
    place.unlisted();
  }

  /** {@return the oldest place that was listed after the one with this number, or null} */
  @Nullable Place after(long number) {
    Object oldest = null;
    for (Object each = ends[LAST]; each != null; each = Place.previous(each)) {
      if (Place.number(each) <= number) {
        break;
      }
      oldest = each;
    }
    return oldest == null ? null : new Place(oldest);
  }

  /** {@return a number that has changed when a map was opened or closed} */
  long mapsChanged() {
    return numbers[MAPS_CHANGED];
  }

  /** {@return whether any copy has a map open} Under no lock, so that it may be late. */
  boolean anyMap() {
    for (Object each : maps) {
      if (each != null) {
        return true;
      }
    }
    return false;
  }

  void changeMaps() {
    numbers[MAPS_CHANGED]++;
  }

  /**
   * Counts a hold on a page until the hold is unreachable, or the reference is {@link #forget
   * forgotten}.
   */
  Reference<Object> watch(Object hold, Place place) {
    Reference<Object> reference = new PhantomReference<>(hold, queue);
    Object ignored = endings.put(reference, place.data());
    place.hold();
    return reference;
  }

  /** Ends what {@link #watch} began; nothing happens the second time. */
  void forget(Reference<Object> reference, Place place) {
    if (endings.remove(reference) != null) {
      reference.clear();
      place.letGo();
    }
  }

  /** {@return the place of the next hold that is unreachable, which is let go by this; or null} */
  @Nullable Place unreachable() {
    Place place = new Place(); // first, as what is polled is gone
    for (Reference<?> each = queue.poll(); each != null; each = queue.poll()) {
      Object data = endings.remove(each);
      if (data != null) {
        place.show(data);
        place.letGo();
        return place;
      }
      Object uses = copies.remove(each);
      if (uses != null) {
        SharedMap.leave(maps, (int[]) uses);
      }
    }
    return null;
  }

  /**
   * Makes a copy known.
   *
   * @param copy is reachable as long as the copy is in use
   * @param leaver takes the copies of a page's address away, of which it gets the {@link
   *     Place#data}; must not fail
   * @return how many times it has each map open, to be counted by the copy
   */
  int[] join(Object copy, Consumer<Object> leaver) {
    int[] uses = new int[MAPS];
    for (int i = leavers.size() - 1; i >= 0; i--) { // the first lambda takes milliseconds
      if (leavers.get(i).refersTo(null)) {
        WeakReference<Consumer<Object>> ignored = leavers.remove(i);
      }
    }
    leavers.add(new WeakReference<>(leaver));
    Object ignored = copies.put(new PhantomReference<>(copy, queue), uses);
    return uses;
  }

  /** A map is closed whose number the next one may have. Cannot fail. */
  void forgetMap(int number) {
    for (Object each = ends[FIRST]; each != null; each = Place.next(each)) {
      Place.forgetMap(each, number);
    }
  }

  /** The entries in a map may be there, and are set again. Cannot fail. */
  void doubtMap(int number) {
    for (Object each = ends[FIRST]; each != null; each = Place.next(each)) {
      Place.doubtMap(each, number);
    }
  }
}
