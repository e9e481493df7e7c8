// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit.report;

import com.grack.nanojson.JsonObject;
import com.grack.nanojson.JsonWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Map;

/** What a program has found, as a JSON object whose first member is the environment. */
public final class JsonReport {

  private final JsonObject environment = new JsonObject();
  private final JsonObject report = new JsonObject();

  /** Begins with what it ran on. */
  public JsonReport(Map<String, String> machine) {
    environment.putAll(machine);
    report.put("environment", environment);
  }

  /** Adds to the environment. */
  public JsonReport environment(String name, Object value) {
    environment.put(name, value);
    return this;
  }

  /** Adds to the environment what time it is. */
  public JsonReport time() {
    return environment("time", Instant.now().truncatedTo(ChronoUnit.SECONDS).toString());
  }

  /** Adds a member beside it. */
  public JsonReport put(String name, Object value) {
    report.put(name, value);
    return this;
  }

  /** Writes it, to be read by people, too. */
  public void write(Path file) throws IOException {
    Files.writeString(file, JsonWriter.indent("  ").string().value(report).done() + "\n");
  }
}
