// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * An application that is a named module: compiled from text, and run on the module path, where
 * nothing else is but the library, what is compiled here, and some of this process's jars.
 */
public final class ModuleApp {

  private final Path classes;
  private final String modulePath;

  /**
   * Compiles it.
   *
   * @param folder an empty one
   * @param jars how the names of jars begin that it takes from the class path, besides the library
   * @param requires the modules that it names
   * @param body of its main method, which may throw anything
   * @param imports what the body needs
   */
  public ModuleApp(
      Path folder, List<String> jars, List<String> requires, String body, String... imports)
      throws IOException {
    classes = Files.createDirectory(folder.resolve("classes"));
    modulePath = Jvm.join(Jvm.classPath().stream().filter(each -> isWanted(each, jars)).toList());
    StringBuilder module = new StringBuilder("module app {\n");
    requires.forEach(each -> module.append("  requires ").append(each).append(";\n"));
    Path info = folder.resolve("module-info.java");
    Files.writeString(info, module.append("}\n"));
    StringBuilder code = new StringBuilder("package app;\n");
    List.of(imports).forEach(each -> code.append("import ").append(each).append(";\n"));
    code.append("public class App {\n")
        .append("  public static void main(String[] args) throws Exception {\n")
        .append(body)
        .append("  }\n}\n");
    Path main = folder.resolve("App.java");
    Files.writeString(main, code);
    String said =
        Jvm.output(
            List.of(
                Jvm.tool("javac"),
                "-d",
                classes.toString(),
                "-p",
                modulePath,
                info.toString(),
                main.toString()));
    System.out.print(said);
  }

  private static boolean isWanted(Path path, List<String> jars) {
    String name = path.getFileName().toString();
    return path.endsWith("target/classes")
        || name.startsWith("tasklocal-")
        || jars.stream().anyMatch(name::startsWith);
  }

  /**
   * {@return how it ended, and what it printed}
   *
   * @param options of java; the library alone is allowed to call native code
   * @param arguments of its main method
   */
  public Jvm.Result run(List<String> options, List<String> arguments) {
    List<String> command = new ArrayList<>(List.of(Jvm.java()));
    command.addAll(Jvm.shortLived());
    command.addAll(options);
    command.addAll(
        List.of(
            "--enable-native-access=io.github.tasklocal",
            "-p",
            classes + File.pathSeparator + modulePath,
            "-m",
            "app/app.App"));
    command.addAll(arguments);
    return Jvm.run(command);
  }
}
