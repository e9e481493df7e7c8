// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.github.tasklocal.tools.TopCounts.Row;
import io.github.tasklocal.tools.system.Failure;
import java.io.IOException;
import java.math.BigDecimal;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What {@code top} has counted since its start, over HTTP, in the OpenMetrics text format that
 * Prometheus and others read. Each value is a label of its own, up to a limit: a monitoring system
 * keeps a series for each label that it has ever seen.
 */
final class TopMetrics implements AutoCloseable {

  /** How many values have a label of their own. */
  static final int MOST_LABELS = 1000;

  private static final String TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8";
  private static final String PATH = "/metrics";

  private static final Pattern ADDRESS =
      Pattern.compile("(?:(?:\\[(\\p{XDigit}*:[\\p{XDigit}:.%\\w]*)]|([^:\\[\\]]+)):)?(\\d{1,5})");

  /** A counter for each value. */
  private enum Counter {
    RUN_SECONDS("seconds", "Processor time of threads while they had the value."),
    WAIT_SECONDS("seconds", "How long threads with the value waited for a processor."),
    RUNS("", "How often a thread with the value was given a processor."),
    VOLUNTARY_SWITCHES("", "How often a thread with the value left a processor to wait."),
    INVOLUNTARY_SWITCHES("", "How often a thread with the value had to leave a processor.");

    private final String unit;
    private final String help;

    Counter(String unit, String help) {
      this.unit = unit;
      this.help = help;
    }

    private long of(Row row) {
      return switch (this) {
        case RUN_SECONDS -> row.nanos();
        case WAIT_SECONDS -> row.waitNanos();
        case RUNS -> row.runs();
        case VOLUNTARY_SWITCHES -> row.voluntary();
        case INVOLUNTARY_SWITCHES -> row.involuntary();
      };
    }

    private String family() {
      return "tasklocal_" + name().toLowerCase(Locale.ROOT);
    }

    private String text(long count) {
      return unit.isEmpty() ? String.valueOf(count) : BigDecimal.valueOf(count, 9).toPlainString();
    }
  }

  private final List<String> names;
  private final Map<List<String>, long[]> series = new LinkedHashMap<>();
  private final Set<List<String>> others = new HashSet<>();
  private long noRoom;
  private final HttpServer server;
  private final ExecutorService requests = Executors.newVirtualThreadPerTaskExecutor();

  /**
   * Begins to serve.
   *
   * @param address {@code PORT}, on the loopback, or {@code HOST:PORT}; a port of 0 is any
   * @param keys whose values are counted
   */
  TopMetrics(String address, List<KeyOption> keys) throws Failure {
    // Who connects and then says nothing, or reads nothing, is not waited for.
    limit("sun.net.httpserver.maxReqTime", "10");
    limit("sun.net.httpserver.maxRspTime", "10");
    limit("jdk.httpserver.maxConnections", "64");
    names = labelNames(keys);
    InetSocketAddress at = parse(address);
    try {
      server = HttpServer.create(at, 0);
    } catch (IOException e) {
      throw new Failure(
          "no metrics can be served at " + address + ": " + e.getMessage(),
          "choose another port, or an address of this machine");
    }
    server.setExecutor(requests);
    server.createContext("/", this::answer);
    server.start();
  }

  private static void limit(String property, String value) {
    if (System.getProperty(property) == null) {
      System.setProperty(property, value);
    }
  }

  private static InetSocketAddress parse(String address) throws Failure {
    Matcher parts = ADDRESS.matcher(address);
    if (!parts.matches() || Integer.parseInt(parts.group(3)) > 65_535) {
      throw new Failure(
          "--metrics takes PORT, HOST:PORT or [IPV6]:PORT, not " + Output.printable(address),
          "such as --metrics 9464");
    }
    String host = parts.group(1) != null ? parts.group(1) : parts.group(2);
    int port = Integer.parseInt(parts.group(3));
    try {
      return new InetSocketAddress(
          host == null ? InetAddress.getLoopbackAddress() : InetAddress.getAllByName(host)[0],
          port);
    } catch (UnknownHostException e) {
      throw new Failure(
          "no metrics can be served at " + Output.printable(address) + ": its host is not known",
          "name an address of this machine");
    }
  }

