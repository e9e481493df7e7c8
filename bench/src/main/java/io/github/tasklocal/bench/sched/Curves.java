// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench.sched;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Dimension;
import java.awt.Font;
import java.awt.geom.Rectangle2D;
import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.FieldPosition;
import java.text.NumberFormat;
import java.text.ParsePosition;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.HistogramIterationValue;
import org.apache.batik.svggen.SVGGraphics2D;
import org.jfree.chart.JFreeChart;
import org.jfree.chart.axis.LogAxis;
import org.jfree.chart.axis.NumberTickUnit;
import org.jfree.chart.block.BlockBorder;
import org.jfree.chart.plot.CombinedDomainXYPlot;
import org.jfree.chart.plot.XYPlot;
import org.jfree.chart.renderer.xy.XYLineAndShapeRenderer;
import org.jfree.chart.title.LegendTitle;
import org.jfree.chart.title.TextTitle;
import org.jfree.chart.ui.HorizontalAlignment;
import org.jfree.chart.ui.RectangleEdge;
import org.jfree.chart.ui.RectangleInsets;
import org.jfree.data.xy.XYSeries;
import org.jfree.data.xy.XYSeriesCollection;
import org.w3c.dom.Document;

/**
 * Delay and latency by percentile, both on logarithmic scales: a curve for each setting, of all
 * repeats together, and thin ones for each repeat.
 */
final class Curves {

  private static final int WIDTH = 920;
  private static final int HEIGHT = 760;
  private static final int TICKS_PER_HALF = 8;

  /** The luckiest tenth is left out: it would take half of the plot. */
  private static final double MOST_ABOVE = 0.9;

  /** A logarithmic scale has no zero. */
  private static final long SHORTEST = 1_000;

  private static final Color PAPER = Color.WHITE;
  private static final Color INK = new Color(0x1f2937);
  private static final Color FAINT = new Color(0x6b7280);
  private static final Color GRID = new Color(0xe5e7eb);

  // Told apart by the colour-blind, too; in the order of the settings.
  private static final Color[] COLOURS = {
    new Color(0x4b5563), new Color(0xd97706), new Color(0xb45fa8), new Color(0x2563b8)
  };

  private static final Font FONT = new Font(Font.SANS_SERIF, Font.PLAIN, 12);

  private Curves() {}

