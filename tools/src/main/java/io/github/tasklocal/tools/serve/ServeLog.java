// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.serve;

import com.grack.nanojson.JsonWriter;
import io.github.tasklocal.tools.system.Errnos;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.Map;

/** What the serving side tells whoever runs it: a line for each event, in words or as JSON. */
public final class ServeLog {

  /** How many refusals are told in a second; the others are counted. */
  private static final int REFUSALS = 5;

  /** What is refused to one process too many. */
  static final String CONNECTION = "a connection";

  private final PrintWriter out;
  private final boolean json;
  private long second;
  private int refused;
  private int untold;

  /**
   * Tells events.
   *
   * @param json whether as JSON
   */
  public ServeLog(PrintWriter out, boolean json) {
    this.out = out;
    this.json = json;
  }

  /**
   * Tells an event.
   *
   * @param event its name
   * @param words the same for people
   * @param facts names and values in turn
   */
  synchronized void tell(String event, String words, Object... facts) {
    if (json) {
      Map<String, Object> object = new LinkedHashMap<>();
      object.put("event", event);
      for (int i = 0; i < facts.length; i += 2) {
        object.put(facts[i].toString(), facts[i + 1]);
      }
      out.println(JsonWriter.string(object));
    } else {
      out.println(words);
    }
    out.flush();
  }

  /** Tells what should not have happened. */
  void failed(RuntimeException thrown) {
    tell("failed", "failed, and goes on: " + thrown, "reason", thrown.toString());
  }

  /** Tells that a process was refused something, if that is not told too often. */
  void refused(ServedProcess process, String what, int status) {
    refused(process, what, status, reason(-status, what));
  }

  /** Tells that, and why. */
  synchronized void refused(ServedProcess process, String what, int status, String why) {
    long now = System.nanoTime() / 1_000_000_000L;
    if (now != second) {
      second = now;
      refused = 0;
    }
    if (refused++ >= REFUSALS) {
      untold++;
      return;
    }
    String errno = Errnos.name(-status);
    tell(
        "refused",
        "process %d (user %d) is refused %s: %s (%s)%s"
            .formatted(
                process.pid(),
                process.uid(),
                what,
                why,
                errno,
                untold == 0 ? "" : " (and " + untold + " more of such)"),
        "pid",
        process.pid(),
        "uid",
        process.uid(),
        "what",
        what,
        "errno",
        errno,
        "untold",
        untold);
    untold = 0;
  }

  private static String reason(int errno, String what) {
    return switch (errno) {
      case Errnos.EUSERS -> "more than --max-processes";
      case Errnos.EDQUOT ->
          what.equals(CONNECTION) ? "more than --max-processes-per-user" : "more than --max-pages";
      case Errnos.EPROTO -> "not of this version of the protocol";
      case Errnos.EEXIST -> "it is served already";
      case Errnos.ESTALE -> "its token is not known";
      case Errnos.EPERM -> "its token is another's";
      case Errnos.ENOSPC -> "all arrays are given away";
      case Errnos.ENOMEM -> "no memory is left for an array";
      case Errnos.EMFILE, Errnos.ENFILE ->
          "no descriptor is left here; raise the limit of open files (ulimit -n)";
      case Errnos.EPIPE -> "it has closed its connection";
      default -> "it cannot be done";
    };
  }
}
