// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/**
 * Fields, states and methods of the JDK's virtual threads, looked for by name; in an object since
 * each can fail. What they are for stands in {@link JdkVirtualThread}.
 */
final class JdkNames {
  private static final String NAME = "java.lang.VirtualThread";

  private static final MethodHandle NONE = MethodHandles.zero(Object.class);

  /** The states of JDK 25 to 27, of which 27 has no SUSPENDED. */
  private static final Set<String> STATES =
      Set.of(
          "NEW",
          "STARTED",
          "RUNNING",
          "PARKING",
          "PARKED",
          "PINNED",
          "TIMED_PARKING",
          "TIMED_PARKED",
          "TIMED_PINNED",
          "UNPARKED",
          "YIELDING",
          "YIELDED",
          "BLOCKING",
          "BLOCKED",
          "UNBLOCKED",
          "WAITING",
          "WAIT",
          "TIMED_WAITING",
          "TIMED_WAIT",
          "TERMINATED",
          "SUSPENDED");

  private static volatile @Nullable JdkNames ofJdk;

  /** What of this JDK is not as it was tested, or null; that takes no consent to find out. */
  @Nullable String unfit;

  /** Why nothing here can be used, or null. */
  @Nullable String problem;

  MethodHandle getTask = NONE;
  MethodHandle setTask = NONE;
  MethodHandle getScheduler = NONE;
  MethodHandle setScheduler = NONE;
  MethodHandle getCarrier = NONE;
  MethodHandle getState = NONE;
  MethodHandle setState = NONE;
  MethodHandle compareState = NONE;
  MethodHandle setBlockPermit = NONE;
  MethodHandle getContinuation = NONE;
  MethodHandle getChunk = NONE;
  MethodHandle setChunk = NONE;
  MethodHandle isEmpty = NONE;
  MethodHandle getLocal = NONE;
  MethodHandle setLocal = NONE;
  MethodHandle yield = NONE;
  MethodHandle make = NONE;
  MethodHandle pin = NONE;
  MethodHandle unpin = NONE;
  int started;
  int unparked;
  int yielded;
  int unblocked;
  int blocking;
  int running;

  private final MethodHandles.Lookup lookup = MethodHandles.lookup();

  private final Map<String, Field> fields = new HashMap<>();

  /**
   * {@return what this JDK has, looked for at the first call}
   *
   * @throws OutOfMemoryError if there is no memory to look for it; the next call tries again
   * @throws StackOverflowError likewise
   */
  static JdkNames ofJdk() {
    JdkNames known = ofJdk;
    if (known == null) {
      known = new JdkNames();
      known.look();
      ofJdk = known;
    }
    return known;
  }

  private void look() {
    try {
      findNames();
      find();
    } catch (IllegalAccessException e) {
      problem = "the JDK's package jdk.internal.misc is not exported to it; " + cure();
    } catch (OutOfMemoryError | StackOverflowError e) {
      throw e; // says nothing of the JDK
    } catch (Throwable e) {
      unfit = e.toString();
      problem = "this JDK is not as it was tested (" + e + ")";
    }
  }

  private static String cure() {
    Module own = JdkNames.class.getModule();
    String flag =
        "start Java with --add-exports java.base/jdk.internal.misc="
            + (own.isNamed() ? own.getName() : "ALL-UNNAMED");
    Module classPath = ClassLoader.getSystemClassLoader().getUnnamedModule();
    if (Object.class.getModule().isExported("jdk.internal.misc", classPath)) {
      return flag; // the agent or a manifest has exported it, but not to this copy of the library
    }
    return flag
        + " or -javaagent:tasklocal.jar"
        + (own.isNamed()
            ? ""
            : ", or have Add-Exports: java.base/jdk.internal.misc in the executable jar's manifest");
  }

  /** What lacks here, no consent helps. */
  private void findNames() throws ReflectiveOperationException {
    Class<?> type = Class.forName(NAME);
    Class<?> continuation = Class.forName("jdk.internal.vm.Continuation");
    Class<?> chunk = Class.forName("jdk.internal.vm.StackChunk");
    name(type, "runContinuation", Runnable.class);
    name(type, "scheduler", Executor.class);
    name(type, "carrierThread", Thread.class);
    name(type, "blockPermit", boolean.class);
    name(type, "cont", continuation);
    name(continuation, "tail", chunk);
    for (String each :
        List.of("state", "STARTED", "UNPARKED", "YIELDED", "UNBLOCKED", "BLOCKING", "RUNNING")) {
      name(type, each, int.class);
    }
    requireKnownStates(type);
    Object ignored = type.getDeclaredMethod("yieldContinuation");
    ignored = chunk.getDeclaredMethod("isEmpty");
    ignored = continuation.getDeclaredMethod("pin");
    ignored = continuation.getDeclaredMethod("unpin");
    ignored = ThreadLocal.class.getDeclaredMethod("get", Thread.class);
    ignored = ThreadLocal.class.getDeclaredMethod("set", Thread.class, Object.class);
    ignored =
        Class.forName("java.lang.ThreadBuilders")
            .getDeclaredMethod(
                "newVirtualThread", Executor.class, String.class, int.class, Runnable.class);
    ignored = MethodHandles.Lookup.class.getDeclaredField("IMPL_LOOKUP");
  }

