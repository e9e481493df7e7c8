// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import com.grack.nanojson.JsonObject;
import com.grack.nanojson.JsonWriter;
import io.github.tasklocal.tools.system.Failure;
import java.io.PrintWriter;
import java.math.BigDecimal;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** Writes changes in one of the formats. */
abstract sealed class TraceWriter {

  final PrintWriter out;

  private TraceWriter(PrintWriter out) {
    this.out = out;
  }

  /** Writes a change, or keeps it. */
  abstract void write(TraceChange change);

  /** Flushes what was written, and fails if it cannot be written. */
  void flush() throws Failure {
    Output.requireWritten(out);
  }

  /** Writes what there is to write when the trace ends, at a time by CLOCK_MONOTONIC. */
  void end(long time) {}

  /** A line for each change. */
  static final class Text extends TraceWriter {
    Text(PrintWriter out) {
      super(out);
    }

    @Override
    void write(TraceChange change) {
      out.printf(
          Locale.ROOT,
          "%d.%09d [%03d] %s/%s %s %s: %s -> %s%n",
          change.time() / 1_000_000_000,
          change.time() % 1_000_000_000,
          change.cpu(),
          id(change.pid(), change.ownPid()),
          id(change.tid(), change.ownTid()),
          word(change.comm()),
          change.where().name().toLowerCase(Locale.ROOT),
          change.before().text(),
          change.after().text());
    }

    /** {@return an id, and in brackets the one in a pid namespace of its own} */
    private static String id(int id, int own) {
      return id == own ? String.valueOf(id) : id + "(" + own + ")";
    }

    /**
     * {@return a name as it is if it is one word, else in quotes, so that lines are unambiguous}
     */
    private static String word(String comm) {
      boolean word = !comm.isEmpty() && comm.chars().noneMatch(c -> c == ' ' || c == '"');
      return word ? Output.printable(comm) : Output.quoted(comm);
    }
  }

  /** A JSON object for each change. */
  static final class Json extends TraceWriter {
    Json(PrintWriter out) {
      super(out);
    }

    @Override
    void write(TraceChange change) {
      out.println(
          JsonWriter.string(
              JsonObject.builder()
                  .value("time_ns", change.time())
                  .value("cpu", change.cpu())
                  .value("pid", change.pid())
                  .value("tid", change.tid())
                  .value("own_pid", change.ownPid())
                  .value("own_tid", change.ownTid())
                  .value("comm", change.comm())
                  .value("where", change.where().name().toLowerCase(Locale.ROOT))
                  .value("before", change.before().json())
                  .value("before_text", change.before().text())
                  .value("after", change.after().json())
                  .value("after_text", change.after().text())
                  .done()));
    }
  }

  /**
   * The Trace Event Format, with a complete event ({@code X}) for each value of a thread, from when
   * it was first seen to when another was, and metadata ({@code M}) for names.
   */
  static final class Chrome extends TraceWriter {

    private final String key;

    /** The last change of each thread. */
    private final Map<Integer, TraceChange> open = new HashMap<>();

    private final Map<Integer, String> threadNames = new HashMap<>();
    private final Set<Integer> processes = new HashSet<>();
    private boolean first = true;

    Chrome(PrintWriter out, String key) {
      super(out);
      this.key = key;
      out.println("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[");
    }

    @Override
    void write(TraceChange change) {
      if (processes.add(change.pid())) {
        name(
            "process_name",
            change.pid(),
            change.pid(),
            ProcessName.of(change.procId(), change.comm()));
      }
      if (!change.comm().equals(threadNames.put(change.tid(), change.comm()))) {
        name("thread_name", change.pid(), change.tid(), Output.printable(change.comm()));
      }
      TraceChange begin = open.remove(change.tid());
      if (begin != null) {
        span(begin, change.time());
      }
      if (change.where() == TraceChange.Where.EXIT) {
        threadNames.remove(change.tid());
      } else if (change.after().isValue()) {
        open.put(change.tid(), change);
      }
    }

    private void span(TraceChange begin, long end) {
      event(
          JsonObject.builder()
              .value("ph", "X")
              .value("name", begin.after().text())
              .value("cat", key)
              .value("ts", micros(begin.time()))
              .value("dur", micros(end - begin.time()))
              .value("pid", begin.pid())
              .value("tid", begin.tid())
              .object("args")
              .value("value", begin.after().json())
              .value("cpu", begin.cpu())
              .value("seen_at", begin.where().name().toLowerCase(Locale.ROOT))
              .end()
              .done());
    }

    private void name(String what, int pid, int tid, String name) {
      event(
          JsonObject.builder()
              .value("ph", "M")
              .value("name", what)
              .value("pid", pid)
              .value("tid", tid)
              .object("args")
              .value("name", name)
              .end()
              .done());
    }

    private void event(JsonObject event) {
      out.print(first ? "" : ",\n");
      first = false;
      out.print(JsonWriter.string(event));
    }

    /** The format's unit, in plain digits down to the nanosecond. */
    private static BigDecimal micros(long nanos) {
      return BigDecimal.valueOf(nanos, 3);
    }

    @Override
    void end(long time) {
      open.values().forEach(begin -> span(begin, Math.max(time, begin.time())));
      open.clear();
      out.println("\n]}");
    }
  }
}
