// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import com.grack.nanojson.JsonObject;
import com.grack.nanojson.JsonParser;
import com.grack.nanojson.JsonParserException;
import java.io.PrintWriter;
import java.io.StringWriter;
import picocli.CommandLine;

/**
 * The result of a command that ran in this JVM.
 *
 * @param exit its exit status
 * @param out what it printed
 * @param err what it printed as errors
 */
record Command(int exit, String out, String err) {

  /** Runs a command, and captures its output. */
  static Command run(Object... arguments) {
    String[] texts = new String[arguments.length];
    for (int i = 0; i < texts.length; i++) {
      texts[i] = arguments[i].toString();
    }
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    CommandLine command = Tools.commandLine();
    command.setOut(new PrintWriter(out, true));
    command.setErr(new PrintWriter(err, true));
    int exit = command.execute(texts);
    return new Command(exit, out.toString(), err.toString());
  }

  /** {@return what it printed, which has to be one JSON object on one line} */
  JsonObject json() {
    if (exit != 0 || out.strip().lines().count() != 1) {
      throw new AssertionError(this);
    }
    try {
      return JsonParser.object().from(out);
    } catch (JsonParserException e) {
      throw new AssertionError(out, e);
    }
  }
}
