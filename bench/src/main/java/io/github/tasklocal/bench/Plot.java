// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import io.github.tasklocal.kit.chart.Chart;
import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.Paint;
import java.awt.geom.Line2D;
import java.awt.geom.Rectangle2D;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jfree.chart.axis.CategoryAxis;
import org.jfree.chart.axis.NumberAxis;
import org.jfree.chart.axis.NumberTickUnit;
import org.jfree.chart.axis.ValueAxis;
import org.jfree.chart.plot.CategoryPlot;
import org.jfree.chart.plot.PlotOrientation;
import org.jfree.chart.plot.ValueMarker;
import org.jfree.chart.renderer.category.BarRenderer;
import org.jfree.chart.renderer.category.CategoryItemRendererState;
import org.jfree.chart.renderer.category.StandardBarPainter;
import org.jfree.chart.ui.Layer;
import org.jfree.data.category.CategoryDataset;
import org.jfree.data.category.DefaultCategoryDataset;

/**
 * The ratios as bars: the cost of the lines of the table that decide, relative to their baselines'.
 * Those are what people would use instead: a {@link ThreadLocal}, C, a system call.
 */
final class Plot {

  private static final int WIDTH = 920;
  private static final int ROW_HEIGHT = 27;
  private static final int AROUND = 130;

  /** Longer bars end here; the label tells the ratio. */
  private static final double LONGEST = 2;

  /** Leaves room for the labels after the bars. */
  private static final double ROOM = 1.1;

  // Told apart by the colour-blind, too.
  private static final Color MET = new Color(0x3b82c4);
  private static final Color MISSED = new Color(0xd97706);
  private static final Color REPORTED = new Color(0x9ca3af);

  /** The names of those lines. */
  private static final Set<String> DECIDING =
      Set.of(
          "set an int, any thread",
          "get an int, any thread",
          "set an int, virtual thread",
          "get an int, virtual thread",
          "in a loop: set an int, TaskLocalThread",
          "in a loop: set an int, any thread",
          "hint to BPF, an int",
          "first use, one map open",
          "lookup, wire A");

  private Plot() {}

  static void write(Path file, Map<String, String> machine, List<Row> rows) throws IOException {
    List<Row> compared =
        rows.stream()
            .filter(row -> row.ratio().isPresent() && DECIDING.contains(row.name()))
            .toList();
    new Chart("Cost relative to the baseline", plot(compared), null)
        .subtitle(
            "Less is better. A black mark is the goal; blue: met, orange: missed, grey: no goal. Bars"
                + " end at 2.\n%s, JDK %s, %s"
                    .formatted(machine.get("kernel"), machine.get("jdk"), machine.get("processor")))
        .write(file, WIDTH, AROUND + compared.size() * ROW_HEIGHT);
  }

  private static CategoryPlot plot(List<Row> rows) {
    DefaultCategoryDataset dataset = new DefaultCategoryDataset();
    rows.forEach(
        row -> dataset.addValue(Math.min(row.ratio().orElseThrow(), LONGEST), "ratio", row.name()));
    if (dataset.getColumnCount() != rows.size()) {
      throw new IllegalArgumentException(
          "two rows have the same name, by which the plot tells rows apart: " + rows);
    }
    CategoryAxis work = new CategoryAxis();
    work.setMaximumCategoryLabelWidthRatio(0.5f);
    work.setTickMarksVisible(false);
    work.setLowerMargin(0.01);
    work.setUpperMargin(0.01);
    NumberAxis ratio = new NumberAxis();
    ratio.setRange(0, dataset.getRowCount() == 0 ? LONGEST : longest(rows) + ROOM);
    ratio.setTickUnit(new NumberTickUnit(0.5));
    CategoryPlot plot = new CategoryPlot(dataset, work, ratio, new Bars(rows));
    plot.setOrientation(PlotOrientation.HORIZONTAL);
    plot.addRangeMarker(new ValueMarker(1, Chart.INK, new BasicStroke(1.2f)), Layer.FOREGROUND);
    return plot;
  }

  private static double longest(List<Row> rows) {
    double longest = rows.stream().mapToDouble(row -> row.ratio().orElseThrow()).max().orElse(1);
    return Math.clamp(longest, 1, LONGEST);
  }

  /** Bars in the colour of their verdict, with a mark for the goal. */
  private static final class Bars extends BarRenderer {

    private static final long serialVersionUID = 1;

    private final transient List<Row> rows;

    Bars(List<Row> rows) {
      this.rows = rows;
      setBarPainter(new StandardBarPainter());
      setShadowVisible(false);
      setMaximumBarWidth(0.05);
    }

    @Override
    public Paint getItemPaint(int row, int column) {
      return rows.get(column).met().map(met -> met ? MET : MISSED).orElse(REPORTED);
    }

    @Override
    public void drawItem(
        Graphics2D graphics,
        CategoryItemRendererState state,
        Rectangle2D area,
        CategoryPlot plot,
        CategoryAxis work,
        ValueAxis ratio,
        CategoryDataset dataset,
        int row,
        int column,
        int pass) {
      super.drawItem(graphics, state, area, plot, work, ratio, dataset, row, column, pass);
      Row each = rows.get(column);
      double end = dataset.getValue(row, column).doubleValue();
      double middle =
          work.getCategoryMiddle(column, getColumnCount(), area, plot.getDomainAxisEdge());
      if (each.goal() != null) {
        double x = ratio.valueToJava2D(each.goal(), area, plot.getRangeAxisEdge());
        graphics.setPaint(Color.BLACK);
        graphics.setStroke(new BasicStroke(2.5f));
        graphics.draw(new Line2D.Double(x, middle - 9, x, middle + 9));
        end = Math.max(end, each.goal());
      }
      graphics.setPaint(Chart.INK);
      graphics.setFont(Chart.FONT);
      graphics.drawString(
          Figures.ratio(each.ratio().orElseThrow()) + " × " + each.baselineName(),
          (float) ratio.valueToJava2D(end, area, plot.getRangeAxisEdge()) + 7,
          (float) middle + 4);
    }
  }
}
