// SPDX-License-Identifier: Apache-2.0
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Makes Java sources from templates, so that what is the same for each of Java's primitive types is
 * written once.
 *
 * <p>Usage: {@code java build/Templates.java TEMPLATES OUTPUT}, two folders. A template is a Java
 * file whose name ends with {@code .template}, in which
 *
 * <ul>
 *   <li>{@code $word$} stands for that word of the current row of a list
 *   <li>{@code //# each list} repeats the lines up to its {@code //# end} for each row of a list
 *   <li>{@code //# if word} keeps the lines up to its {@code //# end} if the row has that word
 * </ul>
 *
 * <p>A template whose name begins with {@code Primitive} makes a file for each type, with the
 * type's name in place of that. The lists are below. An unknown word or list ends the program with
 * an exception.
 */
final class Templates {

  private static final Map<String, List<Map<String, String>>> LISTS =
      Map.of(
          "type",
          List.of(
              of("boolean", "Boolean", "1", "false", "value ? 1 : 0"),
              of("byte", "Byte", "Byte.BYTES", "0", "value"),
              of("short", "Short", "Short.BYTES", "0", "value"),
              of("char", "Char", "Character.BYTES", "0", "value"),
              of("int", "Int", "Integer.BYTES", "0", "value", "exchange", "arithmetic"),
              of("long", "Long", "Long.BYTES", "0", "value", "exchange", "arithmetic"),
              of("float", "Float", "Float.BYTES", "0", "floatToRawIntBits(value)", "exchange"),
              of(
                  "double",
                  "Double",
                  "Double.BYTES",
                  "0",
                  "doubleToRawLongBits(value)",
                  "exchange")),
          // The memory orders of an atomic update, by the ending of its methods' names.
          "order",
          List.of(
              Map.of("Order", "", "order", "volatile"),
              Map.of("Order", "Acquire", "order", "acquire"),
              Map.of("Order", "Release", "order", "release")),
          "bitwise",
          List.of(
              Map.of("Bitwise", "Or", "bitwise", "or"),
              Map.of("Bitwise", "And", "bitwise", "and"),
              Map.of("Bitwise", "Xor", "bitwise", "exclusive or")));

  private static final Pattern NAME = Pattern.compile("\\$(\\w+)\\$");
  private static final Pattern DIRECTIVE = Pattern.compile("\\s*//# (each|if|end)(?: (\\w+))?");

  private Templates() {}

  /** A row of words for a type; what its VarHandles can do are words without a text. */
  private static Map<String, String> of(
      String type, String Type, String bytes, String zero, String bits, String... can) {
    Map<String, String> words = new HashMap<>();
    words.put("a", type.equals("int") ? "an" : "a");
    words.put("type", type);
    words.put("Type", Type);
    words.put("TYPE", type.toUpperCase(Locale.ROOT));
    words.put("bytes", bytes);
    words.put("zero", zero);
    words.put("bits", bits);
    for (String each : can) {
      words.put(each, "");
    }
    return words;
  }

  public static void main(String[] args) throws IOException {
    if (args.length != 2) {
      throw new IllegalArgumentException("usage: java build/Templates.java TEMPLATES OUTPUT");
    }
    Path templates = Path.of(args[0]);
    List<Path> files;
    try (Stream<Path> all = Files.walk(templates)) {
      files = all.filter(each -> each.toString().endsWith(".template")).toList();
    }
    for (Path file : files) {
      String name =
          templates
              .relativize(file)
              .toString()
              .replaceFirst("\\.template$", "")
              .replaceFirst("Primitive(?=\\w+\\.java$)", "\\$Type\\$");
      List<Map<String, String>> rows =
          NAME.matcher(name).find() ? LISTS.get("type") : List.of(Map.of());
      for (Map<String, String> row : rows) {
        List<String> made = new ArrayList<>();
        fill(new ArrayDeque<>(Files.readAllLines(file)), row, made);
        write(Path.of(args[1]).resolve(words(name, row)), String.join("\n", made) + "\n");
      }
    }
  }

  /** Removes lines up to the end of their block, and adds what they make. */
  private static void fill(Deque<String> lines, Map<String, String> row, List<String> made) {
    while (!lines.isEmpty()) {
      String line = lines.remove();
      Matcher directive = DIRECTIVE.matcher(line);
      if (!directive.matches()) {
        made.add(words(line, row));
        continue;
      }
      switch (directive.group(1)) {
        case "end" -> {
          return;
        }
        case "if" ->
            fill(lines, row, row.containsKey(directive.group(2)) ? made : new ArrayList<>());
        default -> {
          Deque<String> rest = lines;
          for (Map<String, String> each : LISTS.get(directive.group(2))) {
            Map<String, String> both = new HashMap<>(row);
            both.putAll(each);
            rest = new ArrayDeque<>(lines);
            fill(rest, both, made);
          }
          while (lines.size() > rest.size()) {
            lines.remove();
          }
        }
      }
    }
  }

  private static String words(String line, Map<String, String> row) {
    return NAME.matcher(line)
        .replaceAll(
            match -> {
              String word = row.get(match.group(1));
              if (word == null) {
                throw new IllegalArgumentException(
                    "there is no " + match.group() + " here: " + line);
              }
              return Matcher.quoteReplacement(word);
            });
  }

  /** Does not touch a file that has this text already, so that the compiler sees no change. */
  private static void write(Path file, String text) throws IOException {
    Files.createDirectories(file.getParent());
    if (!Files.exists(file) || !Files.readString(file).equals(text)) {
      Files.writeString(file, text);
    }
  }
}
