// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit.chart;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Dimension;
import java.awt.Font;
import java.awt.geom.Rectangle2D;
import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.apache.batik.svggen.SVGGraphics2D;
import org.jfree.chart.JFreeChart;
import org.jfree.chart.axis.Axis;
import org.jfree.chart.block.BlockBorder;
import org.jfree.chart.plot.CategoryPlot;
import org.jfree.chart.plot.CombinedDomainXYPlot;
import org.jfree.chart.plot.Plot;
import org.jfree.chart.plot.XYPlot;
import org.jfree.chart.title.LegendTitle;
import org.jfree.chart.title.TextTitle;
import org.jfree.chart.ui.HorizontalAlignment;
import org.jfree.chart.ui.RectangleEdge;
import org.jfree.chart.ui.RectangleInsets;
import org.jspecify.annotations.Nullable;
import org.w3c.dom.Document;

/** A plot in the look that all have here, with a title, as SVG. */
public final class Chart {

  static {
    // There is no screen, and the window system's libraries may be missing.
    System.setProperty("java.awt.headless", "true");
  }

  /** What is to be read. */
  public static final Color INK = new Color(0x1f2937);

  /** For all words but the titles. */
  public static final Font FONT = new Font(Font.SANS_SERIF, Font.PLAIN, 12);

  private static final Color PAPER = Color.WHITE;
  private static final Color FAINT = new Color(0x6b7280);
  private static final Color GRID = new Color(0xe5e7eb);
  private static final BasicStroke LINE = new BasicStroke(1);

  private final JFreeChart chart;

  /**
   * Makes a chart of a plot, which has its data, axes and renderer.
   *
   * @param title the first line
   * @param plot what is below
   * @param legend where the names of the series stand; null if they are not to be seen
   */
  public Chart(String title, Plot plot, @Nullable RectangleEdge legend) {
    chart = new JFreeChart(title, new Font(Font.SANS_SERIF, Font.BOLD, 16), plot, legend != null);
    chart.setBackgroundPaint(PAPER);
    chart.setPadding(new RectangleInsets(12, 12, 12, 18));
    look(chart.getTitle(), INK);
    look(plot);
    if (legend != null) {
      LegendTitle names = chart.getLegend();
      names.setPosition(legend);
      names.setHorizontalAlignment(HorizontalAlignment.LEFT);
      names.setItemFont(FONT);
      names.setItemPaint(INK);
      names.setFrame(BlockBorder.NONE);
    }
  }

  /** Adds lines below the title, and {@return this} */
  public Chart subtitle(String text) {
    TextTitle subtitle = new TextTitle(text, new Font(Font.SANS_SERIF, Font.PLAIN, 11));
    look(subtitle, FAINT);
    chart.addSubtitle(0, subtitle);
    return this;
  }

  /** Writes it as SVG. */
  public void write(Path file, int width, int height) throws IOException {
    SVGGraphics2D graphics = new SVGGraphics2D(document());
    graphics.setSVGCanvasSize(new Dimension(width, height));
    chart.draw(graphics, new Rectangle2D.Double(0, 0, width, height));
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

  private static void look(TextTitle title, Color colour) {
    title.setPaint(colour);
    title.setHorizontalAlignment(HorizontalAlignment.LEFT);
    title.setTextAlignment(HorizontalAlignment.LEFT);
  }

  private static void look(Plot plot) {
    plot.setBackgroundPaint(PAPER);
    plot.setOutlineVisible(false);
    switch (plot) {
      case CombinedDomainXYPlot both -> {
        look(both.getDomainAxis(), FAINT);
        for (Object each : both.getSubplots()) {
          look((Plot) each);
        }
      }
      case XYPlot lines -> {
        lines.setDomainGridlinePaint(GRID);
        lines.setDomainGridlineStroke(LINE);
        lines.setRangeGridlinePaint(GRID);
        lines.setRangeGridlineStroke(LINE);
        look(lines.getDomainAxis(), FAINT);
        look(lines.getRangeAxis(), FAINT);
      }
      case CategoryPlot bars -> {
        bars.setRangeGridlinePaint(GRID);
        bars.setRangeGridlineStroke(LINE);
        look(bars.getDomainAxis(), INK);
        look(bars.getRangeAxis(), FAINT);
      }
      default ->
          throw new IllegalArgumentException("no style for a chart of type " + plot.getPlotType());
    }
  }

  private static void look(@Nullable Axis axis, Color ticks) {
    if (axis == null) {
      return; // one of several plots over one axis
    }
    axis.setLabelFont(FONT);
    axis.setLabelPaint(INK);
    axis.setTickLabelFont(FONT);
    axis.setTickLabelPaint(ticks);
    axis.setAxisLineVisible(false);
  }
}