  /**
   * A state more may be one in which the JDK runs a thread, and a record would not. Every static
   * int counts as one: what it is for cannot be seen here, and the JDKs that were tested have no
   * others.
   */
  private static void requireKnownStates(Class<?> type) throws NoSuchFieldException {
    for (Field each : type.getDeclaredFields()) {
      if (Modifier.isStatic(each.getModifiers())
          && each.getType() == int.class
          && !STATES.contains(each.getName())) {
        throw new NoSuchFieldException(each.getName() + " is a state that it does not know");
      }
    }
  }

  private void name(Class<?> in, String name, Class<?> type) throws ReflectiveOperationException {
    Field field = in.getDeclaredField(name);
    if (field.getType() != type) {
      throw new NoSuchFieldException(name + " is a " + field.getType().getName());
    }
    fields.put(name, field);
  }

  private void find() throws Throwable {
    Class<?> type = Class.forName(NAME);
    Class<?> unsafeType = Class.forName("jdk.internal.misc.Unsafe");
    Object unsafe =
        lookup.findStatic(unsafeType, "getUnsafe", MethodType.methodType(unsafeType)).invoke();
    getTask = getter(unsafe, "runContinuation", "getReference");
    setTask = setter(unsafe, "runContinuation", "putReferenceRelease");
    getScheduler = getter(unsafe, "scheduler", "getReference");
    setScheduler = setter(unsafe, "scheduler", "putReferenceVolatile");
    getCarrier = getter(unsafe, "carrierThread", "getReference");
    getState = getter(unsafe, "state", "getIntVolatile");
    setState = setter(unsafe, "state", "putIntVolatile");
    compareState =
        access(
            unsafe,
            field("state"),
            "compareAndSetInt",
            MethodType.methodType(boolean.class, Object.class, long.class, int.class, int.class));
    setBlockPermit = setter(unsafe, "blockPermit", "putBooleanVolatile");
    getContinuation = getter(unsafe, "cont", "getReference");
    getChunk = getter(unsafe, "tail", "getReference");
    setChunk = setter(unsafe, "tail", "putReference");
    started = constant(unsafe, "STARTED");
    unparked = constant(unsafe, "UNPARKED");
    yielded = constant(unsafe, "YIELDED");
    unblocked = constant(unsafe, "UNBLOCKED");
    blocking = constant(unsafe, "BLOCKING");
    running = constant(unsafe, "RUNNING");
    Field field = MethodHandles.Lookup.class.getDeclaredField("IMPL_LOOKUP");
    MethodHandles.Lookup all =
        (MethodHandles.Lookup) staticValue(unsafe, field, "getReference", Object.class);
    yield =
        all.findVirtual(type, "yieldContinuation", MethodType.methodType(boolean.class))
            .asType(MethodType.methodType(boolean.class, Object.class));
    isEmpty =
        all.findVirtual(field("tail").getType(), "isEmpty", MethodType.methodType(boolean.class))
            .asType(MethodType.methodType(boolean.class, Object.class));
    Class<?> continuation = field("cont").getType();
    pin = all.findStatic(continuation, "pin", MethodType.methodType(void.class));
    unpin = all.findStatic(continuation, "unpin", MethodType.methodType(void.class));
    getLocal =
        all.findVirtual(
            ThreadLocal.class, "get", MethodType.methodType(Object.class, Thread.class));
    setLocal =
        all.findVirtual(
            ThreadLocal.class,
            "set",
            MethodType.methodType(void.class, Thread.class, Object.class));
    make =
        all.findStatic(
            Class.forName("java.lang.ThreadBuilders"),
            "newVirtualThread",
            MethodType.methodType(
                Thread.class, Executor.class, String.class, int.class, Runnable.class));
  }

  private Field field(String name) {
    return Objects.requireNonNull(fields.get(name));
  }

  /** {@return a method of Unsafe for a field, which gets an object, and perhaps a value} */
  private MethodHandle access(Object unsafe, Field field, String method, MethodType type)
      throws Throwable {
    long offset =
        (long)
            lookup
                .findVirtual(
                    unsafe.getClass(),
                    "objectFieldOffset",
                    MethodType.methodType(long.class, Field.class))
                .invoke(unsafe, field);
    return MethodHandles.insertArguments(
        lookup.findVirtual(unsafe.getClass(), method, type).bindTo(unsafe), 1, offset);
  }

  private static Class<?> value(Field field) {
    return field.getType().isPrimitive() ? field.getType() : Object.class;
  }

  private MethodHandle getter(Object unsafe, String name, String method) throws Throwable {
    Field field = field(name);
    return access(
        unsafe, field, method, MethodType.methodType(value(field), Object.class, long.class));
  }

  private MethodHandle setter(Object unsafe, String name, String method) throws Throwable {
    Field field = field(name);
    return access(
        unsafe,
        field,
        method,
        MethodType.methodType(void.class, Object.class, long.class, value(field)));
  }

  private int constant(Object unsafe, String name) throws Throwable {
    return (int) staticValue(unsafe, field(name), "getInt", int.class);
  }

  private Object staticValue(Object unsafe, Field field, String method, Class<?> value)
      throws Throwable {
    Class<?> type = unsafe.getClass();
    Object base =
        lookup
            .findVirtual(type, "staticFieldBase", MethodType.methodType(Object.class, Field.class))
            .invoke(unsafe, field);
    long offset =
        (long)
            lookup
                .findVirtual(
                    type, "staticFieldOffset", MethodType.methodType(long.class, Field.class))
                .invoke(unsafe, field);
    return lookup
        .findVirtual(type, method, MethodType.methodType(value, Object.class, long.class))
        .invoke(unsafe, base, offset);
  }
}
