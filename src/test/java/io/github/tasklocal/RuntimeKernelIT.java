// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The ways to start Java: as a module, without native access, without libbpf, without rights. */
class RuntimeKernelIT {

  @TempDir private Path folder;

  /** The library for the module path; the tests' own class path may have its folder instead. */
  private Path jar;

  @BeforeEach
  void openTheFolder() throws IOException {
    Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxr-xr-x"));
    jar = Path.of(System.getProperty("tasklocal.jar"));
  }

  private static final String CONSUMER =
      """
      package consumer;

      import io.github.tasklocal.TaskLocal;
      import io.github.tasklocal.error.TaskLocalException;
      import java.lang.foreign.ValueLayout;

      public class Main {
        public static void main(String[] args) {
          try {
            TaskLocal.OfInt key = TaskLocal.of("priority", ValueLayout.JAVA_INT);
            key.set(7);
            System.out.println(Main.class.getModule() + " reads " + key.get());
          } catch (TaskLocalException e) {
            System.out.println(e.getClass().getSimpleName() + ": " + e.getMessage());
          }
        }
      }
      """;

  /** Compiles a user's module against the library's jar alone. */
  private Path consumer() throws IOException {
    Path source = Files.createDirectories(folder.resolve("source/consumer"));
    Path module = folder.resolve("source/module-info.java");
    Files.writeString(module, "module consumer { requires io.github.tasklocal; }\n");
    Path main = Files.writeString(source.resolve("Main.java"), CONSUMER);
    Path classes = folder.resolve("consumer");
    Jvm.Result compiled =
        Jvm.run(
            List.of(
                Jvm.tool("javac"),
                "-Xlint:all",
                "-Werror",
                "-d",
                classes.toString(),
                "-p",
                jar.toString(),
                module.toString(),
                main.toString()));
    assertThat(compiled.exit()).as(compiled.output()).isZero();
    return classes;
  }

  private Jvm.Result runConsumer(String... options) throws IOException {
    List<String> command = new ArrayList<>(List.of(Jvm.java()));
    command.addAll(List.of(options));
    command.addAll(List.of("-p", jar + ":" + consumer(), "-m", "consumer/consumer.Main"));
    return Jvm.run(command);
  }

  @Test
  void aModuleUsesTheLibraryFromTheModulePath() throws IOException {
    assertThat(runConsumer("--enable-native-access=io.github.tasklocal").output())
        .isEqualTo("module consumer reads 7\n");
  }

  /** Denies native access to the library; before Java 24, by naming another module only. */
  static final String DENIAL =
      Runtime.version().feature() < 24
          ? "--enable-native-access=java.base"
          : "--illegal-native-access=deny";

  @Test
  void aModuleThatIsDeniedNativeAccessIsToldTheFlag() throws IOException {
    assertThat(runConsumer(DENIAL).output())
        .startsWith("NativeAccessException")
        .contains("module io.github.tasklocal", "--enable-native-access=io.github.tasklocal");
  }

  @Test
  void theClassPathThatIsDeniedNativeAccessIsToldTheFlag() {
    Path object = Clang.compile(folder, "object");
    for (String[] step : new String[][] {{"keys"}, {"load", object.toString()}}) {
      List<String> command = Children.childCommand(Children.classPath(), step);
      command.set(1, DENIAL);
      assertThat(Jvm.run(command).output())
          .startsWith("NativeAccessException")
          .contains("--enable-native-access=ALL-UNNAMED");
    }
  }

  /** By the property that tells a native image of GraalVM, as none can be built here. */
  @Test
  void aNativeImageHasKeysAndIsToldWhyItCannotOpenAMap() {
    Path object = Clang.compile(folder, "object");
    assertThat(inNativeImage("keys")).isEqualTo("ok\n");
    assertThat(inNativeImage("load", object.toString()))
        .startsWith("NotSupportedException")
        .contains("this is a native image of GraalVM", "run the application on a JDK");
  }

  private static String inNativeImage(String... step) {
    List<String> command = Children.childCommand(Children.classPath(), step);
    command.add(1, "-Dorg.graalvm.nativeimage.imagecode=runtime");
    return Jvm.run(command).output();
  }

  @Test
  @KernelTest
  void keysAndValuesWorkForTheUserNobodyWithoutAnyMap() throws IOException {
    String classPath = Children.classPathForAll(folder);
    assertThat(Children.childAsNobody(classPath, "keys").output()).isEqualTo("ok\n");
  }

