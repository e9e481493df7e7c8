// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A bpffs of the selftest's own, mounted when it is first needed, gone with all pins at the end. If
 * the process is killed before, the next one takes it away.
 */
public final class Bpffs implements AutoCloseable {

  private @Nullable Path folder;
  private final boolean ours;
  private boolean closed;

  /** Mounts one on demand. */
  public Bpffs() {
    this.ours = true;
    try {
      Folders.sweepOrphans();
    } catch (IOException e) {
      System.err.println("cannot take away what an earlier run has left: " + e);
    }
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
      Path made = Folders.make("bpffs");
      folder = made;
      String ignored =
          Check.output(List.of("mount", "-t", "bpf", "-o", "mode=0755", "bpf", made.toString()));
      // Options are taken or not, as the kernel likes.
      Files.setPosixFilePermissions(made, PosixFilePermissions.fromString("rwxr-xr-x"));
    }
    return folder;
  }

  /** Also when the process is told to end: no child, no mount and no folder outlives it. */
  public void closeAtEnd() {
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  List<ProcessHandle> all = ProcessHandle.current().descendants().toList();
                  all.forEach(ProcessHandle::destroyForcibly);
                  all.forEach(each -> each.onExit().join()); // or its folders are left
                  try {
                    close();
                  } catch (IOException e) {
                    System.err.println("cannot clean up: " + e);
                  }
                }));
  }

  /** Unmounts it, which removes all pins; a second call does nothing. */
  @Override
  public synchronized void close() throws IOException {
    if (!closed && ours) {
      Folders.sweepOwn();
    }
    closed = true;
  }
}
