// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The ways to allow values to follow virtual threads, in a user's program. */
@KernelTest
class VirtualConsentKernelIT {

  private static final String FOLLOWS = "BPF sees 7, and 7 after a block; unseen 0\n";

  private static final String PLAIN = "BPF sees 0, and 0 after a block; unseen 1\n";

  private static final String FLAG = "--add-exports=java.base/jdk.internal.misc=";

  /** With an agent to load, it is loaded when the program runs. */
  private static final String PROGRAM =
      """
      package consumer;

      import io.github.tasklocal.TaskLocal;
      import io.github.tasklocal.TaskLocalMap;
      import io.github.tasklocal.bpf.BpfObject;
      import java.lang.foreign.ValueLayout;
      import java.nio.file.Path;
      import java.util.concurrent.locks.LockSupport;

      public class Main {
        public static void main(String[] args) throws Exception {
          if (args.length > 1) {
            String pid = Long.toString(ProcessHandle.current().pid());
            String jcmd = Path.of(System.getProperty("java.home"), "bin", "jcmd").toString();
            new ProcessBuilder(jcmd, pid, "JVMTI.agent_load", args[1])
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start()
                .waitFor();
          }
          TaskLocal.OfInt key = TaskLocal.of("looked_up", ValueLayout.JAVA_INT);
          try (BpfObject object = BpfObject.load(Path.of(args[0]));
              TaskLocalMap map = TaskLocalMap.of(object.map("tld_data_map").fd())) {
            String[] seen = new String[1];
            Thread thread =
                Thread.ofVirtual()
                    .unstarted(
                        () -> {
                          key.set(7);
                          int before = object.program("look_up").run();
                          LockSupport.parkNanos(1);
                          int after = object.program("look_up").run();
                          seen[0] = "BPF sees " + Math.max(before, 0) + ", and "
                              + Math.max(after, 0) + " after a block";
                        });
            thread.start();
            thread.join();
            System.out.println(
                seen[0] + "; unseen " + ((TaskLocalMap.Attached) map.state()).unseen());
          }
        }
      }
      """;

  /** Runs the program as a server does whose applications bring a library of their own. */
  private static final String SERVER =
      """
      package consumer;

      import java.io.File;
      import java.net.URL;
      import java.net.URLClassLoader;
      import java.util.ArrayList;
      import java.util.List;

      public class Server {
        public static void main(String[] args) throws Exception {
          List<URL> urls = new ArrayList<>();
          for (String each : System.getProperty("java.class.path").split(File.pathSeparator)) {
            urls.add(new File(each).toURI().toURL());
          }
          try (URLClassLoader loader =
              new URLClassLoader(
                  urls.toArray(URL[]::new), ClassLoader.getPlatformClassLoader())) {
            Class.forName("consumer.Main", true, loader)
                .getMethod("main", String[].class)
                .invoke(null, (Object) args);
          }
        }
      }
      """;

  @TempDir private Path folder;

  private Path jar;

  @BeforeEach
  void findTheJar() {
    jar = Path.of(System.getProperty("tasklocal.jar"));
  }

  /** {@return the program's classes, compiled as a user's are} */
  private Path compiled(String libraryOption, Path... modules) throws IOException {
    Path source = Files.createDirectories(folder.resolve("source/consumer"));
    Path main = Files.writeString(source.resolve("Main.java"), PROGRAM);
    Path server = Files.writeString(source.resolve("Server.java"), SERVER);
    Path classes = folder.resolve("classes");
    List<String> command =
        new ArrayList<>(
            List.of(Jvm.tool("javac"), "-Xlint:all", "-Werror", "-d", classes.toString()));
    command.addAll(List.of(libraryOption, jar.toString(), main.toString(), server.toString()));
    for (Path module : modules) {
      command.add(module.toString());
    }
    Jvm.output(command);
    return classes;
  }

  private static String object() {
    return Path.of(System.getProperty("tasklocal.bpf"), "look_up.c.bpf.o").toString();
  }

  private static Jvm.Result java(List<String> options, String... rest) {
    List<String> command = new ArrayList<>(List.of(Jvm.java()));
    command.addAll(options);
    command.addAll(List.of(rest));
    return Jvm.run(command);
  }

  private Jvm.Result onClassPath(List<String> options, List<Path> library, String... arguments)
      throws IOException {
    return onClassPath("consumer.Main", options, library, arguments);
  }

  private Jvm.Result onClassPath(
      String main, List<String> options, List<Path> library, String... arguments)
      throws IOException {
    List<Path> classPath = new ArrayList<>(List.of(compiled("-cp")));
    classPath.addAll(library);
    List<String> all = new ArrayList<>(options);
    all.add("--enable-native-access=ALL-UNNAMED");
    List<String> rest = new ArrayList<>(List.of("-cp", Jvm.join(classPath), main, object()));
    rest.addAll(List.of(arguments));
    return java(all, rest.toArray(String[]::new));
  }

