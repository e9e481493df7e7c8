// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.error.NotPermittedException;
import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What may be done is done, and what may not is refused with the reason that really holds. */
@KernelTest
class PermissionKernelIT {

  private static final String REFUSED = NotPermittedException.class.getSimpleName();

  /** Another user, with capabilities that access(2) does not know of. */
  private static final List<String> AMBIENT =
      List.of(
          "setpriv",
          "--reuid=65534",
          "--regid=65534",
          "--clear-groups",
          "--inh-caps=+cap_38,+cap_39,+dac_override,+sys_admin",
          "--ambient-caps=+cap_38,+cap_39,+dac_override,+sys_admin");

  private static final String LSM = "/sys/kernel/security/lsm";

  private static Path object;
  private static String classPath;
  private static Bpffs bpffs;
  private static BpfObject values;
  private static Path pin;

  @BeforeAll
  static void compile(@TempDir Path folder) throws IOException {
    object = Clang.compile(folder, "object");
    classPath = Children.classPathForAll(folder);
    bpffs = new Bpffs("rwx------");
    values = BpfObject.load(BpfView.compile(folder, Wire.A));
    pin = bpffs.path("values");
    values.map(Wire.A.mapName()).pin(pin);
    Files.setPosixFilePermissions(pin, PosixFilePermissions.fromString("rw-------"));
  }

  @AfterAll
  static void close() throws IOException {
    values.close();
    bpffs.close();
  }

  @Test
  void whatCapabilitiesAllowIsNotRefusedToAnotherUser() throws IOException {
    Files.setPosixFilePermissions(object, PosixFilePermissions.fromString("---------"));
    for (String[] step :
        List.of(
            new String[] {"load", object.toString()},
            new String[] {"open", pin.toString(), "A"},
            new String[] {"pin", object.toString(), "counts", bpffs.path("its") + "", "return"},
            new String[] {"take-over", object.toString(), "counts", bpffs.path("its") + ""})) {
      assertDone(step);
    }
    Files.setPosixFilePermissions(object, PosixFilePermissions.fromString("rw-r--r--"));
    try (BpfObject killed = BpfObject.load(object)) {
      killed.map("counts").pin(bpffs.path("left"));
      Object before = Files.readAttributes(bpffs.path("left"), BasicFileAttributes.class).fileKey();
      assertDone("take-over", object.toString(), "counts", bpffs.path("left").toString());
      assertThat(Files.readAttributes(bpffs.path("left"), BasicFileAttributes.class).fileKey())
          .as("the pin that was taken over")
          .isEqualTo(before);
    }
  }

  private static void assertDone(String... step) {
    assertThat(Children.childBy(AMBIENT, classPath, step).output())
        .as(String.join(" ", step))
        .endsWith("ok\n");
  }

