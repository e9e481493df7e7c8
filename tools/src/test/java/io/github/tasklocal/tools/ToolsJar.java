// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.kit.Jvm;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;

/** The jar, in a folder of a test's own where every user can read it. */
final class ToolsJar {

  /** Stands before a command, to run it as a user without privileges. */
  static final String NOBODY =
      "setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all ";

  private final Path folder;

  ToolsJar(Path folder) throws IOException {
    this.folder = folder;
    Path jar = folder.resolve("tools.jar");
    if (!Files.exists(jar)) {
      Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxr-xr-x"));
      Files.copy(Path.of(System.getProperty("tasklocal.toolsJar")), jar);
      Files.setPosixFilePermissions(jar, PosixFilePermissions.fromString("rw-r--r--"));
    }
  }

  /**
   * {@return the java command with this JVM's options, except those that the jar has to bring
   * itself}
   */
  static List<String> java() {
    List<String> command = new ArrayList<>(List.of(Jvm.java()));
    command.addAll(Jvm.options(List.of()));
    command.removeIf(option -> option.startsWith("--enable-native-access"));
    return command;
  }

  /** Runs a script in which TOOLS stands for the jar. */
  Command shell(String script) throws IOException {
    String tools = String.join(" ", java()) + " -jar " + folder.resolve("tools.jar");
    Path errors = folder.resolve("errors");
    Process process =
        new ProcessBuilder("sh", "-c", script.replace("TOOLS", tools))
            .directory(folder.toFile())
            .redirectError(errors.toFile())
            .start();
    Jvm.Result result = Jvm.end(process);
    return new Command(result.exit(), result.output(), Files.readString(errors));
  }
}
