// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.kernel.Libc;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/** Threads that Java did not start. */
public final class Pthread implements AutoCloseable {

  private static final Linker LINKER = Linker.nativeLinker();

  private static final MethodHandle CREATE =
      function("pthread_create", JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS);
  private static final MethodHandle JOIN = function("pthread_join", JAVA_INT, JAVA_LONG, ADDRESS);
  private static final MethodHandle SET_NAME =
      function("pthread_setname_np", JAVA_INT, JAVA_LONG, ADDRESS);
  private static final MethodHandle POST = function("sem_post", JAVA_INT, ADDRESS);
  private static final MethodHandle KEY_CREATE =
      function("pthread_key_create", JAVA_INT, ADDRESS, ADDRESS);
  private static final MethodHandle KEY_DELETE = function("pthread_key_delete", JAVA_INT, JAVA_INT);
  private static final MethodHandle SET_SPECIFIC =
      function("pthread_setspecific", JAVA_INT, JAVA_INT, ADDRESS);

  private static final AtomicInteger COUNT = new AtomicInteger();

  private final Arena arena = Arena.ofShared();
  private final MemorySegment semaphore = arena.allocate(64, 16);
  private final MemorySegment thread = arena.allocate(JAVA_LONG);
  private final String name = "pthread-" + COUNT.incrementAndGet();

  /** Starts a thread that no Java code ever runs on; it waits until this is closed. */
  public Pthread() {
    create(find("sem_wait"), semaphore);
    call(SET_NAME, thread.get(JAVA_LONG, 0), arena.allocateFrom(name));
  }

  private Pthread(MemorySegment start) {
    create(start, MemorySegment.NULL);
  }

  private void create(MemorySegment start, MemorySegment argument) {
    call(CREATE, thread, MemorySegment.NULL, start, argument);
  }

  /** {@return the thread as the library lists it} */
  public NativeThread listed() {
    return NativeThread.list().stream()
        .filter(each -> each.name().equals(name))
        .findFirst()
        .orElseThrow(() -> new AssertionError("no thread " + name + " in the list"));
  }

  @Override
  public void close() {
    call(POST, semaphore);
    join();
  }

  private void join() {
    call(JOIN, thread.get(JAVA_LONG, 0), MemorySegment.NULL);
    arena.close();
  }

  /**
   * Runs two things in Java in one native thread, which leaves the virtual machine in between: so
   * each runs in a {@link Thread} of its own.
   */
  public static void attachTwice(Runnable first, Runnable second) {
    try (Visitor visitor = new Visitor(first, second)) {
      visitor.goOn();
    }
  }

  /**
   * A native thread that does one thing after the other in Java. For each it attaches to the
   * virtual machine, as a {@link Thread} of its own, and detaches after it.
   *
   * <p>A native thread is attached when it calls into Java. Here, destructors of its
   * thread-specific data make these calls, those that detach it, and those that wait in between.
   */
  public static final class Visitor implements AutoCloseable {
    private final Arena arena = Arena.ofShared();
    private final MemorySegment semaphore = arena.allocate(64, 16);
    private final AtomicReference<Throwable> failure = new AtomicReference<>();

    /** The destructors that run at the end of the thread, in this order: key and argument. */
    private final Map<Integer, MemorySegment> ends = new LinkedHashMap<>();

    private final CompletableFuture<Integer> tid = new CompletableFuture<>();
    private final Pthread pthread;
    private int waits;

    /** Starts the thread, which waits outside the virtual machine before each visit. */
    public Visitor(Runnable... visits) {
      MemorySegment vm = javaVm(arena);
      atEnd(detach(vm), vm);
      for (Runnable visit : visits) {
        atEnd(find("sem_wait"), semaphore);
        atEnd(upcall(arena, guarded(visit, failure)), vm);
        atEnd(detach(vm), vm);
        waits++;
      }
      pthread = new Pthread(upcall(arena, guarded(this::prepare, failure)));
    }

