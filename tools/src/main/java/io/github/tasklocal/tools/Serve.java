// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.tools.serve.ServeLog;
import io.github.tasklocal.tools.serve.ServingSide;
import java.nio.file.Path;
import java.nio.file.attribute.GroupPrincipal;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
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

  /** Where it pins by default. */
  static final Path HOME = Objects.requireNonNull(TaskLocalMap.defaultPin().getParent());

  @Spec private @Nullable CommandSpec spec;

  @Option(
      names = "--socket",
      paramLabel = "PATH",
      description = "Where processes connect (${DEFAULT-VALUE}).")
  private Path socket = TaskLocalMap.defaultSocket();

  @Option(
      names = "--mode",
      paramLabel = "MODE",
      defaultValue = "660",
      converter = PinAccess.ModeConverter.class,
      description =
          "The socket's mode, octal (${DEFAULT-VALUE}). Whoever may write it can connect: 666 lets"
              + " every user in.")
  private PinAccess.Mode mode = new PinAccess.Mode(Set.of());

  @Option(
      names = "--group",
      paramLabel = "NAME",
      converter = PinAccess.GroupConverter.class,
      description = "The socket's group.")
  private @Nullable GroupPrincipal group;

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
      names = "--max-pages-per-user",
      paramLabel = "N",
      defaultValue = "524288",
      description =
          "How many pages all processes of one user may have (${DEFAULT-VALUE}, half of all that"
              + " there can be).")
  private int pagesOfUser;

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
          "Remove what earlier ones have left in --pins, the maps beside it and a --socket that"
              + " nobody serves, and end: values are seen no longer, until processes connect"
              + " again.")
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
    requirePositive("--max-pages-per-user", pagesOfUser);
    Path folder = pins.toAbsolutePath();
    if (remove) {
      ServingSide.remove(socket, folder);
      return 0;
    }
    ServingSide side =
        new ServingSide(
            new ServingSide.Socket(socket, mode.permissions(), group),
            folder,
            others,
            onSlots,
            false,
            new ServingSide.Limits(processes, ofUser, pages, pagesOfUser));
    try (Stop stop = new Stop()) {
      side.run(new ServeLog(Tools.require(spec).commandLine().getOut(), json), stop::then);
    }
    return 0;
  }

  private void requirePositive(String option, int value) {
    if (value < 1) {
      throw new ParameterException(
          Tools.require(spec).commandLine(),
          option + " takes a number of at least 1, not " + value);
    }
  }
}
