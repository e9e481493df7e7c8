// SPDX-License-Identifier: Apache-2.0
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.w3c.dom.Element;
import org.w3c.dom.Node;
import org.w3c.dom.NodeList;

/**
 * Checks a folder of artifacts, laid out as a Maven repository, against what Maven Central asks for
 * (central.sonatype.org/publish/requirements), and what we promise besides: poms without a parent,
 * dependencies with versions, a bill of materials, and a BOM that lists all.
 *
 * <p>Usage: {@code java build/Bundle.java FOLDER}. Prints what is wrong, a line each, and exits
 * with 1 if there is anything. Whether signatures are right, gpg has to say: scripts/release asks
 * it.
 */
final class Bundle {

  private static final String GROUP = "io.github.tasklocal";
  private static final String BOM = "tasklocal-bom";

  private final Path folder;
  private final List<String> problems = new ArrayList<>();

  /** The names of the artifacts, and their versions. */
  private final TreeMap<String, String> artifacts = new TreeMap<>();

  /**
   * What the poms have as each of their addresses, which is one. A parent's, to which Maven has
   * appended the name of the child, would lead nowhere.
   */
  private final TreeMap<String, Set<String>> addresses = new TreeMap<>();

  private Bundle(Path folder) {
    this.folder = folder;
  }

  public static void main(String[] args) throws Exception {
    if (args.length != 1) {
      throw new IllegalArgumentException("usage: java build/Bundle.java FOLDER");
    }
    Bundle bundle = new Bundle(Path.of(args[0]));
    bundle.check();
    bundle.problems.forEach(System.err::println);
    if (bundle.problems.isEmpty()) {
      System.err.println(
          bundle.artifacts.size() + " artifacts as Maven Central asks for: " + bundle.artifacts);
    }
    System.exit(bundle.problems.isEmpty() ? 0 : 1);
  }

