// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Checks which packages the tools' packages use. */
class ToolsArchitectureTest {

  private static final String LIBRARY = "io.github.tasklocal";
  private static final String TOOLS = LIBRARY + ".tools";
  private static final String SERVE = TOOLS + ".serve";
  private static final String SYMBOLS = TOOLS + ".symbols";
  private static final String SYSTEM = TOOLS + ".system";

  /** Which of the tools' packages each may use, besides itself. */
  private static final Map<String, Set<String>> ARROWS =
      Map.of(
          TOOLS, Set.of(SERVE, SYMBOLS, SYSTEM),
          SERVE, Set.of(SYSTEM),
          SYMBOLS, Set.of(SYSTEM),
          SYSTEM, Set.of());

  /** What the library's module exports, and the kit. */
  private static final Set<String> OPEN =
      Set.of(
          LIBRARY,
          LIBRARY + ".bpf",
          LIBRARY + ".error",
          LIBRARY + ".layout",
          LIBRARY + ".management",
          LIBRARY + ".kit",
          LIBRARY + ".kit.chart",
          LIBRARY + ".kit.seen");

  private static final JavaClasses CLASSES =
      new ClassFileImporter()
          .withImportOption(location -> location.contains("/target/classes/"))
          .importPackages(TOOLS);

  @ParameterizedTest
  @ValueSource(strings = {TOOLS, SERVE, SYMBOLS, SYSTEM})
  void usesOnlyWhatItMay(String name) {
    classes()
        .that(describe("in " + name, type -> type.getPackageName().equals(name)))
        .should()
        .onlyDependOnClassesThat(
            describe(
                "of others, open, in the package itself or in " + ARROWS.get(name),
                type -> mayUse(name, type.getPackageName())))
        .check(CLASSES);
  }

  private static boolean mayUse(String from, String to) {
    return !(to + ".").startsWith(LIBRARY + ".")
        || to.equals(from)
        || OPEN.contains(to)
        || ARROWS.get(from).contains(to);
  }

  @Test
  void functionsAreBoundInOnePlace() {
    classes()
        .that(describe("outside", type -> !type.getPackageName().equals(SYSTEM)))
        .should()
        .onlyDependOnClassesThat(
            describe("no linker", type -> !type.getName().startsWith("java.lang.foreign.Linker")))
        .check(CLASSES);
  }

  @Test
  void everyPackageHasItsArrows() {
    assertThat(CLASSES.stream().map(JavaClass::getPackageName))
        .filteredOn(name -> name.startsWith(TOOLS))
        .isSubsetOf(ARROWS.keySet());
  }
}
