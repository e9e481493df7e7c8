// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit;

import java.io.File;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * JVMs and other processes that this JVM starts.
 *
 * <p>A child has this JVM's options, so that all processes of a run use the same collector and
 * compiler. It ends when this JVM ends, however that happens ({@link Child}), and is killed with
 * all that it started when its time is over ({@link Patience#CHILD}).
 */
public final class Jvm {

  /** An option that chooses the collector; a JVM takes only one such. */
  private static final Pattern COLLECTOR = Pattern.compile("-XX:\\+Use\\w+GC");

  /** Options for this JVM alone: agents and debuggers, its archive, its files, its name. */
  private static final Pattern OWN =
      Pattern.compile(
          "-(javaagent|agentlib|agentpath|Xrunjdwp|Xdebug|Xlog|Xshare|splash).*"
              + "|-D(?!java\\.io\\.tmpdir=|tasklocal\\.).*"
              + "|-XX:(AOT|SharedArchiveFile|ArchiveClassesAtExit|FlightRecorder|StartFlight|Flags=).*");

  /** How a process ended. */
  public record Result(int exit, String output) {}

  private Jvm() {}

  /** {@return the java command of this runtime} */
  public static String java() {
    return tool("java");
  }

  /** {@return a command of this runtime} */
  public static String tool(String name) {
    return Path.of(System.getProperty("java.home"), "bin", name).toString();
  }

  /**
   * {@return the options of a child: this JVM's, and then its own}
   *
   * @param own options that the child cannot do without; a collector among them replaces this JVM's
   */
  public static List<String> options(List<String> own) {
    return options(ManagementFactory.getRuntimeMXBean().getInputArguments(), own);
  }

  static List<String> options(List<String> parents, List<String> own) {
    boolean ownCollector = own.stream().anyMatch(COLLECTOR.asMatchPredicate());
    return Stream.concat(
            parents.stream()
                .filter(each -> !OWN.matcher(each).matches())
                .filter(each -> !(ownCollector && COLLECTOR.matcher(each).matches())),
            own.stream())
        .toList();
  }

  /**
   * {@return options for a child that ends before C2 and a collector with threads of its own would
   * pay off; a collector that this JVM was told to use is the child's, too}
   */
  public static List<String> shortLived() {
    return shortLived(ManagementFactory.getRuntimeMXBean().getInputArguments());
  }

  static List<String> shortLived(List<String> parents) {
    List<String> options = new ArrayList<>(List.of("-XX:TieredStopAtLevel=1"));
    if (parents.stream().noneMatch(COLLECTOR.asMatchPredicate())) {
      options.add("-XX:+UseSerialGC");
    }
    return options;
  }

  /**
   * {@return the command of a child that runs a class, and ends when its standard input does}
   *
   * @param own options besides this JVM's
   * @param classPath where the class is, and {@link Child}
   */
  public static List<String> command(
      List<String> own, String classPath, Class<?> main, String... arguments) {
    List<String> command = reading(own, classPath, Child.class);
    command.add(main.getName());
    command.addAll(List.of(arguments));
    return command;
  }

  /**
   * {@return the command of a child that reads its standard input itself, and ends when that ends}
   */
  public static List<String> reading(
      List<String> own, String classPath, Class<?> main, String... arguments) {
    List<String> command = new ArrayList<>(List.of(java()));
    command.addAll(options(own));
    if (!command.contains("--enable-native-access=ALL-UNNAMED")) {
      command.add("--enable-native-access=ALL-UNNAMED");
    }
    command.addAll(List.of("-Dstdout.encoding=UTF-8", "-Dstderr.encoding=UTF-8"));
    command.addAll(List.of("-cp", classPath, main.getName()));
    command.addAll(List.of(arguments));
    return command;
  }

  /** {@return this JVM's class path, as absolute paths} */
  public static List<Path> classPath() {
    return Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
        .map(each -> Path.of(each).toAbsolutePath())
        .toList();
  }

  /** {@return paths joined to a class path} */
  public static String join(List<Path> paths) {
    return paths.stream().map(Path::toString).collect(Collectors.joining(File.pathSeparator));
  }

  /** {@return a started process, whose standard error goes to its output} */
  public static Process start(List<String> command) throws IOException {
    return start(command, Map.of());
  }

  /**
   * {@return a started process, whose standard error goes to its output, with more in its
   * environment}
   */
  public static Process start(List<String> command, Map<String, String> environment)
      throws IOException {
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .directory(new File("/")); // which any user may enter
    builder.environment().putAll(environment);
    Process process = builder.start();
    if (command.stream().noneMatch(each -> each.contains(Child.class.getName()))) {
      process.getOutputStream().close(); // it gets no input
    }
    return process;
  }

  /**
   * {@return what a command prints}
   *
   * @throws AssertionError if its status is not 0
   */
  public static String output(List<String> command) {
    Result result = run(command);
    if (result.exit() != 0) {
      throw new AssertionError(
          "%s ended with status %d:%n%s"
              .formatted(String.join(" ", command), result.exit(), result.output().strip()));
    }
    return result.output();
  }

  /**
   * {@return the lines that a child prints, which runs a class of this JVM's class path; its
   * standard error is that of this process}
   *
   * @throws AssertionError if its status is not 0
   */
  public static List<String> lines(List<String> own, Class<?> main, String... arguments)
      throws IOException {
    List<String> command = command(own, join(classPath()), main, arguments);
    Result result =
        end(new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start());
    if (result.exit() != 0) {
      throw new AssertionError(
          "%s ended with status %d".formatted(String.join(" ", command), result.exit()));
    }
    return result.output().lines().toList();
  }

  /** Runs a command to its end. */
  public static Result run(List<String> command) {
    return run(command, Map.of());
  }

  /**
   * Runs a command to its end, with more in its environment.
   *
   * @throws AssertionError if it cannot be started, or had to be killed
   */
  public static Result run(List<String> command, Map<String, String> environment) {
    try {
      return end(start(command, environment));
    } catch (IOException e) {
      throw new AssertionError("cannot start " + command, e);
    }
  }

  /**
   * {@return how a process ended, and what it printed until then}
   *
   * @throws AssertionError if it had to be killed, with what it had printed
   */
  public static Result end(Process process) {
    String command = process.info().commandLine().orElse("process " + process.pid());
    try (Deadline deadline = new Deadline(process)) {
      String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      int exit = process.waitFor();
      if (deadline.killed()) {
        throw new AssertionError(
            command + ": " + deadline.late() + "\nit said:\n" + output.strip());
      }
      return new Result(exit, output);
    } catch (IOException e) {
      throw new AssertionError("cannot read the output of " + command, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted while waiting for the end of " + command, e);
    } finally {
      process.destroyForcibly();
    }
  }

  /**
   * Kills a process, waits for its end, and takes away the socket that only a JVM which ends by
   * itself removes: a tool may have attached to it.
   */
  public static void kill(Process process) {
    Object ignored = process.destroyForcibly().onExit().join();
    ignored = new File("/tmp/.java_pid" + process.pid()).delete();
  }

  /** Kills a process, and all that it started, when its time is over; until it is closed. */
  public static final class Deadline implements AutoCloseable {
    private static final long TICK_MILLIS = 500;

    private final Process process;
    private final Patience patience;
    private final Thread thread;
    private volatile boolean killed;
    private volatile String stacks = "";

    /** Gives the process the time of a child that does its work and ends. */
    public Deadline(Process process) {
      this(process, Patience.CHILD);
    }

    /** Gives the process this much time, on a machine that is neither slow nor busy. */
    public Deadline(Process process, Duration time) {
      this.process = process;
      this.patience = new Patience(time);
      this.thread = Thread.ofPlatform().name("end of " + process.pid()).daemon().start(this::run);
    }

    private void run() {
      // Processes that it leaves behind may keep its output open, and have another parent then. To
      // list its descendants is a walk over /proc, slow on an emulated machine: so ever less often.
      Set<ProcessHandle> started = new HashSet<>();
      try {
        long next = 1;
        for (long ticks = 1; !patience.isOver(); ticks++) {
          Thread.sleep(TICK_MILLIS);
          if (ticks == next) {
            process.descendants().forEach(started::add);
            next *= 2;
          }
        }
        process.descendants().forEach(started::add);
        killed = true;
        stacks = stacks(process.pid());
        kill(process); // jstack has attached to it
        started.forEach(ProcessHandle::destroyForcibly);
      } catch (InterruptedException e) {
        // It was closed.
      }
    }

    /** {@return whether the process was killed because its time was over} */
    public boolean killed() {
      return killed;
    }

    /** {@return that it was killed, in words, with the stacks of its threads} */
    public String late() {
      return "killed, since it had not ended after %d s%s"
          .formatted(patience.waited().toSeconds(), stacks);
    }

    /** {@return the stacks of a JVM's threads; nothing for another process} */
    private static String stacks(long pid) {
      try {
        Process jstack =
            new ProcessBuilder("timeout", "-k", "1", "20", tool("jstack"), Long.toString(pid))
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        String said = new String(jstack.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return said.isEmpty() ? "" : "; its threads:\n" + said.strip();
      } catch (IOException e) {
        return "";
      }
    }

    @Override
    public void close() {
      thread.interrupt();
    }
  }
}
