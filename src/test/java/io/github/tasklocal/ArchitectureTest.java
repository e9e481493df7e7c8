// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Checks the arrows between the packages: which may use which. */
class ArchitectureTest {
  private static final String API = "io.github.tasklocal";
  private static final String BPF = API + ".bpf";
  private static final String ERROR = API + ".error";
  private static final String MEMORY = API + ".memory";
  private static final String LAYOUT = API + ".layout";
  private static final String KERNEL = API + ".kernel";
  private static final String LIBBPF = API + ".libbpf";
  private static final String MANAGEMENT = API + ".management";
  private static final String KIT = API + ".kit";

  /** Which of our packages each may use, besides itself. */
  private static final Map<String, Set<String>> ARROWS =
      Map.of(
          API, Set.of(MEMORY, LAYOUT, KERNEL, ERROR),
          BPF, Set.of(KERNEL, ERROR),
          MEMORY, Set.of(LAYOUT, KERNEL, ERROR, MANAGEMENT),
          MANAGEMENT, Set.of(),
          LAYOUT, Set.of(ERROR),
          KERNEL, Set.of(LIBBPF, ERROR),
          ERROR, Set.of(),
          LIBBPF, Set.of());

  private static final JavaClasses CLASSES =
      new ClassFileImporter()
          .withImportOption(location -> location.contains("/target/classes/"))
          .importPackages(API);

  /** A name of ours in a source file. */
  private static final Pattern NAME = Pattern.compile("io\\.github\\.tasklocal\\.\\w+");

  private static final DescribedPredicate<JavaClass> OURS =
      describe("ours", type -> (type.getPackageName() + ".").startsWith(API + "."));

  static Stream<String> packages() {
    return ARROWS.keySet().stream().sorted();
  }

  @ParameterizedTest
  @MethodSource("packages")
  void usesOnlyWhatItMay(String name) {
    Set<String> allowed = ARROWS.get(name);
    classes()
        .that(describe("in " + name, type -> type.getPackageName().equals(name)))
        .should()
        .onlyDependOnClassesThat(
            DescribedPredicate.not(OURS)
                .or(
                    describe(
                        "in the package itself or in " + allowed,
                        type ->
                            type.getPackageName().equals(name)
                                || allowed.contains(type.getPackageName()))))
        .check(CLASSES);
  }

  @ParameterizedTest
  @ValueSource(strings = {"main", "junit", "report", "chart"})
  void theKitDoesNotUseTheLibrary(String room) throws IOException {
    theKitUsesOnly(Set.of(KIT), room);
  }

  @Test
  void whatTheKitSeesIsReadWithWhatTheLibraryExports() throws IOException {
    theKitUsesOnly(Set.of(KIT, BPF, LAYOUT), "seen");
  }

  /** No project compiles all of the kit, so this reads its sources. */
  private static void theKitUsesOnly(Set<String> packages, String room) throws IOException {
    try (Stream<Path> files = Files.walk(Path.of("kit", "src", room, "java"))) {
      List<Path> sources = files.filter(file -> file.toString().endsWith(".java")).toList();
      assertThat(sources).isNotEmpty();
      for (Path source : sources) {
        assertThat(NAME.matcher(Files.readString(source)).results().map(MatchResult::group))
            .as("%s", source)
            .isSubsetOf(packages);
      }
    }
  }

  @Test
  void everyPackageHasItsArrows() {
    assertThat(CLASSES.stream().map(JavaClass::getPackageName)).isSubsetOf(ARROWS.keySet());
  }

  @Test
  void theApiShowsNothingInternal() {
    Set<String> exported = Set.of(API, BPF, ERROR, LAYOUT, MANAGEMENT);
    assertThat(CLASSES.stream())
        .filteredOn(type -> exported.contains(type.getPackageName()) && visible(type))
        .allSatisfy(
            type ->
                assertThat(
                        Stream.of(
                                Stream.of(type),
                                type.getMembers().stream()
                                    .filter(member -> visible(member.getModifiers()))
                                    .flatMap(member -> member.getAllInvolvedRawTypes().stream()),
                                type.getRawSuperclass().stream(),
                                type.getRawInterfaces().stream())
                            .flatMap(types -> types)
                            .filter(OURS))
                    .allMatch(used -> exported.contains(used.getPackageName())));
  }

  private static boolean visible(JavaClass type) {
    return visible(type.getModifiers())
        && type.getEnclosingClass().map(ArchitectureTest::visible).orElse(true);
  }

  private static boolean visible(Set<JavaModifier> modifiers) {
    return modifiers.contains(JavaModifier.PUBLIC) || modifiers.contains(JavaModifier.PROTECTED);
  }
}
