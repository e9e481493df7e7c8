// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Comparator;
import java.util.List;
import java.util.function.LongPredicate;
import java.util.stream.Stream;

/**
 * Temporary folders that are named after their process, so that those of a killed one can be told
 * from those in use.
 */
public final class Folders {

  private static final String PREFIX = "tasklocal-kit-";

  private static boolean ended;

  private Folders() {}

  /** {@return a new folder, for its owner alone} */
  public static synchronized Path make(String kind) throws IOException {
    if (ended) {
      throw new IllegalStateException("cannot make a temporary folder: the process is ending");
    }
    return Files.createTempDirectory(PREFIX + kind + "-" + ProcessHandle.current().pid() + "-");
  }

  /** {@return a new folder with a bpffs, both of this mode} */
  static synchronized Path mount(String mode) throws IOException {
    Path folder = make("bpffs");
    String ignored = Jvm.output(List.of("mount", "-t", "bpf", "bpf", folder.toString()));
    // Options of a mount are taken or not, as the kernel likes.
    Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString(mode));
    return folder;
  }

  /** Deletes a folder with all that is in it, and takes away what is mounted there. */
  public static synchronized void delete(Path folder) throws IOException {
    if (Files.notExists(folder)) {
      return; // the last sweep was before
    }
    while (isMount(folder)) { // there may be several, one over the other
      String ignored = Jvm.output(List.of("umount", "-l", folder.toString()));
    }
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }

  private static boolean isMount(Path folder) throws IOException {
    Path above = folder.toAbsolutePath().getParent();
    return above != null
        && !Files.getAttribute(folder, "unix:dev").equals(Files.getAttribute(above, "unix:dev"));
  }

  /**
   * Deletes what processes have left that were killed, and what this one has not deleted when it
   * ends, also where it is told to: no child, no mount and no folder outlives it.
   */
  public static void sweep() {
    sweep(Folders::isOrphaned);
    Runtime.getRuntime().addShutdownHook(new Thread(Folders::end));
  }

  private static void end() {
    List<ProcessHandle> all = ProcessHandle.current().descendants().toList();
    all.forEach(ProcessHandle::destroyForcibly);
    all.forEach(each -> each.onExit().join()); // or its folders are taken for in use
    synchronized (Folders.class) {
      sweep(pid -> pid == ProcessHandle.current().pid() || isOrphaned(pid));
      ended = true;
    }
  }

  private static boolean isOrphaned(long pid) {
    return ProcessHandle.of(pid).isEmpty();
  }

  private static void sweep(LongPredicate left) {
    try {
      Path mine = make("sweep");
      try (DirectoryStream<Path> folders =
          Files.newDirectoryStream(
              Path.of(System.getProperty("java.io.tmpdir")), PREFIX + "*-*-*")) {
        for (Path folder : folders) {
          String[] name = folder.getFileName().toString().split("-", -1);
          String pid = name[name.length - 2];
          // Anybody may make a folder of such a name, or a link.
          if (!folder.equals(mine)
              && Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS)
              && Files.getOwner(folder, LinkOption.NOFOLLOW_LINKS).equals(Files.getOwner(mine))
              && pid.matches("[0-9]{1,9}")
              && left.test(Long.parseLong(pid))) {
            delete(folder);
          }
        }
      } finally {
        Files.delete(mine);
      }
    } catch (IOException e) {
      System.err.println("cannot remove what earlier runs left in the temporary folder: " + e);
    }
  }
}