    /** Destructors run in the order in which their keys were made. */
    private void atEnd(MemorySegment destructor, MemorySegment argument) {
      ends.put(key(arena, destructor), argument);
    }

    private void prepare() {
      ends.forEach((key, argument) -> call(SET_SPECIFIC, key, argument));
      tid.complete(Libc.currentTid());
    }

    /** {@return the thread as the library lists it} */
    public NativeThread listed() {
      int sought = tid.join();
      return NativeThread.list().stream()
          .filter(each -> each.tid() == sought)
          .findFirst()
          .orElseThrow(() -> new AssertionError("no thread " + sought + " in the list"));
    }

    /** Lets the next visit begin. */
    public void goOn() {
      waits--;
      call(POST, semaphore);
    }

    /** Lets all visits begin, and waits for the thread's end; throws what a visit threw. */
    @Override
    public void close() {
      while (waits > 0) {
        goOn();
      }
      pthread.join();
      ends.keySet().forEach(key -> call(KEY_DELETE, key));
      arena.close();
      if (failure.get() != null) {
        throw new AssertionError(failure.get());
      }
    }
  }

  /** Catches what is thrown, since an exception out of an upcall ends the virtual machine. */
  private static Runnable guarded(Runnable runnable, AtomicReference<Throwable> failure) {
    return () -> {
      try {
        runnable.run();
      } catch (Throwable e) {
        failure.compareAndSet(null, e);
      }
    };
  }

  private static int key(Arena arena, MemorySegment destructor) {
    MemorySegment key = arena.allocate(JAVA_INT);
    call(KEY_CREATE, key, destructor);
    return key.get(JAVA_INT, 0);
  }

  /** {@return the JavaVM of JNI's invocation interface} */
  private static MemorySegment javaVm(Arena arena) {
    Path library = Path.of(System.getProperty("java.home"), "lib/server/libjvm.so");
    MethodHandle created =
        LINKER.downcallHandle(
            SymbolLookup.libraryLookup(library, arena).find("JNI_GetCreatedJavaVMs").orElseThrow(),
            FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT, ADDRESS));
    MemorySegment vm = arena.allocate(ADDRESS);
    call(created, vm, 1, arena.allocate(JAVA_INT));
    return vm.get(ADDRESS, 0);
  }

  /** {@return its function DetachCurrentThread, after three that are reserved and two others} */
  private static MemorySegment detach(MemorySegment vm) {
    MemorySegment functions = vm.reinterpret(8).get(ADDRESS, 0).reinterpret(8 * 8L);
    return functions.getAtIndex(ADDRESS, 5);
  }

  private static MemorySegment upcall(Arena arena, Runnable runnable) {
    try {
      MethodHandle run =
          MethodHandles.lookup()
              .findStatic(
                  Pthread.class,
                  "run",
                  MethodType.methodType(MemorySegment.class, Runnable.class, MemorySegment.class))
              .bindTo(runnable);
      return LINKER.upcallStub(run, FunctionDescriptor.of(ADDRESS, ADDRESS), arena);
    } catch (ReflectiveOperationException e) {
      throw new LinkageError(e.getMessage(), e);
    }
  }

  @SuppressWarnings("unused") // by upcall
  private static MemorySegment run(Runnable runnable, MemorySegment argument) {
    runnable.run();
    return MemorySegment.NULL;
  }

  static MemorySegment find(String name) {
    return LINKER.defaultLookup().find(name).orElseThrow();
  }

  static MethodHandle function(String name, MemoryLayout result, MemoryLayout... arguments) {
    return LINKER.downcallHandle(find(name), FunctionDescriptor.of(result, arguments));
  }

  private static void call(MethodHandle function, Object... arguments) {
    try {
      int error = (int) function.invokeWithArguments(arguments);
      if (error != 0) {
        throw new AssertionError(function + " fails: " + error);
      }
    } catch (Error e) {
      throw e;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
