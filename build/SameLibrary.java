// SPDX-License-Identifier: Apache-2.0
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;

/**
 * Checks that programs contain the library that was built here. They take it from Maven's local
 * repository, where another build of the same version may have put its own meanwhile; then the
 * tests would test another library.
 *
 * <p>Usage: {@code java build/SameLibrary.java LIBRARY PROGRAM...}, all of them jars. Exits with 1
 * if a class of the library is different in a program or missing there.
 */
final class SameLibrary {

  private SameLibrary() {}

  public static void main(String[] args) throws IOException {
    if (args.length < 2) {
      throw new IllegalArgumentException("usage: java build/SameLibrary.java LIBRARY PROGRAM...");
    }
    boolean same = true;
    try (JarFile library = new JarFile(args[0])) {
      List<JarEntry> classes =
          library.stream()
              .filter(each -> each.getName().endsWith(".class"))
              .filter(each -> !each.getName().equals("module-info.class"))
              .toList();
      if (classes.isEmpty()) {
        throw new IOException(args[0] + " has no class in it");
      }
      for (String program : List.of(args).subList(1, args.length)) {
        List<String> others;
        try (JarFile jar = new JarFile(program)) {
          others =
              classes.stream()
                  .filter(each -> !Arrays.equals(bytes(library, each), bytes(jar, each)))
                  .map(JarEntry::getName)
                  .toList();
        }
        if (!others.isEmpty()) {
          same = false;
          System.err.printf(
              "%s contains another library than %s: %d of %d classes differ, %s among them; another"
                  + " build used the same local repository, so build this again%n",
              Path.of(program), Path.of(args[0]), others.size(), classes.size(), others.getFirst());
        }
      }
    }
    System.exit(same ? 0 : 1);
  }

  /** {@return the bytes of the entry of that name; none if there is no such entry} */
  private static byte[] bytes(JarFile jar, JarEntry named) {
    JarEntry entry = jar.getJarEntry(named.getName());
    if (entry == null) {
      return new byte[0];
    }
    try (InputStream in = jar.getInputStream(entry)) {
      return in.readAllBytes();
    } catch (IOException e) {
      throw new IllegalStateException("cannot read " + entry + " of " + jar.getName(), e);
    }
  }
}
