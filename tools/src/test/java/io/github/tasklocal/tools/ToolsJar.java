// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;

/** The jar, in a folder of a test's own where every user can read it. */
final class ToolsJar {

  /** Before a command: runs it as a user who may do nothing. */
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

  /** Runs a script in which TOOLS stands for the jar. */
  Command shell(String script) throws IOException {
    Path java = Path.of(System.getProperty("java.home"), "bin", "java");
    Path errors = folder.resolve("errors");
    Process process =
        new ProcessBuilder(
                "sh", "-c", script.replace("TOOLS", java + " -jar " + folder.resolve("tools.jar")))
            .directory(folder.toFile())
            .redirectError(errors.toFile())
            .start();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return new Command(process.onExit().join().exitValue(), out, Files.readString(errors));
  }
}
