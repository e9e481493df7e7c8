// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import io.github.tasklocal.layout.Key;
import io.github.tasklocal.memory.Memory;
import java.lang.invoke.VarHandle;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A value of a key for the length of a call, from the key's {@code with}: sets the calling thread's
 * value, runs the code, and puts the earlier value back, even if the code throws.
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
   * A value that a thread has until this is closed. It belongs to the thread that has entered it,
   * whichever carriers that is mounted on; scopes that are nested are closed from the inside out,
   * as {@code try} statements do.
   */
  public static final class Entered implements AutoCloseable {
    private final Key key;
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
      this.thread = Thread.currentThread();
      this.size = size;
      this.local = null;
      this.words = null;
    }

    private Entered(Key key, TaskLocal.OfSegment local, long[] words) {
      this.key = key;
      this.thread = Thread.currentThread();
      this.size = 0;
      this.local = local;
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
        } else {
          long _ = OfBits.exchange(key, size, bits);
        }
      }
    }

    private static WrongThreadException wrongThread(Key key, Thread thread) {
      return new WrongThreadException(
          ("a value of \"%s\" was entered by the thread \"%s\" and closed by \"%s\": close it"
                  + " where it was entered, as a try statement does")
              .formatted(key.name(), thread.getName(), Thread.currentThread().getName()));
    }

    @Override
    public String toString() {
      return "Entered[" + key.name() + (closed ? ", closed]" : "]");
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
}
