// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.NativeThread;
import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.TaskLocalThread;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Seccomp;
import io.github.tasklocal.memory.ThreadPages;
import java.io.BufferedReader;
import java.io.File;
import java.io.FileInputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.foreign.MemoryLayout;
import java.lang.ref.WeakReference;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadFactory;

/** An application that does what it is told, a line for each step, with an answer for each. */
public final class ServedChild {

  private static final List<Worker> WORKERS = new ArrayList<>();

  /** Kept, as they would not be seen otherwise. */
  private static final List<Object> KEPT = new ArrayList<>();

  private static final List<FileInputStream> OPEN = new ArrayList<>();

  /** The states that a listener was told. */
  private static final List<String> HEARD = new CopyOnWriteArrayList<>();

  private static TaskLocalMap map;

  /** A thread that runs no Java. */
  private static NativeThread compiler;

  private ServedChild() {}

  /** The key, which is not made before it is used. */
  private static final class Key {
    static final TaskLocal.OfInt VALUE = TaskLocal.of("v", JAVA_INT);
  }

  /** Another, which few tests need. */
  private static final class Pair {
    static final TaskLocal.OfSegment VALUE =
        TaskLocal.of("pair", MemoryLayout.sequenceLayout(2, JAVA_INT));
  }

  /** A thread that does one thing after the other. */
  private static final class Worker {
    private final BlockingQueue<Runnable> tasks = new LinkedBlockingQueue<>();

    Worker(ThreadFactory factory) {
      factory.newThread(this::work).start();
    }

    private void work() {
      try {
        while (true) {
          tasks.take().run();
        }
      } catch (InterruptedException e) {
        // It has been told to end.
      }
    }

    Object call(Callable<Object> code) throws Exception {
      CompletableFuture<Object> done = new CompletableFuture<>();
      tasks.add(
          () -> {
            try {
              done.complete(code.call());
            } catch (Exception e) {
              done.completeExceptionally(e);
            }
          });
      return done.get();
    }

    void end() {
      tasks.add(() -> Thread.currentThread().interrupt());
    }
  }

