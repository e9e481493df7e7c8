// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.BpfView;
import io.github.tasklocal.kernel.Entries;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** What a registry does, for tests in which it fails half way. */
enum Operation {
  FIRST_USE_WITHOUT_A_MAP {
    @Override
    void run(Scene scene) {
      scene.person.first();
    }
  },
  FIRST_USE_WITH_A_MAP {
    @Override
    void prepare(Scene scene) {
      scene.open(scene.one);
    }

    @Override
    void run(Scene scene) {
      scene.person.first();
    }
  },
  FIRST_USE_WITH_TWO_MAPS {
    @Override
    void prepare(Scene scene) {
      scene.open(scene.one);
      scene.open(scene.two);
    }

    @Override
    void run(Scene scene) {
      scene.person.first();
    }
  },
  FIRST_USE_OF_A_THREAD_THAT_OTHERS_KNOW {
    @Override
    void prepare(Scene scene) {
      scene.open(scene.one);
      scene.person.borrowed();
    }

    @Override
    void run(Scene scene) {
      scene.person.first();
    }
  },
  BEGIN {
    @Override
    void prepare(Scene scene) {
      scene.open(scene.one);
      scene.reserved = scene.world.registry.reserve();
    }

    @Override
    void run(Scene scene) {
      scene.person.begin(scene.reserved);
    }
  },
  BEGIN_OF_A_THREAD_THAT_OTHERS_KNOW {
    @Override
    void prepare(Scene scene) {
      scene.open(scene.one);
      scene.reserved = scene.world.registry.reserve();
      scene.person.borrowed();
    }

    @Override
    void run(Scene scene) {
      scene.person.begin(scene.reserved);
    }
  },
  VALUE_SET_BY_ANOTHER_THREAD {
    @Override
    void prepare(Scene scene) {
      scene.open(scene.one);
    }

    @Override
    void run(Scene scene) {
      scene.person.borrowed();
    }
  },
  OPEN {
    @Override
    void prepare(Scene scene) {
      scene.world.citizen();
      scene.world.citizen();
      scene.person.borrowed();
    }

    @Override
    void run(Scene scene) {
      scene.open(scene.one);
    }
  },
  OPEN_A_SECOND_MAP {
    @Override
    void prepare(Scene scene) {
      scene.open(scene.one);
      scene.person.first();
    }

    @Override
    void run(Scene scene) {
      scene.open(scene.two);
    }
  },
  CLOSE {
    @Override
    void prepare(Scene scene) {
      scene.world.citizen();
      scene.person.first();
      scene.open(scene.one);
      scene.open(scene.two);
    }

    @Override
    void run(Scene scene) {
      scene.close(scene.one);
    }
  },
  FIRST_USE_OF_A_COPY_THAT_JOINS {
    @Override
    void prepare(Scene scene) {
      scene.open(scene.one);
      scene.world.citizen();
      scene.person.first();
    }

    @Override
    void run(Scene scene) {
      scene.world.join();
      scene.person.firstInSecond();
    }
  },
  FIRST_USE_OF_A_THREAD_IN_A_SECOND_COPY {
    @Override
    void prepare(Scene scene) {
      scene.open(scene.one);
      scene.open(scene.two);
      scene.world.join();
    }

    @Override
    void run(Scene scene) {
      scene.person.firstInSecond();
    }
  },
  OPEN_IN_A_SECOND_COPY {
    @Override
    void prepare(Scene scene) {
      scene.world.citizen();
      scene.person.first();
      scene.world.join();
      scene.seen = List.of(scene.one);
    }

    @Override
    void run(Scene scene) {
      scene.openInSecond(scene.one);
    }
  },
  CLOSE_IN_A_SECOND_COPY {
    @Override
    void prepare(Scene scene) {
      scene.world.citizen();
      scene.person.first();
      scene.world.join();
      scene.open(scene.one);
      scene.openInSecond(scene.two);
    }

    @Override
    void run(Scene scene) {
      scene.closeInSecond();
    }
  },
  TAKE_OVER {
    @Override
    void prepare(Scene scene) {
      int fd = scene.one.map().fd();
      Entries.makeForeign(fd, scene.person.worker.tid(), scene.person.worker.thread());
      scene.person.first();
      scene.open(scene.one);
    }

    @Override
    void run(Scene scene) {
      scene.world.maps.takeOver(scene.world.map(scene.one), true);
    }
  },
  THREAD_ENDS {
    @Override
    void prepare(Scene scene) {
      scene.open(scene.one);
      scene.person.first();
      World.Person ends = scene.world.citizen();
      ends.close();
      scene.world.persons().remove(ends);
    }

    @Override
    void run(Scene scene) {
      scene.world.maps.tend(1000);
    }
  },
  ENTRY_WAS_DELETED {
    @Override
    void prepare(Scene scene) {
      scene.open(scene.one);
      scene.person.first();
      int fd = scene.one.map().fd();
      Entries.remove(fd, scene.person.worker.tid(), scene.person.worker.thread());
    }

    @Override
    void run(Scene scene) {
      scene.world.maps.tend(1000);
    }
  },
  PIN_COMES {
    @Override
    void prepare(Scene scene) {
      scene.person.first();
      scene.watch = scene.world.watch(scene.pin);
      scene.one.map().pin(scene.pin);
      scene.seen = List.of(scene.one);
    }

    @Override
    void run(Scene scene) {
      scene.watch.look();
    }
  },
  PIN_GOES {
    @Override
    void prepare(Scene scene) throws Exception {
      scene.person.first();
      scene.watch = scene.world.watch(scene.pin);
      scene.one.map().pin(scene.pin);
      scene.watch.look();
      Files.delete(scene.pin);
    }

    @Override
    void run(Scene scene) {
      scene.watch.look();
    }
  },
  PIN_IS_REPLACED {
    @Override
    void prepare(Scene scene) throws Exception {
      scene.person.first();
      scene.watch = scene.world.watch(scene.pin);
      scene.one.map().pin(scene.pin);
      scene.watch.look();
      Files.delete(scene.pin);
      scene.two.map().pin(scene.pin);
      scene.seen = List.of(scene.two);
    }

    @Override
    void run(Scene scene) {
      scene.watch.look();
    }
  };

