// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.opentelemetry;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.ModuleApp;
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
  private static final String USED = "the application's own storage";

  /** What the storage jar holds. */
  private static final Path STORAGE_JAR = Path.of("src", "storage").toAbsolutePath();

  @TempDir
  @SuppressWarnings("NullAway.Init")
  private Path folder;

  private boolean hasStorageJar;

  private String run(List<String> options, String... arguments) {
    List<String> all = new ArrayList<>(Jvm.shortLived());
    for (String each : List.of("traces", "metrics", "logs")) {
      all.add("-Dotel." + each + ".exporter=none");
    }
    all.addAll(options);
    List<Path> classPath = new ArrayList<>(Jvm.classPath());
    classPath.add(folder);
    if (hasStorageJar) {
      classPath.add(STORAGE_JAR);
    }
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

  @Test
  void aTraceIsShownWithTheBridgeOnTheClassPath() {
    String output = run(List.of());
    assertThat(seen(output)).containsExactly("seen", "seen");
    assertThat(output).doesNotContain("WARNING");
  }

  /** OpenTelemetry takes its default where there are two providers and none is chosen. */
  @Test
  void theApplicationsOwnStorageIsUsedWithNothingChosen() throws Exception {
    hasOwn();
    String output = run(List.of());
    assertThat(seen(output)).containsExactly("seen", "seen");
    assertThat(output).containsOnlyOnce(USED).doesNotContain("WARNING");
  }

  @Test
  void aStorageThatWasMadeTooEarlyIsNamedOnceWithTheCure() {
    String output = run(List.of(), "late", "twice");
    assertThat(seen(output)).hasSize(4).allMatch(line -> line.startsWith("not seen"));
    assertThat(output)
        .containsOnlyOnce("No trace is shown: OpenTelemetry had made its storage")
        .contains("tasklocal-opentelemetry-VERSION-storage.jar");
  }

  /** However late the SDK is configured, and where it is made by hand. */
  @ParameterizedTest
  @ValueSource(strings = {"early", "late", "by hand"})
  void theStorageJarIsNeverTooLate(String when) {
    hasStorageJar = true;
    String output = run(List.of(), when);
    assertThat(seen(output)).containsExactly("seen", "seen");
    assertThat(output).doesNotContain("WARNING");
  }

  @ParameterizedTest
  @ValueSource(strings = {"early", "late", "by hand"})
  void theApplicationsOwnStorageIsUsedBesideTheStorageJar(String when) throws Exception {
    hasOwn();
    hasStorageJar = true;
    String own = TraceChild.Own.class.getName();
    String output = run(List.of(), when);
    assertThat(seen(output)).containsExactly("seen", "seen");
    assertThat(output)
        .containsOnlyOnce(USED)
        .containsOnlyOnce("The storage of contexts is that of " + own)
        .contains(STORAGE + own);
  }

  @ParameterizedTest
  @ValueSource(classes = {TraceChild.Own.class, TaskLocalContextStorageProvider.class})
  void nothingIsSaidBesideTheStorageJarIfOneOfTheProvidersIsChosen(Class<?> chosen)
      throws Exception {
    hasOwn();
    hasStorageJar = true;
    String output = run(List.of(STORAGE + chosen.getName()), "by hand");
    assertThat(seen(output)).containsExactly("seen", "seen");
    assertThat(output).containsOnlyOnce(USED).doesNotContain("WARNING");
  }

  /** Whose storage that wrapper wants cannot be known any more. */
  @Test
  void whatCannotBeUsedBesideTheStorageJarIsNamed() throws Exception {
    hasOwn();
    hasStorageJar = true;
    String output = run(List.of(), "wrapped", "by hand");
    assertThat(seen(output)).containsExactly("seen", "seen");
    assertThat(output)
        .doesNotContain(USED)
        .contains("start java with " + STORAGE + TraceChild.Own.class.getName());
  }

  @Test
  void aStorageThatWasChosenIsUsed() throws Exception {
    hasOwn();
    assertThat(run(List.of(STORAGE + "default"))).doesNotContain(USED, "WARNING");
    assertThat(run(List.of(STORAGE + TraceChild.Own.class.getName())))
        .containsOnlyOnce(USED)
        .doesNotContain("WARNING");
  }

  /** Such as a text of the same name. */
  @Test
  void aTraceIsNotShownWhereSomebodyElseHasTheNameAndTheRestIs() {
    String output = run(List.of("-Dtasklocal.context=tenant:16"), "taken");
    assertThat(seen(output)).isEmpty();
    assertThat(output)
        .containsOnlyOnce("The keys trace_id, span_id and trace_flags are not shown")
        .contains("[32:b1]", "tenant acme", "done");
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

  @Test
  void anApplicationOnTheModulePathShowsItsTrace(@TempDir Path modules) throws Exception {
    ModuleApp application =
        new ModuleApp(
            modules,
            List.of(
                "opentelemetry-api-",
                "opentelemetry-common-",
                "opentelemetry-context-",
                "opentelemetry-sdk-",
                "opentelemetry-semconv-"), // which older ones need
            List.of(
                "io.github.tasklocal",
                "io.opentelemetry.api",
                "io.opentelemetry.context",
                "io.opentelemetry.sdk",
                "io.opentelemetry.sdk.autoconfigure"),
            """
                var span = AutoConfiguredOpenTelemetrySdk.initialize().getOpenTelemetrySdk()
                    .getTracer("test").spanBuilder("request").startSpan();
                try (Scope scope = span.makeCurrent()) {
                  System.out.println("seen " + span.getSpanContext().getSpanId().equals(
                      "%016x".formatted(Long.reverseBytes(
                          TaskLocal.of("span_id", ValueLayout.JAVA_LONG).get()))));
                }
            """,
            "io.github.tasklocal.TaskLocal",
            "io.opentelemetry.context.Scope",
            "io.opentelemetry.sdk.autoconfigure.AutoConfiguredOpenTelemetrySdk",
            "java.lang.foreign.ValueLayout");
    List<String> options =
        new ArrayList<>(List.of("--add-modules=io.github.tasklocal.opentelemetry"));
    for (String each : List.of("traces", "metrics", "logs")) {
      options.add("-Dotel." + each + ".exporter=none");
    }
    Jvm.Result result = application.run(options, List.of());
    assertThat(result.exit()).as(result.output()).isZero();
    assertThat(result.output()).contains("seen true\n").doesNotContain("WARNING");
  }
}
