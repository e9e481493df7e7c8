// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A terminal that is drawn anew again and again, on its other screen, so that what was there comes
 * back at the end, with the last picture below. Keys reach us at once and are not echoed.
 */
final class TopScreen implements AutoCloseable {

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

  /** The terminal's settings, as stty wants them back; null if there are no keys to read. */
  private final @Nullable String settings;

  private @Nullable Picture picture;
  private int width;
  private int height;

  TopScreen(Output output) {
    this.output = output;
    this.settings = stty("-g");
    if (settings != null) {
      String ignored = stty("-icanon", "-echo", "min", "1");
    }
    output.print(ENTER);
  }

  void show(Picture next) {
    picture = next;
    draw();
  }

  void redrawIfResized() {
    if (output.width() != width || output.height() != height) {
      draw();
    }
  }

  private void draw() {
    width = output.width();
    height = output.height();
    if (picture == null) {
      return;
    }
    StringBuilder frame = new StringBuilder(HOME);
    List<String> lines = picture.lines(width, height);
    for (int i = 0; i < lines.size(); i++) {
      frame.append(i == 0 ? "" : "\r\n").append(lines.get(i)).append(END_OF_LINE);
    }
    output.print(frame.append(END_OF_SCREEN).toString());
  }

  /** {@return whether somebody has pressed q} */
  boolean quit() throws IOException {
    while (settings != null && System.in.available() > 0) {
      int key = System.in.read();
      if (key == 'q' || key == 'Q') {
        return true;
      }
    }
    return false;
  }

  @Override
  public void close() {
    output.print(LEAVE);
    if (settings != null) {
      String ignored = stty(settings);
    }
    if (picture != null) {
      picture.lines(output.width(), Integer.MAX_VALUE).forEach(output::line);
      output.print("");
    }
  }

  /** {@return what stty says of the terminal at standard input; null if there is none} */
  private static @Nullable String stty(String... arguments) {
    String[] command = new String[arguments.length + 1];
    command[0] = "stty";
    System.arraycopy(arguments, 0, command, 1, arguments.length);
    try {
      Process stty =
          new ProcessBuilder(command)
              .redirectInput(Redirect.INHERIT)
              .redirectError(Redirect.DISCARD)
              .start();
      String said = new String(stty.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
      return stty.waitFor() == 0 ? said.strip() : null;
    } catch (IOException e) {
      return null;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return null;
    }
  }
}