  private Jvm.Result onModulePath(String... options) throws IOException {
    Path module = folder.resolve("module-info.java");
    Files.writeString(module, "module consumer { requires io.github.tasklocal; }\n");
    List<String> all = new ArrayList<>(List.of(options));
    all.add("--enable-native-access=io.github.tasklocal");
    String path = compiled("-p", module) + ":" + jar;
    return java(all, "-p", path, "-m", "consumer/consumer.Main", object());
  }

  private String agent() {
    return "-javaagent:" + jar;
  }

  @Test
  void withoutConsentAllWaysAreNamed() throws IOException {
    assertThat(onClassPath(List.of(), List.of(jar)).output())
        .contains(PLAIN)
        .containsOnlyOnce("--add-exports java.base/jdk.internal.misc=ALL-UNNAMED")
        .contains("-javaagent:tasklocal.jar")
        .contains("Add-Exports: java.base/jdk.internal.misc");
  }

  @Test
  void theFlag() throws IOException {
    assertThat(onClassPath(List.of(FLAG + "ALL-UNNAMED"), List.of(jar)).output())
        .isEqualTo(FOLLOWS);
  }

  @Test
  void theAgentWhoseJarIsOnTheClassPathToo() throws IOException {
    assertThat(onClassPath(List.of(agent()), List.of(jar)).output()).isEqualTo(FOLLOWS);
  }

  @Test
  void theAgentBesideAnotherCopyOnTheClassPath() throws IOException {
    Path copy = Files.copy(jar, folder.resolve("copy.jar"));
    assertThat(onClassPath(List.of(agent()), List.of(copy, jar)).output()).isEqualTo(FOLLOWS);
  }

  @Test
  void theAgentBringsTheLibrary() throws IOException {
    assertThat(onClassPath(List.of(agent()), List.of()).output()).isEqualTo(FOLLOWS);
  }

  @Test
  void theAgentIsLoadedLater() throws IOException {
    assertThat(
            onClassPath(List.of("-XX:+EnableDynamicAgentLoading"), List.of(jar), jar.toString())
                .output())
        .isEqualTo(FOLLOWS);
  }

  @Test
  void theAgentIsDeclined() throws IOException {
    assertThat(
            onClassPath(List.of(agent(), "-Dtasklocal.virtualThreads=plain"), List.of(jar))
                .output())
        .isEqualTo(PLAIN);
  }

  @Test
  void theFlagReachesACopyThatAnApplicationBrings() throws IOException {
    assertThat(onClassPath("consumer.Server", List.of(FLAG + "ALL-UNNAMED"), List.of(jar)).output())
        .isEqualTo(FOLLOWS);
  }

  @Test
  void theAgentDoesNotAndIsNotSaidToHelp() throws IOException {
    assertThat(onClassPath("consumer.Server", List.of(agent()), List.of(jar)).output())
        .contains(PLAIN)
        .contains("--add-exports java.base/jdk.internal.misc=ALL-UNNAMED")
        .doesNotContain("-javaagent", "Add-Exports");
  }

  @Test
  void theAgentWithTheLibraryAsAModule() throws IOException {
    assertThat(onModulePath(agent()).output()).isEqualTo(FOLLOWS);
  }

  @Test
  void theFlagForTheModule() throws IOException {
    assertThat(onModulePath(FLAG + "io.github.tasklocal").output()).isEqualTo(FOLLOWS);
  }

  @Test
  void aModuleWithoutConsentIsToldItsFlag() throws IOException {
    assertThat(onModulePath().output())
        .contains(PLAIN)
        .contains("--add-exports java.base/jdk.internal.misc=io.github.tasklocal")
        .contains("-javaagent:tasklocal.jar")
        .doesNotContain("Add-Exports");
  }

  /** {@return what an executable jar prints, with more in its manifest} */
  private String executable(String more, String... options) throws IOException {
    Path classes = compiled("-cp");
    Path manifest = folder.resolve("manifest");
    Files.writeString(
        manifest,
        "Main-Class: consumer.Main\nClass-Path: library.jar\nEnable-Native-Access: ALL-UNNAMED\n"
            + more);
    Files.copy(jar, folder.resolve("library.jar"));
    String program = folder.resolve("program.jar").toString();
    Jvm.output(
        List.of(
            Jvm.tool("jar"),
            "--create",
            "--file",
            program,
            "--manifest",
            manifest.toString(),
            "-C",
            classes.toString(),
            "."));
    return java(List.of(options), "-jar", program, object()).output();
  }

  @Test
  void theManifestOfAnExecutableJar() throws IOException {
    assertThat(executable("Add-Exports: java.base/jdk.internal.misc\n")).isEqualTo(FOLLOWS);
  }

  @Test
  void theAgentOfAnExecutableJar() throws IOException {
    assertThat(executable("", agent())).isEqualTo(FOLLOWS);
  }
}
