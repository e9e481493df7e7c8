// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.tools.system.Errnos;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What docs/serving.md says that a serving side takes: no more, and each is said to be lacking. */
@KernelTest
class ServePrivilegesKernelIT {

  /** Root with nothing but these, as in the unit of docs/serving.md. */
  private static final String ROOT =
      "setpriv --no-new-privs --bounding-set=-all,%1$s --inh-caps=-all ";

  private static final String USER =
      "setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all,%1$s --ambient-caps=%1$s ";

  private static final String BOTH = "+bpf,+perfmon";

  /** The mounts that the unit makes, and folders of nobody's. */
  private static final String PREPARE =
      """
      set -e
      mount -t tmpfs tmpfs /run
      mount -t bpf bpf /sys/fs/bpf
      mkdir /run/tasklocal /run/own /sys/fs/bpf/own
      chown 65534 /run/own /sys/fs/bpf/own
      chmod 755 /run /sys/fs/bpf
      mount -o remount,bind,ro /
      set +e
      """;

  @TempDir Path folder;

  /** Starts one, has a client register a thread, ends it, and gives what both said. */
  private Command serve(String as, String options, String socket) throws IOException {
    try (ServeClient _ = new ServeClient(folder, ServeClient.NOBODY)) {
      // It is compiled now.
    }
    String script =
        PREPARE
            + """
            AS TOOLS serve --mode 666 OPTIONS >/run/said 2>&1 &
            until grep -q "serves at" /run/said || ! kill -0 $! 2>/dev/null; do sleep 0.1; done
            if [ -S SOCKET ]; then
              printf "%s\\n" "connect SOCKET" grant "key v" thread "register 0 2" | NOBODY ./client
              until grep -q "has left" /run/said || ! kill -0 $! 2>/dev/null; do sleep 0.1; done
              kill $!
            fi
            wait $!
            status=$?
            cat /run/said
            exit $status
            """
                .replace("AS ", as)
                .replace("OPTIONS", options)
                .replace("SOCKET", socket)
                .replace("NOBODY ", ToolsJar.NOBODY);
    return new ToolsJar(folder).shell("unshare --mount sh -c '" + script + "'");
  }

  private static void requireServed(Command served) {
    assertThat(served.out()).as("%s", served).contains("process", "is served", "has left");
    assertThat(served.out().lines().limit(5)).as("%s", served).allMatch(line -> !line.isEmpty());
    assertThat(served.out().lines().skip(4).findFirst()).contains("0");
    assertThat(served.exit()).isEqualTo(143);
  }

  @Test
  void rootNeedsTwoCapabilities() throws Exception {
    requireServed(serve(ROOT.formatted(BOTH), "", "/run/tasklocal/tasklocal.sock"));
  }

  @Test
  void anyUserNeedsThemAndFolders() throws Exception {
    requireServed(
        serve(
            USER.formatted(BOTH),
            "--socket /run/own/sock --pins /sys/fs/bpf/own/tasklocal",
            "/run/own/sock"));
    Command refused =
        serve(
            USER.formatted(BOTH),
            "--pins /sys/fs/bpf/own/tasklocal",
            "/run/tasklocal/tasklocal.sock");
    assertThat(refused.exit()).isEqualTo(1);
    assertThat(refused.out()).contains("serve: ", "/run/tasklocal", "--socket");
    Command pins = serve(USER.formatted(BOTH), "--socket /run/own/sock", "/run/own/sock");
    assertThat(pins.exit()).isEqualTo(1);
    assertThat(pins.out()).contains("/sys/fs/bpf/tasklocal", "--pins");
  }

  @ParameterizedTest
  @CsvSource({
    "+bpf, no CAP_PERFMON",
    "+perfmon, no CAP_BPF",
    "+chown, no CAP_PERFMON and no CAP_BPF"
  })
  void whatIsLackingIsNamed(String capabilities, String said) throws Exception {
    for (String as : new String[] {ROOT, USER}) {
      Command refused = serve(as.formatted(capabilities), "", "/run/tasklocal/tasklocal.sock");
      assertThat(refused.exit()).isEqualTo(1);
      assertThat(refused.out())
          .isEqualTo("serve: %s: run as root, or with CAP_BPF and CAP_PERFMON\n".formatted(said));
    }
  }

  @Test
  void aGroupIsLetInAndNobodyElse() throws Exception {
    try (ServeSide side = new ServeSide(folder, "--mode", "660", "--group", "nogroup");
        ServeClient member = client(1, 65534);
        ServeClient other = client(1, 1)) {
      assertThat(other.number("connect", side.socket())).isEqualTo(Errnos.EACCES);
      assertThat(member.connect(side.socket())).isNotEmpty();
    }
  }

  private ServeClient client(int user, int group) throws IOException {
    return new ServeClient(
        folder,
        List.of("setpriv --reuid=%d --regid=%d --clear-groups".formatted(user, group).split(" ")));
  }
}