  @Test
  @KernelTest
  void theUserNobodyMayNotLoadAnObjectAndIsNotToldThatItIsUnsupported() throws IOException {
    String classPath = Children.classPathForAll(folder);
    Path object = Clang.compile(folder, "values");
    Files.setPosixFilePermissions(object, PosixFilePermissions.fromString("rw-r--r--"));
    assertThat(Children.childAsNobody(classPath, "load", object.toString()).output())
        .startsWith("NotPermittedException: load object values.bpf.o")
        .contains("not allowed", "EPERM", "CAP_BPF")
        .doesNotContainIgnoringCase("support");
  }

  @Test
  @KernelTest
  void theUserNobodyOpensAPinIfItsModeAllowsIt() throws IOException {
    String classPath = Children.classPathForAll(folder);
    try (Bpffs bpffs = new Bpffs("rwxr-xr-x")) {
      for (Wire wire : Wire.values()) {
        Path file = Clang.compile(folder, "values", "-DTLD_WIRE=TLD_WIRE_" + wire);
        Path pin = bpffs.path("wire_" + wire);
        try (BpfObject object = BpfObject.load(file)) {
          object.map(wire.mapName()).pin(pin);
          Files.setPosixFilePermissions(pin, PosixFilePermissions.fromString("rw-rw-rw-"));
          assertThat(
                  Children.childAsNobody(classPath, "open", pin.toString(), wire.name()).output())
              .isEqualTo("1 registered, Optional.empty\nok\n");
          String unnamed = Children.childAsNobody(classPath, "open", pin.toString()).output();
          if (wire == Wire.A) {
            assertThat(unnamed)
                .startsWith("NotPermittedException")
                .contains("values of 32 bytes", "CAP_SYS_ADMIN", "Wire.A");
          } else {
            assertThat(unnamed).isEqualTo("1 registered, Optional.empty\nok\n");
          }
        }
      }
    }
  }

  @Test
  @KernelTest
  void withoutLibbpfKeysWorkAndOpeningNamesThePackage() throws IOException {
    Files.createFile(folder.resolve("libbpf.so.1"));
    assertThat(openWithLibrariesOf(folder))
        .startsWith("NotSupportedException")
        .contains("libbpf.so.1", "install libbpf 1.1 or newer")
        .matches(
            said ->
                said.contains("(apt-get install libbpf1)")
                    == Files.exists(Path.of("/usr/bin/apt-get")),
            "names the package manager that is here")
        .contains("file too short", "tasklocal-tools.jar serve") // the dynamic linker's own words
        .doesNotContain("Exception java.lang");
  }

  @Test
  @KernelTest
  void aLibbpfOnAFileSystemMountedNoexecIsNotSaidToBeMissing() throws IOException {
    List<String> mounting =
        List.of(
            "unshare",
            "--mount",
            "sh",
            "-ec",
            "mount -t tmpfs -o noexec none \"$1\"; cp -L \"$2\"/libbpf.so.1 \"$1\"; shift 2; exec \"$@\"",
            "sh",
            folder.toString(),
            libraryFolder());
    assertThat(openWithLibrariesOf(folder, mounting))
        .startsWith("NotSupportedException")
        .contains("failed to map segment", "without noexec")
        .doesNotContain("apt-get install");
  }

  @Test
  @KernelTest
  void aLibbpfThatLacksWhatIsNeededIsNoLinkageError() throws IOException {
    Path other = Path.of(System.getProperty("java.home"), "lib", "libjimage.so");
    Files.copy(other, folder.resolve("libbpf.so.1"));
    assertThat(openWithLibrariesOf(folder))
        .startsWith("NotSupportedException")
        .contains("libbpf", "install libbpf 1.1 or newer");
  }

  private static String libraryFolder() {
    return "/lib/" + System.getProperty("os.arch").replace("amd64", "x86_64") + "-linux-gnu";
  }

  private String openWithLibrariesOf(Path libraries) throws IOException {
    return openWithLibrariesOf(libraries, List.of());
  }

  /** Opens a map that exists, in a process that another command starts. */
  private String openWithLibrariesOf(Path libraries, List<String> before) throws IOException {
    try (Bpffs bpffs = new Bpffs("rwxr-xr-x");
        BpfObject object = BpfObject.load(Clang.compile(folder, "values"))) {
      Path pin = bpffs.path("map");
      object.map(Wire.A.mapName()).pin(pin);
      List<String> command = new ArrayList<>(before);
      command.addAll(Children.childCommand(Children.classPath(), "open", pin.toString()));
      return Jvm.run(command, Map.of("LD_LIBRARY_PATH", libraries.toString())).output();
    }
  }
}
