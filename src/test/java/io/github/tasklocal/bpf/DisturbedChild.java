// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.error.KernelException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.concurrent.locks.LockSupport;

/**
 * Loads and uses objects while something disturbs the process. Arguments: {@code profiled OBJECT
 * LENGTHY}, which sends SIGPROF to every thread each millisecond; {@code stopped LENGTHY}, which
 * loads until that fails and prints how, and is stopped by its parent meanwhile.
 */
@SuppressWarnings("restricted")
public final class DisturbedChild {

  private static final int SIGPROF = 27;
  private static final long MILLISECOND = 1_000_000;

  private DisturbedChild() {}

  public static void main(String[] arguments) throws Throwable {
    switch (arguments[0]) {
      case "profiled" -> profiled(Path.of(arguments[1]), Path.of(arguments[2]));
      case "stopped" -> stopped(Path.of(arguments[1]));
      default -> throw new AssertionError(arguments[0]);
    }
  }

  private static void stopped(Path lengthy) {
    System.out.println("begins");
    while (true) {
      try (BpfObject object = BpfObject.load(lengthy)) {
        System.out.println(object.name() + " was loaded");
      } catch (KernelException e) {
        System.out.println(e.getClass().getSimpleName() + ": " + e.getMessage());
        return;
      }
    }
  }

  private static void profiled(Path file, Path lengthy) throws Throwable {
    Linker linker = Linker.nativeLinker();
    SymbolLookup libc = linker.defaultLookup();
    // A handler that does nothing: abs(3) takes an int, as handlers do.
    MethodHandle signal =
        linker.downcallHandle(
            libc.find("signal").orElseThrow(), FunctionDescriptor.of(ADDRESS, JAVA_INT, ADDRESS));
    MemorySegment before =
        (MemorySegment) signal.invokeExact(SIGPROF, libc.find("abs").orElseThrow());
    MethodHandle tgkill =
        linker.downcallHandle(
            libc.find("tgkill").orElseThrow(),
            FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT));
    long[] sent = new long[1];
    Thread profiler =
        Thread.ofPlatform().daemon().name("profiler").start(() -> sendTo(tgkill, sent));
    for (int i = 0; i < 3; i++) {
      BpfObject.load(lengthy).close();
      for (int j = 0; j < 20; j++) {
        use(file);
      }
    }
    if (!profiler.isAlive() || sent[0] < 1000) {
      throw new AssertionError(sent[0] + " signals after " + before);
    }
    System.out.println("not disturbed");
  }

  private static void use(Path file) {
    try (BpfObject object = BpfObject.load(file)) {
      object.global("in_bss").set(JAVA_LONG, 0, 1);
      try (BpfLink link = object.program("on_enter").attach()) {
        if (link.fd() < 0 || object.program("multiply").run() != 5) {
          throw new AssertionError("a program that was disturbed");
        }
      }
    }
  }

  private static void sendTo(MethodHandle tgkill, long[] sent) {
    int pid = Math.toIntExact(ProcessHandle.current().pid());
    try {
      while (true) {
        try (DirectoryStream<Path> tasks = Files.newDirectoryStream(Path.of("/proc/self/task"))) {
          for (Path task : tasks) {
            int tid = Integer.parseInt(task.getFileName().toString());
            if ((int) tgkill.invokeExact(pid, tid, SIGPROF) == 0) {
              sent[0]++;
            }
          }
        } catch (NoSuchFileException e) {
          // A thread has ended.
        }
        LockSupport.parkNanos(MILLISECOND);
      }
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