  /** {@return a label's name for each key, which has letters, digits and underscores only} */
  private static List<String> labelNames(List<KeyOption> keys) {
    List<String> names = new ArrayList<>();
    for (KeyOption key : keys) {
      String name = key.name().replaceAll("[^a-zA-Z0-9_]", "_");
      if (!name.matches("(?!__)[a-zA-Z_].*")) {
        name = "key_" + name;
      }
      names.add(names.contains(name) ? name + "_2" : name);
    }
    return names;
  }

  /** {@return where it is} */
  String url() {
    InetSocketAddress at = server.getAddress();
    String host = at.getAddress().getHostAddress();
    return "http://%s:%d%s"
        .formatted(host.contains(":") ? "[" + host + "]" : host, at.getPort(), PATH);
  }

  /** {@return whether other machines can reach it} */
  boolean isOpen() {
    return !server.getAddress().getAddress().isLoopbackAddress();
  }

  /**
   * Adds an interval to the counters.
   *
   * @param rows those that are shown
   * @param noRoomSoFar how often a value found no row, since the start
   */
  synchronized void add(List<Row> rows, long noRoomSoFar) {
    for (Row row : rows) {
      long[] counts = series.computeIfAbsent(label(row.value()), label -> newSeries());
      for (Counter counter : Counter.values()) {
        counts[counter.ordinal()] += counter.of(row);
      }
    }
    noRoom = noRoomSoFar;
  }

  private static long[] newSeries() {
    return new long[Counter.values().length];
  }

  private List<String> label(SeenValue value) {
    List<String> label = new ArrayList<>();
    for (int i = 0; i < names.size(); i++) {
      label.add(value.part(i).label());
    }
    if (series.containsKey(label) || series.size() < MOST_LABELS) {
      return label;
    }
    others.add(label); // no more than top has rows
    return Collections.nCopies(names.size(), SeenValue.OTHERS.text());
  }

  private synchronized String text() {
    StringBuilder text = new StringBuilder();
    for (Counter counter : Counter.values()) {
      family(text, counter.family(), counter.unit, counter.help);
      series.forEach(
          (label, counts) -> {
            text.append(counter.family()).append("_total{");
            for (int i = 0; i < names.size(); i++) {
              text.append(i == 0 ? "" : ",").append(names.get(i)).append("=\"");
              text.append(escaped(label.get(i))).append('"');
            }
            text.append("} ").append(counter.text(counts[counter.ordinal()])).append('\n');
          });
    }
    single(
        text,
        "tasklocal_values_without_label",
        "Values that came after %d others, and are counted as %s."
            .formatted(MOST_LABELS, SeenValue.OTHERS.text()),
        others.size());
    single(
        text,
        "tasklocal_sightings_without_room",
        "How often a new value was seen for which top has no room, and counted as "
            + SeenValue.OTHERS.text()
            + ".",
        noRoom);
    return text.append("# EOF\n").toString();
  }

  private static void single(StringBuilder text, String family, String help, long count) {
    family(text, family, "", help);
    text.append(family).append("_total ").append(count).append('\n');
  }

  private static void family(StringBuilder text, String family, String unit, String help) {
    text.append("# TYPE ").append(family).append(" counter\n");
    if (!unit.isEmpty()) {
      text.append("# UNIT ").append(family).append(' ').append(unit).append('\n');
    }
    text.append("# HELP ").append(family).append(' ').append(help).append('\n');
  }

  private static String escaped(String label) {
    return label.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
  }

  private void answer(HttpExchange exchange) throws IOException {
    try (exchange) {
      String method = exchange.getRequestMethod();
      if (!method.equals("GET") && !method.equals("HEAD")) {
        exchange.getResponseHeaders().set("Allow", "GET, HEAD");
        exchange.sendResponseHeaders(405, -1);
      } else if (exchange.getRequestURI().getPath().equals(PATH)) {
        send(exchange, 200, TYPE, text());
      } else {
        send(exchange, 404, "text/plain; charset=utf-8", "The metrics are at " + PATH + "\n");
      }
    }
  }

  private static void send(HttpExchange exchange, int status, String type, String text)
      throws IOException {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().set("Content-Type", type);
    if (exchange.getRequestMethod().equals("HEAD")) {
      exchange.sendResponseHeaders(status, -1);
    } else {
      exchange.sendResponseHeaders(status, bytes.length);
      exchange.getResponseBody().write(bytes);
    }
  }

  @Override
  public void close() {
    server.stop(0);
    requests.shutdownNow();
  }
}
