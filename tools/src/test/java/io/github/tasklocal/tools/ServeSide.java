// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** A serving side in a process of its own, with a socket and a bpffs of the test's. */
final class ServeSide implements AutoCloseable {

  private final Path folder;
  private final List<Object> options;
  private final Bpffs bpffs = new Bpffs("rwxr-xr-x");
  private TopProcess process;

  /**
   * Starts it.
   *
   * @param folder for the socket and the client
   * @param options besides these
   */
  ServeSide(Path folder, Object... options) throws IOException {
    this.folder = folder;
    this.options = List.of(options);
    this.process = start();
  }

  private TopProcess start() throws IOException {
    List<Object> command = arguments();
    TopProcess started = new TopProcess(command.toArray());
    started.awaitLine("the socket", line -> line.contains("\"ready\""));
    return started;
  }

  /** {@return the arguments with which it is started} */
  List<Object> arguments() {
    List<Object> command = new ArrayList<>(List.of("serve", "--json"));
    if (!options.contains("--mode")) {
      command.addAll(List.of("--mode", "666"));
    }
    command.addAll(List.of("--socket", socket(), "--pins", pins()));
    command.addAll(options);
    return command;
  }

  Path socket() {
    return folder.resolve("tasklocal.sock");
  }

  Path pins() {
    return bpffs.path("tasklocal");
  }

  /** {@return the pin of the map of wire A} */
  Path wireA() {
    return bpffs.path("task_local_data_map");
  }

  Bpffs bpffs() {
    return bpffs;
  }

  TopProcess process() {
    return process;
  }

  /** {@return a client that has not connected yet, without privileges} */
  ServeClient client() throws IOException {
    return new ServeClient(folder, ServeClient.NOBODY);
  }

  /** Kills it. */
  void kill() throws IOException {
    process.signal("KILL");
    Await.until("its end", () -> !process.isAlive());
  }

  /** Removes all that it has pinned, after its end. */
  void forget() {
    String ignored = Jvm.output(List.of("sh", "-c", "rm -rf " + bpffs.path("t") + "*"));
  }

  /** Starts it again, in place of one that has ended. */
  void restart() throws IOException {
    process.close();
    process = start();
  }

  /** {@return how many arrays are pinned} */
  long arrays() {
    try (Stream<Path> pins = Files.list(pins().resolve("serve_1"))) {
      return pins.filter(pin -> pin.getFileName().toString().startsWith("array_")).count();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** {@return what programs see, in the way for which it was started} */
  ServeView view() throws IOException {
    return options.contains("--slots")
        ? ServeView.ofSlots(this, folder)
        : ServeView.ofMap(wireA(), Wire.A);
  }

  @Override
  public void close() throws IOException {
    try (bpffs) {
      process.close();
      Await.until("its end", () -> !process.isAlive());
    }
  }
}
