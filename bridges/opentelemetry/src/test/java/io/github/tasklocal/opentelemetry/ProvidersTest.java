// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.opentelemetry;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.Jvm;
import io.opentelemetry.context.ContextStorageProvider;
import java.io.DataInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Applications with the SDK, and the ways in as OpenTelemetry finds them itself. */
class ProvidersTest {

  private static final String STORAGE = "-Dio.opentelemetry.context.contextStorageProvider=";
  private static final String OURS = STORAGE + TaskLocalContextStorageProvider.class.getName();

  @TempDir
  @SuppressWarnings("NullAway.Init")
  private Path folder;

  private String run(List<String> options, String... arguments) {
    List<String> all = new ArrayList<>(Jvm.shortLived());
    for (String each : List.of("traces", "metrics", "logs")) {
      all.add("-Dotel." + each + ".exporter=none");
    }
    all.addAll(options);
    List<Path> classPath = new ArrayList<>(Jvm.classPath());
    classPath.add(folder);
    Jvm.Result result = Jvm.run(Jvm.command(all, Jvm.join(classPath), TraceChild.class, arguments));
    assertThat(result.exit()).as(result.output()).isZero();
    assertThat(result.output()).doesNotContain("after false");
    return result.output();
  }

  private static List<String> seen(String output) {
    return output.lines().filter(line -> line.matches("(not )?seen.*")).toList();
  }

  /** The application has a provider of its own, and the class path names it. */
  private void hasOwn() throws Exception {
    Path services = Files.createDirectories(folder.resolve("META-INF/services"));
    Files.writeString(
        services.resolve(ContextStorageProvider.class.getName()), TraceChild.Own.class.getName());
  }

  /** However late the SDK is configured. */
  @ParameterizedTest
  @ValueSource(strings = {"early", "late"})
  void aTraceIsShownWithTheBridgeOnTheClassPath(String when) {
    String output = run(List.of(), when);
    assertThat(seen(output)).containsExactly("seen", "seen");
    assertThat(output).doesNotContain("WARNING");
  }

  @Test
  void theApplicationsOwnProviderIsUsedWhereOursIsNamed() throws Exception {
    hasOwn();
    String output = run(List.of(OURS));
    assertThat(seen(output)).containsExactly("seen", "seen");
    assertThat(output).containsOnlyOnce("the application's own storage").doesNotContain("WARNING");
  }

  @Test
  void whereAnotherProviderWasChosenTheSdksConfigurationIsTheWayIn() throws Exception {
    hasOwn();
    for (String chosen : List.of("default", TraceChild.Own.class.getName())) {
      String output = run(List.of(STORAGE + chosen));
      assertThat(seen(output)).containsExactly("seen", "seen");
    }
  }

  @Test
  void aStorageThatWasMadeTooEarlyIsNamedWithTheCure() {
    String output = run(List.of(STORAGE + "default"), "late");
    assertThat(seen(output)).hasSize(2).allMatch(line -> line.startsWith("not seen"));
    assertThat(output)
        .containsOnlyOnce("No trace is shown: OpenTelemetry had made its storage")
        .contains(OURS);
  }

  /** 17, in which it says what it needs. */
  @ParameterizedTest
  @ValueSource(
      classes = {
        TaskLocalContextStorageProvider.class,
        TaskLocalCustomizerProvider.class,
        SharedContextStorage.class
      })
  void anOlderJavaCanLoadTheBridge(Class<?> each) throws Exception {
    try (DataInputStream code =
        new DataInputStream(each.getResourceAsStream(each.getSimpleName() + ".class"))) {
      assertThat(code.readInt()).isEqualTo(0xcafebabe);
      assertThat(code.readUnsignedShort()).isZero();
      assertThat(code.readUnsignedShort()).isEqualTo(17 + 44);
    }
  }
}
