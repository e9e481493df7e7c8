// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kit.seen.ThreadValues;
import io.github.tasklocal.layout.SeenKey;
import io.github.tasklocal.tools.Output.Column;
import io.github.tasklocal.tools.Output.Kind;
import io.github.tasklocal.tools.system.Failure;
import io.github.tasklocal.tools.system.Namespaces;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Prints the values of every thread that has registered with a map. */
@Command(
    name = "dump",
    mixinStandardHelpOptions = true,
    versionProvider = Tools.Version.class,
    description = {
      "Prints the values of every thread of every process that has registered with the map, or of"
          + " one process.",
      "",
    },
    footer = {
      "",
      "The values of a thread are those of one moment. A ~ follows a value that its thread writes"
          + " so often that no two reads agree, or that was read while a carrier went from one"
          + " virtual thread's values to the next's. A - stands for a key that the thread does not have,"
          + " a ? (in JSON: null) for a value that would lie outside the thread's pages, or whose"
          + " key was made just now. Without a type, values are bytes in hexadecimal, as they stand"
          + " in memory; on wire A, which has no sizes, up to the next value and at most 64.",
      "",
      Dump.NAMESPACES,
      "",
      "Needs root (CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN) and Linux 6.13 or newer,"
          + " or from 5.17 on a serving side."
    })
final class Dump implements Callable<Integer> {

  /** For the help of commands that walk all threads. */
  static final String NAMESPACES =
      "Processes and threads of containers are seen too, with the ids of the first pid namespace"
          + " and, beside them, those of their own. Started in another pid namespace, this command"
          + " sees only the threads there. A PID is a process's id where this command runs, or, if"
          + " no such process has registered, its id in its own pid namespace.";

  @Spec private @Nullable CommandSpec spec;

  @Mixin private MapOptions map = new MapOptions();

  @Option(names = "--pid", paramLabel = "PID", description = "Only this process.")
  private @Nullable Integer pid;

  @Option(
      names = "--key",
      paramLabel = "NAME[:TYPE]",
      converter = KeyOption.Converter.class,
      description =
          "A key to show, in a column; may be given several times (default: all keys). "
              + KeyOption.TYPES)
  private List<KeyOption> keys = List.of();

  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  /** The oddities that were found, each once. */
  private final Set<String> notes = new TreeSet<>();

  /** Of the keys that are shown, by name. */
  private final Map<String, TextHint> hints = new HashMap<>();

  Dump() {}

  @Override
  public Integer call() throws Exception {
    CommandSpec command = Tools.require(spec);
    if (pid != null && pid < 1) {
      throw new ParameterException(
          command.commandLine(), "--pid takes a process id of at least 1, not " + pid);
    }
    Set<String> names = new HashSet<>();
    for (KeyOption key : keys) {
      if (!names.add(key.name())) {
        throw new ParameterException(
            command.commandLine(),
            "--key "
                + Output.printable(key.name())
                + " is given twice: a key is shown once, with one type");
      }
    }
    Output out = Output.of(command);
    List<ThreadValues> threads = look(map, pid == null ? 0 : pid, command);
    for (KeyOption key : keys) {
      requireKey(key, threads);
    }
    if (json) {
      out.json(document(threads));
    } else if (!threads.isEmpty()) {
      boolean nested = threads.stream().anyMatch(ThreadValues::isNested);
      out.table(columns(nested), threads.stream().map(each -> row(each, nested)).toList());
      if (out.terminal()) {
        long processes = threads.stream().map(ThreadValues::process).distinct().count();
        out.line(
            String.format(
                Locale.ROOT,
                "%,d thread%s of %,d process%s, through %s (wire %s)",
                threads.size(),
                threads.size() == 1 ? "" : "s",
                processes,
                processes == 1 ? "" : "es",
                map.pin(),
                map.wire()));
      }
    }
    for (KeyOption key : keys) {
      TextHint seen = hints.get(key.name());
      String hint = seen == null ? null : seen.about(key);
      if (hint != null) {
        notes.add(hint);
      }
    }
    long exchanged = threads.stream().filter(ThreadValues::isExchanged).count();
    if (exchanged > 0) {
      notes.add(
          "%,d thread%s read while its process exchanged the values of virtual threads: those marked may be of two of them"
              .formatted(exchanged, exchanged == 1 ? " was" : "s were"));
    }
    notes.forEach(note -> Output.say(command, note));
    return 0;
  }