  @Test
  void aFolderThatMayNotBeWrittenIsNamedWithItsMode() throws IOException {
    try (Bpffs roots = new Bpffs("rwxr-xr-x")) {
      List<String> loader = new ArrayList<>(AMBIENT);
      loader.replaceAll(each -> each.replace(",+dac_override", ""));
      for (String step : List.of("pin", "take-over")) {
        assertThat(
                Children.childBy(
                        loader,
                        classPath,
                        step,
                        object.toString(),
                        "counts",
                        roots.path("its").toString(),
                        "return")
                    .output())
            .startsWith(REFUSED)
            .contains("may not write to " + roots.folder(), "rwxr-xr-x", "owner root", "EACCES");
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"pidfd_open, 38", "pidfd_open, 1", "bpf, 38", "bpf, 1", "bpf, 13", "bpf, 22"})
  void aFilterThatRefusesACallOfRegistrationIsNamed(String call, String errno) {
    String output =
        Children.childBy(List.of(), classPath, "refuse", call, errno, "open", pin + "", "A")
            .output();
    assertNamed(call, output);
    // Nothing that is not needed to open a map.
    assertThat(output).doesNotContain("--cap-add");
    assertThat(output.contains("mount the folder of its socket")).isEqualTo(call.equals("bpf"));
  }

  @ParameterizedTest
  @CsvSource({"bpf, 38", "bpf, 1"})
  void aFilterThatRefusesALoadIsNamed(String call, String errno) {
    String output =
        Children.childBy(List.of(), classPath, "refuse", call, errno, "load", object + "").output();
    assertNamed(call, output);
    assertThat(output).contains("--cap-add BPF from version 23 on", "--cap-add SYS_ADMIN only");
  }

  @ParameterizedTest
  @CsvSource({"38", "1"})
  void aFilterThatRefusesATracepointIsNamed(String errno) {
    String call = "perf_event_open";
    String[] step = {"refuse", call, errno, "attach", object.toString(), "on_tracepoint"};
    assertNamed(
        call,
        Children.childBy(mounting("tracefs", "/sys/kernel/tracing"), classPath, step).output());
  }

  private static void assertNamed(String call, String output) {
    assertThat(output)
        .startsWith(REFUSED)
        .contains("a seccomp filter refuses the system call " + call + " ")
        .contains("allow " + call, "--security-opt seccomp=")
        .doesNotContain("6.13", "as root", "ulimit");
  }

  /** The kernel's own refusal under a filter that lets the call pass is not the filter's. */
  @Test
  void aFilterThatRefusesAnotherCallIsNotNamed(@TempDir Path folder) {
    String[] load = {"refuse", "perf_event_open", "1", "load", object.toString()};
    assertThat(Children.childBy(List.of(), classPath, load).output()).endsWith("ok\n");
    List<String> root =
        List.of("setpriv", "--bounding-set=-cap_38,-cap_39,-sys_admin", "--no-new-privs");
    assertThat(Children.childBy(root, classPath, load).output())
        .startsWith(REFUSED)
        .contains("lacks CAP_PERFMON and CAP_BPF", "EPERM")
        .doesNotContain("seccomp filter");
    Path causes = Clang.compile(folder, "causes");
    String[] attach = {"refuse", "pidfd_open", "1", "attach", causes.toString(), "groups"};
    assertThat(Children.childBy(List.of(), classPath, attach).output())
        .contains("attach program groups", "EINVAL")
        .doesNotContain("seccomp filter");
  }

  @Test
  void rootWithoutCapabilitiesIsToldWhichItLacks() {
    List<String> root = List.of("setpriv", "--bounding-set=-cap_38,-cap_39,-sys_admin");
    assertThat(Children.childBy(root, classPath, "load", object.toString()).output())
        .startsWith(REFUSED)
        .contains("lacks CAP_PERFMON and CAP_BPF", "--cap-add BPF", "EPERM")
        .contains("Operation not permitted") // libbpf's own words
        .doesNotContain("as root", "seccomp", "ulimit", "RLIMIT");
  }

  @Test
  void aUserWithoutCapabilitiesIsToldWhichItLacks() {
    assertThat(Children.childAsNobody(classPath, "load", object.toString()).output())
        .startsWith(REFUSED)
        .contains("lacks CAP_PERFMON and CAP_BPF", "run as root", "EPERM")
        .doesNotContain("seccomp", "ulimit", "RLIMIT");
  }

  @Test
  void rootOfAUserNamespaceIsToldSo() {
    List<String> namespace = List.of("unshare", "--user", "--map-root-user");
    assertThat(Children.childBy(namespace, classPath, "load", object.toString()).output())
        .startsWith(REFUSED)
        .contains("in its user namespace only", "EPERM")
        .doesNotContain("as root", "seccomp");
  }

  @Test
  void aRefusalOfUnknownCauseIsToldWithWhatLibbpfSaysAndWhatIsThere(@TempDir Path folder) {
    int user = 64_123;
    List<String> loader = new ArrayList<>(mounting("securityfs", "/sys/kernel/security"));
    AMBIENT.forEach(each -> loader.add(each.replace("65534", String.valueOf(user))));
    String modules = Jvm.output(mountingAnd("securityfs", "/sys/kernel/security", "cat", LSM));
    assumeTrue(modules.contains("bpf"), "the kernel takes no BPF programs as a security module");
    Path file = Clang.compile(folder, "guard");
    try (BpfObject guard = BpfObject.open(file)) {
      guard.global("user").set(JAVA_INT, 0, user);
      guard.load();
      guard.program("refuse").attach();
      assertToldAsItIs(Children.childBy(loader, classPath, "load", object + "").output(), modules);
    } catch (NotPermittedException e) { // such programs are themselves refused, even to root
      assertToldAsItIs(Children.childBy(loader, classPath, "load", file + "").output(), modules);
    }
    assertThat(Children.childBy(loader, classPath, "load", object.toString()).output())
        .endsWith("ok\n");
  }

  private static void assertToldAsItIs(String output, String modules) {
    assertThat(output)
        .startsWith(REFUSED)
        .contains("not allowed to this process", "EPERM", "failed to load")
        .contains("the security modules are " + modules.strip())
        .doesNotContain("as root", "lacks", "seccomp filter", "user namespace", "ulimit");
  }

  private static List<String> mounting(String type, String folder) {
    return List.of(
        "unshare",
        "--mount",
        "sh",
        "-c",
        "mount -t " + type + " none " + folder + " && exec \"$@\"",
        "sh");
  }

  private static List<String> mountingAnd(String type, String folder, String... command) {
    List<String> all = new ArrayList<>(mounting(type, folder));
    all.addAll(List.of(command));
    return all;
  }
}