  /** Does what it is told until its input ends. */
  public static void main(String... arguments) throws Exception {
    System.out.println("ready");
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      System.out.println(answer(line.split(" ")));
    }
    System.exit(0); // whatever its threads do
  }

  private static Object answer(String... words) throws Exception {
    int first = words.length > 1 && words[1].matches("[0-9]+") ? Integer.parseInt(words[1]) : 0;
    switch (words[0]) {
      case "watch" -> {
        map = TaskLocalMap.watch(Path.of(words[1]));
        return map.state();
      }
      case "open" -> {
        map = TaskLocalMap.open(Path.of(words[1]));
        return map.state();
      }
      case "refuse" -> Seccomp.refuse(words[1], 1); // EPERM, as a container's filter says
      case "also" -> KEPT.add(TaskLocalMap.open(Path.of(words[1])));
      case "state" -> {
        return map.state();
      }
      case "why" -> {
        return map.unregistered();
      }
      case "close" -> map.close();
      case "threads" -> {
        for (int i = 0; i < first; i++) {
          int value = Integer.parseInt(words[2]) + i;
          start(Thread.ofPlatform().daemon().factory(), value);
        }
      }
      case "own" -> start(TaskLocalThread.factory("own-"), first);
      case "virtual" -> start(TaskLocalThread.virtualFactory("v-"), first);
      case "compiler" -> {
        return inCompiler(first);
      }
      case "set" -> WORKERS.get(first).call(() -> set(Integer.parseInt(words[2])));
      case "get" -> {
        return WORKERS.get(first).call(Key.VALUE::get);
      }
      case "with" -> WORKERS.get(first).call(() -> within(Path.of(words[2])));
      case "bind" -> KEPT.add(WORKERS.get(first).call(Key.VALUE::bind));
      case "segment" -> KEPT.add(WORKERS.get(first).call(Pair.VALUE::segment));
      case "spin" -> {
        boolean ignored = WORKERS.get(first).tasks.add(ServedChild::spin);
      }
      case "end" -> WORKERS.get(first).end();
      case "copy" -> inCopy("startInCopy", int.class, first);
      case "watch-in-copy" -> inCopy("watchInCopy", String.class, words[1]);
      case "unload" -> unload();
      case "leave-descriptors" -> leaveDescriptors(first);
      case "all-descriptors" -> closeFiles(OPEN.size());
      case "listen" -> map.addListener(state -> HEARD.add(state.getClass().getSimpleName()));
      case "heard" -> {
        return HEARD;
      }
      default -> throw new IllegalArgumentException(words[0]);
    }
    return "done";
  }

  private static void start(ThreadFactory factory, int value) throws Exception {
    Worker worker = new Worker(factory);
    WORKERS.add(worker);
    Object ignored = worker.call(() -> set(value));
  }

  /** Uses its key again and again, as what is to move to other pages has to. */
  @SuppressWarnings("InfiniteLoopStatement")
  private static void spin() {
    while (true) {
      int ignored = Key.VALUE.get();
      Thread.onSpinWait();
    }
  }

  private static Object set(int value) {
    Key.VALUE.set(value);
    return value;
  }

  /** Connects while a scope is open. */
  private static Object within(Path socket) {
    Key.VALUE
        .with(1000)
        .run(
            () -> {
              map = TaskLocalMap.watch(socket);
              Key.VALUE.set(1001);
            });
    return Key.VALUE.get();
  }

  private static int inCompiler(int value) {
    if (compiler == null) {
      compiler =
          NativeThread.list().stream()
              .filter(each -> each.kind() == NativeThread.Kind.JIT)
              .findFirst()
              .orElseThrow();
    }
    Key.VALUE.set(compiler, value);
    return compiler.tid();
  }

  /** Has another copy of the library do something. */
  private static void inCopy(String method, Class<?> type, Object argument) throws Exception {
    List<URL> urls = new ArrayList<>();
    for (String each : System.getProperty("java.class.path").split(File.pathSeparator)) {
      urls.add(Path.of(each).toUri().toURL());
    }
    URLClassLoader copy =
        new URLClassLoader(urls.toArray(URL[]::new), ClassLoader.getPlatformClassLoader());
    KEPT.add(copy);
    copy.loadClass(ServedChild.class.getName()).getMethod(method, type).invoke(null, argument);
  }

  /**
   * Opens files until no more than so many descriptors are left. The keeper may have had one for a
   * moment, and gets none while all are taken.
   */
  private static void leaveDescriptors(int left) throws IOException {
    awaitKeeper(); // so that all classes for this are loaded
    takeDescriptors();
    awaitKeeper();
    takeDescriptors();
    closeFiles(left);
  }

  private static void awaitKeeper() {
    long before = ThreadPages.keeperRounds();
    Await.until("two rounds of the keeper", () -> ThreadPages.keeperRounds() >= before + 2);
  }

  private static void takeDescriptors() throws IOException {
    try {
      while (true) {
        OPEN.add(new FileInputStream("/dev/null"));
      }
    } catch (FileNotFoundException e) {
      // There are too many open files, as it says.
    }
  }

  private static void closeFiles(int count) throws IOException {
    for (int i = 0; i < count; i++) {
      OPEN.removeLast().close();
    }
  }

  /** For {@link #inCopy}: sets a value in a thread of its own. */
  public static void startInCopy(int value) throws Exception {
    start(Thread.ofPlatform().daemon().factory(), value);
  }

  /** For {@link #inCopy}: connects. */
  public static void watchInCopy(String socket) {
    map = TaskLocalMap.watch(Path.of(socket));
  }

  /** For {@link #unload}. */
  public static void closeInCopy() {
    map.close();
  }

  /** Takes the copies out, as a server does with an application, and waits until they are gone. */
  private static void unload() throws Exception {
    List<WeakReference<Object>> copies = KEPT.stream().map(WeakReference::new).toList();
    for (Object each : KEPT) {
      try (URLClassLoader copy = (URLClassLoader) each) {
        copy.loadClass(ServedChild.class.getName()).getMethod("closeInCopy").invoke(null);
      }
    }
    KEPT.clear();
    Await.until(
        "the copies are unloaded",
        () -> {
          System.gc();
          return copies.stream().allMatch(each -> each.get() == null);
        });
  }
}
