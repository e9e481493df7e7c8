// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import com.grack.nanojson.JsonObject;
import io.github.tasklocal.bpf.BpfLink;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.tools.system.Failure;
import io.github.tasklocal.tools.system.Native;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Values as hints for a scheduler that reads none. */
@Command(
    name = "hints",
    mixinStandardHelpOptions = true,
    versionProvider = Tools.Version.class,
    description = {
      "Carries each thread's value of a key into scx_layered's map of hints, until Ctrl-C.",
      "",
    },
    footer = {
      "",
      "scx_layered makes that map if it is started with --task-hint-map PATH, and puts threads into"
          + " the layer whose HintEquals is their hint. Both may start and end in any order. A hint"
          + " is written as the thread is woken, and as its time is charged, which is at each tick"
          + " at the latest.",
      "",
      "Values without a number become no hint. scx_layered then leaves the thread in the layer that"
          + " it is in: so give the ordinary value the number of an ordinary layer, as in --map"
          + " 7=1,0=0. Map no value to a number that no layer has.",
      "",
      "At its end it takes back what it has written. After a SIGKILL that stays until it runs"
          + " again: hints with a number of --map are then taken for its own.",
      "",
      "Needs root or CAP_BPF and CAP_PERFMON, and Linux 6.13 or newer,"
          + " or from 5.17 on a serving side."
    })
final class Hints implements Callable<Integer> {

  private static final String MAP = "scx_layered_task_hint_map";

  /** The largest number that is a hint for scx_layered. */
  private static final long LARGEST = 1024;

  /** How long a value can be that is looked up. */
  private static final int MOST = 64;

  private static final long MILLIS_PER_REPORT = 1000;

  @Spec private @Nullable CommandSpec spec;

  @Mixin private MapOptions map = new MapOptions();

  @Option(
      names = "--key",
      required = true,
      paramLabel = "NAME:TYPE",
      converter = KeyOption.Converter.class,
      description = "The key. A TYPE is boolean, a whole number as in dump, or string.")
  private KeyOption key = new KeyOption("", null);

  @Option(
      names = "--layered",
      required = true,
      paramLabel = "PATH",
      description = "Where scx_layered pins its map of hints, on a bpffs.")
  private Path layered = Path.of("");

  @Option(
      names = "--map",
      required = true,
      split = ",",
      paramLabel = "VALUE=HINT",
      description = "Which number each value is for scx_layered, from 0 to 1024.")
  private Map<String, Long> hints = new LinkedHashMap<>();

  @Option(names = "--json", description = "A JSON object with counts, on a line, each second.")
  private boolean json;

  private Hints() {}

  /** What the program has counted, of this object and those before it. */
  private record Counts(long changes, long failed, long runs, double nanos) {
    static final Counts NONE = new Counts(0, 0, 0, 0);

    static Counts read(BpfObject object) {
      object.program("collect").run();
      MemorySegment cost = object.global("cost_total");
      long runs = cost.getAtIndex(JAVA_LONG, 0);
      long timed = cost.getAtIndex(JAVA_LONG, 1);
      long nanos = cost.getAtIndex(JAVA_LONG, 2);
      return new Counts(
          object.global("changes").get(JAVA_LONG, 0),
          object.global("failed").get(JAVA_LONG, 0),
          runs,
          timed == 0 ? 0 : (double) nanos / timed * runs);
    }

    Counts plus(Counts other) {
      return new Counts(
          changes + other.changes, failed + other.failed, runs + other.runs, nanos + other.nanos);
    }
  }

  @Override
  public Integer call() throws Exception {
    Map<MemorySegment, Long> values = values();
    Path folder = layered.toAbsolutePath().getParent();
    if (folder == null || !Native.isBpffs(folder)) {
      throw new Failure(
          layered + " is not on a bpffs",
          "name the path of scx_layered's --task-hint-map, such as /sys/fs/bpf/layered_hints");
    }
    long start = System.nanoTime();
    Counts counts = Counts.NONE;
    try (Stop stop = new Stop()) {
      boolean end;
      do {
        try (BpfObject object = load()) {
          values.forEach(
              (value, hint) -> {
                object.map("hints").put(value, number(hint));
                object.global("given").set(JAVA_BYTE, hint, (byte) 1);
              });
          Object pin = pin(layered);
          List<BpfLink> links = new ArrayList<>();
          Counts before = counts;
          try {
            MemorySegment _ = object.program("take_over").iterate();
            links.add(object.program("waking").attach());
            links.add(object.program("charged").attach());
            do {
              end = stop.await(MILLIS_PER_REPORT);
              counts = before.plus(Counts.read(object));
              if (json) {
                report(counts, System.nanoTime() - start);
              }
            } while (!end && pin != null && pin.equals(pin(layered)));
          } finally {
            links.forEach(BpfLink::close);
            // However it ends: nobody else would take the hints back.
            MemorySegment _ = object.program("take_back").iterate();
          }
        }
        if (!end) {
          say("another map is at " + layered + " now: that one gets the hints");
        }
      } while (!end);
      if (!json) {
        report(counts, System.nanoTime() - start);
      }
    }
    return 0;
  }

