// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.soak;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.bpf.BpfProgram;
import io.github.tasklocal.kernel.KernelMap;
import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kernel.LinuxKernel;
import io.github.tasklocal.kernel.Task;
import io.github.tasklocal.kernel.TaskStorage;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.KeyDirectory;
import io.github.tasklocal.layout.MapValue;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.selftest.Fixture;
import io.github.tasklocal.selftest.Parallel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SequenceLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.function.BiConsumer;
import java.util.stream.IntStream;

/**
 * Threads that make keys while BPF programs walk the pages of keys, as in soak_keys.
 *
 * <p>A process makes a key only once, so there are two kinds of rounds: many directories by
 * themselves, enough that the code that writes them gets fully compiled; and JVMs that fill their
 * one directory through the API.
 */
final class KeyMakers {

  private static final int LOOKS = 100;
  private static final int MAKERS = 4;

  private final List<Fixture> fixtures = new ArrayList<>();
  private final List<BpfObject> objects = new ArrayList<>();

  private KeyMakers() {}

  static SoakRow row() {
    return new SoakRow(
        "key-makers",
        "Keys made while BPF reads their page",
        List.of("-Xmx256m"),
        run -> new KeyMakers().measure(run));
  }

  private void measure(SoakRun run) throws Exception {
    int directories = run.times(5_000, 500);
    int processes = run.times(40, 4);
    List<String> pins = new ArrayList<>();
    for (Wire wire : Wire.values()) {
      Fixture fixture = run.on(wire);
      BpfObject object = fixture.load("soak_keys");
      object.global("looks").set(JAVA_INT, 0, LOOKS);
      Path pin = fixture.pin("map");
      fixture.dataMap(object).pin(pin);
      pins.add(pin.toString());
      fixtures.add(fixture);
      objects.add(object);
    }
    List<BpfProgram> programs =
        objects.stream().map(object -> object.program("look_at_keys")).toList();
    Random random = run.random();
    try (Writers readers = new Writers(1, index -> round -> programs.forEach(KeyMakers::run))) {
      fillDirectories(run, directories, random);
      for (int i = 1; i <= processes; i++) {
        List<String> arguments = new ArrayList<>(pins);
        arguments.add(Long.toString(random.nextLong()));
        String ignored =
            Jvm.output(
                Jvm.command(
                    Jvm.shortLived(),
                    Jvm.join(Jvm.classPath()),
                    KeyMakers.class,
                    arguments.toArray(String[]::new)));
        run.progress(i, processes, "processes");
      }
      run.any("directories filled", directories);
      run.any("and in JVMs of their own", processes);
      run.any("rounds of the iterators", readers.rounds());
    }
    run.some("walks by BPF, each wire", least("walks"));
    run.some("of them while a key was made", least("during"));
    run.some("of them that found all keys", least("complete"));
    run.equal(0, "half names", sum("bad_names"));
    run.equal(0, "wrong offsets or sizes", sum("bad_places"));
    run.equal(0, "entries begun too early", sum("begun_early"));
    run.equal(0, "impossible counts", sum("counts_beyond"));
    for (BpfObject object : objects) {
      MemorySegment wrong = object.global("first_wrong");
      if (wrong.get(JAVA_INT, 4) != 0) {
        System.out.printf(
            "key %d, letter %c: %d instead of %d%n",
            wrong.get(JAVA_INT, 0),
            wrong.get(JAVA_INT, 4),
            wrong.get(JAVA_INT, 8),
            wrong.get(JAVA_INT, 12));
      }
    }
  }

  private static void run(BpfProgram program) {
    MemorySegment ignored = program.iterate();
  }

  private long least(String counter) {
    return objects.stream().mapToLong(each -> count(each, counter)).min().orElse(0);
  }

  private long sum(String counter) {
    return objects.stream().mapToLong(each -> count(each, counter)).sum();
  }

  private static long count(BpfObject object, String counter) {
    return object.global(counter).get(JAVA_LONG, 0);
  }

  /** Fills directories in this process; each is the calling thread's for a while. */
  private void fillDirectories(SoakRun run, int directories, Random random) throws Exception {
    Task self = Task.of(Libc.currentTid(), Thread.currentThread());
    for (int i = 1; i <= directories; i++) {
      KeyDirectory directory =
          new KeyDirectory(
              Arena.global().allocate(DataPage.SIZE, DataPage.SIZE),
              Arena.global().allocate(DataPage.SIZE, DataPage.SIZE));
      long page = Arena.global().allocate(DataPage.SIZE, DataPage.SIZE).address();
      forEachMap(
          (wire, map) -> {
            try (Arena arena = Arena.ofConfined()) {
              MemorySegment value = arena.allocate(wire.valueSize(), 8);
              MapValue.write(value, wire, page, directory.metadata(wire), 1);
              boolean ignored = new TaskStorage(new LinuxKernel()).put(map, self, value, false);
            }
          });
      makeKeys(random.nextLong(), 2_000, directory::define);
      forEachMap((wire, map) -> new TaskStorage(new LinuxKernel()).remove(map, self));
      run.progress(i, directories, "directories");
    }
  }

  private void forEachMap(BiConsumer<Wire, KernelMap> what) {
    for (int i = 0; i < objects.size(); i++) {
      try (KernelMap map = KernelMap.duplicate(fixtures.get(i).dataMap(objects.get(i)).fd())) {
        what.accept(fixtures.get(i).wire(), map);
      }
    }
  }

  /** Makes the keys that soak_keys expects, from several threads, in any order. */
  private static void makeKeys(long seed, int pause, BiConsumer<String, SequenceLayout> maker)
      throws Exception {
    List<Integer> letters =
        new ArrayList<>(
            IntStream.rangeClosed('0', 'z').filter(Character::isLetterOrDigit).boxed().toList());
    Collections.shuffle(letters, new Random(seed));
    Parallel.run(
        MAKERS,
        index -> {
          Random random = new Random(seed + index);
          for (int i = index; i < letters.size(); i += MAKERS) {
            long until = System.nanoTime() + random.nextInt(pause);
            while (System.nanoTime() < until) {
              Thread.onSpinWait();
            }
            int letter = letters.get(i);
            maker.accept(
                Character.toString(letter).repeat(KeyDirectory.MAX_NAME_BYTES),
                MemoryLayout.sequenceLayout(letter % 48 + 1, JAVA_BYTE));
          }
        });
  }

  /**
   * A process that makes all its keys.
   *
   * @param args pins of maps, and a seed
   */
  public static void main(String[] args) throws Exception {
    for (int i = 0; i < args.length - 1; i++) {
      TaskLocalMap.open(Path.of(args[i])); // closed at the process's end
    }
    long seed = Long.parseLong(args[args.length - 1]);
    makeKeys(
        seed,
        2_000_000,
        (name, layout) -> TaskLocal.of(name, layout).segment().fill((byte) name.charAt(0)));
  }
}
