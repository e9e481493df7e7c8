// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.Jvm;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Groups of samples, of processes that live and of such that have ended. */
class ProfileGroupsTest {

  private static ProfileSample sample(long pid, long cgroup) {
    return new ProfileSample(
        (int) pid,
        (int) pid,
        (int) pid,
        (int) pid,
        cgroup,
        "comm",
        MemorySegment.NULL,
        new long[0],
        new long[0]);
  }

  @Test
  void aControlGroupHasThePathThatOneOfItsProcessesTells() throws Exception {
    Process ended = Jvm.start(List.of("true"));
    ended.onExit().join();
    ProfileGroups groups = new ProfileGroups();
    String first = groups.of(sample(ended.pid(), 7), Profile.By.CGROUP);
    assertThat(groups.name(first)).isEqualTo("(cgroup 7)");
    String second = groups.of(sample(ProcessHandle.current().pid(), 7), Profile.By.CGROUP);
    assertThat(second).isEqualTo(first);
    assertThat(groups.name(first)).startsWith("/");
    String third = groups.of(sample(ended.pid(), 8), Profile.By.CGROUP);
    assertThat(groups.name(third)).isEqualTo("(cgroup 8)");
  }
}