  private void check() throws Exception {
    Path group = folder.resolve(GROUP.replace('.', '/'));
    Set<Path> expected = new TreeSet<>();
    List<Path> versions = folders(folders(List.of(group)));
    require(!versions.isEmpty(), folder, "has no artifact of " + GROUP);
    for (Path each : versions) {
      checkArtifact(each, expected);
    }
    require(
        new TreeSet<>(artifacts.values()).size() == 1,
        folder,
        "has several versions: " + artifacts);
    addresses.forEach(
        (name, each) -> require(each.size() < 2, folder, "has several of " + name + ": " + each));
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path each : all.filter(Files::isRegularFile).toList()) {
        require(expected.contains(each), each, "does not belong into a bundle");
      }
    }
    Path bom = group.resolve(BOM);
    if (require(artifacts.containsKey(BOM), folder, "has no " + BOM)) {
      String version = artifacts.get(BOM);
      Element project = parse(bom.resolve(version).resolve(BOM + "-" + version + ".pom"));
      Set<String> listed = new TreeSet<>();
      for (Element each : all(project, "dependency")) {
        listed.add(String.valueOf(text(each, "artifactId")));
      }
      Set<String> others = new TreeSet<>(artifacts.keySet());
      others.remove(BOM);
      require(listed.equals(others), bom, "lists " + listed + ", and there are " + others);
    }
  }

  private static List<Path> folders(List<Path> parents) throws IOException {
    List<Path> found = new ArrayList<>();
    for (Path each : parents) {
      try (Stream<Path> children = Files.list(each)) {
        children.filter(Files::isDirectory).sorted().forEach(found::add);
      }
    }
    return found;
  }

  private void checkArtifact(Path of, Set<Path> expected) throws Exception {
    String version = of.getFileName().toString();
    String name = of.getParent().getFileName().toString();
    artifacts.put(name, version);
    require(!version.endsWith("-SNAPSHOT"), of, "is a snapshot");
    String stem = name + "-" + version;
    Path pom = of.resolve(stem + ".pom");
    Path jar = of.resolve(stem + ".jar");
    List<Path> files = new ArrayList<>(List.of(pom));
    if (require(Files.exists(pom), pom, "is missing")) {
      Element project = parse(pom);
      checkPom(pom, project, name, version);
      if (!"pom".equals(text(project, "packaging"))) {
        for (String each : List.of(".jar", "-sources.jar", "-javadoc.jar")) {
          files.add(of.resolve(stem + each));
        }
        files.add(of.resolve(stem + "-cyclonedx.json"));
        files.add(of.resolve(stem + "-cyclonedx.xml"));
      } else if (Files.exists(of.resolve(stem + "-cyclonedx.json"))) {
        files.add(of.resolve(stem + "-cyclonedx.json"));
        files.add(of.resolve(stem + "-cyclonedx.xml"));
      }
    }
    // Jars with a classifier of their own, such as an extension of an agent.
    try (DirectoryStream<Path> jars = Files.newDirectoryStream(of, stem + "-*.jar")) {
      for (Path each : jars) {
        if (!files.contains(each)) {
          files.add(each);
        }
      }
    }
    for (Path each : files) {
      expected.add(each);
      if (require(Files.exists(each), each, "is missing")) {
        checkSum(each, ".md5", "MD5", expected);
        checkSum(each, ".sha1", "SHA-1", expected);
        Path signature = each.resolveSibling(each.getFileName() + ".asc");
        expected.add(signature);
        if (require(Files.exists(signature), signature, "is missing")) {
          require(
              Files.readString(signature).startsWith("-----BEGIN PGP SIGNATURE-----"),
              signature,
              "is no detached signature in ASCII armour");
        }
        if (each.toString().endsWith(".jar")) {
          checkJar(each);
        } else if (each.toString().contains("-cyclonedx.") && Files.exists(jar)) {
          checkBill(each, jar);
        }
      }
    }
  }

  private void checkSum(Path file, String suffix, String algorithm, Set<Path> expected)
      throws IOException, GeneralSecurityException {
    Path sum = file.resolveSibling(file.getFileName() + suffix);
    expected.add(sum);
    if (require(Files.exists(sum), sum, "is missing")) {
      byte[] right = MessageDigest.getInstance(algorithm).digest(Files.readAllBytes(file));
      require(
          Files.readString(sum).strip().equals(HexFormat.of().formatHex(right)),
          sum,
          "is not the sum of the file");
    }
  }

  private void checkJar(Path file) throws IOException {
    try (JarFile jar = new JarFile(file.toFile())) {
      require(jar.stream().anyMatch(each -> !each.isDirectory()), file, "is empty");
    }
  }

  /** What a jar says that it contains of others, its bill of materials has to list. */
  private void checkBill(Path bill, Path of) throws IOException {
    String text = Files.readString(bill);
    try (JarFile jar = new JarFile(of.toFile())) {
      JarEntry contents = jar.getJarEntry("META-INF/THIRD-PARTY.txt");
      if (contents == null) {
        return;
      }
      String listed = new String(jar.getInputStream(contents).readAllBytes(), UTF_8);
      Matcher library = Pattern.compile("\\(([^ :]+):([^ :]+):([^ :]+) - ").matcher(listed);
      int count = 0;
      for (; library.find(); count++) {
        String url =
            "pkg:maven/%s/%s@%s".formatted(library.group(1), library.group(2), library.group(3));
        require(text.contains(url), bill, "does not list " + url);
      }
      require(count > 0, of, "has a META-INF/THIRD-PARTY.txt that names no library");
    }
  }

  private void checkPom(Path pom, Element project, String name, String version) {
    require(text(project, "parent") == null, pom, "has a parent");
    require(GROUP.equals(text(project, "groupId")), pom, "has another groupId than " + GROUP);
    require(name.equals(text(project, "artifactId")), pom, "has another artifactId");
    require(version.equals(text(project, "version")), pom, "has another version");
    for (String each : List.of("name", "description", "url")) {
      String said = text(project, each);
      require(said != null && !said.isBlank(), pom, "has no " + each);
    }
    requireEach(pom, project, "licenses", "license", List.of("name", "url"));
    requireEach(pom, project, "developers", "developer", List.of("name", "organizationUrl"));
    Element scm = child(project, "scm");
    if (require(scm != null, pom, "has no scm")) {
      for (String each : List.of("connection", "developerConnection", "url")) {
        String said = text(scm, each);
        require(said != null && !said.isBlank(), pom, "has an scm without " + each);
        addresses.computeIfAbsent("scm." + each, _ -> new TreeSet<>()).add(String.valueOf(said));
      }
    }
    addresses
        .computeIfAbsent("url", _ -> new TreeSet<>())
        .add(String.valueOf(text(project, "url")));
    for (Element each : all(project, "dependency")) {
      String what = text(each, "artifactId");
      String of = text(each, "version");
      require(
          of != null && !of.contains("$") && !of.endsWith("-SNAPSHOT"),
          pom,
          "has the dependency " + what + " of version " + of);
      String scope = text(each, "scope");
      require(
          !"test".equals(scope) && !"system".equals(scope),
          pom,
          "has the dependency " + what + " of scope " + scope);
    }
    for (String each : List.of("repositories", "pluginRepositories", "build", "profiles")) {
      require(child(project, each) == null, pom, "has " + each);
    }
  }

  private void requireEach(
      Path pom, Element project, String list, String element, List<String> fields) {
    Element found = child(project, list);
    List<Element> elements = found == null ? List.of() : all(found, element);
    require(!elements.isEmpty(), pom, "has no " + list);
    for (Element each : elements) {
      for (String field : fields) {
        require(text(each, field) != null, pom, "has a " + element + " without " + field);
      }
    }
  }

  private boolean require(boolean right, Path where, String problem) {
    if (!right) {
      problems.add(folder.relativize(where) + " " + problem);
    }
    return right;
  }

  // ---- XML ----

  private static Element parse(Path file) throws Exception {
    return DocumentBuilderFactory.newInstance()
        .newDocumentBuilder()
        .parse(file.toFile())
        .getDocumentElement();
  }

  private static Element child(Element parent, String name) {
    for (Node each = parent.getFirstChild(); each != null; each = each.getNextSibling()) {
      if (each instanceof Element element && element.getTagName().equals(name)) {
        return element;
      }
    }
    return null;
  }

  private static String text(Element parent, String name) {
    Element found = child(parent, name);
    return found == null ? null : found.getTextContent().strip();
  }

  private static List<Element> all(Element parent, String name) {
    NodeList found = parent.getElementsByTagName(name);
    List<Element> elements = new ArrayList<>();
    for (int i = 0; i < found.getLength(); i++) {
      elements.add((Element) found.item(i));
    }
    return elements;
  }
}
