// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Loads of several copies of the library at once, and what the thread of a load is like. */
@KernelTest
class LoadKernelIT {

  private static final int TIMES = 100;

  /** Bits of a mask of signals in procfs. */
  private static final long SIGPROF = 1L << 26;

  private static final long SIGUSR2 = 1L << 11;
  private static final long SIGSEGV = 1L << 10;

  @Test
  void eachCopyGetsTheLogOfItsOwnLoads(@TempDir Path folder) throws Exception {
    List<FutureTask<Boolean>> loads = new ArrayList<>();
    List<URLClassLoader> copies = new ArrayList<>();
    try {
      for (int copy = 0; copy < 3; copy++) {
        copies.add(copy());
        for (int thread = 0; thread < 2; thread++) {
          String program = "careless_%d_%d".formatted(copy, thread);
          String file = refused(folder, program).toString();
          Class<?> steps = copies.getLast().loadClass(LoadSteps.class.getName());
          FutureTask<Boolean> load =
              new FutureTask<>(
                  () -> {
                    Object ignored =
                        steps
                            .getMethod("run", String.class, String.class, int.class)
                            .invoke(null, file, program, TIMES);
                    return true;
                  });
          loads.add(load);
          Thread.ofPlatform().daemon().name(program).start(load);
        }
      }
      for (FutureTask<Boolean> load : loads) {
        assertThat(Await.result("loads that are refused", load)).isTrue();
      }
    } finally {
      for (URLClassLoader copy : copies) {
        copy.close();
      }
    }
  }

  private static Path refused(Path folder, String program) throws IOException {
    Path own = Files.createDirectory(folder.resolve(program));
    return Clang.compile(own, "refused", "-Dcareless=" + program);
  }

  private static URLClassLoader copy() throws IOException {
    List<URL> urls = new ArrayList<>();
    for (Path each : Jvm.classPath()) {
      urls.add(each.toUri().toURL());
    }
    return new URLClassLoader(urls.toArray(URL[]::new), ClassLoader.getPlatformClassLoader());
  }

  @Test
  void noSignalDisturbsAThreadThatLoads(@TempDir Path folder) throws Exception {
    String file = refused(folder, "careless").toString();
    boolean[] enough = new boolean[1];
    FutureTask<Boolean> loads =
        new FutureTask<>(
            () -> {
              while (!enough[0]) {
                LoadSteps.run(file, "careless", 1);
              }
              return true;
            });
    Thread.ofPlatform().daemon().start(loads);
    try {
      // A thread that ends has all of them blocked, also what it does itself (glibc's nptl).
      long blocked =
          Await.until(
                  "a thread that loads, with signals blocked, but not what it does itself",
                  LoadKernelIT::blockedWhereLoading,
                  mask ->
                      mask.isPresent()
                          && (mask.get() & SIGPROF) != 0
                          && (mask.get() & SIGSEGV) == 0)
              .orElseThrow();
      assertThat(blocked & SIGUSR2).isNotZero();
    } finally {
      enough[0] = true;
    }
    assertThat(Await.result("the loads", loads)).isTrue();
  }

  /**
   * {@return which signals a thread of the library's that loads has blocked now, if there is one}
   */
  private static Optional<Long> blockedWhereLoading() {
    try (DirectoryStream<Path> tasks = Files.newDirectoryStream(Path.of("/proc/self/task"))) {
      for (Path task : tasks) {
        Optional<Long> mask = blocked(task);
        if (mask.isPresent()) {
          return mask;
        }
      }
      return Optional.empty();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Optional<Long> blocked(Path task) {
    try {
      List<String> status = Files.readAllLines(task.resolve("status"));
      return status.getFirst().endsWith("tasklocal-libbp")
          ? status.stream()
              .filter(line -> line.startsWith("SigBlk:"))
              .findFirst()
              .map(line -> Long.parseUnsignedLong(line.substring(7).strip(), 16))
          : Optional.empty();
    } catch (IOException e) {
      return Optional.empty(); // has ended
    }
  }
}
