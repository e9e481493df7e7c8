// SPDX-License-Identifier: Apache-2.0
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.module.ModuleDescriptor;
import java.lang.module.ModuleFinder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;

/**
 * Compares the public API with a file that lists it, so that whoever adds, removes or alters a part
 * of it sees that in the change itself, before users do.
 *
 * <p>Usage: {@code java build/Api.java [--write] CLASSES FILE}, with the folder of a module's
 * classes and the file, which has what the JDK's javap prints for the exported packages. Exits with
 * 1 if they differ; with {@code --write} the file is written anew.
 */
final class Api {

  private Api() {}

  public static void main(String[] args) throws IOException {
    List<String> arguments = new ArrayList<>(List.of(args));
    boolean write = arguments.remove("--write");
    if (arguments.size() != 2) {
      throw new IllegalArgumentException("usage: java build/Api.java [--write] CLASSES FILE");
    }
    Path file = Path.of(arguments.get(1));
    List<String> api = read(Path.of(arguments.get(0)));
    if (write) {
      Files.write(file, api);
      return;
    }
    List<String> before = Files.readAllLines(file);
    if (!api.equals(before)) {
      List<String> gone = without(before, api);
      List<String> come = without(api, before);
      gone.forEach(line -> System.err.println("- " + line));
      come.forEach(line -> System.err.println("+ " + line));
      System.err.printf(
          "the public API is not that of %s; if it is meant to change, say so in CHANGELOG.md and"
              + " run: java build/Api.java --write %s%n",
          file, String.join(" ", arguments));
      System.exit(1);
    }
  }

  private static List<String> without(List<String> lines, List<String> others) {
    Set<String> left = new LinkedHashSet<>(lines);
    others.forEach(left::remove);
    return List.copyOf(left);
  }

  /** {@return a line for each type that users see, and for each member, after its type's name} */
  private static List<String> read(Path classes) throws IOException {
    ModuleDescriptor module = ModuleFinder.of(classes).findAll().iterator().next().descriptor();
    List<String> packages =
        module.exports().stream()
            .filter(each -> !each.isQualified())
            .map(ModuleDescriptor.Exports::source)
            .sorted()
            .toList();
    List<String> command = new ArrayList<>(List.of("-protected", "-constants"));
    for (String each : packages) {
      try (Stream<Path> files = Files.list(classes.resolve(each.replace('.', '/')))) {
        files
            .map(Path::toString)
            .filter(name -> name.endsWith(".class"))
            .sorted()
            .forEach(command::add);
      }
    }
    StringWriter text = new StringWriter();
    PrintWriter out = new PrintWriter(text);
    if (ToolProvider.findFirst("javap").orElseThrow().run(out, out, command.toArray(String[]::new))
        != 0) {
      throw new IOException(text.toString());
    }

    List<String> api = new ArrayList<>();
    List<String> hidden = new ArrayList<>();
    String type = "";
    for (String line : text.toString().lines().toList()) {
      if (line.endsWith("{")) {
        boolean visible = line.startsWith("public ") || line.startsWith("protected ");
        String declared = line.substring(0, line.length() - 2);
        type = declared.replaceFirst(".*?(class|interface) ([^ <]+).*", "$2");
        if (visible) {
          api.add(declared);
        } else {
          hidden.add(type + "$");
          type = "";
        }
      } else if (line.startsWith("  ") && !type.isEmpty()) {
        api.add(type + ": " + line.strip());
      }
    }
    // Those nested in an interface are public, whatever it is itself.
    api.removeIf(line -> hidden.stream().anyMatch(line::contains));
    if (api.isEmpty()) {
      throw new IOException(classes + " has no public type");
    }
    return api;
  }
}
