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
import java.lang.ref.Reference;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What libbpf prints during a call. It goes to the logger {@code io.github.tasklocal.libbpf} at
 * level debug after the call, and into the exception of a call that fails.
 *
 * <p>libbpf has one callback for the process, which other copies of this library set too, and which
 * is called on the stack of whoever calls libbpf. So these calls are made one at a time in the
 * process, each by a thread of its own: with a whole stack for the callback, which may throw
 * nothing, and with signals blocked, since one that is pending makes the verifier give up (EAGAIN).
 */
@SuppressWarnings("restricted")
final class LibBpfLog {

  private static final Logger LOGGER = System.getLogger("io.github.tasklocal.libbpf");
  private static final Pattern REFUSED = Pattern.compile("prog '([^']+)': BPF program load failed");

  /** Cures that libbpf guesses at any EPERM, whatever its cause. */
  private static final Pattern GUESS =
      Pattern.compile(
          "permission error while running as root.*|Failed to bump RLIMIT_MEMLOCK.*"
              + "| ?Make sure your kernel supports BPF.*");

  /** The same object in every copy of this library: the virtual machine has each literal once. */
  private static final Object TURN = "io.github.tasklocal: the turn to set libbpf's print callback";

  /** Callbacks that somebody else may have found in place of their own, and may set again. */
  private static final List<MemorySegment> KEPT = new ArrayList<>();

  private static final long STACK_BYTES = 1 << 20;

  private final Thread thread;
  private final StringBuilder text = new StringBuilder();
  private final List<String> lines = new ArrayList<>();

  private LibBpfLog(Thread thread) {
    this.thread = thread;
  }

  /**
   * Makes a call of libbpf's, and waits for it; an interrupt stays pending.
   *
   * @param call gets the log of what is printed in it
   * @return what the call returns
   * @throws StackOverflowError if too little stack is left; nothing was called
   * @throws OutOfMemoryError if no thread can be started; nothing was called
   */
  static <T> T during(Function<LibBpfLog, T> call) {
    StackSpace.require();
    Call<T> task = new Call<>(call);
    Thread thread = new Thread(null, task, "tasklocal-libbpf", STACK_BYTES, false);
    thread.setDaemon(true);
    thread.setContextClassLoader(Thread.currentThread().getContextClassLoader());
    thread.start();
    Uninterrupted.join(thread);
    return task.result();
  }

  private static final class Call<T> implements Runnable {
    private final Function<LibBpfLog, T> call;
    private @Nullable LibBpfLog log;
    private @Nullable T result;
    private @Nullable Throwable failure;

    Call(Function<LibBpfLog, T> call) {
      this.call = call;
    }

    @Override
    public void run() {
      try {
        Libc.blockSignals();
        LibBpfLog own = new LibBpfLog(Thread.currentThread());
        log = own;
        synchronized (TURN) {
          result = own.collect(call);
        }
      } catch (RuntimeException | Error e) {
        failure = e;
      }
    }

    /** In the caller's thread, whose log handlers may do what they like. */
    T result() {
      if (log != null) {
        log.pass();
      }
      Throwable thrown = failure;
      if (thrown == null) {
        return Objects.requireNonNull(result, "a call of libbpf's returns something");
      }
      // What was called is in the one thread, and who called it in the other.
      StackTraceElement[] inside = thrown.getStackTrace();
      StackTraceElement[] outside = new Throwable().getStackTrace();
      StackTraceElement[] all = Arrays.copyOf(inside, inside.length + outside.length);
      System.arraycopy(outside, 0, all, inside.length, outside.length);
      thrown.setStackTrace(all);
      if (thrown instanceof Error error) {
        throw error;
      }
      throw (RuntimeException) thrown;
    }
  }

  private <T> T collect(Function<LibBpfLog, T> call) {
    // Freed when nothing refers to the segment: then nobody can be in it any more.
    MemorySegment ours = libbpf_print_fn_t.allocate(this::print, Arena.ofAuto());
    MemorySegment before = libbpf_h.libbpf_set_print(ours);
    try {
      return call.apply(this);
    } finally {
      MemorySegment found = libbpf_h.libbpf_set_print(before);
      if (found.address() != ours.address()) {
        MemorySegment ignored = libbpf_h.libbpf_set_print(found);
        KEPT.add(ours);
      }
      Reference.reachabilityFence(ours);
    }
  }

  /** Not under the monitor, which a callback may wait for. What a handler throws is its own. */
  private void pass() {
    try {
      if (LOGGER.isLoggable(Level.DEBUG)) {
        List<String> copy;
        synchronized (this) {
          copy = List.copyOf(lines);
        }
        copy.forEach(line -> LOGGER.log(Level.DEBUG, line));
      }
    } catch (RuntimeException | Error e) {
      // The call itself has succeeded, or has failed for another reason.
    }
  }

  /** {@return what was printed so far by this call, without what is only for debugging} */
  synchronized String text() {
    return text.toString();
  }

  /** {@return the same, with the verifier's log where libbpf would have printed it} */
  String withVerifierLog(MemorySegment buffer) {
    String printed = text();
    String verifier = buffer.byteSize() == 0 ? "" : buffer.getString(0);
    if (verifier.isEmpty()) {
      return printed;
    }
    Matcher program = REFUSED.matcher(printed);
    int at = program.find() ? printed.indexOf('\n', program.end()) + 1 : 0;
    return printed.substring(0, at)
        + "libbpf: -- BEGIN PROG LOAD LOG --\n"
        + verifier
        + "-- END PROG LOAD LOG --\n"
        + printed.substring(at);
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

  /** {@return which program could not be loaded, for the end of a sentence, if that is known} */
  static String interrupted(String log) {
    Matcher program = REFUSED.matcher(log);
    return program.find() ? ": " + program.group(1) : "";
  }

  /** {@return how to mend what the log says, or where more is said} */
  static String cure(String log) {
    if (log.contains("cannot call GPL-restricted function")) {
      return "name a licence compatible with the GPL: char LICENSE[] SEC(\"license\") = \"Dual"
          + " BSD/GPL\"";
    }
    if (log.contains("BTF is required, but is missing")) {
      return "compile it with type information: clang -target bpf -O2 -g";
    }
    return "the whole log is in the exception (log())";
  }

  /** {@return the most useful lines of a log, for a message; empty for an empty log} */
  static String summary(String log) {
    List<String> lines =
        log.lines()
            .map(line -> line.startsWith("libbpf: ") ? line.substring(8) : line)
            .map(line -> GUESS.matcher(line).replaceAll(""))
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
  private int print(int level, MemorySegment format, MemorySegment arguments) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment result = arena.allocate(ADDRESS);
      int length = libc_h.vasprintf(result, format, arguments);
      if (length < 0) {
        return 0;
      }
      MemorySegment printed = result.get(ADDRESS, 0).reinterpret(length + 1L);
      try {
        take(level, printed.getString(0));
      } finally {
        libc_h.free(printed);
      }
    } catch (Throwable e) {
      return 0;
    }
    return 0;
  }

  private synchronized void take(int level, String printed) {
    lines.add(printed.stripTrailing());
    // Another thread may call libbpf meanwhile, and print something else.
    if (level == libbpf_h.LIBBPF_WARN() && Thread.currentThread() == thread) {
      text.append(printed);
    }
  }
}
