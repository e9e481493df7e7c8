// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.grack.nanojson.JsonArray;
import com.grack.nanojson.JsonParser;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.tools.TopCounts.Row;
import io.github.tasklocal.tools.system.Failure;
import java.net.HttpURLConnection;
import java.net.URI;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The endpoint, read by the parser of Prometheus' own client for Python. */
class TopMetricsTest {

  private static final KeyOption TENANT = new KeyOption("tenant", ValueType.STRING);
  private static final KeyOption ROUTE = new KeyOption("http.route", ValueType.STRING);

  /** Prints each sample as JSON, and fails at whatever the format does not allow. */
  private static final String READ =
      """
      import json, sys, urllib.request
      from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
      answer = urllib.request.urlopen(sys.argv[1])
      assert answer.headers["Content-Type"].startswith("application/openmetrics-text"), answer.headers
      for family in parse(answer.read().decode()):
          assert family.type == "counter", family
          for sample in family.samples:
              print(json.dumps([sample.name, sample.labels, sample.value]))
      """;

  private static SeenValue string(String text) {
    return new SeenValue(Output.quoted(text), text, true, -1);
  }

  private static Row row(SeenValue value, long nanos) {
    return new Row(value, nanos, 2 * nanos, 3, 4, 5, 1, 1);
  }

  /** A sample of the counter of time, by its labels; the others by their names. */
  private static Map<Map<String, String>, Double> seconds(TopMetrics metrics) throws Exception {
    Map<Map<String, String>, Double> seconds = new HashMap<>();
    for (JsonArray sample : samples(metrics)) {
      if (sample.getString(0).equals("tasklocal_run_seconds_total")) {
        Map<String, String> labels = new TreeMap<>();
        sample.getObject(1).forEach((name, value) -> labels.put(name, (String) value));
        seconds.put(labels, sample.getDouble(2));
      }
    }
    return seconds;
  }

  private static List<JsonArray> samples(TopMetrics metrics) throws Exception {
    Jvm.Result result = Jvm.run(List.of("/usr/bin/python3", "-c", READ, metrics.url()));
    assertThat(result.exit())
        .as("python3-prometheus-client, of scripts/setup --tests: %s", result.output())
        .isZero();
    List<JsonArray> samples = new ArrayList<>();
    for (String line : result.output().lines().toList()) {
      samples.add(JsonParser.array().from(line));
    }
    return samples;
  }

  private static double sample(List<JsonArray> samples, String name) {
    return samples.stream()
        .filter(sample -> sample.getString(0).equals(name))
        .mapToDouble(sample -> sample.getDouble(2))
        .sum();
  }

  @Test
  void aCounterGrowsWithEachInterval() throws Exception {
    try (TopMetrics metrics = new TopMetrics("0", List.of(TENANT))) {
      assertThat(metrics.url()).startsWith("http://127.0.0.1:");
      assertThat(metrics.isOpen()).isFalse();
      assertThat(seconds(metrics)).isEmpty();
      metrics.add(List.of(row(string("acme"), 1_500_000_000)), 0);
      metrics.add(List.of(row(string("acme"), 1), row(string("globex"), 7)), 0);
      List<JsonArray> samples = samples(metrics);
      assertThat(seconds(metrics))
          .containsOnly(
              Map.entry(Map.of("tenant", "acme"), 1.500000001),
              Map.entry(Map.of("tenant", "globex"), 7e-9));
      assertThat(sample(samples, "tasklocal_wait_seconds_total")).isEqualTo(3.000000016);
      assertThat(sample(samples, "tasklocal_runs_total")).isEqualTo(9);
      assertThat(sample(samples, "tasklocal_voluntary_switches_total")).isEqualTo(12);
      assertThat(sample(samples, "tasklocal_involuntary_switches_total")).isEqualTo(15);
    }
  }

  @Test
  void noValueCanBeTakenForAnotherOrEndALine() throws Exception {
    List<Row> rows = new ArrayList<>();
    List<SeenValue> values = new ArrayList<>(List.of(SeenValue.NO_ENTRY_VALUE));
    for (String text :
        List.of("", "(no entry)", "\"", "\"\"", "a\nb", "a\\nb", "x\"} 1\n# EOF", "\u65e5", "\\")) {
      values.add(string(text));
    }
    values.forEach(value -> rows.add(row(value, 1_000_000_000)));
    try (TopMetrics metrics = new TopMetrics("0", List.of(TENANT))) {
      metrics.add(rows, 0);
      assertThat(seconds(metrics))
          .hasSize(values.size())
          .allSatisfy((l, s) -> assertThat(s).isEqualTo(1));
    }
  }

