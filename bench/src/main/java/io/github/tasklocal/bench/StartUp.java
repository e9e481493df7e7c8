// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.Folders;
import io.github.tasklocal.kit.Jvm;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.net.URISyntaxException;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.JarOutputStream;

/**
 * From the start of a JVM to the first value that BPF sees. Whole processes are timed: a program
 * with the library and one by hand take turns, each with and without an AOT cache. A BPF program
 * looks at each system call of a thread that has an entry, and notes when it first sees the value;
 * the clock is the one of {@link System#nanoTime}.
 */
final class StartUp {

  private static final int ROUNDS = 20;
  private static final int QUICK_ROUNDS = 5;

  /** The first JDK that makes a cache in one run. */
  private static final int FIRST_WITH_CACHE = 25;

  private final Path folder;
  private final Path jar;
  private final Path pin;
  private final MemorySegment seenAt;

  /** One way to start one of the programs, and how long each start took, in milliseconds. */
  private record Way(Class<?> main, List<String> options, List<Double> times) {
    Way(Class<?> main, String... options) {
      this(main, List.of(options), new ArrayList<>());
    }

    Measure measure() {
      return Measure.of(times.stream().mapToDouble(each -> each).toArray());
    }
  }

  private StartUp(Path folder, Path pin, MemorySegment seenAt) throws IOException {
    this.folder = folder;
    this.jar = jar(folder);
    this.pin = pin;
    this.seenAt = seenAt;
  }

  static List<Row> rows(boolean quick) throws IOException, InterruptedException {
    Path folder = Folders.make("start");
    try (Bpffs bpffs = new Bpffs("rwx------");
        BpfObject object = Bundled.load("bench_start")) {
      Path pin = bpffs.path("map");
      object.map("task_local_data_map").pin(pin);
      object.program("look").attach();
      return new StartUp(folder, pin, object.global("seen_at"))
          .measure(quick ? QUICK_ROUNDS : ROUNDS);
    } finally {
      Folders.delete(folder);
    }
  }

  private List<Row> measure(int rounds) throws IOException, InterruptedException {
    boolean cached = Runtime.version().feature() >= FIRST_WITH_CACHE;
    Way nothing = new Way(StartUpNothing.class);
    Way library = new Way(StartUpLibrary.class);
    Way byHand = new Way(StartUpByHand.class);
    List<Way> ways = new ArrayList<>(List.of(nothing, library, byHand));
    if (cached) {
      ways.add(new Way(StartUpLibrary.class, cache(StartUpLibrary.class)));
      ways.add(new Way(StartUpByHand.class, cache(StartUpByHand.class)));
    }
    for (int round = -1; round < rounds; round++) {
      Collections.reverse(ways); // so that no way always follows the same one
      for (Way way : ways) {
        double millis = start(way.main(), way.options().toArray(String[]::new)) / 1e6;
        if (round >= 0) {
          way.times().add(millis);
        }
      }
    }
    List<Row> rows = new ArrayList<>();
    rows.add(
        new Row(
            "start",
            "JVM start to first value seen",
            "ms",
            library.measure(),
            "the same calls by hand",
            byHand.measure(),
            1.1,
            "A JVM that does nothing ends after %.0f ms.%s"
                .formatted(
                    nothing.measure().value(),
                    cached ? "" : " This JDK makes no AOT cache, which needs 25 or newer.")));
    if (cached) {
      Measure ours = find(ways, StartUpLibrary.class).measure();
      rows.add(
          new Row(
              "start",
              "the same, AOT cache each",
              "ms",
              ours,
              "the same calls by hand",
              find(ways, StartUpByHand.class).measure(),
              null,
              "The cache makes the library's start take %.2f of the time without."
                  .formatted(ours.value() / library.measure().value())));
    }
    return rows;
  }

  private static Way find(List<Way> ways, Class<?> main) {
    return ways.stream()
        .filter(way -> way.main() == main && !way.options().isEmpty())
        .findFirst()
        .orElseThrow();
  }

  /** {@return the options that use a cache, which a training run makes here} */
  private String[] cache(Class<?> main) throws IOException, InterruptedException {
    Path cache = folder.resolve(main.getSimpleName() + ".aot");
    long ignored = start(main, "-XX:AOTCacheOutput=" + cache);
    // A start that fails is better than one that silently goes without the cache.
    return new String[] {"-XX:AOTCache=" + cache, "-XX:AOTMode=on"};
  }

  /**
   * {@return nanoseconds from the start until BPF sees the value, or to the end if none is shown}
   */
  private long start(Class<?> main, String... options) throws IOException, InterruptedException {
    Path output = folder.resolve("output");
    List<String> command = new ArrayList<>();
    command.add(Jvm.java());
    command.add("--enable-native-access=ALL-UNNAMED");
    command.addAll(List.of(options));
    command.addAll(List.of("-cp", jar.toString(), main.getName(), pin.toString()));
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(output.toFile());

    seenAt.set(JAVA_LONG, 0, 0);
    long start = System.nanoTime();
    Process process = builder.start();
    boolean ended = process.waitFor(1, TimeUnit.MINUTES);
    long end = System.nanoTime();
    long seen = seenAt.get(JAVA_LONG, 0);

    if (!ended) {
      process.destroyForcibly().waitFor();
    }
    boolean shows = main != StartUpNothing.class;
    if (process.exitValue() != 0 || (seen != 0) != shows) {
      throw new IllegalStateException(
          "%s ended with status %d, its value %s; it said: %s"
              .formatted(
                  main.getSimpleName(),
                  process.exitValue(),
                  seen == 0 ? "unseen" : "seen",
                  Files.readString(output, Charset.defaultCharset())));
    }
    return (shows ? seen : end) - start;
  }

  /**
   * {@return a jar of the library and the three programs} The benchmarks' own jar takes some 10 ms
   * to open, which would hide a part of the difference.
   */
  private static Path jar(Path folder) throws IOException {
    Path jar = folder.resolve("start.jar");
    String library = "io/github/tasklocal/";
    try (JarFile all = new JarFile(home().toFile());
        JarOutputStream some = new JarOutputStream(Files.newOutputStream(jar))) {
      for (JarEntry entry : Collections.list(all.entries())) {
        String name = entry.getName();
        if (name.startsWith(library + "bench/StartUp")
            || (name.startsWith(library)
                && !name.startsWith(library + "bench/")
                && !name.startsWith(library + "kit/"))) {
          some.putNextEntry(new JarEntry(name));
          try (InputStream content = all.getInputStream(entry)) {
            content.transferTo(some);
          }
        }
      }
    }
    return jar;
  }

  private static Path home() {
    try {
      return Path.of(StartUp.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }
}
