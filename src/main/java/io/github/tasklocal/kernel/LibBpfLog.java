// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import static java.lang.foreign.ValueLayout.ADDRESS;

import io.github.tasklocal.libbpf.libbpf_h;
import io.github.tasklocal.libbpf.libbpf_print_fn_t;
import io.github.tasklocal.libbpf.libc_h;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Passes what libbpf prints to the logger {@code io.github.tasklocal.libbpf} at level debug, and
 * into the exception of a call that fails.
 */
@SuppressWarnings("restricted")
final class LibBpfLog {

  private static final Pattern REFUSED = Pattern.compile("prog '([^']+)': BPF program load failed");
  private static final ThreadLocal<@Nullable StringBuilder> COLLECTED = new ThreadLocal<>();

  private LibBpfLog() {}

  /** The callback, which is expensive to link. A program that only opens maps does not need it. */
  private static final class Callback {
    static final Logger LOGGER = System.getLogger("io.github.tasklocal.libbpf");
    static final MemorySegment PRINT = libbpf_print_fn_t.allocate(LibBpfLog::print, Arena.global());
  }

  /** Begins to collect what libbpf prints in the calling thread. */
  static void begin() {
    // Each time: another copy of this library in the process has a callback of its own.
    MemorySegment ignored = libbpf_h.libbpf_set_print(Callback.PRINT);
    COLLECTED.set(new StringBuilder());
  }

  /** {@return what was printed since {@link #begin}} */
  static String text() {
    StringBuilder text = COLLECTED.get();
    return text == null ? "" : text.toString();
  }

  static void end() {
    COLLECTED.remove();
  }

  /** {@return whether the log contains the verifier's log} */
  static boolean fromVerifier(String log) {
    return log.contains("BEGIN PROG LOAD LOG");
  }

  /** {@return the name of the program that the verifier refused, or "it"} */
  static String refusedProgram(String log) {
    Matcher program = REFUSED.matcher(log);
    return program.find() ? "the program " + program.group(1) : "it";
  }

  /** {@return how to mend what the verifier refused} */
  static String cure(String log) {
    return log.contains("cannot call GPL-restricted function")
        ? "name a licence compatible with the GPL: char LICENSE[] SEC(\"license\") = \"Dual"
            + " BSD/GPL\""
        : "the whole log is in the exception (log())";
  }

  /** {@return the most useful lines of a log, for a message; empty for an empty log} */
  static String summary(String log) {
    List<String> lines =
        log.lines()
            .map(line -> line.startsWith("libbpf: ") ? line.substring(8) : line)
            .filter(line -> !line.isBlank())
            .toList();
    int end = lines.size();
    for (int i = 0; i < lines.size(); i++) {
      // Linux 7.3 explains itself between the last instruction and the statistics, at length.
      if (lines.get(i).startsWith("Verification failed:")
          || lines.get(i).startsWith("processed ")
          || lines.get(i).startsWith("-- END PROG LOAD LOG")) {
        end = i;
        break;
      }
    }
    List<String> last = lines.subList(Math.max(0, end - 3), end);
    return last.isEmpty() ? "" : ": " + String.join(" | ", last);
  }

  /** Called by libbpf from native code: nothing may be thrown from here. */
  private static int print(int level, MemorySegment format, MemorySegment arguments) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment result = arena.allocate(ADDRESS);
      int length = libc_h.vasprintf(result, format, arguments);
      if (length < 0) {
        return 0;
      }
      MemorySegment text = result.get(ADDRESS, 0).reinterpret(length + 1L);
      try {
        take(level, text.getString(0));
      } finally {
        libc_h.free(text);
      }
    } catch (Throwable e) {
      return 0;
    }
    return 0;
  }

  private static void take(int level, String text) {
    StringBuilder collected = COLLECTED.get();
    if (collected != null && level == libbpf_h.LIBBPF_WARN()) {
      collected.append(text);
    }
    Callback.LOGGER.log(Level.DEBUG, text.stripTrailing());
  }
}
