// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.Garbage;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.management.TaskLocalMXBean;
import java.lang.management.ManagementFactory;
import java.lang.ref.WeakReference;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.management.MBeanServer;
import javax.management.ObjectName;
import jdk.jfr.Recording;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An application that is taken out of its server leaves nothing of the library behind. */
@KernelTest
class UnloadKernelIT {

  @Test
  void nothingKeepsTheClassLoaderOfACopyThatHasClosedEverything(@TempDir Path folder)
      throws Exception {
    String file = BpfView.compile(folder, Wire.C).toString();
    MBeanServer server = ManagementFactory.getPlatformMBeanServer();
    try (Bpffs bpffs = new Bpffs("rwx------");
        Recording recording = new Recording()) {
      recording.start(); // the JDK knows the copies' events, and has their beans
      List<WeakReference<ClassLoader>> copies = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        copies.add(use(file, bpffs.path("map").toString()));
      }
      for (WeakReference<ClassLoader> copy : copies) {
        Await.until(
            "the end of a copy's class loader",
            () -> {
              Garbage.collect();
              return copy.get() == null;
            });
      }
      assertThat(server.isRegistered(new ObjectName(TaskLocalMXBean.NAME))).isFalse();
    }
  }

  private static WeakReference<ClassLoader> use(String file, String pin) throws Exception {
    List<URL> urls = new ArrayList<>();
    for (Path each : Jvm.classPath()) {
      urls.add(each.toUri().toURL());
    }
    try (URLClassLoader copy =
        new URLClassLoader(urls.toArray(URL[]::new), ClassLoader.getPlatformClassLoader())) {
      // In a thread of its own, as nothing of a copy may stay on the stack.
      Throwable[] failure = new Throwable[1];
      Thread thread =
          new Thread(
              () -> {
                try {
                  Object ignored =
                      copy.loadClass(UnloadSteps.class.getName())
                          .getMethod("run", String.class, String.class, String.class)
                          .invoke(null, file, Wire.C.mapName(), pin);
                } catch (ReflectiveOperationException | RuntimeException | Error e) {
                  failure[0] = e;
                }
              },
              "application");
      thread.setContextClassLoader(copy);
      thread.start();
      thread.join();
      if (failure[0] != null) {
        throw new AssertionError("the copy failed", failure[0]);
      }
      return new WeakReference<>(copy);
    }
  }
}
