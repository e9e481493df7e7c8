// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/** The descriptors that this process has open. */
public final class Descriptors {

  private static final Path FOLDER = Path.of("/proc/self/fd");

  private Descriptors() {}

  /** {@return how many there are, with the one that is needed to look} */
  public static int count() {
    return all().size();
  }

  /** {@return what each stands for: a path, or words of the kernel's such as anon_inode:bpf-map} */
  public static Map<Integer, String> all() {
    Map<Integer, String> all = new TreeMap<>();
    try (Stream<Path> open = Files.list(FOLDER)) {
      for (Path each : (Iterable<Path>) open::iterator) {
        all.put(Integer.parseInt(String.valueOf(each.getFileName())), target(each));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return all;
  }

  private static String target(Path descriptor) throws IOException {
    try {
      return Files.readSymbolicLink(descriptor).toString();
    } catch (NoSuchFileException e) {
      return ""; // closed by another thread meanwhile
    }
  }
}
