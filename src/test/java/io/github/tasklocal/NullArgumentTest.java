// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.github.tasklocal.layout.Wire;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.ForkJoinPool;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What the API says to null, in each parameter of each method that can be called without a map. */
class NullArgumentTest {

  private static final Map<Class<?>, Object> SAMPLES =
      Map.of(
          int.class,
          1,
          long.class,
          1L,
          String.class,
          "x",
          Path.class,
          Path.of("/nonexistent"),
          Wire.class,
          Wire.C,
          MemorySegment.class,
          Arena.global().allocate(16),
          TaskLocal[].class,
          new TaskLocal[0],
          ExecutorService.class,
          ForkJoinPool.commonPool());

  record Call(Method method, Object receiver, List<Object> arguments, int at) {
    @Override
    public String toString() {
      return method.toGenericString().replaceAll("[a-z]+\\.", "") + ", argument " + at;
    }
  }

  static Stream<Call> calls() {
    TaskLocal.OfInt number = TaskLocal.of("null.number", ValueLayout.JAVA_INT);
    TaskLocal.OfSegment bytes =
        TaskLocal.of("null.bytes", MemoryLayout.sequenceLayout(16, ValueLayout.JAVA_BYTE));
    TaskLocal.OfSegment struct =
        TaskLocal.of(
            "null.struct",
            MemoryLayout.structLayout(
                ValueLayout.JAVA_INT.withName("sequence"), ValueLayout.JAVA_INT.withName("x")));
    List<Call> calls = new ArrayList<>();
    for (Object receiver :
        List.of(number, bytes, struct, bytes.bind(), number.with(1), bytes.with("x"))) {
      add(calls, receiver.getClass(), receiver);
    }
    for (Class<?> each :
        List.of(TaskLocal.class, TaskLocalMap.class, TaskLocalThread.class, NativeThread.class)) {
      add(calls, each, null);
    }
    return calls.stream();
  }

  private static void add(List<Call> calls, Class<?> type, Object receiver) {
    for (Method method : type.getMethods()) {
      boolean isOurs =
          method.getDeclaringClass().getName().startsWith("io.github.tasklocal")
              && Modifier.isPublic(method.getDeclaringClass().getModifiers())
              && Modifier.isStatic(method.getModifiers()) == (receiver == null)
              && !method.getName().equals("equals");
      Class<?>[] parameters = method.getParameterTypes();
      for (int i = 0; isOurs && i < parameters.length; i++) {
        Object[] arguments = new Object[parameters.length];
        boolean complete = !parameters[i].isPrimitive();
        for (int k = 0; k < arguments.length; k++) {
          arguments[k] = k == i ? null : SAMPLES.get(parameters[k]);
          complete &= k == i || arguments[k] != null;
        }
        if (complete) {
          calls.add(new Call(method, receiver, Arrays.asList(arguments), i));
        }
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("calls")
  void nullIsRefusedAndTheMessageSaysWhatToPass(Call call) {
    Throwable refused =
        catchThrowable(
            () -> {
              try {
                call.method().invoke(call.receiver(), call.arguments().toArray());
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
    assertThat(refused)
        .isExactlyInstanceOf(NullPointerException.class)
        .hasMessageMatching("(the )?\\w+ is null: .+");
  }
}
