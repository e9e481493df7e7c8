// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.tools.TopCounts.Row;
import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Dimension;
import java.awt.Font;
import java.awt.geom.Rectangle2D;
import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.apache.batik.svggen.SVGGraphics2D;
import org.jfree.chart.JFreeChart;
import org.jfree.chart.axis.NumberAxis;
import org.jfree.chart.block.BlockBorder;
import org.jfree.chart.plot.XYPlot;
import org.jfree.chart.renderer.xy.StackedXYAreaRenderer2;
import org.jfree.chart.title.LegendTitle;
import org.jfree.chart.title.TextTitle;
import org.jfree.chart.ui.HorizontalAlignment;
import org.jfree.chart.ui.RectangleEdge;
import org.jfree.chart.ui.RectangleInsets;
import org.jfree.data.xy.DefaultTableXYDataset;
import org.jfree.data.xy.XYSeries;
import org.w3c.dom.Document;

/** Processor time by value over the intervals, as areas one on the other. */
final class TopChart {

  private static final int WIDTH = 920;
  private static final int HEIGHT = 420;

  /** More intervals than these are put together, two by two: a chart shows no more. */
  private static final int MOST_INTERVALS = 200;

  private static final String OTHERS = "(others)";

  private static final Color PAPER = Color.WHITE;
  private static final Color INK = new Color(0x1f2937);
  private static final Color FAINT = new Color(0x6b7280);
  private static final Color GRID = new Color(0xe5e7eb);
  private static final Color REST = new Color(0xb0b7c3);

  /** Told apart by the colour-blind, too (after Okabe and Ito). */
  private static final Color[] COLOURS = {
    new Color(0x0072b2), new Color(0xe69f00), new Color(0x009e73), new Color(0xcc79a7),
    new Color(0x56b4e9), new Color(0xd55e00), new Color(0xf0e442), new Color(0x4b5563),
  };

  private static final Font FONT = new Font(Font.SANS_SERIF, Font.PLAIN, 12);

  /** Nanoseconds by value, of a time. */
  private record Span(long nanos, Map<String, Long> times) {
    Span plus(Span other) {
      Map<String, Long> both = new HashMap<>(times);
      other.times.forEach((value, time) -> both.merge(value, time, Long::sum));
      return new Span(nanos + other.nanos, both);
    }
  }

  private final KeyOption key;
  private final List<Span> spans = new ArrayList<>();

  /** How many intervals a span is made of, but the last. */
  private int intervals = 1;

  private int lastIntervals;

  TopChart(KeyOption key) {
    this.key = key;
  }

  /** Fails now rather than at the end. */
  static void requireWritable(Path file) throws Failure {
    Path folder = file.toAbsolutePath().getParent();
    if (Files.isDirectory(file) || folder == null || !Files.isDirectory(folder)) {
      throw new Failure("no chart can be written to " + file + ": name a file in a folder");
    }
    if (!Files.isWritable(Files.exists(file) ? file : folder)) {
      throw new Failure("no chart can be written to " + file + ": this user may not write there");
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

  void write(Path file) throws Failure, IOException {
    // There is no screen, and the window system's libraries may be missing.
    System.setProperty("java.awt.headless", "true");
    SVGGraphics2D graphics = new SVGGraphics2D(document());
    graphics.setSVGCanvasSize(new Dimension(WIDTH, HEIGHT));
    try {
      chart().draw(graphics, new Rectangle2D.Double(0, 0, WIDTH, HEIGHT));
    } catch (LinkageError | InternalError e) {
      throw new Failure(
          "no chart: this Java has no fonts to measure its words by; install fontconfig and a"
              + " font, such as fonts-dejavu-core ("
              + e
              + ")");
    }
    try (Writer writer = Files.newBufferedWriter(file)) {
      graphics.stream(writer, true);
    }
  }

  private static Document document() {
    try {
      return DocumentBuilderFactory.newDefaultInstance()
          .newDocumentBuilder()
          .getDOMImplementation()
          .createDocument(SVGGraphics2D.SVG_NAMESPACE_URI, "svg", null);
    } catch (ParserConfigurationException e) {
      throw new IllegalStateException(e);
    }
  }

  private JFreeChart chart() {
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

    NumberAxis seconds = axis("seconds");
    seconds.setRange(0, Math.max(nanos / 1e9, 0.001));
    NumberAxis processors = axis("processors");
    XYPlot plot = new XYPlot(dataset, seconds, processors, renderer);
    plot.setBackgroundPaint(PAPER);
    plot.setOutlineVisible(false);
    plot.setRangeGridlinePaint(GRID);
    plot.setRangeGridlineStroke(new BasicStroke(1));
    plot.setDomainGridlinesVisible(false);

    JFreeChart chart = new JFreeChart("Processors in use by " + Output.printable(key.name()), plot);
    chart.setBackgroundPaint(PAPER);
    chart.setPadding(new RectangleInsets(12, 12, 12, 18));
    TextTitle title = chart.getTitle();
    title.setPaint(INK);
    title.setFont(new Font(Font.SANS_SERIF, Font.BOLD, 16));
    title.setHorizontalAlignment(HorizontalAlignment.LEFT);
    LegendTitle legend = chart.getLegend();
    legend.setPosition(RectangleEdge.RIGHT);
    legend.setItemFont(FONT);
    legend.setItemPaint(INK);
    legend.setFrame(BlockBorder.NONE);
    return chart;
  }

  private static XYSeries area(String value, long nanos, long all) {
    String share = TopTable.percent(all == 0 ? 0 : (double) nanos / all);
    return new XYSeries(String.format(Locale.ROOT, "%s  %s", value, share), false, false);
  }

  /** Each span is level: at its begin and at its end. */
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

  private static NumberAxis axis(String label) {
    NumberAxis axis = new NumberAxis(label);
    axis.setLabelFont(FONT);
    axis.setLabelPaint(INK);
    axis.setTickLabelFont(FONT);
    axis.setTickLabelPaint(FAINT);
    axis.setAxisLineVisible(false);
    return axis;
  }
}
