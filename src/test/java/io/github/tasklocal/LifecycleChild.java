// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.KeeperRounds;
import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** What the tests of the lifecycle do in a JVM of its own. */
public final class LifecycleChild {

  private LifecycleChild() {}

  /**
   * Does one thing.
   *
   * @param arguments {@code serve OBJECT WIRE PIN} pins a map, reads a tid from each line and
   *     answers with what BPF sees; {@code kinds} lists the threads; {@code descriptors OBJECT
   *     WIRE} has no descriptor left for a while
   */
  public static void main(String... arguments) throws IOException {
    switch (arguments[0]) {
      case "serve" -> serve(Path.of(arguments[1]), Wire.valueOf(arguments[2]), arguments[3]);
      case "kinds" -> {
        System.gc();
        for (NativeThread each : NativeThread.list()) {
          boolean first = each.tid() == ProcessHandle.current().pid();
          System.out.println((first ? "FIRST" : each.kind().name()) + " " + each.name());
        }
      }
      case "descriptors" -> descriptors(Path.of(arguments[1]), Wire.valueOf(arguments[2]));
      default -> throw new IllegalArgumentException(arguments[0]);
    }
  }

  /** Sets a value of a native thread, and then has no descriptor left to look at the thread. */
  private static void descriptors(Path object, Wire wire) throws IOException {
    TaskLocal.OfInt key = TaskLocal.of("life.00", JAVA_INT);
    NativeThread set = named("VM Thread");
    NativeThread other = named("Signal Dispatch");
    key.set(set, 41);
    try (BpfView view = BpfView.load(object, wire);
        TaskLocalMap map = TaskLocalMap.of(view.map().fd())) {
      System.out.println("before: " + state(key, set, view, map));
      KeeperRounds.pass(); // loads classes, which would take a descriptor later
      List<FileInputStream> taken = new ArrayList<>();
      List<String> said = new ArrayList<>();
      takeAll(taken);
      for (Runnable use :
          List.<Runnable>of(
              NativeThread::list,
              () -> key.set(set, 42),
              () -> key.get(set),
              () -> key.set(other, 42),
              () -> key.bind(other),
              set::isAlive)) {
        said.add(outcome(use));
      }
      KeeperRounds.pass();
      takeAll(taken); // in case one has become free
      said.forEach(each -> System.out.println("without: " + each));
      for (FileInputStream each : taken) {
        each.close();
      }
      System.out.println("after: " + state(key, set, view, map));
      KeeperRounds.pass();
      System.out.println("later: " + state(key, set, view, map));
    }
  }

  private static String state(
      TaskLocal.OfInt key, NativeThread thread, BpfView view, TaskLocalMap map) {
    return "get %d, BPF %d, %d registered, %d not, alive %b"
        .formatted(
            key.get(thread),
            view.of(thread.tid()),
            map.threads(),
            map.unregistered().size(),
            thread.isAlive());
  }

  private static NativeThread named(String name) {
    return NativeThread.list().stream()
        .filter(each -> each.name().equals(name))
        .findFirst()
        .orElseThrow();
  }

  private static String outcome(Runnable use) {
    try {
      use.run();
      return "nothing thrown";
    } catch (KernelException e) {
      return e.getClass().getSimpleName() + ": " + e.getMessage();
    }
  }

  private static void takeAll(List<FileInputStream> taken) {
    try {
      while (true) {
        taken.add(new FileInputStream("/dev/null"));
      }
    } catch (IOException e) {
      // None is left.
    }
  }

  private static void serve(Path object, Wire wire, String pin) throws IOException {
    BpfView view = BpfView.load(object, wire);
    view.map().pin(Path.of(pin));
    try (TaskLocalMap map = TaskLocalMap.of(view.map().fd())) {
      System.out.println("pinned " + map.id());
    }
    BufferedReader lines =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      System.out.println(view.of(Integer.parseInt(line)));
    }
  }
}
