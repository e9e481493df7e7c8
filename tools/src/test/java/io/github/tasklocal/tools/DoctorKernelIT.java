// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import com.grack.nanojson.JsonObject;
import com.grack.nanojson.JsonParser;
import com.grack.nanojson.JsonParserException;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@KernelTest
class DoctorKernelIT {

  /** Where every user can read the jar. */
  @TempDir Path folder;

  /** {@return the needs by name} */
  private static Map<String, JsonObject> needs(JsonObject document) {
    Map<String, JsonObject> needs = new HashMap<>();
    for (Object need : document.getArray("needs")) {
      needs.put(((JsonObject) need).getString("need"), (JsonObject) need);
    }
    return needs;
  }

  /** Runs the jar in a shell, where DOCTOR stands for the command. */
  private Command shell(String script) throws IOException {
    return new ToolsJar(folder).shell(script.replace("DOCTOR", "TOOLS doctor"));
  }

  private JsonObject json(Command command, int exit) {
    assertThat(command.exit()).isEqualTo(exit);
    try {
      JsonObject document = JsonParser.object().from(command.out());
      assertThat(document.getBoolean("shares")).isEqualTo(exit == 0);
      return document;
    } catch (JsonParserException e) {
      throw new AssertionError(command.out(), e);
    }
  }

  @Test
  void rootIsToldThatValuesCanBeShared() {
    Command doctor = Command.run("doctor");
    assertThat(doctor.exit()).isZero();
    assertThat(doctor.out().lines().toList().getLast())
        .matches("sharing +yes +a BPF program has read a value of this very thread");
    assertThat(doctor.out()).contains("kernel     yes  Linux").doesNotContain("\033");
    Map<String, JsonObject> needs = needs(Command.run("doctor", "--json").json());
    assertThat(needs.keySet())
        .containsExactlyInAnyOrder(
            "kernel",
            "BTF",
            "bpffs",
            "privileges",
            "libbpf",
            "JDK",
            "virtual",
            "page size",
            "tracing",
            "sched_ext",
            "map",
            "socket",
            "sharing");
    for (JsonObject need : needs.values()) {
      assertThat(need.getString("answer")).isIn("yes", "no", "not allowed to know");
      assertThat(need.getString("found")).isNotEmpty();
      assertThat(need.getString("answer").equals("no") && need.isNull("cure")).isFalse();
    }
  }

  @Test
  void theWaysToFollowVirtualThreadsAreNamedWithWhatTheyOpen() {
    JsonObject need = needs(Command.run("doctor", "--json").json()).get("virtual");
    assertThat(need.getString("found")).contains("jdk.internal.misc", "Unsafe", "ALL-UNNAMED");
    assertThat(need.getString("cure"))
        .contains(
            "--add-exports java.base/jdk.internal.misc=ALL-UNNAMED",
            "-javaagent:tasklocal.jar",
            "Add-Exports: java.base/jdk.internal.misc into the manifest");
  }

  @Test
  void aJdkWhoseVirtualThreadsAreNotAsTestedIsNamed() throws IOException {
    byte[] type;
    try (InputStream stream = Thread.class.getResourceAsStream("VirtualThread.class")) {
      type = Objects.requireNonNull(stream).readAllBytes();
    }
    String constants = new String(type, ISO_8859_1);
    assertThat(constants).contains("blockPermit");
    Path patch = Files.createDirectories(folder.resolve("patch/java/lang"));
    Files.write(
        patch.resolve("VirtualThread.class"),
        constants.replace("blockPermit", "blockPermi_").getBytes(ISO_8859_1));
    Command doctor =
        shell(
            "export JDK_JAVA_OPTIONS=--patch-module=java.base=%s; DOCTOR --json 2>/dev/null"
                .formatted(folder.resolve("patch")));
    JsonObject need = needs(json(doctor, 0)).get("virtual");
    assertThat(need.getString("answer")).isEqualTo("no");
    assertThat(need.getString("found")).contains("not as it was tested", "blockPermit");
    assertThat(need.getString("cure")).doesNotContain("--add-exports");
  }

  @Test
  void nothingIsLeftBehind() throws Exception {
    List<Path> before;
    try (Stream<Path> pins = Files.list(Path.of("/sys/fs/bpf"))) {
      before = pins.filter(each -> each.toString().contains("doctor")).toList();
    }
    Path pin = Path.of("/sys/fs/bpf/doctor_made_nothing");
    Map<String, JsonObject> needs = needs(Command.run("doctor", "--json", "--pin", pin).json());
    assertThat(needs.get("map").getString("answer")).isEqualTo("no");
    try (Stream<Path> pins = Files.list(Path.of("/sys/fs/bpf"))) {
      assertThat(pins.filter(each -> each.toString().contains("doctor"))).isEqualTo(before);
    }
  }

  @Test
  void aUserWithoutPrivilegeSharesThroughAMapThatIsForAll() throws Exception {
    try (PinnedMap map = new PinnedMap(Wire.C)) {
      Files.setPosixFilePermissions(map.pin(), PosixFilePermissions.fromString("rw-rw-rw-"));
      Files.setPosixFilePermissions(
          map.pin().getParent(), PosixFilePermissions.fromString("rwxr-xr-x"));
      Map<String, JsonObject> needs =
          needs(json(shell(ToolsJar.NOBODY + "DOCTOR --json --pin " + map.pin()), 0));
      assertThat(needs.get("privileges").getString("answer")).isEqualTo("no");
      assertThat(needs.get("map").getString("answer")).isEqualTo("yes");
      assertThat(needs.get("sharing").getString("found")).contains("(wire C)");
    }
  }

