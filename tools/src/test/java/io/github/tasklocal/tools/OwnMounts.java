// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.kit.Jvm;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A mount namespace with a bpffs and a {@code /run} of its own, in which the default places are the
 * test's alone. It ends with this, or with the test's process.
 */
final class OwnMounts implements AutoCloseable {

  private final Process process;

  OwnMounts() throws IOException {
    process =
        new ProcessBuilder(
                "unshare",
                "--mount",
                "sh",
                "-c",
                "mount -t bpf bpf /sys/fs/bpf && mount -t tmpfs tmpfs /run && echo ready && cat")
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    try (Jvm.Deadline deadline = new Jvm.Deadline(process)) {
      if (!"ready".equals(process.inputReader().readLine())) {
        close();
        throw new AssertionError("nothing can be mounted" + deadline.late());
      }
    }
  }

  /** {@return what stands before a command that is to run there} */
  List<String> enter(List<String> before) {
    List<String> command =
        new ArrayList<>(List.of("nsenter", "--target", "" + process.pid(), "--mount"));
    command.addAll(before);
    return command;
  }

  /** {@return a path there, as it is seen from outside} */
  Path path(String path) {
    return Path.of("/proc/" + process.pid() + "/root" + path);
  }

  @Override
  public void close() throws IOException {
    process.getOutputStream().close();
    process.onExit().join();
  }
}