  /** How long a named process may take to register its threads with a new map. */
  private static final int SECONDS = 10;

  /** Loads the program, gives processes time to register if the map is new, and looks. */
  static List<ThreadValues> look(MapOptions map, int pid, CommandSpec command) throws Exception {
    try (BpfObject object =
        map.load("dump", opened -> opened.global("wanted").set(JAVA_INT, 0, pid))) {
      if (map.created()) {
        Thread.sleep(MapOptions.REGISTRATION_MILLIS);
      }
      List<ThreadValues> threads = ThreadValues.look(object, map.wire());
      // A named process exists, and registers if it watches the pin: on a busy machine, later.
      for (int i = 1; i < SECONDS && pid != 0 && map.created() && threads.isEmpty(); i++) {
        Thread.sleep(MapOptions.REGISTRATION_MILLIS);
        threads = ThreadValues.look(object, map.wire());
      }
      // Without such a process here, those that have the id in a container.
      List<ThreadValues> here = threads.stream().filter(each -> each.processHere() == pid).toList();
      threads = pid == 0 || here.isEmpty() ? threads : here;
      if (threads.isEmpty()) {
        String nobody = nobody(map.pin(), pid);
        if (pid != 0) {
          throw new Failure(nobody);
        }
        Output.say(command, nobody);
      }
      return threads;
    }
  }

  private static String nobody(Path pin, int pid) {
    String who =
        "no thread%s has registered with the map %s"
            .formatted(pid == 0 ? "" : " of process " + pid, pin);
    String cure =
        ": start the application with -Dtasklocal.map=%s, or let it call TaskLocalMap.watch; a"
                .formatted(pin)
            + " thread registers at its first use of a key";
    return Namespaces.inFirst("pid") ? who + cure : who + cure + "; " + Namespaces.OTHERS_UNSEEN;
  }

  /** A key that no thread has is most often a typing error. */
  private void requireKey(KeyOption key, List<ThreadValues> threads) throws Failure {
    if (!threads.isEmpty() && threads.stream().allMatch(each -> each.key(key.name()) == null)) {
      String there =
          threads.stream()
              .flatMap(each -> each.keys().stream())
              .map(each -> Output.printable(each.name()))
              .distinct()
              .sorted()
              .collect(Collectors.joining(", "));
      throw new Failure(
          "no thread has the key \""
              + Output.printable(key.name())
              + "\": there are "
              + (there.isEmpty() ? "no keys" : "the keys " + there)
              + (key.type() == null && key.name().indexOf(':') > 0 ? "; " + KeyOption.TYPES : ""));
    }
  }

  // ---- The table ----

  private List<Column> columns(boolean nested) {
    List<Column> columns = new ArrayList<>();
    columns.add(new Column("process", Kind.NUMBER));
    columns.add(new Column("thread", Kind.NUMBER));
    if (nested) {
      columns.add(new Column("own process", Kind.NUMBER));
      columns.add(new Column("own thread", Kind.NUMBER));
    }
    columns.add(new Column("comm", Kind.TEXT));
    if (keys.isEmpty()) {
      columns.add(new Column("values", Kind.WRAPPED));
    }
    for (KeyOption key : keys) {
      boolean number = key.size() > 0;
      columns.add(new Column(Output.printable(key.name()), number ? Kind.NUMBER : Kind.TEXT));
    }
    return columns;
  }

  private List<String> row(ThreadValues thread, boolean nested) {
    List<String> row = new ArrayList<>();
    row.add(Integer.toString(thread.process()));
    row.add(Integer.toString(thread.thread()));
    if (nested) {
      row.add(Integer.toString(thread.ownProcess()));
      row.add(Integer.toString(thread.ownThread()));
    }
    row.add(Output.printable(thread.comm()));
    if (keys.isEmpty()) {
      String values =
          thread.keys().stream()
              .map(key -> Output.printable(key.name()) + "=" + text(thread, key, null))
              .collect(Collectors.joining(" "));
      row.add(values.isEmpty() ? "-" : values);
    }
    for (KeyOption wanted : keys) {
      SeenKey key = thread.key(wanted.name());
      row.add(key == null ? "-" : text(thread, key, wanted.type()));
    }
    return row;
  }

