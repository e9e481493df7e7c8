// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench.sched;

import io.github.tasklocal.kit.chart.Chart;
import java.awt.BasicStroke;
import java.awt.Color;
import java.io.IOException;
import java.nio.file.Path;
import java.text.FieldPosition;
import java.text.NumberFormat;
import java.text.ParsePosition;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.HistogramIterationValue;
import org.jfree.chart.axis.LogAxis;
import org.jfree.chart.axis.NumberTickUnit;
import org.jfree.chart.plot.CombinedDomainXYPlot;
import org.jfree.chart.plot.XYPlot;
import org.jfree.chart.renderer.xy.XYLineAndShapeRenderer;
import org.jfree.chart.ui.RectangleEdge;
import org.jfree.data.xy.XYSeries;
import org.jfree.data.xy.XYSeriesCollection;

/**
 * Delay and latency by percentile, both on logarithmic scales: a curve for each setting, of all
 * repeats together, and thin ones for each repeat.
 */
final class Curves {

  private static final int WIDTH = 920;
  private static final int HEIGHT = 760;
  private static final int TICKS_PER_HALF = 8;

  /** The fastest tenth is left out: it would take half of the plot. */
  private static final double MOST_ABOVE = 0.9;

  /** A logarithmic scale has no zero. */
  private static final long SHORTEST = 1_000;

  // Told apart by the colour-blind, too; in the order of the settings.
  private static final Color[] COLOURS = {
    new Color(0x4b5563), new Color(0xd97706), new Color(0xb45fa8), new Color(0x2563b8)
  };

  private Curves() {}

  static void write(Path file, Map<String, String> machine, Load load, Repeats<Run> runs)
      throws IOException {
    CombinedDomainXYPlot both =
        new CombinedDomainXYPlot(axis("percentile of the requests", 10, new Percentiles()));
    both.setGap(18);
    both.add(plot("delay, ms", runs, Run::delay));
    both.add(plot("latency, ms", runs, Run::latency));
    new Chart("Interactive requests over a batch backlog", both, RectangleEdge.TOP)
        .subtitle(
            String.format(
                Locale.ROOT,
                "Delay is latency less the request's own processor time. Thin: each repeat.\n"
                    + "%.0f requests/s of %.1f ms, %d threads that are always busy. %s, JDK %s, %s",
                load.requestsPerSecond(),
                load.requestMillis(),
                load.threads(),
                machine.get("kernel"),
                machine.get("jdk"),
                machine.get("processor")))
        .write(file, WIDTH, HEIGHT);
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
    LogAxis value = axis(name, 2, NumberFormat.getInstance(Locale.ROOT));
    return new XYPlot(dataset, null, value, renderer);
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

  private static LogAxis axis(String label, double base, NumberFormat format) {
    LogAxis axis = new LogAxis(label);
    axis.setBase(base);
    axis.setTickUnit(new NumberTickUnit(1)); // each power of the base
    axis.setNumberFormatOverride(format);
    return axis;
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
