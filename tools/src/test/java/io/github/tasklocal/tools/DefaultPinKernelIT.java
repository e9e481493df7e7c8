// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.junit.KernelTest;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The default pin, on a bpffs of the test's own where every user may make a directory. */
@KernelTest
class DefaultPinKernelIT {

  private static final String DIRECTORY = "/sys/fs/bpf/tasklocal";

  private static final String CAPABILITIES = "+bpf,+perfmon,+sys_admin";

  /** Runs a command as nobody, with the capabilities that loading takes and no more. */
  private static final String LOADER =
      "setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=%s --ambient-caps=%s "
          .formatted("-all," + CAPABILITIES, CAPABILITIES);

  @TempDir Path folder;

  private Command shell(String script) throws IOException {
    return new ToolsJar(folder)
        .shell(
            "unshare -m sh -c 'mount -t tmpfs tmpfs /run && mount -t bpf bpf /sys/fs/bpf"
                + " && chmod 1777 /sys/fs/bpf && { "
                + script
                + "; }'");
  }

  @Test
  void isMadeInADirectoryOfItsOwn() throws Exception {
    Command keys = shell("TOOLS keys && stat -c \"%n %U %A\" D D/*".replace("D", DIRECTORY));
    assertThat(keys.exit()).isZero();
    assertThat(keys.out())
        .isEqualTo(
            """
            /sys/fs/bpf/tasklocal root drwxr-xr-x
            /sys/fs/bpf/tasklocal/tld_data_map root -rw-------
            """);
    assertThat(keys.err()).contains("keys: made the map " + DIRECTORY + "/tld_data_map");
  }

  @Test
  void aUserWhoMayNotLoadProgramsLeavesNoDirectoryBehind() throws Exception {
    for (String command : new String[] {"dump", "top --key k --once"}) {
      Command nobody =
          shell(ToolsJar.NOBODY + "TOOLS " + command + "; echo $?; ls /sys/fs/bpf | grep -v debug");
      assertThat(nobody.out()).isEqualTo("1\n");
      assertThat(nobody.err()).isNotEmpty();
    }
  }

  @Test
  void aUserWhoMayNotSetTheGroupLeavesNoDirectoryBehind() throws Exception {
    Command loader =
        shell(LOADER + "TOOLS keys --group root; echo $?; ls /sys/fs/bpf | grep -v debug");
    assertThat(loader.out()).isEqualTo("1\n");
    assertThat(loader.err()).contains("run as root, or choose a group of yours");
    Command own = shell(LOADER + "TOOLS keys; echo $?; ls /sys/fs/bpf | grep -v debug");
    assertThat(own.out()).isEqualTo("0\ntasklocal\n");
  }

  @Test
  void aUserWhoMayPassByModesIsNotRefusedByThem() throws Exception {
    String passer = LOADER.replace("+sys_admin", "+sys_admin,+dac_override");
    Command doctor =
        shell(
            "TOOLS keys 2>&1 && chmod 700 /sys/fs/bpf /sys/fs/bpf/tasklocal && "
                + passer
                + "TOOLS doctor");
    assertThat(doctor.exit()).as(doctor.out() + doctor.err()).isZero();
    assertThat(doctor.out())
        .doesNotContain("may not")
        .contains("/sys/fs/bpf/tasklocal/tld_data_map (");

    Path chart = folder.resolve("roots/top.svg");
    Command top =
        shell(
            "mkdir -m 700 %s && %sTOOLS top --key k --once --svg %s"
                .formatted(chart.getParent(), passer, chart));
    assertThat(top.exit()).as(top.err()).isZero();
    assertThat(chart).isNotEmptyFile();
  }

  @Test
  void aDirectoryOfAnotherUserIsRefused() throws Exception {
    isRefused("mkdir D; chown 65534 D", "D belongs to nobody, not to root or to this user");
  }

  @Test
  void aSymbolicLinkToADirectoryIsRefused() throws Exception {
    isRefused("ln -s /sys/fs/bpf D", "D is not a directory");
    isRefused(
        "mkdir /sys/fs/bpf/x; ln -s /sys/fs/bpf/x D; chown -h 65534 D", "D is not a directory");
  }

  private void isRefused(String made, String reason) throws IOException {
    String before = made.replace("D", DIRECTORY) + "; ";
    String expected = reason.replace("D", DIRECTORY);
    String cure = "rm -r " + DIRECTORY + " # as root";
    for (String command : new String[] {"keys --mode 666", "keys " + DIRECTORY + "/tld_data_map"}) {
      Command keys = shell(before + "TOOLS " + command + "; echo $?; find /sys/fs/bpf");
      assertThat(keys.out()).startsWith("1\n").doesNotContain("tld_data_map");
      assertThat(keys.err()).contains(expected + ": " + cure);
    }
    assertThat(shell(before + "TOOLS doctor").out())
        .containsPattern("map +no +" + expected)
        .contains("-> " + cure);
  }

  @Test
  void theOwnerIsNamedToAUserWhoMayNotChangeTheMode() throws Exception {
    Command keys =
        shell(
            "mkdir P; chmod 777 P; TOOLS keys --create --pin P/map --mode 666; "
                    .replace("P", "/sys/fs/bpf/p")
                + LOADER
                + "TOOLS keys --pin /sys/fs/bpf/p/map --mode 600");
    assertThat(keys.exit()).isEqualTo(1);
    assertThat(keys.err()).contains("run as its owner, who is root\n");
  }
}
