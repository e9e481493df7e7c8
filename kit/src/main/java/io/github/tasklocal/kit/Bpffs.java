// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * A bpffs of a test's own, so that nothing is left in the machine's: mounted when it is first
 * needed, gone with all pins when it is closed.
 */
public final class Bpffs implements AutoCloseable {

  private final String mode;
  private final boolean ours;
  private @Nullable Path folder;

  /**
   * Mounts one on demand: for all, or one that its owner alone can enter, as systemd mounts the
   * machine's.
   *
   * @param mode such as {@code rwx------}
   */
  public Bpffs(String mode) {
    this.mode = mode;
    this.ours = true;
  }

  /** Uses one that another process has mounted, and leaves it there. */
  public Bpffs(Path folder) {
    this.mode = "";
    this.ours = false;
    this.folder = folder;
  }

  /** {@return where it is mounted} */
  public synchronized Path folder() {
    if (folder == null) {
      try {
        folder = Folders.mount(mode);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
    return folder;
  }

  /** {@return a path in it} */
  public Path path(String name) {
    return folder().resolve(name);
  }

  @Override
  public synchronized void close() throws IOException {
    if (ours && folder != null) {
      Folders.delete(folder);
      folder = null;
    }
  }
}