  /**
   * Loads the program, with the map at scx_layered's path, or with a new one that is pinned there
   * and stays. It is opened and made by another path, since a pin of another form would be
   * replaced, and an object removes its own pins.
   */
  private BpfObject load() throws Failure, IOException {
    while (true) {
      Path own =
          layered.resolveSibling(
              "%s_%d_%d"
                  .formatted(
                      layered.getFileName(), ProcessHandle.current().pid(), System.nanoTime()));
      boolean there = link(own, layered);
      BpfObject object = null;
      boolean done = false;
      try {
        object =
            map.load(
                "hints",
                program -> {
                  SeenValue.choose(program, key);
                  program.map(MAP).pinPath(own);
                });
        if (there && !Objects.equals(pin(own), pin(layered))) {
          throw new Failure(
              layered + " is no map of scx_layered's hints, or was replaced just now",
              "check the path");
        }
        done = there || link(layered, own);
        if (done) {
          return object;
        }
      } finally {
        if (!done && object != null) {
          object.close();
        }
        Files.deleteIfExists(own);
      }
    }
  }

  /** {@return whether a link was made; false if there is nothing to link to, or already one} */
  private static boolean link(Path link, Path to) throws IOException {
    try {
      Files.createLink(link, to);
      return true;
    } catch (NoSuchFileException | FileAlreadyExistsException e) {
      return false;
    }
  }

  /** {@return what tells one pin at a path from another; null if there is none} */
  private static @Nullable Object pin(Path path) throws IOException {
    try {
      return Files.getAttribute(path, "unix:ino", LinkOption.NOFOLLOW_LINKS);
    } catch (NoSuchFileException e) {
      return null;
    }
  }

  /** {@return the values that have a hint, as the program looks them up} */
  private Map<MemorySegment, Long> values() {
    Map<MemorySegment, Long> values = new LinkedHashMap<>();
    hints.forEach(
        (text, hint) -> {
          if (hint < 0 || hint > LARGEST) {
            throw bad("a hint is a number from 0 to " + LARGEST + ", not " + hint);
          }
          values.put(value(text), hint);
        });
    return values;
  }

  /** {@return {@code struct value}, without a size} */
  private MemorySegment value(String text) {
    MemorySegment value = Arena.ofAuto().allocate(SeenValue.BYTES, Long.BYTES);
    byte[] bytes = bytes(text);
    MemorySegment.copy(bytes, 0, value, JAVA_BYTE, 8, bytes.length);
    return value;
  }

  private byte[] bytes(String text) {
    ValueType type = key.type();
    if (type == ValueType.STRING) {
      byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
      if (bytes.length > MOST) {
        throw bad("a string of --map has up to 64 bytes, not " + bytes.length);
      }
      return bytes;
    }
    if (type == ValueType.BOOLEAN && text.matches("true|false")) {
      return new byte[] {(byte) (text.equals("true") ? 1 : 0)};
    }
    boolean signed = true;
    switch (type) {
      case UBYTE, USHORT, UINT, ULONG -> signed = false;
      case BYTE, SHORT, INT, LONG -> {}
      case BOOLEAN -> throw bad("a boolean of --map is true or false, not " + text);
      case null, default ->
          throw bad("name a type: boolean, a whole number, or string, as in --key priority:int");
    }
    BigInteger number;
    try {
      number = new BigInteger(text);
    } catch (NumberFormatException e) {
      throw bad("--map has a value that is no number: " + Output.printable(text));
    }
    int bits = 8 * type.size();
    if (signed ? number.bitLength() >= bits : number.signum() < 0 || number.bitLength() > bits) {
      throw bad("--map has a value that is no " + type + ": " + number);
    }
    byte[] bytes = new byte[type.size()];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = number.shiftRight(8 * i).byteValue();
    }
    return bytes;
  }

  private static MemorySegment number(long hint) {
    MemorySegment number = Arena.ofAuto().allocate(JAVA_LONG);
    number.set(JAVA_LONG, 0, hint);
    return number;
  }

  private void report(Counts counts, long nanos) throws Failure {
    Output out = Output.of(Tools.require(spec));
    double share = counts.nanos / nanos / Runtime.getRuntime().availableProcessors();
    long each = counts.runs == 0 ? 0 : Math.round(counts.nanos / counts.runs);
    if (json) {
      out.json(
          JsonObject.builder()
              .value("hints", counts.changes)
              .value("hints_without_room", counts.failed)
              .object("cost")
              .value("share", share)
              .value("runs", counts.runs)
              .value("ns_per_run", each)
              .end()
              .done());
      out.print("");
    } else {
      out.said(
          String.format(
              Locale.ROOT,
              "wrote %d hints; no room for %d%ncost: %s of the processors, %d ns a wake-up or charge",
              counts.changes,
              counts.failed,
              TopTable.percent(share),
              each));
    }
    Output.requireWritten(Tools.require(spec).commandLine().getOut());
  }

  private void say(String text) {
    Output.say(Tools.require(spec), Output.printable(text));
  }

  private ParameterException bad(String message) {
    return new ParameterException(Tools.require(spec).commandLine(), message);
  }
}
