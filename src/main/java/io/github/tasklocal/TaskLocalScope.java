// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import io.github.tasklocal.layout.Key;
import io.github.tasklocal.memory.Memory;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A value of a key, or of several, for the length of a call, from the key's {@code with}: sets the
 * calling thread's value, runs the code, and puts the earlier value back, even if the code throws.
 *
 * {@snippet :
 * static final TaskLocalScope URGENT = PRIORITY.with(7);
 *
 * URGENT.run(() -> answer(request));
 * Answer answer = TENANT.with(request.tenant()).call(() -> compute(request)); // throws what it throws
 * }
 *
 * <p>Scopes of one key or of several can be nested: each puts back what it found. So a value that
 * the code itself or a BPF program has set meanwhile is overwritten at the end. Other keys and
 * other threads are not affected: work that the code gives to another thread runs there with that
 * thread's own values.
 *
 * <p>{@link TaskLocal#capture} gives a scope with the values that the calling thread has, of all
 * keys or of some; {@code wrap} makes a task that runs in a scope, wherever it is run.
 *
 * <p>A scope is immutable, and any number of threads may use it at once: keep the scope of a
 * frequent value in a constant. For a value of up to 8 bytes {@code run} and {@code call} allocate
 * nothing, and cost about as much as a get and two sets by hand. A larger value is copied, to be
 * put back later, and a BPF program that runs in between can see it half-written, unless it is a
 * struct with a sequence; see {@link TaskLocal.OfSegment#update}.
 */
public abstract sealed class TaskLocalScope {

  /**
   * What {@link #call} runs: a {@link java.util.concurrent.Callable} that declares its exception
   * type.
   *
   * @param <T> what it returns
   * @param <X> what it throws
   */
  @FunctionalInterface
  public interface Operation<T extends @Nullable Object, X extends Throwable> {

    /**
     * {@return what the caller gets}
     *
     * @throws X if the operation fails
     */
    T call() throws X;
  }

  private TaskLocalScope() {}

  /**
   * Runs code with the value; its exceptions are passed on.
   *
   * @param task what to run
   */
  public abstract void run(Runnable task);

  /**
   * Runs code with the value.
   *
   * @param operation what to run
   * @param <T> what it returns
   * @param <X> what it throws; inferred, and unchecked if the code throws no checked exception
   * @return what it returned
   * @throws X what it threw
   */
  public abstract <T extends @Nullable Object, X extends Throwable> T call(
      Operation<? extends T, X> operation) throws X;

  /**
   * Sets the value until what is returned is closed: for code that throws what it likes, and for
   * languages that do not infer the types of {@link #call}.
   *
   * {@snippet :
   * try (var scope = TENANT.enter(request.tenant())) {
   *   chain.doFilter(request, response);
   * }
   * }
   *
   * <p>The variable can be named {@code _}, which no compiler calls unused.
   *
   * <p>A value of up to 8 bytes allocates nothing where the compiler sees that what is returned
   * does not leave the method, as in a {@code try} statement.
   *
   * @return what a {@code try} statement closes
   */
  public abstract Entered enter();

  /**
   * {@return a task that runs another one in this scope, in whichever thread it is run} It is an
   * object with two references.
   *
   * @param task what to run
   */
  public final Runnable wrap(Runnable task) {
    Runnable code = required(task);
    return () -> run(code);
  }

  /**
   * {@return a task that runs another one in this scope, in whichever thread it is run} It is an
   * object with two references, and each call makes one more.
   *
   * {@snippet :
   * scope.fork(TaskLocal.capture().wrap(() -> find(order))); // a StructuredTaskScope
   * }
   *
   * @param task what to run
   * @param <T> what it returns
   */
  public final <T extends @Nullable Object> Callable<T> wrap(Callable<T> task) {
    Callable<T> code = required(task);
    return () -> call(code::call);
  }

  /**
   * {@return an executor that runs all its tasks in this scope, in the threads of another one}
   * Shutting it down shuts the other one down. For the values that each task's submitter has, there
   * is {@link TaskLocal#capturing(ExecutorService)}.
   *
   * @param executor runs the tasks
   */
  public final ExecutorService wrap(ExecutorService executor) {
    return new WrappingExecutor(executor, () -> this);
  }

  /**
   * A value that a thread has until this is closed. It belongs to the thread that has entered it,
   * whichever carriers that is mounted on; scopes that are nested are closed from the inside out,
   * as {@code try} statements do.
   */
  public static final class Entered implements AutoCloseable {
    /** Null if there are several, which a capture has. */
    private final @Nullable Key key;

    private final @Nullable OfCapture capture;
    private final Thread thread;

    /**
     * Of a value that one access reads or writes whole: how wide that is, and the old value, which
     * is there once the new one is set.
     */
    private final int size;

    private long bits;

    /** Of another value: the key, and the old words. */
    private final TaskLocal.@Nullable OfSegment local;

    private final long @Nullable [] words;
    private boolean closed;

    // Nothing below passes this object on, so it is never allocated where that can be seen.

    private Entered(Key key, int size) {
      this.key = key;
      this.capture = null;
      this.thread = Thread.currentThread();
      this.size = size;
      this.local = null;
      this.words = null;
    }

    private Entered(Key key, TaskLocal.OfSegment local, long[] words) {
      this.key = key;
      this.capture = null;
      this.thread = Thread.currentThread();
      this.size = 0;
      this.local = local;
      this.words = words;
    }

    private Entered(OfCapture capture, long[] words) {
      this.key = null;
      this.capture = capture;
      this.thread = Thread.currentThread();
      this.size = 0;
      this.local = null;
      this.words = words;
    }

    /**
     * Puts back the value that the thread had before. The second call and those after it do
     * nothing.
     *
     * @throws WrongThreadException if another thread calls it, which changes nothing: the thread
     *     that has entered the value still has to close this
     */
    @Override
    @SuppressWarnings("ReferenceEquality")
    public void close() {
      if (Thread.currentThread() != thread) {
        throw wrongThread(key, thread);
      }
      if (!closed) {
        closed = true;
        if (local != null && words != null) {
          local.write(words);
        } else if (key != null) {
          long _ = OfBits.exchange(key, size, bits);
        } else if (capture != null && words != null) {
          capture.write(words);
        }
      }
    }

    private static WrongThreadException wrongThread(@Nullable Key key, Thread thread) {
      return new WrongThreadException(
          ("a value of %s was entered by the thread \"%s\" and closed by \"%s\": close it"
                  + " where it was entered, as a try statement does")
              .formatted(
                  key == null ? "several keys" : "\"" + key.name() + "\"",
                  thread.getName(),
                  Thread.currentThread().getName()));
    }

    @Override
    public String toString() {
      return "Entered["
          + (key == null ? "several keys" : key.name())
          + (closed ? ", closed]" : "]");
    }
  }

  private static <T> T required(T code) {
    return Objects.requireNonNull(code, "the code is null: pass what to run with the value");
  }

  /** {@return a scope for the whole words of a value} */
  static TaskLocalScope of(TaskLocal.OfSegment local, Key key, long[] words) {
    return words.length == 1 && !local.sequenced
        ? new OfBits(key, Long.BYTES, words[0])
        : new OfWords(local, key, words);
  }

  /** A scope of a value that one access reads or writes whole. */
  static final class OfBits extends TaskLocalScope {

    private static final VarHandle BYTE = JAVA_BYTE.varHandle();
    private static final VarHandle SHORT = JAVA_SHORT.varHandle();
    private static final VarHandle INT = JAVA_INT.varHandle();
    private static final VarHandle LONG = JAVA_LONG.varHandle();

    private final Key key;
    private final int size;
    private final long bits;

    /**
     * Makes a scope.
     *
     * @param size of an access, the same as that of {@code get} and {@code set}: a load that is
     *     wider than the store before it waits until that store has reached the cache
     * @param bits the value, in the last bits
     */
    OfBits(Key key, int size, long bits) {
      this.key = key;
      this.size = size;
      this.bits = bits;
    }

    @Override
    public void run(Runnable task) {
      Runnable code = required(task);
      long before = exchange(key, size, bits);
      try {
        code.run();
      } finally {
        long _ = exchange(key, size, before);
      }
    }

    @Override
    public <T extends @Nullable Object, X extends Throwable> T call(
        Operation<? extends T, X> operation) throws X {
      Operation<? extends T, X> code = required(operation);
      long before = exchange(key, size, bits);
      try {
        return code.call();
      } finally {
        long _ = exchange(key, size, before);
      }
    }

    @Override
    public Entered enter() {
      Entered entered = new Entered(key, size);
      entered.bits = exchange(key, size, bits);
      return entered;
    }

    /**
     * Sets the value of the calling thread, and returns that before. The place is looked up anew
     * each time, since a virtual thread may have moved; it does not between the two accesses.
     */
    static long exchange(Key key, int size, long value) {
      long at = TaskLocalThread.address(key, key.offset());
      return switch (size) {
        case Byte.BYTES -> {
          long place = Memory.at(at, Byte.BYTES);
          byte before = (byte) BYTE.getOpaque(Memory.ALL, place);
          BYTE.setOpaque(Memory.ALL, place, (byte) value);
          yield before;
        }
        case Short.BYTES -> {
          long place = Memory.at(at, Short.BYTES);
          short before = (short) SHORT.getOpaque(Memory.ALL, place);
          SHORT.setOpaque(Memory.ALL, place, (short) value);
          yield before;
        }
        case Integer.BYTES -> {
          long place = Memory.at(at, Integer.BYTES);
          int before = (int) INT.getOpaque(Memory.ALL, place);
          INT.setOpaque(Memory.ALL, place, (int) value);
          yield before;
        }
        default -> {
          long place = Memory.at(at, Long.BYTES);
          long before = (long) LONG.getOpaque(Memory.ALL, place);
          LONG.setOpaque(Memory.ALL, place, value);
          yield before;
        }
      };
    }

    @Override
    public String toString() {
      return "TaskLocalScope[" + key.name() + "]";
    }
  }

  /** A scope of a larger value, or one with a sequence. */
  static final class OfWords extends TaskLocalScope {

    private final TaskLocal.OfSegment local;
    private final Key key;
    private final long[] words;

    OfWords(TaskLocal.OfSegment local, Key key, long[] words) {
      this.local = local;
      this.key = key;
      this.words = words;
    }

    @Override
    public void run(Runnable task) {
      Runnable code = required(task);
      long[] before = local.read();
      local.write(words);
      try {
        code.run();
      } finally {
        local.write(before);
      }
    }

    @Override
    public <T extends @Nullable Object, X extends Throwable> T call(
        Operation<? extends T, X> operation) throws X {
      Operation<? extends T, X> code = required(operation);
      long[] before = local.read();
      local.write(words);
      try {
        return code.call();
      } finally {
        local.write(before);
      }
    }

    @Override
    public Entered enter() {
      Entered entered = new Entered(key, local, local.read());
      local.write(words);
      return entered;
    }

    @Override
    public String toString() {
      return "TaskLocalScope[" + local.name() + "]";
    }
  }

  /** {@return a scope with the calling thread's values of some keys} */
  static TaskLocalScope capture(List<Key> keys) {
    int count = 0;
    for (Key each : keys) {
      count += OfCapture.words(each);
    }
    return new OfCapture(keys, OfCapture.read(keys, count));
  }

  /** A scope of values of several keys. */
  static final class OfCapture extends TaskLocalScope {

    private static final VarHandle WORD = JAVA_LONG.varHandle();

    private final List<Key> keys;

    /** The whole words of their values in turn. */
    private final long[] values;

    OfCapture(List<Key> keys, long[] values) {
      this.keys = keys;
      this.values = values;
    }

    private static int words(Key key) {
      return (int) SegmentAccess.wordBytes(key.size()) / Long.BYTES;
    }

    /** {@return the calling thread's values} A virtual thread has zero for a key not used. */
    private static long[] read(List<Key> keys, int count) {
      long[] found = new long[count];
      int at = 0;
      for (int k = 0; k < keys.size(); k++) { // no iterator, which would be allocated
        Key each = keys.get(k);
        long address = TaskLocalThread.addressIfUsed(each);
        for (int i = 0; i < words(each); i++, at++) {
          if (address != 0) {
            found[at] = (long) WORD.getOpaque(Memory.ALL, place(address, i));
          }
        }
      }
      return found;
    }

    private static long place(long address, int word) {
      return Memory.at(address + (long) word * Long.BYTES, Long.BYTES);
    }

    /**
     * Sets the calling thread's values, and returns those before. All that can fail comes first.
     */
    private long[] exchange() {
      int at = 0;
      for (int k = 0; k < keys.size(); k++) {
        Key each = keys.get(k);
        // With address, a virtual thread has room for the key from now on.
        long address =
            isZero(at, words(each))
                ? TaskLocalThread.addressIfUsed(each)
                : TaskLocalThread.address(each, each.offset());
        if (address != 0 && SegmentAccess.isSequenced(each.layout())) {
          int _ = SegmentAccess.requireNoWriter(Memory.ALL.asSlice(address, each.size()));
        }
        at += words(each);
      }
      long[] before = read(keys, values.length);
      write(values);
      return before;
    }

    private boolean isZero(int at, int count) {
      long any = 0;
      for (int i = 0; i < count; i++) {
        any |= values[at + i];
      }
      return any == 0;
    }

    /** Sets the calling thread's values; what it has not used is zero, and stays so. */
    private void write(long[] to) {
      int at = 0;
      for (int k = 0; k < keys.size(); k++) {
        Key each = keys.get(k);
        int count = words(each);
        long address = TaskLocalThread.addressIfUsed(each);
        if (address != 0 && SegmentAccess.isSequenced(each.layout())) {
          MemorySegment here = Memory.ALL.asSlice(address, (long) count * Long.BYTES);
          SegmentAccess.writeSequenced(here, to, at);
        } else if (address != 0) {
          for (int i = 0; i < count; i++) {
            WORD.setOpaque(Memory.ALL, place(address, i), to[at + i]);
          }
        }
        at += count;
      }
    }

    @Override
    public void run(Runnable task) {
      Runnable code = required(task);
      long[] before = exchange();
      try {
        code.run();
      } finally {
        write(before);
      }
    }

    @Override
    public <T extends @Nullable Object, X extends Throwable> T call(
        Operation<? extends T, X> operation) throws X {
      Operation<? extends T, X> code = required(operation);
      long[] before = exchange();
      try {
        return code.call();
      } finally {
        write(before);
      }
    }

    @Override
    public Entered enter() {
      return new Entered(this, exchange());
    }

    @Override
    public String toString() {
      return "TaskLocalScope"
          + keys.stream().map(Key::name).collect(Collectors.joining(", ", "[", "]"));
    }
  }
}
