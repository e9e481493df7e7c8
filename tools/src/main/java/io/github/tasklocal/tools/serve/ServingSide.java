// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.serve;

import io.github.tasklocal.kit.Kernel;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.tools.system.Failure;
import io.github.tasklocal.tools.system.Namespaces;
import io.github.tasklocal.tools.system.Poller;
import io.github.tasklocal.tools.system.RawMaps;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.GroupPrincipal;
import java.nio.file.attribute.PosixFilePermission;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A serving side, put together from its parts.
 *
 * @param socket where processes connect
 * @param pins the folder of what stays when it ends
 * @param maps pins of others' maps that are to see the values, too
 * @param onSlots whether to use slots although there are uptrs
 * @param limits how much is given
 */
public record ServingSide(
    Socket socket, Path pins, List<Path> maps, boolean onSlots, Limits limits) {

  /** What a JVM, refused connections and maps take. */
  private static final int SPARE_DESCRIPTORS = 200;

  /**
   * Where processes connect, and who may.
   *
   * @param path where
   * @param mode of the file: whoever may write it can connect
   * @param group of the file, where it is not to be that of this process
   */
  public record Socket(Path path, Set<PosixFilePermission> mode, @Nullable GroupPrincipal group) {}

  /**
   * How much is given.
   *
   * @param processes to how many processes
   * @param ofUser to how many of one user
   * @param pages how many pages each, in whole arrays
   */
  public record Limits(int processes, int ofUser, int pages) {

    /** {@return how many arrays each process may have} */
    int arrays() {
      return Math.ceilDiv(pages, RawMaps.PAGES);
    }
  }

  /**
   * Serves until it is told to stop.
   *
   * @param log is told what happens
   * @param stop is given what ends this, in any thread
   * @throws Failure if it cannot begin, with nothing changed
   */
  public void run(ServeLog log, Consumer<Runnable> stop) throws Failure, IOException {
    requirePrivileges();
    requireDescriptors();
    try (Listener listener = Listener.open(socket);
        PinFolder folder = PinFolder.open(pins);
        ServeTables tables = ServeTables.open(folder);
        Threads threads = Threads.open(folder, maps, onSlots);
        Poller poller = new Poller();
        ArrayStock stock = new ArrayStock(folder, threads.slots(), log, poller::wake);
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
      stop.accept(serving::stop);
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
  }

  /** Removes what serving sides have left in a folder of pins, and the maps beside it. */
  public static void remove(Path pins) throws Failure, IOException {
    requirePrivileges();
    try (PinFolder folder = PinFolder.open(pins)) {
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
  }

  /** Each process takes two. */
  private void requireDescriptors() throws Failure, IOException {
    long needed = 2L * limits.processes() + SPARE_DESCRIPTORS;
    for (String line : Files.readAllLines(Path.of("/proc/self/limits"))) {
      String[] words = line.split("\\s+");
      if (line.startsWith("Max open files")
          && words[3].matches("\\d+")
          && Long.parseLong(words[3]) < needed) {
        throw new Failure(
            "%s open files are allowed, and %d processes take %d"
                .formatted(words[3], limits.processes(), needed),
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
}