  void prepare(Scene scene) throws Exception {}

  abstract void run(Scene scene);

  /** {@return whether the keeper does it again and again, and reports failures instead} */
  boolean isRepeated() {
    return compareTo(TAKE_OVER) >= 0;
  }

  /** A world in which an operation happens. */
  static final class Scene implements AutoCloseable {
    final World world = new World();
    final BpfView one;
    final BpfView two;
    final Path pin;
    final World.Person person = world.person();
    ThreadPage reserved;
    Watch watch;

    /** The map that the second copy has open. */
    private OpenMap inSecond;

    /** In which maps every thread has to have its entry at the end, besides those that are open. */
    List<BpfView> seen = List.of();

    Scene(BpfView one, BpfView two, Path pin) {
      this.one = one;
      this.two = two;
      this.pin = pin;
    }

    void open(BpfView view) {
      world.open(view);
    }

    void close(BpfView view) {
      world.close(view);
    }

    void openInSecond(BpfView view) {
      inSecond = world.openInSecond(view);
    }

    void closeInSecond() {
      OpenMap open = inSecond;
      if (open != null) {
        world.second().maps().close(open);
        inSecond = null;
      }
    }

    /** The kernel is healthy again. */
    void check() {
      List<BpfView> views =
          seen.isEmpty()
              ? List.of(one, two).stream().filter(each -> world.map(each) != null).toList()
              : seen;
      world.check(views);
    }

    @Override
    public void close() throws IOException {
      Files.deleteIfExists(pin);
      closeInSecond();
      world.close();
    }
  }
}