  static void write(Path file, Map<String, String> machine, Load load, Repeats<Run> runs)
      throws IOException {
    SVGGraphics2D graphics = new SVGGraphics2D(document());
    graphics.setSVGCanvasSize(new Dimension(WIDTH, HEIGHT));
    chart(machine, load, runs).draw(graphics, new Rectangle2D.Double(0, 0, WIDTH, HEIGHT));
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

  private static JFreeChart chart(Map<String, String> machine, Load load, Repeats<Run> runs) {
    LogAxis percentile = new LogAxis("percentile of the requests");
    percentile.setNumberFormatOverride(new Percentiles());
    style(percentile, 10);
    CombinedDomainXYPlot both = new CombinedDomainXYPlot(percentile);
    both.setGap(18);
    both.add(plot("delay, ms", runs, Run::delay));
    both.add(plot("latency, ms", runs, Run::latency));

    JFreeChart chart = new JFreeChart("Interactive requests over a batch backlog", both);
    chart.setBackgroundPaint(PAPER);
    chart.setPadding(new RectangleInsets(12, 12, 12, 18));
    title(chart.getTitle(), INK, new Font(Font.SANS_SERIF, Font.BOLD, 16));
    TextTitle subtitle =
        new TextTitle(
            String.format(
                Locale.ROOT,
                "Delay is latency less the request's own processor time. Thin: each repeat.\n"
                    + "%.0f requests/s of %.1f ms, %d threads that are always busy. %s, JDK %s, %s",
                load.requestsPerSecond(),
                load.requestMillis(),
                load.threads(),
                machine.get("kernel"),
                machine.get("jdk"),
                machine.get("processor")));
    title(subtitle, FAINT, new Font(Font.SANS_SERIF, Font.PLAIN, 11));
    chart.addSubtitle(0, subtitle);
    LegendTitle legend = chart.getLegend();
    legend.setPosition(RectangleEdge.TOP);
    legend.setHorizontalAlignment(HorizontalAlignment.LEFT);
    legend.setItemFont(FONT);
    legend.setItemPaint(INK);
    legend.setFrame(BlockBorder.NONE);
    return chart;
  }

  private static XYPlot plot(String name, Repeats<Run> runs, Function<Run, Histogram> histogram) {
    XYSeriesCollection dataset = new XYSeriesCollection();
    XYLineAndShapeRenderer renderer = new XYLineAndShapeRenderer(true, false);
    for (Setting setting : runs.settings()) {
      Color colour = COLOURS[setting.ordinal()];
      for (Run run : runs.of(setting)) {
        int thin = dataset.getSeriesCount();
        renderer.setSeriesPaint(thin, new Color((colour.getRGB() & 0xffffff) | 0x60000000, true));
        renderer.setSeriesStroke(thin, new BasicStroke(0.8f));
        renderer.setSeriesVisibleInLegend(thin, false);
        dataset.addSeries(curve(name + setting + thin, histogram.apply(run)));
      }
      int thick = dataset.getSeriesCount();
      renderer.setSeriesPaint(thick, colour);
      renderer.setSeriesStroke(thick, new BasicStroke(2.4f));
      renderer.setSeriesVisibleInLegend(thick, name.startsWith("delay")); // once is enough
      dataset.addSeries(curve(setting.title(), runs.together(setting, histogram)));
    }
    LogAxis value = new LogAxis(name);
    value.setNumberFormatOverride(NumberFormat.getInstance(Locale.ROOT));
    style(value, 2);
    XYPlot plot = new XYPlot(dataset, null, value, renderer);
    plot.setBackgroundPaint(PAPER);
    plot.setOutlineVisible(false);
    plot.setRangeGridlinePaint(GRID);
    plot.setRangeGridlineStroke(new BasicStroke(1));
    plot.setDomainGridlinePaint(GRID);
    plot.setDomainGridlineStroke(new BasicStroke(1));
    return plot;
  }

  /** One over the share of the requests above: 10 at the 90th percentile, 100 at the 99th. */
  private static XYSeries curve(String name, Histogram histogram) {
    XYSeries series = new XYSeries(name);
    for (HistogramIterationValue point : histogram.percentiles(TICKS_PER_HALF)) {
      double above = 1 - point.getPercentileLevelIteratedTo() / 100;
      if (above > 0 && above <= MOST_ABOVE) {
        series.add(1 / above, Math.max(point.getValueIteratedTo(), SHORTEST) / 1e6);
      }
    }
    return series;
  }

  private static void style(LogAxis axis, double base) {
    axis.setBase(base);
    axis.setTickUnit(new NumberTickUnit(1)); // each power of the base
    axis.setLabelFont(FONT);
    axis.setLabelPaint(INK);
    axis.setTickLabelFont(FONT);
    axis.setTickLabelPaint(FAINT);
    axis.setAxisLineVisible(false);
  }

  private static void title(TextTitle title, Color colour, Font font) {
    title.setPaint(colour);
    title.setFont(font);
    title.setHorizontalAlignment(HorizontalAlignment.LEFT);
    title.setTextAlignment(HorizontalAlignment.LEFT);
  }

  /** Writes 100 as 99 %. */
  private static final class Percentiles extends NumberFormat {

    private static final long serialVersionUID = 1;

    @Override
    public StringBuffer format(double value, StringBuffer to, FieldPosition position) {
      double percentile = 100 - 100 / value;
      return to.append(NumberFormat.getInstance(Locale.ROOT).format(percentile)).append(" %");
    }

    @Override
    public StringBuffer format(long value, StringBuffer to, FieldPosition position) {
      return format((double) value, to, position);
    }

    @Override
    public Number parse(String text, ParsePosition position) {
      throw new UnsupportedOperationException("only written");
    }
  }
}
