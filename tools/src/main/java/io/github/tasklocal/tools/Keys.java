// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.kit.seen.ThreadValues;
import io.github.tasklocal.layout.SeenKey;
import io.github.tasklocal.tools.Output.Column;
import io.github.tasklocal.tools.Output.Kind;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Prints the keys of processes as BPF programs see them. */
@Command(
    name = "keys",
    mixinStandardHelpOptions = true,
    versionProvider = Tools.Version.class,
    description = {
      "Prints the key directory of a process that has registered with the map, or of every such"
          + " process, as BPF programs see it.",
      "",
    },
    footer = {
      "",
      "threads: how many threads have a page of values with these keys. offset: counted from where"
          + " a thread's values start. size: not known on wire A.",
      "",
      Dump.NAMESPACES,
      "",
      "Needs root (CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN) and Linux 6.13 or newer."
    })
final class Keys implements Callable<Integer> {

  @Spec private @Nullable CommandSpec spec;

  @Mixin private MapOptions map = new MapOptions();

  @Parameters(
      arity = "0..1",
      paramLabel = "PID|PIN",
      description =
          "A process, or a map's pin, for all its processes (default: all processes of --pin).")
  private @Nullable String subject;

  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  /**
   * Threads that share a page of keys.
   *
   * @param first the thread that sees the most keys
   * @param threads how many have values
   */
  private record Group(ThreadValues first, int threads) {}

  Keys() {}

  @Override
  public Integer call() throws Exception {
    CommandSpec command = Tools.require(spec);
    Output out = Output.of(command);
    int pid = 0;
    if (subject != null && subject.matches("[1-9][0-9]{0,8}")) {
      pid = Integer.parseInt(subject);
    } else if (subject != null) {
      map.pin(Path.of(subject));
    }
    List<Group> groups = groups(Dump.look(map, pid, command));
    if (json) {
      out.json(document(groups));
    } else if (!groups.isEmpty()) {
      boolean nested = groups.stream().anyMatch(group -> group.first.isNested());
      List<Column> columns = new ArrayList<>();
      columns.add(new Column("process", Kind.NUMBER));
      if (nested) {
        columns.add(new Column("own process", Kind.NUMBER));
      }
      columns.add(new Column("comm", Kind.TEXT));
      columns.add(new Column("threads", Kind.NUMBER));
      columns.add(new Column("offset", Kind.NUMBER));
      columns.add(new Column("size", Kind.NUMBER));
      columns.add(new Column("key", Kind.WRAPPED));
      out.table(columns, groups.stream().flatMap(group -> rows(group, nested).stream()).toList());
    }
    return 0;
  }

  /** {@return the groups, most often one for a process} */
  private static List<Group> groups(List<ThreadValues> threads) {
    return threads.stream()
        .collect(
            Collectors.groupingBy(
                thread -> List.of(thread.process(), thread.keysThread()),
                LinkedHashMap::new,
                Collectors.toList()))
        .values()
        .stream()
        .map(
            group ->
                new Group(
                    group.stream()
                        .max(Comparator.comparingInt(each -> each.keys().size()))
                        .orElseThrow(),
                    (int) group.stream().filter(ThreadValues::hasPage).count()))
        .toList();
  }

  private static List<List<String>> rows(Group group, boolean nested) {
    List<List<String>> rows = new ArrayList<>();
    for (SeenKey key : group.first.keys()) {
      rows.add(
          row(
              group,
              nested,
              Integer.toString(key.offset()),
              key.size() == 0 ? "-" : Integer.toString(key.size()),
              Output.printable(key.name())));
    }
    if (rows.isEmpty()) {
      rows.add(row(group, nested, "-", "-", "-"));
    }
    return rows;
  }

  private static List<String> row(
      Group group, boolean nested, String offset, String size, String key) {
    List<String> row = new ArrayList<>();
    row.add(Integer.toString(group.first.process()));
    if (nested) {
      row.add(Integer.toString(group.first.ownProcess()));
    }
    row.add(Output.printable(group.first.leader()));
    row.addAll(List.of(Integer.toString(group.threads), offset, size, key));
    return row;
  }

  private Map<String, Object> document(List<Group> groups) {
    List<Object> directories = new ArrayList<>();
    for (Group group : groups) {
      List<Object> keys = new ArrayList<>();
      for (SeenKey key : group.first.keys()) {
        Map<String, Object> each = new LinkedHashMap<>();
        each.put("name", key.name());
        each.put("size", key.size() == 0 ? null : key.size());
        each.put("offset", key.offset());
        keys.add(each);
      }
      Map<String, Object> directory = new LinkedHashMap<>();
      directory.put("pid", group.first.process());
      directory.put("own_pid", group.first.ownProcess());
      directory.put("comm", group.first.leader());
      directory.put("threads", group.threads);
      directory.put("start", group.first.start());
      directory.put("keys", keys);
      directories.add(directory);
    }
    Map<String, Object> document = new LinkedHashMap<>();
    document.put("pin", map.pin().toString());
    document.put("wire", map.wire().name());
    document.put("directories", directories);
    return document;
  }
}