  /** What the application calls its tenants is what a query has to name. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "acme",
        "a\\b",
        "a\\nb",
        "a\nb",
        "say \"hi\"",
        "cafe\u0301", // an accent of its own
        "\ud83d\udc69\u200d\ud83d\ude80", // two characters and a joiner
        "\ufffd", // what stands for bytes that are no UTF-8
        "a\rb\tc\u0001\u007f\u0085\u2028d",
        "\u202egnp.exe",
        "a,b=\"c\"} 1 # {x=\"y\"} 2"
      })
  void aLabelIsTheStringItself(String tenant) throws Exception {
    try (TopMetrics metrics = new TopMetrics("0", List.of(TENANT))) {
      metrics.add(List.of(row(string(tenant), 1_000_000_000)), 0);
      assertThat(seconds(metrics)).containsOnly(Map.entry(Map.of("tenant", tenant), 1.0));
    }
  }

  @Test
  void ofAFloodOfValuesTheRestIsOtherAndCounted() throws Exception {
    try (TopMetrics metrics = new TopMetrics("0", List.of(TENANT))) {
      List<Row> rows = new ArrayList<>();
      for (int i = 0; i < 3000; i++) {
        rows.add(row(string("tenant-" + i), 1_000_000_000));
      }
      metrics.add(rows, 11);
      metrics.add(rows, 12);
      Map<Map<String, String>, Double> seconds = seconds(metrics);
      assertThat(seconds).hasSize(TopMetrics.MOST_LABELS + 1);
      assertThat(seconds).containsEntry(Map.of("tenant", "(other values)"), 4000.0);
      assertThat(seconds).containsEntry(Map.of("tenant", "tenant-7"), 2.0);
      List<JsonArray> samples = samples(metrics);
      assertThat(sample(samples, "tasklocal_values_without_label_total")).isEqualTo(2000);
      assertThat(sample(samples, "tasklocal_sightings_without_room_total")).isEqualTo(12);
    }
  }

  @Test
  void twoKeysAreTwoLabels() throws Exception {
    SeenValue pair =
        new SeenValue(
            "", new JsonArray(), true, -1, List.of(string("acme"), SeenValue.NO_KEY_VALUE));
    try (TopMetrics metrics = new TopMetrics("0", List.of(TENANT, ROUTE))) {
      metrics.add(List.of(row(pair, 1_000_000_000), row(SeenValue.NO_ENTRY_VALUE, 2)), 0);
      assertThat(seconds(metrics).keySet())
          .containsExactlyInAnyOrder(
              Map.of("tenant", "acme", "http_route", "(no key)"),
              Map.of("tenant", "(no entry)", "http_route", "(no entry)"));
    }
  }

  @Test
  void onlyTheMetricsAreServed() throws Exception {
    try (TopMetrics metrics = new TopMetrics("127.0.0.1:0", List.of(TENANT))) {
      assertThat(status(metrics.url(), "GET")).isEqualTo(200);
      assertThat(status(metrics.url(), "HEAD")).isEqualTo(200);
      assertThat(status(metrics.url(), "POST")).isEqualTo(405);
      assertThat(status(metrics.url() + "x", "GET")).isEqualTo(404);
      String port = String.valueOf(URI.create(metrics.url()).getPort());
      assertThatThrownBy(() -> new TopMetrics(port, List.of(TENANT)))
          .isInstanceOf(Failure.class)
          .hasMessageContaining("choose another port");
    }
  }

  private static int status(String url, String method) throws Exception {
    HttpURLConnection connection = (HttpURLConnection) URI.create(url).toURL().openConnection();
    connection.setRequestMethod(method);
    return connection.getResponseCode();
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "x", ":1", "65536", "127.0.0.1", "::1:80", "a:b:1"})
  void whatIsNoAddressIsRefused(String address) {
    assertThatThrownBy(() -> new TopMetrics(address, List.of(TENANT)))
        .isInstanceOf(Failure.class)
        .hasMessageContaining("--metrics takes");
  }
}
