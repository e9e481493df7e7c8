// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.jar.Attributes;
import java.util.jar.JarFile;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A serving side of the tools' jar in a process of its own, with a socket and pins of a test's. It
 * can be killed and started again, and ends when this is closed, or with this process.
 */
public final class ServeProcess implements AutoCloseable {

  /** The system property that says where the jar is. */
  public static final String JAR = "tasklocal.toolsJar";

  private final Path folder;
  private final Path pins;
  private final List<String> options;
  private @Nullable Process process;

  /**
   * Starts it, and waits until it serves.
   *
   * @param pins where it pins, on a bpffs, in a folder that is the test's alone
   * @param options besides those of the socket and the pins; also of java, with {@code -D}
   */
  public ServeProcess(Path pins, String... options) throws IOException {
    this.folder = Folders.make("serve");
    this.pins = pins;
    this.options = List.of(options);
    Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxr-xr-x"));
    start();
  }

  /** Starts it, where it has ended; what it waits for is that it serves. */
  public void start() throws IOException {
    String jar = System.getProperty(JAR);
    if (jar == null) {
      throw new IllegalStateException(
          "no serving side: name the tools' jar with -D" + JAR + "=FILE");
    }
    List<String> own = new ArrayList<>(Jvm.shortLived());
    options.stream().filter(option -> option.startsWith("-D")).forEach(own::add);
    List<String> command = Jvm.reading(own, jar, Child.class);
    command.add(mainClass(jar));
    command.addAll(List.of("serve", "--json", "--mode", "666"));
    command.addAll(List.of("--socket", socket().toString(), "--pins", pins.toString()));
    options.stream().filter(option -> !option.startsWith("-D")).forEach(command::add);
    Files.deleteIfExists(log());
    Process started =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(log().toFile()) // a pipe that nobody reads would stop it
            .start();
    process = started;
    String ignored =
        Await.until(
            "the serving side to be ready",
            this::said,
            said -> said.contains("\"ready\"") || !started.isAlive());
    if (!started.isAlive()) {
      throw new IllegalStateException("the serving side has ended:\n" + said());
    }
  }

  private static String mainClass(String jar) throws IOException {
    try (JarFile file = new JarFile(jar)) {
      Attributes about = Objects.requireNonNull(file.getManifest()).getMainAttributes();
      return Objects.requireNonNull(about.getValue(Attributes.Name.MAIN_CLASS));
    }
  }

  private Path log() {
    return folder.resolve("log");
  }

  /** {@return what it has said since it was started} */
  public String said() {
    try {
      return Files.exists(log()) ? Files.readString(log()) : "";
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** {@return where processes connect} */
  public Path socket() {
    return folder.resolve("tasklocal.sock");
  }

  /** {@return a map that it pins beside its folder, where libbpf looks by name} */
  public Path byName(String name) {
    return pins.resolveSibling(name);
  }

  /** {@return how many arrays there are, given away or not} */
  public long arrays() {
    try (Stream<Path> all = Files.list(pins.resolve("serve_1"))) {
      return all.filter(pin -> pin.getFileName().toString().startsWith("array_")).count();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** {@return how many bytes of its memory are resident, without the arrays} */
  public long memory() throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/" + running().pid() + "/status"))) {
      if (line.startsWith("RssAnon:")) {
        return 1024 * Long.parseLong(line.replaceAll("[^0-9]", ""));
      }
    }
    throw new IllegalStateException("the kernel does not say how much memory a process has");
  }

  /** {@return how many descriptors it has open} */
  public long descriptors() {
    try (Stream<Path> all = Files.list(Path.of("/proc/" + running().pid() + "/fd"))) {
      return all.count();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Kills it. */
  public void kill() {
    running().destroyForcibly().onExit().join();
  }

  /** Has it end in an orderly way. */
  public void end() {
    Process ending = running();
    // Not the process itself, which would close its input: then it would end at once.
    boolean ignored = ending.toHandle().destroy();
    Await.until("the end of the serving side", () -> !ending.isAlive());
  }

  private Process running() {
    Process running = process;
    if (running == null) {
      throw new IllegalStateException("it was not started");
    }
    return running;
  }

  @Override
  public void close() throws IOException {
    if (process != null) {
      kill();
    }
    Folders.delete(folder);
  }
}
