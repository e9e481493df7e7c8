// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ProcessNameTest {

  private static String of(String command) {
    return ProcessName.ofCommand(List.of(command.split(" ")));
  }

  @ParameterizedTest
  @CsvSource({
    "java -jar app.jar, app.jar",
    "/opt/jdk/bin/java -Dx=y -Xmx1g -jar /srv/lib/app.jar serve --port 80, app.jar",
    "java -cp a.jar:b.jar com.example.Main, Main",
    "java --class-path a.jar --add-exports java.base/sun.nio.ch=ALL-UNNAMED Main -jar x.jar, Main",
    "java --enable-native-access=ALL-UNNAMED -cp x -javaagent:a.jar=-jar p.Outer$Main, Outer$Main",
    "java -p mods -m app/com.example.Main, Main",
    "java --module-path mods --module app, app",
    "java --module=app/com.example.Main, Main",
    "java --source 25 scripts/Hello.java, Hello.java",
    "java @options -cp x com.example.Main, Main",
  })
  void aJvmIsCalledByWhatItRuns(String command, String name) {
    assertThat(of(command)).isEqualTo(name);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "java",
        "java @all",
        "java -jar",
        "java -Xmx1g",
        "python3 -jar x.jar",
        "",
        "java -m"
      })
  void aCommandThatDoesNotSayHasNoSuchName(String command) {
    assertThat(of(command)).isNull();
  }

  @Test
  void aProcessThatIsNoJvmIsCalledByItsCommAndOneThatHasEndedAsItWas() throws Exception {
    Process cat = new ProcessBuilder("cat").start();
    try (var _ = cat.outputWriter()) {
      assertThat(ProcessName.of((int) cat.pid(), "otherwise")).isEqualTo("cat");
    } finally {
      cat.waitFor();
    }
    assertThat(ProcessName.of((int) cat.pid(), "otherwise")).isEqualTo("otherwise");
  }
}
