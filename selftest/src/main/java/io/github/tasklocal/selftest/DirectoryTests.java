// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.error.DirectoryFullException;
import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kernel.LinuxKernel;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.kernel.TaskStorage;
import io.github.tasklocal.kit.Need;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.Key;
import io.github.tasklocal.layout.KeyDirectory;
import io.github.tasklocal.layout.MapValue;
import io.github.tasklocal.layout.Wire;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CyclicBarrier;

/** The directory of keys: made by many at once, and filled to its last byte. */
final class DirectoryTests {

  private static final int RACERS = 61;
  private static final int ROUNDS = 100;

  /** A key that all racers make. */
  private static final int SHARED = RACERS;

  private DirectoryTests() {}

  /** {@return the tests of this theme} */
  static List<TestCase> tests() {
    return Suite.of(
        TestCase.onEachMap(
            "61 threads race to make keys, 100 times: no two keys overlap, and BPF finds all",
            DirectoryTests::race),
        TestCase.onEachWireInOwnJvm(
            "64 keys fill the page to its last byte, and the 65th is refused",
            DirectoryTests::fill),
        TestCase.withoutWireInOwnJvm(
            "A key larger by a byte than the room left is refused, and the room can be used",
            DirectoryTests::byteTooMuch));
  }

  private static String name(int index) {
    return "key.%02d".formatted(index);
  }

  /** {@return a layout of 4 to 64 bytes} Most are no multiple of 8, and all fit into one page. */
  private static MemoryLayout layout(int index) {
    return MemoryLayout.sequenceLayout(4 + index * 37L % 61, JAVA_BYTE);
  }

  private static void race(Fixture fixture) throws Exception {
    BpfObject object = fixture.load("many_keys");
    try (KernelMap map = KernelMap.duplicate(fixture.dataMap(object).fd())) {
      KeyDirectory[] directory = new KeyDirectory[1];
      Key[] own = new Key[RACERS];
      Key[] shared = new Key[RACERS];
      CyclicBarrier barrier = new CyclicBarrier(RACERS + 1);
      long seed = fixture.random().nextLong();
      Parallel.run(
          RACERS + 1,
          index -> {
            Random random = new Random(seed + index);
            for (int round = 0; round < ROUNDS; round++) {
              if (index == RACERS) {
                directory[0] =
                    new KeyDirectory(
                        Arena.global().allocate(DataPage.SIZE, DataPage.SIZE),
                        Arena.global().allocate(DataPage.SIZE, DataPage.SIZE));
              }
              barrier.await();
              if (index < RACERS) {
                boolean first = random.nextBoolean();
                if (first) {
                  shared[index] = directory[0].define(name(SHARED), layout(SHARED));
                }
                own[index] = directory[0].define(name(index), layout(index));
                if (!first) {
                  shared[index] = directory[0].define(name(SHARED), layout(SHARED));
                }
              }
              barrier.await();
              if (index == RACERS) {
                List<Key> keys = new ArrayList<>(List.of(own));
                for (Key each : shared) {
                  Check.equal(shared[0], each, "the key that all threads made");
                }
                keys.add(shared[0]);
                checkApart(keys, directory[0]);
                MemorySegment page = Arena.global().allocate(DataPage.SIZE, DataPage.SIZE);
                KeyDirectory made = directory[0];
                // An entry stays as long as its thread, so each directory gets a new thread.
                Parallel.run(1, ignored -> readEach(fixture.wire(), object, map, made, page, keys));
              }
            }
          });
    }
  }

  private static void checkApart(List<Key> keys, KeyDirectory directory) {
    Check.equal(keys.size(), directory.keys().size(), "keys in the directory");
    Check.equal(keys.size(), new HashSet<>(keys).size(), "different keys");
    List<Key> byOffset = keys.stream().sorted(Comparator.comparingInt(Key::offset)).toList();
    int end = DataPage.START;
    for (Key key : byOffset) {
      Check.that(key.offset() >= end, key + " overlaps the key before it, which ends at " + end);
      end = key.offset() + key.size();
    }
    Check.that(end <= DataPage.SIZE, "the last key ends at " + end);
  }

  /**
   * Reads all keys in BPF. Registers the calling thread, a new one, by hand with a directory that
   * is not the process's.
   */
  private static void readEach(
      Wire wire,
      BpfObject object,
      KernelMap map,
      KeyDirectory directory,
      MemorySegment page,
      List<Key> keys) {
    DataPage.prepare(page);
    for (int i = 0; i < keys.size(); i++) {
      value(page, keys.get(i)).fill((byte) (i + 1));
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment value = arena.allocate(wire.valueSize(), Long.BYTES);
      MapValue.write(value, wire, page.address(), directory.metadata(wire), 0);
      Check.that(
          new TaskStorage(new LinuxKernel())
              .put(map, Task.of(Libc.currentTid(), Thread.currentThread()), value, false),
          "a running thread is taken for one that has ended");
    }
    Check.equal(keys.size(), object.program("read_all").run(), "keys that BPF found");
    MemorySegment seen = object.global("seen");
    for (int i = 0; i < keys.size(); i++) {
      Check.equalBits(
          (i + 1) * 0x01010101L, seen.getAtIndex(JAVA_INT, i), "what BPF read of " + keys.get(i));
      for (byte each : value(page, keys.get(i)).toArray(JAVA_BYTE)) {
        Check.equal((byte) (i + 1), each, "a byte of " + keys.get(i));
      }
    }
  }

