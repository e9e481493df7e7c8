// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.BpfView;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.memory.Operation.Scene;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * What virtual threads do under the registry's lock. In each call to the kernel one yields, which
 * would let another run on the one carrier that there is, and that carrier may need the lock.
 * Arguments: a program of wire A, one of wire B, where to pin.
 */
public final class PinnedChild {

  private static final AtomicInteger TURNS = new AtomicInteger();
  private static final AtomicInteger YIELDS = new AtomicInteger();

  private PinnedChild() {}

  /** Does something in a scene. */
  interface Step {
    void run(Scene scene);
  }

  public static void main(String[] arguments) throws Exception {
    Map<String, Step> steps = new LinkedHashMap<>();
    for (Operation each : Operation.values()) {
      steps.put(each.name(), each::run);
    }
    steps.put(
        "RESERVE",
        scene -> {
          ThreadPage ignored = scene.world.registry.reserve();
        });
    steps.put(
        "THREAD_OF",
        scene -> {
          Thread ignored = scene.world.registry.holds.threadOf(scene.person.task());
        });
    steps.put(
        "BORROW_IF_ANY",
        scene -> {
          ThreadPage page = scene.world.registry.holds.borrowIfAny(scene.person.task());
          if (page != null) {
            page.giveBack();
          }
        });
    steps.put(
        "REGISTRATIONS",
        scene -> {
          scene.open(scene.one);
          Registrations registrations = scene.world.maps.registrations();
          int ignored = registrations.threads(scene.world.map(scene.one));
          ignored = registrations.waiting(scene.world.map(scene.one));
          ignored = registrations.unregistered(scene.world.map(scene.one)).size();
        });
    try (BpfView one = BpfView.load(Path.of(arguments[0]), Wire.A);
        BpfView two = BpfView.load(Path.of(arguments[1]), Wire.B)) {
      for (Map.Entry<String, Step> each : steps.entrySet()) {
        String name = each.getKey();
        int before = YIELDS.get();
        try (Scene scene = new Scene(one, two, Path.of(arguments[2]))) {
          Callable<Void> step =
              () -> {
                each.getValue().run(scene);
                return null;
              };
          prepare(name, scene);
          scene.world.kernel.onCall = () -> yields(scene);
          onVirtual(name, step);
          scene.world.kernel.onCall = () -> {};
        }
        System.out.println(name + ": " + (YIELDS.get() - before) + " calls under the lock");
      }
    }
    if (YIELDS.get() == 0) {
      throw new AssertionError("no call under the lock");
    }
    Await.until("the turn of every other thread", () -> TURNS.get() == YIELDS.get());
    System.out.println("all operations keep their carrier");
  }

  private static void prepare(String name, Scene scene) throws Exception {
    for (Operation each : Operation.values()) {
      if (each.name().equals(name)) {
        each.prepare(scene);
        return;
      }
    }
    scene.person.first();
  }

  @SuppressWarnings("ThreadPriorityCheck")
  private static void yields(Scene scene) {
    if (Thread.currentThread().isVirtual() && Thread.holdsLock(scene.world.kernel.lock)) {
      int ignored = YIELDS.incrementAndGet();
      int before = TURNS.get();
      Thread other = Thread.ofVirtual().unstarted(TURNS::incrementAndGet);
      other.start();
      Thread.yield();
      if (TURNS.get() != before) {
        throw new AssertionError("another thread has run while this one has the lock");
      }
    }
  }

  private static void onVirtual(String name, Callable<Void> step) {
    CompletableFuture<Void> done = new CompletableFuture<>();
    Thread thread =
        Thread.ofVirtual()
            .unstarted(
                () -> {
                  try {
                    boolean ignored = done.complete(step.call());
                  } catch (Throwable e) {
                    boolean ignored = done.completeExceptionally(e);
                  }
                });
    thread.start();
    Void ignored = Await.result(name, done);
  }
}
