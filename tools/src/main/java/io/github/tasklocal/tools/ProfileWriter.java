// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import com.google.protobuf.ByteString;
import com.google.protobuf.CodedOutputStream;
import com.grack.nanojson.JsonArray;
import com.grack.nanojson.JsonObject;
import com.grack.nanojson.JsonWriter;
import io.github.tasklocal.tools.ProfileCounts.Named;
import io.github.tasklocal.tools.symbols.Frame;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.GZIPOutputStream;

/**
 * Writes a profile in one of the formats.
 *
 * @param by what the samples are split by: a key's name, or a word such as {@code thread}
 * @param groups the samples of each group, the largest first
 * @param stacks all of them
 * @param frequency how many samples are a second of processor time
 * @param nanos how long was sampled
 */
record ProfileWriter(
    String by, Map<String, Long> groups, List<Named> stacks, int frequency, long nanos) {

  /**
   * A line for each stack, as flame graph tools read them: the group, the process and the frames,
   * the outermost first, with semicolons between them, and the number of samples.
   */
  void collapsed(Path file) throws IOException {
    Map<String, Long> lines = new TreeMap<>();
    for (Named stack : stacks) {
      StringBuilder line = new StringBuilder(word(stack.group()));
      line.append(';').append(word(stack.process()));
      for (Frame frame : stack.frames()) {
        line.append(';').append(word(frame.name())).append(suffix(frame.kind()));
      }
      lines.merge(line.toString(), stack.count(), Long::sum);
    }
    try (Writer out = Files.newBufferedWriter(file)) {
      for (Map.Entry<String, Long> line : lines.entrySet()) {
        out.write(line.getKey() + " " + line.getValue() + "\n");
      }
    }
  }

  private static String word(String text) {
    return Output.printable(text).replace(';', ',');
  }

  /** What flame graph tools choose a frame's colour by. */
  private static String suffix(Frame.Kind kind) {
    return switch (kind) {
      case JAVA -> "_[j]";
      case KERNEL -> "_[k]";
      default -> "";
    };
  }

  /** A box of the flame graph. */
  private record Box(String name, String kind) {
    static Box of(Frame frame) {
      return new Box(Output.printable(frame.name()), frame.kind().name().toLowerCase(Locale.ROOT));
    }
  }

  /** A page that draws the stacks as a flame graph, and loads nothing. */
  void html(Path file) throws IOException {
    Map<Box, Integer> boxes = new LinkedHashMap<>();
    List<String> order = List.copyOf(groups.keySet());
    JsonArray rows = new JsonArray();
    for (Named stack : stacks) {
      JsonArray row = new JsonArray();
      row.add(order.indexOf(stack.group()));
      row.add(stack.count());
      row.add(number(boxes, new Box(stack.process(), "group")));
      stack.frames().forEach(frame -> row.add(number(boxes, Box.of(frame))));
      rows.add(row);
    }
    List<JsonObject> all = new ArrayList<>();
    groups.forEach(
        (name, samples) ->
            all.add(JsonObject.builder().value("name", name).value("samples", samples).done()));
    JsonObject data =
        JsonObject.builder()
            .value("by", by)
            .value(
                "summary",
                String.format(
                    Locale.ROOT,
                    "%.1f s, sampled %d times a second on each processor",
                    nanos / 1e9,
                    frequency))
            .value("frequency", frequency)
            .array("groups", all)
            .array("names", boxes.keySet().stream().map(Box::name).toList())
            .array("kinds", boxes.keySet().stream().map(Box::kind).toList())
            .array("stacks", rows)
            .done();
    // In JSON it stands in texts alone; as it is, it could end the page's script.
    String json = JsonWriter.string(data).replace("<", "\\u003c");
    try (InputStream page = ProfileWriter.class.getResourceAsStream("/profile/profile.html")) {
      if (page == null) {
        throw new IllegalStateException("profile.html is not in the jar");
      }
      String text = new String(page.readAllBytes(), StandardCharsets.UTF_8);
      Files.writeString(file, text.replace("@PROFILE@", json));
    }
  }

  private static <T> int number(Map<T, Integer> numbers, T of) {
    return numbers.computeIfAbsent(of, key -> numbers.size());
  }

  // The messages of profile.proto of github.com/google/pprof, by their fields' numbers.

  private static final int PROFILE_SAMPLE_TYPE = 1;
  private static final int PROFILE_SAMPLE = 2;
  private static final int PROFILE_LOCATION = 4;
  private static final int PROFILE_FUNCTION = 5;
  private static final int PROFILE_STRING = 6;
  private static final int PROFILE_TIME = 9;
  private static final int PROFILE_DURATION = 10;
  private static final int PROFILE_PERIOD_TYPE = 11;
  private static final int PROFILE_PERIOD = 12;
  private static final int SAMPLE_LOCATION = 1;
  private static final int SAMPLE_VALUE = 2;
  private static final int SAMPLE_LABEL = 3;
  private static final int LABEL_KEY = 1;
  private static final int LABEL_TEXT = 2;
  private static final int TYPE_TYPE = 1;
  private static final int TYPE_UNIT = 2;
  private static final int LOCATION_ID = 1;
  private static final int LOCATION_LINE = 4;
  private static final int LINE_FUNCTION = 1;
  private static final int FUNCTION_ID = 1;
  private static final int FUNCTION_NAME = 2;
  private static final int FUNCTION_SYSTEM_NAME = 3;

  /** A message's fields. */
  private interface Fields {
    void write(CodedOutputStream out) throws IOException;
  }

  private static ByteString message(Fields fields) throws IOException {
    ByteString.Output bytes = ByteString.newOutput();
    CodedOutputStream out = CodedOutputStream.newInstance(bytes);
    fields.write(out);
    out.flush();
    return bytes.toByteString();
  }

  /** The format of {@code pprof}, zipped: each sample has its group and process as labels. */
  void pprof(Path file, long endMillis) throws IOException {
    Map<String, Integer> strings = new LinkedHashMap<>();
    number(strings, ""); // the first has to be empty
    Map<Frame, Integer> functions = new LinkedHashMap<>();
    long period = 1_000_000_000L / frequency;
    try (OutputStream zipped = new GZIPOutputStream(Files.newOutputStream(file))) {
      CodedOutputStream out = CodedOutputStream.newInstance(zipped);
      out.writeBytes(PROFILE_SAMPLE_TYPE, type(strings, "samples", "count"));
      ByteString time = type(strings, "cpu", "nanoseconds");
      out.writeBytes(PROFILE_SAMPLE_TYPE, time);
      for (Named stack : stacks) {
        out.writeBytes(
            PROFILE_SAMPLE,
            message(
                sample -> {
                  for (Frame frame : stack.frames().reversed()) {
                    sample.writeUInt64(SAMPLE_LOCATION, 1L + number(functions, frame));
                  }
                  sample.writeInt64(SAMPLE_VALUE, stack.count());
                  sample.writeInt64(SAMPLE_VALUE, stack.count() * period);
                  sample.writeBytes(SAMPLE_LABEL, label(strings, by, stack.group()));
                  sample.writeBytes(SAMPLE_LABEL, label(strings, "process", stack.process()));
                }));
      }
      for (Map.Entry<Frame, Integer> function : functions.entrySet()) {
        long id = 1L + function.getValue();
        int name = number(strings, function.getKey().name());
        out.writeBytes(
            PROFILE_LOCATION,
            message(
                location -> {
                  location.writeUInt64(LOCATION_ID, id);
                  location.writeBytes(
                      LOCATION_LINE, message(line -> line.writeUInt64(LINE_FUNCTION, id)));
                }));
        out.writeBytes(
            PROFILE_FUNCTION,
            message(
                written -> {
                  written.writeUInt64(FUNCTION_ID, id);
                  written.writeInt64(FUNCTION_NAME, name);
                  written.writeInt64(FUNCTION_SYSTEM_NAME, name);
                }));
      }
      for (String string : strings.keySet()) {
        out.writeString(PROFILE_STRING, string);
      }
      out.writeInt64(PROFILE_TIME, endMillis * 1_000_000 - nanos);
      out.writeInt64(PROFILE_DURATION, nanos);
      out.writeBytes(PROFILE_PERIOD_TYPE, time);
      out.writeInt64(PROFILE_PERIOD, period);
      out.flush();
    }
  }

  private static ByteString type(Map<String, Integer> strings, String type, String unit)
      throws IOException {
    return message(
        out -> {
          out.writeInt64(TYPE_TYPE, number(strings, type));
          out.writeInt64(TYPE_UNIT, number(strings, unit));
        });
  }

  private static ByteString label(Map<String, Integer> strings, String key, String text)
      throws IOException {
    return message(
        out -> {
          out.writeInt64(LABEL_KEY, number(strings, key));
          out.writeInt64(LABEL_TEXT, number(strings, text));
        });
  }
}
