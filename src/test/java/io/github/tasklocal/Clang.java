// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import io.github.tasklocal.kit.Jvm;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** Compiles BPF programs of src/test/bpf against the project's headers, when a test runs. */
public final class Clang {

  private static final Path ROOT = Path.of(System.getProperty("basedir", "")).toAbsolutePath();

  private Clang() {}

  /** {@return the compiler: $CLANG, or the first of these that is on PATH} */
  public static String any() {
    return Stream.concat(
            Stream.ofNullable(System.getenv("CLANG")),
            Stream.of("clang", "clang-19", "clang-18", "clang-16", "clang-14"))
        .filter(Clang::exists)
        .findFirst()
        .orElseThrow(() -> new AssertionError("no clang on PATH: install the package clang"));
  }

  /** {@return whether a command is on PATH} */
  public static boolean exists(String command) {
    return Stream.of(System.getenv("PATH").split(":"))
        .anyMatch(folder -> Files.isExecutable(Path.of(folder, command)));
  }

  /**
   * Compiles {@code src/test/bpf/NAME.bpf.c}.
   *
   * @return the object file, in the folder
   */
  public static Path compile(Path folder, String name, String... flags) {
    return compileWith(any(), folder, name, flags);
  }

  /** As {@link #compile}, with a compiler by name. */
  public static Path compileWith(String clang, Path folder, String name, String... flags) {
    Path object = folder.resolve(name + ".bpf.o");
    List<String> command =
        new ArrayList<>(
            List.of(clang, "-target", "bpf", "-O2", "-g", "-mcpu=v3", "-Wall", "-Werror"));
    command.addAll(List.of("-I", ROOT.resolve("bpf/include").toString()));
    // clang -target bpf does not look where the distribution keeps <asm/types.h>.
    String triplet = System.getProperty("os.arch").replace("amd64", "x86_64") + "-linux-gnu";
    command.addAll(List.of("-idirafter", "/usr/include/" + triplet));
    command.addAll(List.of(flags));
    command.addAll(List.of("-c", ROOT.resolve("src/test/bpf/" + name + ".bpf.c").toString()));
    command.addAll(List.of("-o", object.toString()));
    Jvm.Result result = Jvm.run(command);
    if (result.exit() != 0) {
      throw new AssertionError(String.join(" ", command) + "\n" + result.output());
    }
    return object;
  }
}