  private static MemorySegment value(MemorySegment page, Key key) {
    return page.asSlice(key.offset(), key.size());
  }

  private static void fill(Fixture fixture) throws Exception {
    BpfObject object = fixture.load("many_keys");
    fixture.share(object);
    List<TaskLocal.OfSegment> keys = new ArrayList<>();
    int last = KeyDirectory.MAX_KEYS - 1;
    for (int i = 0; i <= last; i++) {
      // 63 * 56 + 552 = 4080
      TaskLocal.OfSegment key =
          TaskLocal.of(name(i), MemoryLayout.sequenceLayout(i < last ? 56 : 552, JAVA_BYTE));
      key.segment().fill((byte) (i + 1)); // the first use registers the thread; others come later
      keys.add(key);
    }
    MemorySegment end = keys.getLast().segment();
    Check.equal(0L, (end.address() + end.byteSize()) % DataPage.SIZE, "where the last value ends");
    end.set(JAVA_BYTE, end.byteSize() - 1, (byte) 99);

    readFull(fixture, object, keys);
    DirectoryFullException refused =
        Check.refused(
            DirectoryFullException.class,
            "the 65th key",
            () -> {
              TaskLocal ignored = TaskLocal.of("one.more", JAVA_INT);
            });
    Check.contains("one.more", refused.getMessage(), "the refusal of the 65th key");
    Check.contains("64", refused.getMessage(), "the refusal of the 65th key");
    TaskLocal again = TaskLocal.of(name(7), MemoryLayout.sequenceLayout(56, JAVA_BYTE));
    Check.equal(keys.get(7), again, "the eighth key, asked for again");
    readFull(fixture, object, keys);
  }

  private static void readFull(Fixture fixture, BpfObject object, List<TaskLocal.OfSegment> keys) {
    // Programs that read slots find keys in wire A's form.
    int visible = (Need.socket() == null ? fixture.wire() : Wire.A).maxKeys();
    Check.equal(visible, object.program("read_all").run(), "keys that BPF found");
    MemorySegment seen = object.global("seen");
    for (int i = 0; i < keys.size(); i++) {
      int value = (i + 1) * 0x01010101;
      Check.equalBits(
          i < visible ? value : -1, seen.getAtIndex(JAVA_INT, i), "what BPF read of " + name(i));
      Check.equalBits(
          value, keys.get(i).segment().get(JAVA_INT.withByteAlignment(1), 0), name(i) + " in Java");
    }
    boolean lastVisible = visible == keys.size();
    Check.equal(
        lastVisible ? 99 : -2, object.program("read_last").run(), "the page's last byte in BPF");
    Check.equal(
        (byte) 99, keys.getLast().segment().get(JAVA_BYTE, 551), "the page's last byte in Java");
  }

  private static void byteTooMuch(Fixture fixture) throws Exception {
    TaskLocal.OfSegment large =
        TaskLocal.of("large", MemoryLayout.sequenceLayout(DataPage.CAPACITY - 8, JAVA_BYTE));
    large.segment().fill((byte) 1);
    DirectoryFullException refused =
        Check.refused(
            DirectoryFullException.class,
            "a key of 9 bytes where 8 are left",
            () -> {
              TaskLocal ignored = TaskLocal.of("rest", MemoryLayout.sequenceLayout(9, JAVA_BYTE));
            });
    Check.contains("\"rest\"", refused.getMessage(), "the refusal");
    Check.contains("9 bytes", refused.getMessage(), "the refusal");
    Check.contains("8 left", refused.getMessage(), "the refusal");

    TaskLocal.OfSegment rest = TaskLocal.of("rest", MemoryLayout.sequenceLayout(8, JAVA_BYTE));
    rest.segment().fill((byte) 2);
    Check.equal((byte) 1, large.segment().get(JAVA_BYTE, DataPage.CAPACITY - 9), "the byte before");
    Check.equal((byte) 2, rest.segment().get(JAVA_BYTE, 7), "the page's last byte");
    DirectoryFullException full =
        Check.refused(
            DirectoryFullException.class,
            "a byte in a full page",
            () -> {
              TaskLocal ignored = TaskLocal.of("byte", JAVA_BYTE);
            });
    Check.contains("0 left", full.getMessage(), "the refusal");
  }
}