  @Test
  void aUserWithoutPrivilegeIsToldWhoseMapItIs() throws Exception {
    try (PinnedMap map = new PinnedMap(Wire.C)) {
      Files.setPosixFilePermissions(
          map.pin().getParent(), PosixFilePermissions.fromString("rwxr-xr-x"));
      JsonObject document = json(shell(ToolsJar.NOBODY + "DOCTOR --json --pin " + map.pin()), 1);
      assertThat(needs(document).get("map").getString("answer")).isEqualTo("no");
      assertThat(needs(document).get("map").getString("cure")).contains("--mode 660 --group NAME");
    }
  }

  @Test
  void whetherAMapIsBehindAClosedDirectoryIsNotAllowedToBeKnown() throws Exception {
    try (PinnedMap map = new PinnedMap(Wire.C)) {
      Files.setPosixFilePermissions(map.pin(), PosixFilePermissions.fromString("rw-rw-rw-"));
      Files.setPosixFilePermissions(
          map.pin().getParent(), PosixFilePermissions.fromString("rwx------"));
      JsonObject document = json(shell(ToolsJar.NOBODY + "DOCTOR --json --pin " + map.pin()), 1);
      assertThat(needs(document).get("map").getString("answer")).isEqualTo("not allowed to know");
      assertThat(needs(document).get("map").getString("cure"))
          .contains("chmod 711 " + map.pin().getParent());
      assertThat(needs(document).get("sharing").getString("answer"))
          .isEqualTo("not allowed to know");
    }
  }

  @Test
  void withoutABpffsTheMountCommandIsNamed() throws Exception {
    // In a mount namespace of its own; all are unmounted, as several may lie one over the other.
    String script =
        "unshare -m sh -c 'while umount -l /sys/fs/bpf 2>/dev/null; do :; done; DOCTOR --json'";
    JsonObject document = json(shell(script), 1);
    for (String need : List.of("bpffs", "sharing")) {
      assertThat(needs(document).get(need).getString("answer")).isEqualTo("no");
      assertThat(needs(document).get(need).getString("cure"))
          .contains("mount -t bpf bpf /sys/fs/bpf");
    }
  }

  /** The bpffs is there, in the list of mounts too, but no path leads to it. */
  @Test
  void aBpffsThatIsCoveredIsNotTakenForOne() throws Exception {
    JsonObject document =
        json(shell("unshare -m sh -c 'mount -t tmpfs tmpfs /sys/fs/bpf; DOCTOR --json'"), 1);
    assertThat(needs(document).get("bpffs").getString("answer")).isEqualTo("no");
    assertThat(needs(document).get("bpffs").getString("found"))
        .contains("not a bpffs but a tmpfs, which covers a bpffs");
    assertThat(needs(document).get("bpffs").getString("cure")).startsWith("umount /sys/fs/bpf");
  }

  /** As a container's runtime starts a process: with these namespaces, without these. */
  private Command container(String mounts, String without) throws IOException {
    return shell(
        "unshare --kill-child -m -p -f -u -i -C --mount-proc sh -c '%s exec setpriv --bounding-set=%s DOCTOR --json'"
            .formatted(mounts, without));
  }

  @Test
  void rootOfAContainerIsToldWhatTheContainerNeeds() throws Exception {
    JsonObject document =
        json(
            container(
                "while umount -l /sys/fs/bpf 2>/dev/null; do :; done;", "-bpf,-perfmon,-sys_admin"),
            1);
    Map<String, JsonObject> needs = needs(document);
    assertThat(needs.get("privileges").getString("answer")).isEqualTo("no");
    assertThat(needs.get("privileges").getString("cure"))
        .contains("--cap-add SYS_ADMIN --cap-add PERFMON --cap-add BPF");
    assertThat(needs.get("bpffs").getString("cure")).contains("-v /sys/fs/bpf:/sys/fs/bpf");
    for (JsonObject need : needs.values()) {
      assertThat(need.getString("cure", "")).doesNotContain("sudo", "mount -t", "scripts/vm");
    }
  }

  /** CAP_SYS_ADMIN has what is now CAP_BPF and CAP_PERFMON in it. */
  @Test
  void privilegesDoNotLackWhereAProgramWasLoaded() throws Exception {
    Map<String, JsonObject> needs = needs(json(container("", "-bpf,-perfmon"), 0));
    assertThat(needs.get("sharing").getString("found")).contains("has read a value");
    assertThat(needs.get("privileges").getString("answer")).isEqualTo("yes");
  }

  @Test
  void capabilitiesOfAUserNamespaceDoNotCount() throws Exception {
    Map<String, JsonObject> needs = needs(json(shell("unshare -U -r DOCTOR --json"), 1));
    assertThat(needs.get("privileges").getString("answer")).isEqualTo("no");
    assertThat(needs.get("privileges").getString("found")).contains("user namespace");
    assertThat(needs.get("privileges").getString("cure")).doesNotContain("sudo");
  }

  @Test
  void withoutNativeAccessTheFlagIsNamed() throws Exception {
    JsonObject document =
        json(
            shell(
                "%s --illegal-native-access=deny -cp %s %s doctor --json"
                    .formatted(
                        String.join(" ", ToolsJar.java()),
                        System.getProperty("tasklocal.toolsJar"),
                        Tools.class.getName())),
            1);
    assertThat(needs(document).get("JDK").getString("answer")).isEqualTo("no");
    assertThat(needs(document).get("JDK").getString("cure"))
        .contains("--enable-native-access=ALL-UNNAMED");
    assertThat(needs(document).get("libbpf").getString("answer")).isEqualTo("not allowed to know");
  }
}
