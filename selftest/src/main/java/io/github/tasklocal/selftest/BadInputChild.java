// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.error.TaskLocalException;
import io.github.tasklocal.kit.Jvm;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The main class of a JVM that runs as another user, or in other surroundings, and is refused. */
final class BadInputChild {

  private BadInputChild() {}

  /**
   * Tries one thing, checks that keys work nevertheless, and prints the exception's message.
   *
   * @param args what is tried, and on which file: {@code open} a map or {@code load} an object
   */
  public static void main(String[] args) {
    TaskLocal.OfInt key = TaskLocal.of("child", ValueLayout.JAVA_INT);
    key.set(7);
    try (AutoCloseable tried =
        args[0].equals("open")
            ? TaskLocalMap.open(Path.of(args[1]))
            : BpfObject.load(Path.of(args[1]))) {
      System.out.println("allowed: " + tried);
    } catch (TaskLocalException e) {
      System.out.println(e.getClass().getSimpleName() + ": " + e.getMessage());
    } catch (Exception e) {
      throw new AssertionError(e);
    }
    key.set(key.get() + 1);
    Check.equal(8, key.get(), "the value after a refusal");
  }

  /** {@return what the child prints as a user without any right} */
  static String asNobody(Fixture fixture, String... args) throws Exception {
    var readable = fixture.closing(new NobodyTests.ClassPath());
    List<String> command =
        new ArrayList<>(
            List.of(
                "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"));
    command.addAll(
        Jvm.command(Jvm.shortLived(), Jvm.join(readable.paths), BadInputChild.class, args));
    return Jvm.output(command);
  }

  /** {@return a new folder that anybody may enter, deleted after the test} */
  static Path folderForAll(Fixture fixture) throws IOException {
    Path folder = fixture.folder();
    open(folder);
    return folder;
  }

  /** Lets everybody read a file, or enter a folder. */
  static void open(Path path) {
    if (!path.toFile().setReadable(true, false)
        || !path.toFile().setExecutable(Files.isDirectory(path), false)) {
      throw new UncheckedIOException(new IOException("cannot change the mode of " + path));
    }
  }
}