  private String text(ThreadValues thread, SeenKey key, @Nullable ValueType type) {
    MemorySegment value = thread.value(key);
    if (value == null) {
      return "?";
    }
    MemorySegment shown = cut(key, type, value);
    hints
        .computeIfAbsent(key.name(), _ -> new TextHint())
        .see(type == null ? TextHint.textBytes(shown) : -1);
    return typeOf(thread, key, type).text(shown) + (thread.changing(key) ? "~" : "");
  }

  // ---- JSON ----

  private Map<String, Object> document(List<ThreadValues> threads) {
    Map<Integer, Map<String, Object>> processes = new LinkedHashMap<>();
    for (ThreadValues thread : threads) {
      Map<String, Object> process =
          processes.computeIfAbsent(
              thread.process(),
              id -> {
                Map<String, Object> made = new LinkedHashMap<>();
                made.put("pid", id);
                made.put("own_pid", thread.ownProcess());
                made.put("comm", thread.leader());
                made.put("threads", new ArrayList<>());
                return made;
              });
      @SuppressWarnings("unchecked")
      List<Object> list = (List<Object>) Objects.requireNonNull(process.get("threads"));
      list.add(document(thread));
    }
    Map<String, Object> document = new LinkedHashMap<>();
    document.put("pin", map.pin().toString());
    document.put("wire", map.wire().name());
    document.put("processes", List.copyOf(processes.values()));
    return document;
  }

  private Map<String, Object> document(ThreadValues thread) {
    Map<String, @Nullable Object> values = new LinkedHashMap<>();
    List<String> changing = new ArrayList<>();
    for (SeenKey key : thread.keys()) {
      KeyOption wanted = wanted(key);
      MemorySegment value = thread.value(key);
      if (wanted != null && !values.containsKey(key.name())) {
        ValueType type = wanted.type();
        values.put(
            key.name(),
            value == null ? null : typeOf(thread, key, type).json(cut(key, type, value)));
        if (value != null && thread.changing(key)) {
          changing.add(key.name());
        }
      }
    }
    Map<String, Object> document = new LinkedHashMap<>();
    document.put("tid", thread.thread());
    document.put("own_tid", thread.ownThread());
    document.put("comm", thread.comm());
    document.put("values", values);
    document.put("changing", changing);
    return document;
  }

  private @Nullable KeyOption wanted(SeenKey key) {
    if (keys.isEmpty()) {
      return new KeyOption(key.name(), null);
    }
    return keys.stream().filter(each -> each.name().equals(key.name())).findFirst().orElse(null);
  }

  // ---- Bytes and types ----

  /** {@return the type that was asked for, if the value can be of it} */
  private ValueType typeOf(ThreadValues thread, SeenKey key, @Nullable ValueType type) {
    if (type != null && type.size() > 0 && key.size() > 0 && type.size() != key.size()) {
      notes.add(
          ("the key \"%s\" of process %d has values of %d byte%s, but the type %s has %d: shown"
                  + " as bytes")
              .formatted(
                  Output.printable(key.name()),
                  thread.process(),
                  key.size(),
                  key.size() == 1 ? "" : "s",
                  type,
                  type.size()));
      return ValueType.BYTES;
    }
    return type == null ? ValueType.BYTES : type;
  }

  /** {@return the bytes to show: where nothing tells their number, without the zeros at the end} */
  private static MemorySegment cut(SeenKey key, @Nullable ValueType type, MemorySegment value) {
    if (key.size() > 0 || (type != null && type.size() > 0)) {
      return value;
    }
    long end = value.byteSize();
    while (end > Long.BYTES && value.get(JAVA_BYTE, end - 1) == 0) {
      end--;
    }
    return value.asSlice(0, Math.min(value.byteSize(), (end + 7) & -8));
  }
}
