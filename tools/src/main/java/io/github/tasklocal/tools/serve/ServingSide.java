// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.serve;

import io.github.tasklocal.kit.Kernel;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.tools.system.Failure;
import io.github.tasklocal.tools.system.Namespaces;
import io.github.tasklocal.tools.system.Poller;
import io.github.tasklocal.tools.system.RawMaps;
import io.github.tasklocal.tools.system.Sockets;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.GroupPrincipal;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
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
 * @param interim whether it serves those maps only, makes way for one that is to stay, and leaves
 *     nothing behind
 * @param limits how much is given
 */
public record ServingSide(
    Socket socket, Path pins, List<Path> maps, boolean onSlots, boolean interim, Limits limits) {

  /**
   * What a JVM, refused connections and maps take; and what one user sends, and has us wait for.
   */
  private static final int SPARE_DESCRIPTORS = 200 + Clients.MOST_OPEN + Sockets.MOST_DESCRIPTORS;

  /**
   * Where processes connect, and who may.
   *
   * @param path where
   * @param mode of the file: whoever may write it can connect
   * @param group of the file, where it is not to be that of this process
   */
  public record Socket(Path path, Set<PosixFilePermission> mode, @Nullable GroupPrincipal group) {
    @Override
    public String toString() {
      return "%s (%s%s)"
          .formatted(
              path, PosixFilePermissions.toString(mode), group == null ? "" : " of group " + group);
    }
  }

  /**
   * How much is given.
   *
   * @param processes to how many processes
   * @param ofUser to how many of one user
   * @param pages how many pages each, in whole arrays
   * @param pagesOfUser how many pages to all processes of one user, in whole arrays
   */
  public record Limits(int processes, int ofUser, int pages, int pagesOfUser) {

    /** {@return how many arrays each process may have} */
    int arrays() {
      return Math.ceilDiv(pages, RawMaps.PAGES);
    }

    /** {@return how many arrays all processes of one user may have} */
    int arraysOfUser() {
      return Math.ceilDiv(pagesOfUser, RawMaps.PAGES);
    }
  }

  /**
   * Serves until it is told to stop.
   *
   * @param log is told what happens
   * @param stop is given what ends this, in any thread
   * @throws Failure if it cannot begin
   */
  public void run(ServeLog log, Consumer<Runnable> stop) throws Failure, IOException {
    requirePrivileges();
    requireDescriptors();
    if (interim) {
      PinFolder.requireFree(pins); // before anybody can connect
    } else {
      PinFolder.claim(pins, socket.path());
    }
    try (PinFolder folder = PinFolder.open(pins, interim)) {
      try (Listener listener = Listener.open(socket)) {
        serve(listener, folder, log, stop);
      }
      if (folder.isInterim()) {
        folder.remove();
        folder.removeIfEmpty();
      }
    }
  }

  private void serve(Listener listener, PinFolder folder, ServeLog log, Consumer<Runnable> stop)
      throws Failure, IOException {
    try (ServeTables tables = ServeTables.open(folder);
        Threads threads = Threads.open(folder, maps, onSlots, interim);
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
      folder.keep();
      stop.accept(serving::stop);
      log.tell(
          "ready",
          "serves at %s%s; %s"
              .formatted(
                  socket,
                  kept == 0 ? "" : ", and " + kept + " processes from before",
                  threads.words()),
          "socket",
          listener.path().toString(),
          "kept",
          kept,
          "ways",
          threads.registration().ways(),
          "threads",
          threads.words());
      if (interim) {
        serving.run(folder::isInterim);
        listener.leave();
        if (folder.isInterim()) {
          serving.takeAllBack();
        }
      } else {
        serving.run(null);
        listener.leave();
        serving.tellEnd();
      }
    }
  }

  /** {@return whether one that is to stay serves with these pins, or has and may come back} */
  public static boolean isAtHome(Path pins) throws IOException {
    return PinFolder.isTaken(pins);
  }

  /**
   * Removes what serving sides have left in a folder of pins, with the folder if nothing else is
   * there; the maps beside it; and the socket of one that was killed.
   */
  public static void remove(Path socket, Path pins) throws Failure, IOException {
    requirePrivileges();
    try (PinFolder folder = PinFolder.open(pins, false)) {
      folder.remove();
      for (Path map :
          List.of(
              folder.known(Wire.C.mapName()),
              folder.byName(Wire.A.mapName()),
              folder.byName("tld_slot_map"),
              folder.byName("tld_arrays"))) {
        boolean ignored = Files.deleteIfExists(map);
      }
      folder.keep(); // It has made nothing that was to stay.
      folder.removeIfEmpty();
    }
    Listener.removeDead(socket.toAbsolutePath());
  }

  /** Each process takes two, and one more as it comes back after a restart. */
  private void requireDescriptors() throws Failure, IOException {
    long needed = 3L * limits.processes() + SPARE_DESCRIPTORS;
    for (String line : Files.readAllLines(Path.of("/proc/self/limits"))) {
      String[] words = line.split("\\s+");
      if (line.startsWith("Max open files")
          && words[3].matches("\\d+")
          && Long.parseLong(words[3]) < needed) {
        throw new Failure(
            "%s open files are allowed, and %d processes take %d"
                .formatted(words[3], limits.processes(), needed),
            ("raise the limit (ulimit -n %1$d, LimitNOFILE=%1$d in the unit, --ulimit nofile=%1$d of a"
                    + " container), or lower --max-processes")
                .formatted(needed));
      }
    }
  }

  private static void requirePrivileges() throws Failure {
    if (!Namespaces.inFirst("pid")) {
      throw new Failure(
          "this is not the first pid namespace, so processes outside of it could not be told apart",
          "run it on the machine itself, or in a container with --pid=host (hostPID of"
              + " Kubernetes)");
    }
    // CAP_SYS_ADMIN stands for both, but nothing here takes more of it.
    List<String> lacking =
        Kernel.lackingCapabilities().stream()
            .filter(capability -> !capability.equals("CAP_SYS_ADMIN"))
            .toList();
    if (!lacking.isEmpty()) {
      throw new Failure(
          "no " + String.join(" and no ", lacking), "run as root, or with CAP_BPF and CAP_PERFMON");
    }
  }
}
