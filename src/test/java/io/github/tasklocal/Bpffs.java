// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import io.github.tasklocal.kit.Jvm;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;

/** A bpffs of a test's own, so that nothing is left in the machine's. */
public final class Bpffs implements AutoCloseable {

  private final Path root;

  private Bpffs(Path root) {
    this.root = root;
  }

  /**
   * Mounts one that its owner alone can enter, as systemd mounts the machine's, or one for all.
   *
   * @param mode such as {@code rwx------}
   */
  public static Bpffs mount(String mode) throws IOException {
    Path folder = Files.createTempDirectory("tasklocal-bpffs");
    Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxr-xr-x"));
    Jvm.Result mounted = Jvm.run(List.of("mount", "-t", "bpf", "bpf", folder.toString()));
    if (mounted.exit() != 0) {
      Files.delete(folder);
      throw new AssertionError("no bpffs could be mounted: " + mounted.output());
    }
    Bpffs bpffs = new Bpffs(folder);
    try {
      Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString(mode));
    } catch (IOException e) {
      bpffs.close();
      throw e;
    }
    return bpffs;
  }

  /** {@return the mounted folder} */
  public Path root() {
    return root;
  }

  /** {@return a path in it} */
  public Path path(String name) {
    return root.resolve(name);
  }

  @Override
  public void close() throws IOException {
    Jvm.Result unmounted = Jvm.run(List.of("umount", root.toString()));
    if (unmounted.exit() != 0) {
      throw new AssertionError("the test's bpffs cannot be unmounted: " + unmounted.output());
    }
    Files.delete(root);
  }
}
