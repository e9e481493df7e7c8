// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.tools.system.Failure;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Ansi.Style;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Prints what this machine or an application can do, what is missing, and what mends it. */
@Command(
    name = "doctor",
    mixinStandardHelpOptions = true,
    versionProvider = Tools.Version.class,
    description = {
      "Checks whether threads can share values with BPF programs on this machine: a line for each"
          + " need, and its cure if it is not met.",
      "",
    },
    footer = {
      "",
      "Exit status: 0 if values can be shared, which the last line says; otherwise 1. The answer is"
          + " for the user who runs it: for a user who may load BPF programs, a value is shared"
          + " with one; for any other, the pinned map is opened, or the socket of a serving side."
          + " Nothing is left behind."
    })
final class Doctor implements Callable<Integer> {

  /** The width of the needs' names. */
  private static final int NAME_WIDTH = 11;

  private static final int INDENT = NAME_WIDTH + 5;

  @Spec private @Nullable CommandSpec spec;

  @Option(
      names = "--pin",
      paramLabel = "PATH",
      description = "Where applications find their map (${DEFAULT-VALUE}).")
  private Path pin = TaskLocalMap.defaultPin();

  @Option(
      names = "--socket",
      paramLabel = "PATH",
      description = "Where a serving side listens (${DEFAULT-VALUE}).")
  private Path socket = TaskLocalMap.defaultSocket();

  @Option(
      names = "--pid",
      paramLabel = "PID",
      description = {
        "Instead: a Java program that runs; asks the library there for its maps, and for the threads"
            + " that BPF does not see, with the reason. Starts the JVM's local management agent"
            + " there, as jconsole does."
      })
  private @Nullable Integer pid;

  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  Doctor() {}

  @Override
  public Integer call() throws Failure {
    Output out = Output.of(Tools.require(spec));
    List<Finding> findings =
        pid == null ? new Needs(pin, socket).all() : new ProcessNeeds(pid).all();
    if (json) {
      out.json(document(findings));
    } else {
      findings.forEach(finding -> print(finding, out));
    }
    return findings.getLast().answer() == Finding.Answer.YES ? 0 : 1;
  }

  private static void print(Finding finding, Output out) {
    String name = finding.need() + " ".repeat(NAME_WIDTH - finding.need().length());
    String answer =
        switch (finding.answer()) {
          case YES -> out.styled("yes", Style.fg_green);
          case NO -> out.styled("no", Style.fg_red, Style.bold) + " ";
          case NOT_ALLOWED_TO_KNOW -> out.styled("?", Style.fg_yellow, Style.bold) + "  ";
        };
    String found =
        finding.answer() == Finding.Answer.NOT_ALLOWED_TO_KNOW
            ? "not allowed to know: " + finding.found()
            : finding.found();
    out.item(name + answer + "  ", INDENT, found);
    if (!finding.cure().isEmpty()) {
      out.item(" ".repeat(INDENT), INDENT, "-> " + finding.cure());
    }
  }

  private static Map<String, Object> document(List<Finding> findings) {
    List<Object> needs = new ArrayList<>();
    for (Finding finding : findings) {
      Map<String, Object> need = new LinkedHashMap<>();
      need.put("need", finding.need());
      need.put("answer", finding.answer().toString());
      need.put("found", finding.found());
      need.put("cure", finding.cure().isEmpty() ? null : finding.cure());
      needs.add(need);
    }
    Map<String, Object> document = new LinkedHashMap<>();
    document.put("shares", findings.getLast().answer() == Finding.Answer.YES);
    document.put("needs", needs);
    return document;
  }
}
