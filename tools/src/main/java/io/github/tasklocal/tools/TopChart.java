// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.kit.OutputFile;
import io.github.tasklocal.kit.chart.Chart;
import io.github.tasklocal.tools.TopCounts.Row;
import io.github.tasklocal.tools.system.Failure;
import java.awt.Color;
import java.awt.geom.Rectangle2D;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jfree.chart.axis.NumberAxis;
import org.jfree.chart.plot.XYPlot;
import org.jfree.chart.renderer.xy.StackedXYAreaRenderer2;
import org.jfree.chart.ui.RectangleEdge;
import org.jfree.data.xy.DefaultTableXYDataset;
import org.jfree.data.xy.XYSeries;

/** Processor time by value over the intervals, as stacked areas. */
final class TopChart {

  private static final int WIDTH = 920;
  private static final int HEIGHT = 420;

  /** More intervals than these are merged in pairs: a chart cannot show more. */
  private static final int MOST_INTERVALS = 200;

  private static final String OTHERS = "(others)";

  private static final Color REST = new Color(0xb0b7c3);

  /** Told apart by the colour-blind, too (after Okabe and Ito). */
  private static final Color[] COLOURS = {
    new Color(0x0072b2), new Color(0xe69f00), new Color(0x009e73), new Color(0xcc79a7),
    new Color(0x56b4e9), new Color(0xd55e00), new Color(0xf0e442), new Color(0x4b5563),
  };

  /** The processor time of each value during a span, all in nanoseconds. */
  private record Span(long nanos, Map<String, Long> times) {
    Span plus(Span other) {
      Map<String, Long> both = new HashMap<>(times);
      other.times.forEach((value, time) -> both.merge(value, time, Long::sum));
      return new Span(nanos + other.nanos, both);
    }
  }

  private final List<KeyOption> keys;
  private final Path file;
  private final List<Span> spans = new ArrayList<>();

  /** How many intervals each span but the last is made of. */
  private int intervals = 1;

  private int lastIntervals;

  TopChart(List<KeyOption> keys, Path file) {
    this.keys = keys;
    this.file = file;
  }

  /** Fails now rather than at the end, if the chart cannot be written. */
  static void requireWritable(Path file) throws Failure {
    String obstacle = OutputFile.obstacle(file);
    if (obstacle != null) {
      throw new Failure("no chart can be written to " + file + ": " + obstacle);
    }
  }

  void add(TopInterval interval) {
    Map<String, Long> times = new HashMap<>();
    for (Row row : interval.rows()) {
      times.merge(row.value().text(), row.nanos(), Long::sum);
    }
    Span span = new Span(interval.nanos(), times);
    if (lastIntervals > 0 && lastIntervals < intervals) {
      spans.add(spans.removeLast().plus(span));
      lastIntervals++;
      return;
    }
    if (spans.size() == MOST_INTERVALS) {
      for (int i = 0; i < MOST_INTERVALS / 2; i++) {
        spans.set(i, spans.get(2 * i).plus(spans.get(2 * i + 1)));
      }
      spans.subList(MOST_INTERVALS / 2, MOST_INTERVALS).clear();
      intervals *= 2;
    }
    spans.add(span);
    lastIntervals = 1;
  }

  void write() throws Failure, IOException {
    try {
      String title = "Processors in use by " + KeyOption.title(keys);
      new Chart(title, plot(), RectangleEdge.RIGHT).write(file, WIDTH, HEIGHT);
    } catch (LinkageError | InternalError e) {
      throw new Failure(
          "no chart: this Java has no fonts to measure its text with; install fontconfig and a"
              + " font, such as fonts-dejavu-core ("
              + e
              + ")");
    }
  }

  private XYPlot plot() {
    Map<String, Long> totals = new HashMap<>();
    long nanos = 0;
    for (Span span : spans) {
      span.times.forEach((value, time) -> totals.merge(value, time, Long::sum));
      nanos += span.nanos;
    }
    List<String> values =
        totals.keySet().stream()
            .sorted((a, b) -> Long.compare(totals.getOrDefault(b, 0L), totals.getOrDefault(a, 0L)))
            .limit(COLOURS.length)
            .toList();
    StackedXYAreaRenderer2 renderer = new StackedXYAreaRenderer2();
    renderer.setLegendArea(new Rectangle2D.Double(-5, -5, 10, 10));
    List<XYSeries> areas = new ArrayList<>();
    long all = totals.values().stream().mapToLong(Long::longValue).sum();
    long rest = all;
    for (String value : values) {
      renderer.setSeriesPaint(areas.size(), COLOURS[areas.size()]);
      areas.add(area(value, totals.getOrDefault(value, 0L), all));
      rest -= totals.getOrDefault(value, 0L);
    }
    if (totals.size() > values.size()) {
      renderer.setSeriesPaint(areas.size(), REST);
      areas.add(area(OTHERS, rest, all));
    }
    fill(areas, values);
    DefaultTableXYDataset dataset = new DefaultTableXYDataset();
    areas.forEach(dataset::addSeries);

    NumberAxis seconds = new NumberAxis("seconds");
    seconds.setRange(0, Math.max(nanos / 1e9, 0.001));
    XYPlot plot = new XYPlot(dataset, seconds, new NumberAxis("processors"), renderer);
    plot.setDomainGridlinesVisible(false);
    return plot;
  }

  private static XYSeries area(String value, long nanos, long all) {
    String share = TopTable.percent(all == 0 ? 0 : (double) nanos / all);
    return new XYSeries(String.format(Locale.ROOT, "%s  %s", value, share), false, false);
  }

  /** Each span is level: its areas are the same at its beginning and at its end. */
  private void fill(List<XYSeries> areas, List<String> values) {
    double begin = 0;
    for (Span span : spans) {
      double end = begin + span.nanos / 1e9;
      double rest = span.times.values().stream().mapToLong(Long::longValue).sum();
      for (int i = 0; i < areas.size(); i++) {
        double time = i < values.size() ? span.times.getOrDefault(values.get(i), 0L) : rest;
        rest -= time;
        double level = time / span.nanos;
        areas.get(i).add(Math.nextUp(begin), level, false);
        areas.get(i).add(end, level, false);
      }
      begin = end;
    }
  }
}
