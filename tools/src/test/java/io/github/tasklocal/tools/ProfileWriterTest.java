// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnknownFieldSet;
import com.grack.nanojson.JsonArray;
import com.grack.nanojson.JsonObject;
import com.grack.nanojson.JsonParser;
import io.github.tasklocal.tools.ProfileCounts.Named;
import io.github.tasklocal.tools.symbols.Frame;
import io.github.tasklocal.tools.symbols.Frame.Kind;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The formats of profiles, read back. */
class ProfileWriterTest {

  private static final Frame MAIN = new Frame("Main.run", Kind.JAVA);
  private static final Frame SORT = new Frame("Arrays.sort", Kind.JAVA);
  private static final Frame READ = new Frame("vfs_read", Kind.KERNEL);

  /** Ends a script, a stack's line and its frames, if nobody takes care. */
  private static final String HOSTILE = "\"</script>;\n";

  @TempDir private Path folder;

  private static ProfileWriter writer() {
    Map<String, Long> groups = new LinkedHashMap<>();
    groups.put("\"acme\"", 7L);
    groups.put(HOSTILE, 2L);
    return new ProfileWriter(
        "tenant",
        groups,
        List.of(
            new Named("\"acme\"", "app", List.of(MAIN, SORT), 4),
            new Named("\"acme\"", "app", List.of(MAIN, READ), 3),
            new Named(HOSTILE, "app", List.of(MAIN), 2)),
        100,
        1_000_000_000);
  }

  @Test
  void collapsedStacksHaveALineEach() throws Exception {
    Path file = folder.resolve("collapsed");
    writer().collapsed(file);
    assertThat(Files.readAllLines(file))
        .containsExactlyInAnyOrder(
            "\"acme\";app;Main.run_[j];Arrays.sort_[j] 4",
            "\"acme\";app;Main.run_[j];vfs_read_[k] 3",
            Output.printable(HOSTILE).replace(';', ',') + ";app;Main.run_[j] 2");
  }

  @Test
  void thePageHasAllStacksAndNoNameEndsItsScript() throws Exception {
    Path file = folder.resolve("page.html");
    writer().html(file);
    String page = Files.readString(file);
    assertThat(page).doesNotContain("@PROFILE@").doesNotContainPattern("(src|href)=");
    String begin = "id=\"profile\">";
    int from = page.indexOf(begin) + begin.length();
    JsonObject data =
        JsonParser.object().from(page.substring(from, page.indexOf("</script>", from)));
    assertThat(data.getArray("groups").getObject(1).getString("name")).isEqualTo(HOSTILE);
    long samples = 0;
    for (Object row : data.getArray("stacks")) {
      samples += ((JsonArray) row).getLong(1);
    }
    assertThat(samples).isEqualTo(9);
    JsonArray last = data.getArray("stacks").getArray(2);
    assertThat(data.getArray("names").getString(last.getInt(3))).isEqualTo("Main.run");
    assertThat(data.getArray("kinds").getString(last.getInt(3))).isEqualTo("java");
  }

  @Test
  void pprofsSamplesHaveTheirValueAsLabel() throws Exception {
    Path file = folder.resolve("pprof");
    writer().pprof(file, 5000);
    UnknownFieldSet profile;
    try (InputStream in = new GZIPInputStream(Files.newInputStream(file))) {
      profile = UnknownFieldSet.parseFrom(in);
    }
    List<String> strings =
        profile.getField(6).getLengthDelimitedList().stream()
            .map(ByteString::toStringUtf8)
            .toList();
    assertThat(strings.getFirst()).isEmpty();
    Map<Long, String> functions = new TreeMap<>();
    for (ByteString function : profile.getField(5).getLengthDelimitedList()) {
      functions.put(number(function, 1), strings.get((int) number(function, 2)));
    }
    Map<Long, String> locations = new TreeMap<>();
    for (ByteString location : profile.getField(4).getLengthDelimitedList()) {
      ByteString line = fields(location).getField(4).getLengthDelimitedList().getFirst();
      locations.put(number(location, 1), functions.get(number(line, 1)));
    }
    List<ByteString> samples = profile.getField(2).getLengthDelimitedList();
    assertThat(samples).hasSize(3);
    UnknownFieldSet first = fields(samples.getFirst());
    assertThat(first.getField(1).getVarintList().stream().map(locations::get))
        .containsExactly("Arrays.sort", "Main.run"); // the innermost first
    assertThat(first.getField(2).getVarintList()).containsExactly(4L, 40_000_000L);
    ByteString label = first.getField(3).getLengthDelimitedList().getFirst();
    assertThat(strings.get((int) number(label, 1))).isEqualTo("tenant");
    assertThat(strings.get((int) number(label, 2))).isEqualTo("\"acme\"");
    assertThat(profile.getField(9).getVarintList()).containsExactly(4_000_000_000L);
    assertThat(profile.getField(12).getVarintList()).containsExactly(10_000_000L);
  }

  private static UnknownFieldSet fields(ByteString message) throws Exception {
    return UnknownFieldSet.parseFrom(message);
  }

  private static long number(ByteString message, int field) throws Exception {
    return fields(message).getField(field).getVarintList().getFirst();
  }
}
