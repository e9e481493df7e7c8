// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

class ToolsTest {

  private static List<String> commands() {
    return List.copyOf(Tools.commandLine().getSubcommands().keySet());
  }

  @Test
  void everyCommandHasHelpThatFitsATerminal() {
    assertThat(commands()).contains("doctor", "keys", "dump", "sched");
    for (String command : commands()) {
      Command help = Command.run(command, "--help");
      assertThat(help.exit()).isZero();
      assertThat(help.out()).startsWith("Usage: tasklocal-tools " + command + " ");
      assertThat(help.out().lines()).allMatch(line -> line.length() <= 80);
    }
  }

  @Test
  void theHelpExplainsTypesAndLimitsOfValues() {
    for (String command : List.of("top", "trace")) {
      assertThat(Command.run(command, "--help").out().replaceAll("\\s+", " "))
          .contains("string or bytes. Without one: a signed number")
          .contains("name the type there")
          .contains("64 bytes are seen")
          .contains("first pid namespace");
    }
    assertThat(Command.run("--help").out()).contains("130 after Ctrl-C");
  }

  @Test
  void everyCommandHasJson() {
    for (CommandLine command : Tools.commandLine().getSubcommands().values()) {
      assertThat(command.getCommandSpec().optionsMap().containsKey("--json"))
          .as(command.getCommandName())
          .isTrue();
    }
  }

  @Test
  void aBadOptionIsReportedInTwoLines() {
    for (String command : commands()) {
      Command bad = Command.run(command, "--xyzzy");
      assertThat(bad.exit()).isEqualTo(2);
      assertThat(bad.out()).isEmpty();
      assertThat(bad.err())
          .matches(
              "%s: (Unknown option: '--xyzzy'|Missing required options?: '--key=NAME.*)%nSee: tasklocal-tools %s --help%n"
                  .formatted(command, command));
    }
    assertThat(Command.run("dump", "--mode", "999").err())
        .isEqualTo(
            """
            dump: Invalid value for option '--mode': it takes three octal digits, such as 660,\
             not 999
            See: tasklocal-tools dump --help
            """);
  }

  @Test
  void withoutACommandItSaysThatOneIsMissing() {
    Command none = Command.run();
    assertThat(none.exit()).isEqualTo(2);
    assertThat(none.err()).contains("Missing required subcommand").contains("--help");
  }
}
