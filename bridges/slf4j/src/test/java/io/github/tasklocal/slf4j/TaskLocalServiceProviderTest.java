// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.slf4j;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.Jvm;
import java.io.DataInputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Applications with each backend on the class path, and SLF4J as it finds the provider itself. */
class TaskLocalServiceProviderTest {

  private static final List<String> BACKENDS =
      List.of("logback-", "log4j-slf4j2-impl", "log4j-core", "slf4j-jdk14", "slf4j-simple");

  /** Runs the application with some of the backends. */
  private static String run(String backends, String... options) {
    List<String> wanted = Arrays.asList(backends.split("\\+"));
    List<Path> classPath =
        Jvm.classPath().stream()
            .filter(
                jar ->
                    BACKENDS.stream()
                        .filter(each -> jar.getFileName().toString().startsWith(each))
                        .allMatch(wanted::contains))
            .toList();
    List<String> all = new ArrayList<>(Jvm.shortLived());
    all.add("-Dslf4j.provider=" + TaskLocalServiceProvider.class.getName());
    all.addAll(Arrays.asList(options));
    Jvm.Result result = Jvm.run(Jvm.command(all, Jvm.join(classPath), MdcChild.class));
    assertThat(result.exit()).as(result.output()).isZero();
    return result.output();
  }

  private static final String LIST = "-Dtasklocal.context=tenant:16";

  @ParameterizedTest
  @CsvSource({
    "logback-, ch.qos.logback.classic.LoggerContext",
    "log4j-slf4j2-impl+log4j-core, org.apache.logging.slf4j.Log4jLoggerFactory",
    "slf4j-jdk14, org.slf4j.jul.JDK14LoggerFactory"
  })
  void theBackendOnTheClassPathLogsAndItsMdcIsShown(String backend, String factory) {
    String output = run(backend, LIST);
    assertThat(output).contains("backend " + factory);
    assertThat(output.lines().filter(line -> line.startsWith("seen ")))
        .containsExactly("seen acme acme []", "seen acme acme []");
    assertThat(output).contains("a line of the application").doesNotContain("provider for");
  }

  /** 17, in which it says what it needs. */
  @Test
  void anOlderJavaCanLoadTheBridge() throws Exception {
    try (DataInputStream code =
        new DataInputStream(
            TaskLocalServiceProvider.class.getResourceAsStream("TaskLocalServiceProvider.class"))) {
      assertThat(code.readInt()).isEqualTo(0xcafebabe);
      assertThat(code.readUnsignedShort()).isZero();
      assertThat(code.readUnsignedShort()).isEqualTo(17 + 44);
    }
  }

  @Test
  void aBackendWithoutAnMdcIsUsedAndThatIsSaid() {
    assertThat(run("slf4j-simple", LIST))
        .contains("backend org.slf4j.simple.SimpleLoggerFactory")
        .contains("a line of the application")
        .contains("SimpleServiceProvider, has no MDC")
        .contains("seen  null []");
  }

  @Test
  void withoutAListNothingIsShownAndThatIsSaid() {
    assertThat(run("logback-"))
        .contains("No value of the MDC is shown: list them, as in -Dtasklocal.context=tenant:16")
        .contains("seen  acme []");
  }

  @Test
  void withoutABackendNothingIsLoggedAndThatIsSaid() {
    assertThat(run("", LIST))
        .contains("There is no provider for SLF4J 2 on the class path")
        .contains("seen  null []")
        .doesNotContain("a line of the application");
  }

  @Test
  void ofSeveralBackendsTheFirstOrTheNamedOneIsUsed() {
    String both = "logback-+slf4j-jdk14";
    assertThat(run(both, LIST))
        .contains("There are several providers for SLF4J, [")
        .contains("-Dtasklocal.slf4j.provider=CLASS")
        .contains("seen acme acme []");
    assertThat(run(both, LIST, "-Dtasklocal.slf4j.provider=org.slf4j.jul.JULServiceProvider"))
        .contains("backend org.slf4j.jul.JDK14LoggerFactory")
        .contains("seen acme acme []")
        .doesNotContain("several providers");
    assertThat(run(both, LIST, "-Dtasklocal.slf4j.provider=x.Missing"))
        .contains("There is no provider x.Missing (-Dtasklocal.slf4j.provider)")
        .contains("org.slf4j.jul.JULServiceProvider")
        .contains("seen  null []");
  }
}
