// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.function.LongPredicate;
import java.util.stream.Stream;

/**
 * Temporary folders that are named after their process, so that those of a killed one can be told
 * from those in use.
 */
final class Folders {

  private static final String PREFIX = "tasklocal-selftest-";

  private Folders() {}

  /** {@return a new folder} */
  static Path make(String kind) throws IOException {
    return Files.createTempDirectory(PREFIX + kind + "-" + ProcessHandle.current().pid() + "-");
  }

  /** Deletes a folder with all that is in it, and takes away what is mounted there. */
  static void delete(Path folder) throws IOException {
    if (Files.getFileStore(folder).type().equals("bpf")) {
      String ignored = Check.output(List.of("umount", "-l", folder.toString()));
    }
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }

  /** Deletes what this process has left by now. */
  static void sweepOwn() throws IOException {
    sweep(pid -> pid == ProcessHandle.current().pid());
  }

  /** Deletes what processes have left that were killed. */
  static void sweepOrphans() throws IOException {
    sweep(pid -> ProcessHandle.of(pid).isEmpty());
  }

  private static void sweep(LongPredicate left) throws IOException {
    Path mine = make("sweep");
    try (DirectoryStream<Path> folders =
        Files.newDirectoryStream(Path.of(System.getProperty("java.io.tmpdir")), PREFIX + "*-*-*")) {
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
  }
}
