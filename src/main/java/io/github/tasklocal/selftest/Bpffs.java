// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.jspecify.annotations.Nullable;

/**
 * A bpffs of the selftest's own, mounted when it is first needed, gone with all pins at the end.
 */
public final class Bpffs implements AutoCloseable {

  private @Nullable Path folder;
  private final boolean ours;
  private boolean closed;

  /** Mounts one on demand. */
  public Bpffs() {
    this.ours = true;
  }

  /** Uses one that another process has mounted. */
  public Bpffs(Path folder) {
    this.folder = folder;
    this.ours = false;
  }

  /** {@return where it is mounted; anybody may go there, only its owner may pin} */
  public synchronized Path folder() throws IOException {
    Check.that(!closed, "the selftest is ending");
    if (folder == null) {
      Path made = Files.createTempDirectory("tasklocal-selftest-bpffs-");
      folder = made;
      command("mount", "-t", "bpf", "-o", "mode=0755", "bpf", made.toString());
      // Options are taken or not, as the kernel likes.
      Files.setPosixFilePermissions(made, PosixFilePermissions.fromString("rwxr-xr-x"));
    }
    return folder;
  }

  /** Unmounts it, which removes all pins; a second call does nothing. */
  @Override
  public synchronized void close() throws IOException {
    if (!closed && ours && folder != null) {
      if (Files.getFileStore(folder).type().equals("bpf")) {
        command("umount", "-l", folder.toString());
      }
      Files.delete(folder);
    }
    closed = true;
  }

  private static void command(String... command) throws IOException {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    process.getOutputStream().close();
    String output = new String(process.getInputStream().readAllBytes(), Charset.defaultCharset());
    int status = process.onExit().join().exitValue();
    Check.that(status == 0, String.join(" ", command) + " ended with " + status + ": " + output);
  }
}
