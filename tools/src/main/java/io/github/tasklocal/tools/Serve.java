// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.kit.Kernel;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Serves processes over a socket, so that they share values without any privilege. */
@Command(
    name = "serve",
    mixinStandardHelpOptions = true,
    versionProvider = Tools.Version.class,
    description = {
      "Lets processes share their threads' values with BPF programs over a socket, until Ctrl-C.",
      "",
      "A process that connects gets pages of its own for its threads' values, and needs no"
          + " privilege. Values go on being seen after this has ended; started again, it goes on"
          + " where it was.",
      "",
    },
    footer = {
      "",
      "Needs root, or CAP_BPF and CAP_PERFMON with a socket and pins in folders of this user; and"
          + " the first pid namespace."
    })
final class Serve implements Callable<Integer> {

  /** What a JVM, refused connections and maps take. */
  private static final int SPARE_DESCRIPTORS = 200;

  private static final Path HOME = Objects.requireNonNull(TaskLocalMap.defaultPin().getParent());

  @Spec private @Nullable CommandSpec spec;

  @Mixin private ServeSocket socket = new ServeSocket();

  @Option(
      names = "--max-processes",
      paramLabel = "N",
      defaultValue = "1000",
      description = "How many processes are served at once (${DEFAULT-VALUE}).")
  private int processes;

  @Option(
      names = "--max-processes-per-user",
      paramLabel = "N",
      defaultValue = "500",
      description = "How many of one user (${DEFAULT-VALUE}).")
  private int ofUser;

  @Option(
      names = "--max-pages",
      paramLabel = "N",
      defaultValue = "16384",
      description =
          "How many pages of 4 KiB a process may have, in steps of 64 (${DEFAULT-VALUE}): one for"
              + " each thread, and two.")
  private int pages;

  @Option(
      names = "--pins",
      paramLabel = "FOLDER",
      description =
          "Where on a bpffs to pin what stays when this ends (${DEFAULT-VALUE}); the maps that"
              + " programs find by their names lie beside it.")
  private Path pins = HOME;

  @Option(
      names = "--map",
      paramLabel = "PATH",
      description =
          "Where a BPF program pins a map that is to see the values, too, now or later; can be"
              + " repeated. Needs a kernel with uptr.")
  private List<Path> others = List.of();

  @Option(
      names = "--remove",
      description =
          "Remove what earlier ones have left in --pins and the maps beside it, and end: values are"
              + " seen no longer, until processes connect again.")
  private boolean remove;

  @Option(
      names = "--slots",
      hidden = true,
      description = "Use slots, as on kernels without uptr. For tests.")
  private boolean onSlots;

  @Option(names = "--json", description = "Print a JSON object for each event, on a line.")
  private boolean json;

  private Serve() {}

  @Override
  public Integer call() throws Exception {
    requirePositive("--max-processes", processes);
    requirePositive("--max-processes-per-user", ofUser);
    requirePositive("--max-pages", pages);
    requirePrivileges();
    if (remove) {
      return remove();
    }
    requireDescriptors();
    ServeLog log = new ServeLog(Tools.require(spec).commandLine().getOut(), json);
    int arrays = Math.ceilDiv(pages, RawMaps.PAGES);
    Serving.Limits limits = new Serving.Limits(processes, ofUser, arrays);
    try (Stop stop = new Stop();
        ServeSocket.Listener listener = socket.listen();
        PinFolder folder = PinFolder.open(pins.toAbsolutePath());
        ServeTables tables = ServeTables.open(folder);
        Threads threads = Threads.open(folder, others, onSlots);
        Poller poller = new Poller();
        ArrayStock stock = new ArrayStock(folder, threads.slots(), poller::wake);
        Serving serving =
            new Serving(
                listener.descriptor(),
                poller,
                tables,
                stock,
                threads.registration(),
                limits,
                log)) {
      int kept = new Survivors(folder, tables, stock, threads.registration()).handOver(serving);
      stock.start();
      stop.then(serving::stop);
      log.tell(
          "ready",
          "serves at %s, and %d processes from before; %s"
              .formatted(listener.path(), kept, threads.words()),
          "socket",
          listener.path().toString(),
          "kept",
          kept,
          "ways",
          threads.registration().ways(),
          "threads",
          threads.words());
      serving.run();
    }
    return 0;
  }

  private int remove() throws Failure, IOException {
    try (PinFolder folder = PinFolder.open(pins.toAbsolutePath())) {
      folder.remove();
      for (Path map :
          List.of(
              folder.known(Wire.C.mapName()),
              folder.byName(Wire.A.mapName()),
              folder.byName("tld_slot_map"),
              folder.byName("tld_arrays"))) {
        boolean ignored = Files.deleteIfExists(map);
      }
    }
    return 0;
  }

  /** Each process takes two. */
  private void requireDescriptors() throws Failure, IOException {
    long needed = 2L * processes + SPARE_DESCRIPTORS;
    for (String line : Files.readAllLines(Path.of("/proc/self/limits"))) {
      String[] words = line.split("\\s+");
      if (line.startsWith("Max open files")
          && words[3].matches("\\d+")
          && Long.parseLong(words[3]) < needed) {
        throw new Failure(
            "%s open files are allowed, and %d processes take %d"
                .formatted(words[3], processes, needed),
            "raise the limit (ulimit -n %d, or LimitNOFILE=%d in the unit), or lower --max-processes"
                .formatted(needed, needed));
      }
    }
  }

  private static void requirePrivileges() throws Failure {
    if (!Namespaces.inFirst("pid")) {
      throw new Failure(
          "this is not the first pid namespace, so processes outside of it could not be told apart",
          "run it on the machine itself, or in a container with --pid=host");
    }
    List<String> lacking = Kernel.lackingCapabilities();
    if (!lacking.isEmpty()) {
      throw new Failure(
          "no " + String.join(", ", lacking), "run as root, or give it these capabilities");
    }
  }

  private void requirePositive(String option, int value) {
    if (value < 1) {
      throw new ParameterException(
          Tools.require(spec).commandLine(),
          option + " takes a number of at least 1, not " + value);
    }
  }
}
