// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.context;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.layout.Key;
import io.github.tasklocal.memory.Memory;
import io.github.tasklocal.memory.ThreadPages;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SequenceLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.VarHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A record of each thread's trace for profilers that know nothing of this library, as
 * OpenTelemetry's enhancement proposal 4947, "Thread Context", has it: a thread-local pointer of
 * the process, found by name, leads to it. The record is the thread's value of the key {@value
 * #NAME}, so that BPF programs and readers of that pointer see the same bytes, and that it follows
 * virtual threads.
 *
 * <p>Readers stop the thread. So the order in which it stores is all that counts, and the record
 * says that it is invalid while it changes, or is exchanged for another thread's.
 */
@SuppressWarnings("restricted")
final class ThreadContext {

  /** Of the key and of the pointer. */
  static final String NAME = "otel_thread_ctx_v1";

  /**
   * The system property that asks for it: {@code true}, or a folder where a shared object of 2 KiB
   * may be loaded from.
   */
  static final String PROPERTY = "tasklocal.profilers";

  /** Four words: the trace's two, the span's, and what {@link #valid} makes. */
  private static final SequenceLayout LAYOUT = MemoryLayout.sequenceLayout(4, JAVA_LONG);

  /** The word of the record that is 0 unless it is valid. */
  static final int VALID = 24;

  private static boolean isFound;

  private ThreadContext() {}

  /** {@return what the property says, or null if nothing was asked for} */
  static @Nullable String asked() {
    String asked = System.getProperty(PROPERTY, "false");
    return asked.isEmpty() || asked.equals("false") ? null : asked;
  }

  /** {@return whether this is Linux, on a processor whose relocations and calls are known here} */
  static boolean isPossible() {
    String arch = System.getProperty("os.arch", "");
    return System.getProperty("os.name", "").equals("Linux")
        && (arch.equals("amd64") || arch.equals("aarch64"));
  }

  /** {@return the word behind the span's: a byte that says valid, the flags, and no attributes} */
  static long valid(byte flags) {
    return 1 | (flags & 0xffL) << 8;
  }

  /**
   * Makes the record, and the pointer to it in each thread. What cannot be is logged: without the
   * pointer there still is the record.
   *
   * @return the words of the calling thread's record, by their index; null if there is none
   */
  static @Nullable VarHandle open() {
    String asked = asked();
    if (asked == null) {
      return null;
    }
    if (!isPossible()) {
      ContextKeys.warn("Profilers are told nothing of traces: that needs Linux on x86-64 or arm64");
      return null;
    }
    if (ProcessContext.isPublished()) {
      ContextKeys.warn(
          "Profilers are told nothing of traces: something else in this process has published"
              + " OpenTelemetry's process context, of which there is one. Remove that, or -D"
              + PROPERTY);
      return null;
    }
    VarHandle words = TaskLocal.of(NAME, LAYOUT).varHandle(PathElement.sequenceElement());
    expose(asked);
    return words;
  }

  /** {@return whether readers find the record of each thread} */
  static boolean isFound() {
    return isFound;
  }

  private static void expose(String asked) {
    byte[] object = TlsObject.bytes(System.getProperty("os.arch", ""), NAME);
    List<String> failures = new ArrayList<>();
    for (String folder : folders(asked)) {
      SymbolLookup symbols = load(Path.of(folder), object, failures);
      if (symbols != null) {
        for (Key key : ThreadPages.DIRECTORY.keys()) {
          if (key.name().equals(NAME)) {
            ThreadPages.expose(key, VALID, record -> point(symbols, record));
            isFound = true;
          }
        }
        return;
      }
    }
    ContextKeys.warn(
        "Profilers do not see the threads' traces: the shared object that they look for can be"
            + " loaded from none of %s: mount one of them without noexec, or name a folder with -D%s=FOLDER. BPF programs see the traces nevertheless"
                .formatted(String.join(", ", failures), PROPERTY));
  }

  private static List<String> folders(String asked) {
    List<String> folders = new ArrayList<>();
    if (!asked.equals("true")) {
      folders.add(asked);
    }
    folders.add(System.getProperty("java.io.tmpdir", "/tmp"));
    folders.add("/dev/shm");
    return folders;
  }

  /**
   * {@return the symbols of the object, or null if it cannot be loaded from there} The file stays
   * until the process ends, as readers open it; one of a process that was killed is left behind.
   */
  private static @Nullable SymbolLookup load(Path folder, byte[] object, List<String> failures) {
    Path file = null;
    boolean isLoaded = false;
    try {
      file = Files.createTempFile(folder, "tasklocal-threads-", ".so").toAbsolutePath();
      Files.write(file, object);
      SymbolLookup symbols = SymbolLookup.libraryLookup(file, Arena.global());
      isLoaded = symbols.find(NAME).isPresent();
      if (isLoaded) {
        file.toFile().deleteOnExit();
        return symbols;
      }
      failures.add(folder + " (it lacks the symbol)");
    } catch (IOException | RuntimeException e) {
      failures.add(folder + " (" + e + ")");
    } finally {
      if (file != null && !isLoaded) {
        try {
          Files.deleteIfExists(file);
        } catch (IOException e) {
          failures.add(folder + " (" + e + ")");
        }
      }
    }
    return null;
  }

  /** Lets the calling thread's pointer lead to its record. */
  private static void point(SymbolLookup symbols, long record) {
    try {
      // dlsym(3) tells the calling thread's own address of a thread-local symbol.
      MemorySegment pointer = symbols.find(NAME).orElse(MemorySegment.NULL);
      if (pointer.address() != 0) {
        Memory.ALL.set(JAVA_LONG, pointer.address(), record);
      }
    } catch (RuntimeException | Error e) {
      // No stack or no memory: the thread goes on, and profilers see no record of it.
    }
  }
}
