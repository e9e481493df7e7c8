// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.management.TaskLocalMXBean;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Looks at keys, maps and threads for those who operate the application. Calls none of the methods
 * that the compiler makes for records: the JDK remembers a record's class once its {@code equals}
 * was called, and with it this copy of the library.
 */
final class ManagementBean implements TaskLocalMXBean {

  private final Maps maps;
  private final List<Watch> watches;

  ManagementBean(Maps maps, List<Watch> watches) {
    this.maps = maps;
    this.watches = watches;
  }

  @Override
  public List<KeyView> getKeys() {
    return maps.keys().stream()
        .map(key -> new KeyView(key.name(), key.layout().toString(), key.size()))
        .toList();
  }

  @Override
  public List<MapView> getMaps() {
    List<MapView> views = new ArrayList<>();
    for (OpenMap each : maps.all()) {
      views.add(view(each));
    }
    for (Watch each : watches) {
      if (each.isWithoutMap()) {
        views.add(new MapView(each.toString(), "waiting", 0, "", 0, 0, 0, 0, said(each.problem())));
      }
    }
    return views;
  }

  private MapView view(OpenMap map) {
    Registrations registrations = maps.registrations();
    Wire wire = map.wire();
    boolean isAway = wire == null && !maps.sockets().isServed(map);
    int waiting = registrations.waiting(map);
    return new MapView(
        map.toString(),
        wire != null ? "attached" : isAway ? "waiting" : "served",
        wire == null ? 0 : map.id(),
        wire == null ? "" : wire.name(),
        registrations.threads(map),
        waiting,
        Math.max(0, registrations.unregistered(map).size() - waiting),
        map.failures(),
        said(isAway ? SocketMaps.gone(map) : map.lastFailure()));
  }

  private static @Nullable String said(@Nullable KernelException problem) {
    return problem == null ? null : problem.getMessage();
  }

  @Override
  public List<ThreadView> getUnshownThreads() {
    List<ThreadView> views = new ArrayList<>();
    for (OpenMap map : maps.all()) {
      maps.registrations().unregistered(map).entrySet().stream()
          .limit(MOST_THREADS - views.size())
          .forEach(
              each ->
                  views.add(
                      new ThreadView(
                          map.toString(),
                          each.getKey().tid(),
                          each.getKey().name(),
                          String.valueOf(each.getValue().getMessage()))));
    }
    return views;
  }

  @Override
  public Map<String, Integer> getFailures() {
    Map<String, Integer> all = new TreeMap<>();
    for (OpenMap each : maps.all()) {
      each.failuresByKind().forEach((kind, count) -> all.merge(kind, count, Integer::sum));
    }
    return all;
  }

  @Override
  public long getUnseenVirtualThreads() {
    return VirtualThreads.unseen();
  }

  @Override
  public @Nullable String getUnseenReason() {
    return VirtualThreads.unseenReason();
  }
}
