// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Field;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Executor;

/**
 * Fields, states and methods of the JDK's virtual threads, looked for by name; in an object since
 * each can fail. What they are for stands in {@link JdkVirtualThread}.
 */
final class JdkNames {
  private static final String NAME = "java.lang.VirtualThread";

  private static final MethodHandle NONE = MethodHandles.zero(Object.class);

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
  int started;
  int unparked;
  int yielded;
  int unblocked;
  int blocking;
  int running;

  private final MethodHandles.Lookup lookup = MethodHandles.lookup();

  private final Map<String, Field> fields = new HashMap<>();

  /** What lacks here, no consent helps. */
  void findNames() throws ReflectiveOperationException {
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
    Object ignored = type.getDeclaredMethod("yieldContinuation");
    ignored = chunk.getDeclaredMethod("isEmpty");
    ignored = ThreadLocal.class.getDeclaredMethod("get", Thread.class);
    ignored = ThreadLocal.class.getDeclaredMethod("set", Thread.class, Object.class);
    ignored =
        Class.forName("java.lang.ThreadBuilders")
            .getDeclaredMethod(
                "newVirtualThread", Executor.class, String.class, int.class, Runnable.class);
    ignored = MethodHandles.Lookup.class.getDeclaredField("IMPL_LOOKUP");
  }

  private void name(Class<?> in, String name, Class<?> type) throws ReflectiveOperationException {
    Field field = in.getDeclaredField(name);
    if (field.getType() != type) {
      throw new NoSuchFieldException(name + " is a " + field.getType().getName());
    }
    fields.put(name, field);
  }

  void find() throws Throwable {
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
