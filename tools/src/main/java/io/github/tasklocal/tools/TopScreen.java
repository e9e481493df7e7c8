// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import java.io.IOException;
import java.nio.charset.Charset;
import java.util.EnumSet;
import java.util.List;
import org.jline.terminal.Attributes;
import org.jline.terminal.Attributes.ControlChar;
import org.jline.terminal.Attributes.LocalFlag;
import org.jline.terminal.Size;
import org.jline.terminal.Terminal;
import org.jline.terminal.impl.ffm.FfmTerminalProvider;
import org.jline.terminal.spi.SystemStream;
import org.jspecify.annotations.Nullable;

/**
 * A terminal that is redrawn again and again, on its alternate screen, so that what it showed
 * before comes back at the end, with the last picture below. Keys reach us at once and are not
 * echoed.
 */
final class TopScreen implements AutoCloseable {

  private static final int DEFAULT_HEIGHT = 24;

  // ECMA-48 and xterm's private modes, which every terminal of today has.
  private static final String ENTER = "\033[?1049h\033[?25l";
  private static final String LEAVE = "\033[?25h\033[?1049l";
  private static final String HOME = "\033[H";
  private static final String END_OF_LINE = "\033[K";
  private static final String END_OF_SCREEN = "\033[J";

  /** What is shown, for any size. */
  interface Picture {
    List<String> lines(int width, int height);
  }

  private final Output output;

  /** Null if there are no keys to read, since standard input is no terminal. */
  private final @Nullable Terminal terminal;

  private @Nullable Picture picture;
  private Size size = Size.of(0, 0);

  TopScreen(Output output) throws IOException {
    this.output = output;
    this.terminal = terminal();
    if (terminal != null) {
      // Not JLine's raw mode, in which Ctrl-C and Ctrl-Z would be keys too.
      Attributes attributes = terminal.getAttributes();
      attributes.setLocalFlags(EnumSet.of(LocalFlag.ICANON, LocalFlag.ECHO), false);
      attributes.setControlChar(ControlChar.VMIN, 1);
      terminal.setAttributes(attributes);
    }
    output.print(ENTER);
  }

  /**
   * {@return the terminal, by the one of JLine's providers that is in the jar} JLine's builder
   * would look for other providers, and where TERM says so take a dumb terminal, which has no size.
   */
  private static @Nullable Terminal terminal() throws IOException {
    FfmTerminalProvider provider = new FfmTerminalProvider();
    if (!provider.isSystemStream(SystemStream.Input)) {
      return null;
    }
    Charset charset = Charset.defaultCharset();
    return provider.sysTerminal(
        "top",
        "xterm", // JLine knows it without asking terminfo
        false,
        charset,
        charset,
        charset,
        false,
        Terminal.SignalHandler.SIG_DFL,
        false,
        SystemStream.Output);
  }

  void show(Picture next) {
    picture = next;
    draw();
  }

  void redraw() {
    draw();
  }

  void redrawIfResized() {
    if (!size().equals(size)) {
      draw();
    }
  }

  private Size size() {
    return Size.of(output.width(), height());
  }

  /** {@return the terminal's height in lines, now; 24 if it does not tell} */
  private int height() {
    if (terminal == null) {
      return DEFAULT_HEIGHT;
    }
    try {
      int said = terminal.getSize().getRows();
      return said > 0 ? said : DEFAULT_HEIGHT;
    } catch (IllegalStateException e) {
      return size.getRows(); // a signal ends the JVM, and JLine has closed the terminal already
    }
  }

  private void draw() {
    size = size();
    if (picture == null) {
      return;
    }
    StringBuilder frame = new StringBuilder(HOME);
    List<String> lines = picture.lines(size.getColumns(), size.getRows());
    for (int i = 0; i < lines.size(); i++) {
      frame.append(i == 0 ? "" : "\r\n").append(lines.get(i)).append(END_OF_LINE);
    }
    output.print(frame.append(END_OF_SCREEN).toString());
  }

  /** {@return the next key that somebody has pressed, or -1} */
  int typed() throws IOException {
    return terminal != null && System.in.available() > 0 ? System.in.read() : -1;
  }

  @Override
  public void close() throws IOException {
    output.print(LEAVE);
    if (terminal != null) {
      terminal.close();
    }
    if (picture != null) {
      picture.lines(output.width(), Integer.MAX_VALUE).forEach(output::line);
      output.print("");
    }
  }
}
