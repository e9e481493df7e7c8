// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import io.github.tasklocal.kernel.NativeAccess;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.Key;
import io.github.tasklocal.memory.Memory;
import io.github.tasklocal.memory.SlotSize;
import io.github.tasklocal.memory.ThreadPage;
import io.github.tasklocal.memory.ThreadPages;
import java.lang.foreign.GroupLayout;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SequenceLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.invoke.VarHandle;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A named value that each thread has one of, and that BPF programs find by the same name.
 *
 * {@snippet :
 * static final TaskLocal.OfInt PRIORITY = TaskLocal.of("priority", ValueLayout.JAVA_INT);
 *
 * PRIORITY.set(7);        // this thread's value: one store
 * int p = PRIORITY.get(); // also what a BPF program wrote
 * }
 *
 * <p><b>Keys</b> are declared once, usually {@code static final}. The same name and layout again
 * gives an equal key; the same name with another size or type is refused. A process has up to 64
 * keys, whose values share a page of 4096 bytes: 8 are the library's own, and each value takes a
 * multiple of 8. Keys are made at any time, by any thread, and stay. BPF programs on wires B and C
 * see the first 63 only ({@link Wire#maxKeys}).
 *
 * <p><b>Packed pages.</b> Started with {@code -Dtasklocal.slotBytes=N}, a power of two from the
 * processor's cache line (64 or 128 bytes) to 2048, Java gives each thread N bytes instead of a
 * page, in cache lines of its own. Many threads then share a page. The keys of the process have N -
 * 8 bytes; one that does not fit is refused with {@link DirectoryFullException}. Maps of wire B,
 * which has a page for each thread, are refused with {@link NotSupportedException}. The slot of an
 * ended thread serves another after 10 seconds: a BPF program that sleeps for longer, having begun
 * before the thread's end, or that holds the ended task itself, would reach the next one's values.
 * A thread that detaches from the Java virtual machine and attaches again finds its values. Each
 * first use reads a file of {@code /proc}. A value that the property cannot have is refused with
 * {@link IllegalArgumentException} by the first key.
 *
 * <p><b>Values</b> start at zero. A value of up to 8 bytes is read and written whole; a larger one
 * can be seen half-written by a BPF program that runs in between, unless it is written with {@link
 * OfSegment#update}. Values need no map: until a {@link TaskLocalMap} is open they are plain memory
 * of the thread, and they work where there is no BPF at all.
 *
 * <p><b>Threads</b> get their page of values at their first use of any key, which takes a lock, and
 * some microseconds for each open map. After that, an access finds the page by the thread's id in a
 * table of short lists, mostly with fewer loads than a {@link ThreadLocal}, and is one load or
 * store; on a {@link TaskLocalThread}, which has its page in a field, it is cheaper still. A thread
 * needs no call at its end. A virtual thread has no kernel task, and using a key on one throws
 * {@link VirtualThreadException}.
 *
 * <p><b>Bound values</b>, from {@code bind()}, skip the look-up: they are the value of the thread
 * that called {@code bind()}, whichever thread uses them. As long as one is reachable, its page
 * serves no other thread; what is written there after the thread's end is seen by nobody for sure.
 *
 * <p><b>Scopes</b>, from {@code with(value)}, set a value for the length of a call, and put the old
 * one back: see {@link TaskLocalScope}.
 *
 * {@snippet :
 * PRIORITY.with(7).run(() -> answer(request));
 * }
 *
 * <p><b>Other threads</b> of the process, also those that no Java code runs on, are listed by
 * {@link NativeThread#list}; {@code set}, {@code get} and {@code bind} take such a thread.
 *
 * <p>The first use of any key on a machine that denies native access throws {@link
 * NativeAccessException}, which names the flag to start Java with.
 */
public sealed interface TaskLocal
    permits TaskLocal.OfBoolean,
        TaskLocal.OfByte,
        TaskLocal.OfShort,
        TaskLocal.OfChar,
        TaskLocal.OfInt,
        TaskLocal.OfLong,
        TaskLocal.OfFloat,
        TaskLocal.OfDouble,
        TaskLocal.OfSegment {

  /** {@return the key's name} */
  String name();

  /** {@return the layout of the key's values, without a name of its own} */
  MemoryLayout layout();

  /**
   * {@return the key of that name for a {@code boolean} in each thread}
   *
   * @param name 1 to 61 bytes of UTF-8, no NUL
   * @param layout {@link ValueLayout#JAVA_BOOLEAN}; its own name and alignment do not matter
   * @throws InvalidKeyException if the name is not one, or the byte order is not the machine's
   * @throws KeyConflictException if the name is taken by another layout
   * @throws DirectoryFullException if the process has 64 keys, or the page (the slot) has no room
   * @throws NativeAccessException if the runtime denies this module native access
   * @throws IllegalArgumentException if the system property {@code tasklocal.slotBytes} has a value
   *     that it cannot have
   */
  static OfBoolean of(String name, ValueLayout.OfBoolean layout) {
    return new OfBoolean(define(name, layout));
  }

  /**
   * {@return the key of that name for a {@code byte} in each thread}
   *
   * @param name 1 to 61 bytes of UTF-8, no NUL
   * @param layout {@link ValueLayout#JAVA_BYTE}; its own name and alignment do not matter
   * @throws InvalidKeyException if the name is not one, or the byte order is not the machine's
   * @throws KeyConflictException if the name is taken by another layout
   * @throws DirectoryFullException if the process has 64 keys, or the page (the slot) has no room
   * @throws NativeAccessException if the runtime denies this module native access
   * @throws IllegalArgumentException if the system property {@code tasklocal.slotBytes} has a value
   *     that it cannot have
   */
  static OfByte of(String name, ValueLayout.OfByte layout) {
    return new OfByte(define(name, layout));
  }

  /**
   * {@return the key of that name for a {@code short} in each thread}
   *
   * @param name 1 to 61 bytes of UTF-8, no NUL
   * @param layout {@link ValueLayout#JAVA_SHORT}; its own name and alignment do not matter
   * @throws InvalidKeyException if the name is not one, or the byte order is not the machine's
   * @throws KeyConflictException if the name is taken by another layout
   * @throws DirectoryFullException if the process has 64 keys, or the page (the slot) has no room
   * @throws NativeAccessException if the runtime denies this module native access
   * @throws IllegalArgumentException if the system property {@code tasklocal.slotBytes} has a value
   *     that it cannot have
   */
  static OfShort of(String name, ValueLayout.OfShort layout) {
    return new OfShort(define(name, layout));
  }

  /**
   * {@return the key of that name for a {@code char} in each thread}
   *
   * @param name 1 to 61 bytes of UTF-8, no NUL
   * @param layout {@link ValueLayout#JAVA_CHAR}; its own name and alignment do not matter
   * @throws InvalidKeyException if the name is not one, or the byte order is not the machine's
   * @throws KeyConflictException if the name is taken by another layout
   * @throws DirectoryFullException if the process has 64 keys, or the page (the slot) has no room
   * @throws NativeAccessException if the runtime denies this module native access
   * @throws IllegalArgumentException if the system property {@code tasklocal.slotBytes} has a value
   *     that it cannot have
   */
  static OfChar of(String name, ValueLayout.OfChar layout) {
    return new OfChar(define(name, layout));
  }

  /**
   * {@return the key of that name for an {@code int} in each thread}
   *
   * @param name 1 to 61 bytes of UTF-8, no NUL
   * @param layout {@link ValueLayout#JAVA_INT}; its own name and alignment do not matter
   * @throws InvalidKeyException if the name is not one, or the byte order is not the machine's
   * @throws KeyConflictException if the name is taken by another layout
   * @throws DirectoryFullException if the process has 64 keys, or the page (the slot) has no room
   * @throws NativeAccessException if the runtime denies this module native access
   * @throws IllegalArgumentException if the system property {@code tasklocal.slotBytes} has a value
   *     that it cannot have
   */
  static OfInt of(String name, ValueLayout.OfInt layout) {
    return new OfInt(define(name, layout));
  }

  /**
   * {@return the key of that name for a {@code long} in each thread}
   *
   * @param name 1 to 61 bytes of UTF-8, no NUL
   * @param layout {@link ValueLayout#JAVA_LONG}; its own name and alignment do not matter
   * @throws InvalidKeyException if the name is not one, or the byte order is not the machine's
   * @throws KeyConflictException if the name is taken by another layout
   * @throws DirectoryFullException if the process has 64 keys, or the page (the slot) has no room
   * @throws NativeAccessException if the runtime denies this module native access
   * @throws IllegalArgumentException if the system property {@code tasklocal.slotBytes} has a value
   *     that it cannot have
   */
  static OfLong of(String name, ValueLayout.OfLong layout) {
    return new OfLong(define(name, layout));
  }

  /**
   * {@return the key of that name for a {@code float} in each thread}
   *
   * @param name 1 to 61 bytes of UTF-8, no NUL
   * @param layout {@link ValueLayout#JAVA_FLOAT}; its own name and alignment do not matter
   * @throws InvalidKeyException if the name is not one, or the byte order is not the machine's
   * @throws KeyConflictException if the name is taken by another layout
   * @throws DirectoryFullException if the process has 64 keys, or the page (the slot) has no room
   * @throws NativeAccessException if the runtime denies this module native access
   * @throws IllegalArgumentException if the system property {@code tasklocal.slotBytes} has a value
   *     that it cannot have
   */
  static OfFloat of(String name, ValueLayout.OfFloat layout) {
    return new OfFloat(define(name, layout));
  }

  /**
   * {@return the key of that name for a {@code double} in each thread}
   *
   * @param name 1 to 61 bytes of UTF-8, no NUL
   * @param layout {@link ValueLayout#JAVA_DOUBLE}; its own name and alignment do not matter
   * @throws InvalidKeyException if the name is not one, or the byte order is not the machine's
   * @throws KeyConflictException if the name is taken by another layout
   * @throws DirectoryFullException if the process has 64 keys, or the page (the slot) has no room
   * @throws NativeAccessException if the runtime denies this module native access
   * @throws IllegalArgumentException if the system property {@code tasklocal.slotBytes} has a value
   *     that it cannot have
   */
  static OfDouble of(String name, ValueLayout.OfDouble layout) {
    return new OfDouble(define(name, layout));
  }

  /**
   * {@return the key of that name for a struct or union in each thread}
   *
   * @param name 1 to 61 bytes of UTF-8, no NUL
   * @param layout of 1 to 4088 bytes, aligned to at most 8; its own name does not matter
   * @throws InvalidKeyException if the name or the layout is not one that a page can hold
   * @throws KeyConflictException if the name is taken by another layout
   * @throws DirectoryFullException if the process has 64 keys, or the page (the slot) has no room
   * @throws NativeAccessException if the runtime denies this module native access
   * @throws IllegalArgumentException if the system property {@code tasklocal.slotBytes} has a value
   *     that it cannot have
   */
  static OfSegment of(String name, GroupLayout layout) {
    return new OfSegment(define(name, layout));
  }

  /**
   * {@return the key of that name for an array in each thread}
   *
   * @param name 1 to 61 bytes of UTF-8, no NUL
   * @param layout of 1 to 4088 bytes, aligned to at most 8; its own name does not matter
   * @throws InvalidKeyException if the name or the layout is not one that a page can hold
   * @throws KeyConflictException if the name is taken by another layout
   * @throws DirectoryFullException if the process has 64 keys, or the page (the slot) has no room
   * @throws NativeAccessException if the runtime denies this module native access
   * @throws IllegalArgumentException if the system property {@code tasklocal.slotBytes} has a value
   *     that it cannot have
   */
  static OfSegment of(String name, SequenceLayout layout) {
    return new OfSegment(define(name, layout));
  }

  private static Key define(String name, MemoryLayout layout) {
    NativeAccess.require();
    SlotSize.require();
    Key key = ThreadPages.DIRECTORY.define(name, layout);
    if (System.getProperty(TaskLocalMap.PROPERTY) != null) {
      TaskLocalMap.watchNamed();
    }
    return key;
  }

  private static String describe(Key key) {
    return "TaskLocal[" + key.name() + ": " + key.layout() + "]";
  }

  /**
   * A key for a {@code boolean} in each thread.
   *
   * <p>The accessors are those of the VarHandle of {@link ValueLayout#JAVA_BOOLEAN}, by the same
   * names and in the same memory order, but that {@code get} and {@code set} are opaque where a
   * VarHandle's are plain. They reach the calling thread's own value, whole. A thread's first use
   * of any key makes its page, and throws {@link VirtualThreadException} on a virtual thread; from
   * then on an access allocates nothing, takes no lock and makes no call.
   */
  final class OfBoolean extends BooleanAccess implements TaskLocal {

    private final Key key;
    private final long offset;

    private OfBoolean(Key key) {
      this.key = key;
      this.offset = key.offset();
    }

    @Override
    long address() {
      return Memory.at(TaskLocalThread.address() + offset, 1);
    }

    /**
     * {@return the calling thread's value, held} Of use to any thread, also after the calling one
     * has ended; see {@link TaskLocal}.
     *
     * @throws VirtualThreadException on a virtual thread
     */
    public Bound bind() {
      return new Bound(TaskLocalThread.page().escaping(), offset);
    }

    /**
     * {@return the value of any thread of this process, held}
     *
     * @param thread the thread; gets a page, and is registered with the open maps, if it has none
     * @throws NotFoundException if the thread has ended
     * @throws KernelException if it cannot be told whether it has
     */
    public Bound bind(NativeThread thread) {
      return new Bound(thread.page(), offset);
    }

    /**
     * {@return the value of any thread of this process} Zero where nobody has set it.
     *
     * @param thread the thread
     * @throws NotFoundException if the thread has ended
     * @throws KernelException if it cannot be told whether it has
     */
    public boolean get(NativeThread thread) {
      ThreadPage page = thread.borrowIfAny();
      if (page == null) {
        return false;
      }
      try {
        return new Bound(page, offset).get();
      } finally {
        page.giveBack();
      }
    }

    /**
     * Sets the value of any thread of this process; see {@link NativeThread}.
     *
     * @param thread the thread; gets a page, and is registered with the open maps, if it has none
     * @param value the new value
     * @throws NotFoundException if the thread has ended
     * @throws KernelException if it cannot be told whether it has
     */
    public void set(NativeThread thread, boolean value) {
      ThreadPage page = thread.borrow();
      try {
        new Bound(page, offset).set(value);
      } finally {
        page.giveBack();
      }
    }

    /**
     * {@return a scope, which runs code with this value in the calling thread, and then puts the
     * old one back}
     *
     * @param value the value meanwhile
     */
    public TaskLocalScope with(boolean value) {
      return new TaskLocalScope.OfBits(key, Byte.BYTES, value ? 1 : 0);
    }

    @Override
    public String name() {
      return key.name();
    }

    @Override
    public ValueLayout.OfBoolean layout() {
      return (ValueLayout.OfBoolean) key.layout();
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof OfBoolean that && key.equals(that.key);
    }

    @Override
    public int hashCode() {
      return key.hashCode();
    }

    @Override
    public String toString() {
      return TaskLocal.describe(key);
    }

    /** One thread's value of the key, for hot loops and for other threads. */
    public static final class Bound extends BooleanAccess {

      /** Keeps the page from serving another thread. */
      @SuppressWarnings("UnusedVariable")
      private final ThreadPage page;

      private final long address;

      private Bound(ThreadPage page, long offset) {
        this.page = page;
        this.address = page.address + offset;
      }

      @Override
      long address() {
        return Memory.at(address, 1);
      }
    }
  }

  /**
   * A key for a {@code byte} in each thread.
   *
   * <p>The accessors are those of the VarHandle of {@link ValueLayout#JAVA_BYTE}, by the same names
   * and in the same memory order, but that {@code get} and {@code set} are opaque where a
   * VarHandle's are plain. They reach the calling thread's own value, whole. A thread's first use
   * of any key makes its page, and throws {@link VirtualThreadException} on a virtual thread; from
   * then on an access allocates nothing, takes no lock and makes no call.
   */
  final class OfByte extends ByteAccess implements TaskLocal {

    private final Key key;
    private final long offset;

    private OfByte(Key key) {
      this.key = key;
      this.offset = key.offset();
    }

    @Override
    long address() {
      return Memory.at(TaskLocalThread.address() + offset, Byte.BYTES);
    }

    /**
     * {@return the calling thread's value, held} Of use to any thread, also after the calling one
     * has ended; see {@link TaskLocal}.
     *
     * @throws VirtualThreadException on a virtual thread
     */
    public Bound bind() {
      return new Bound(TaskLocalThread.page().escaping(), offset);
    }

    /**
     * {@return the value of any thread of this process, held}
     *
     * @param thread the thread; gets a page, and is registered with the open maps, if it has none
     * @throws NotFoundException if the thread has ended
     * @throws KernelException if it cannot be told whether it has
     */
    public Bound bind(NativeThread thread) {
      return new Bound(thread.page(), offset);
    }

    /**
     * {@return the value of any thread of this process} Zero where nobody has set it.
     *
     * @param thread the thread
     * @throws NotFoundException if the thread has ended
     * @throws KernelException if it cannot be told whether it has
     */
    public byte get(NativeThread thread) {
      ThreadPage page = thread.borrowIfAny();
      if (page == null) {
        return 0;
      }
      try {
        return new Bound(page, offset).get();
      } finally {
        page.giveBack();
      }
    }

    /**
     * Sets the value of any thread of this process; see {@link NativeThread}.
     *
     * @param thread the thread; gets a page, and is registered with the open maps, if it has none
     * @param value the new value
     * @throws NotFoundException if the thread has ended
     * @throws KernelException if it cannot be told whether it has
     */
    public void set(NativeThread thread, byte value) {
      ThreadPage page = thread.borrow();
      try {
        new Bound(page, offset).set(value);
      } finally {
        page.giveBack();
      }
    }

    /**
     * {@return a scope, which runs code with this value in the calling thread, and then puts the
     * old one back}
     *
     * @param value the value meanwhile
     */
    public TaskLocalScope with(byte value) {
      return new TaskLocalScope.OfBits(key, Byte.BYTES, value);
    }

    @Override
    public String name() {
      return key.name();
    }

    @Override
    public ValueLayout.OfByte layout() {
      return (ValueLayout.OfByte) key.layout();
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof OfByte that && key.equals(that.key);
    }

    @Override
    public int hashCode() {
      return key.hashCode();
    }

    @Override
    public String toString() {
      return TaskLocal.describe(key);
    }

    /** One thread's value of the key, for hot loops and for other threads. */
    public static final class Bound extends ByteAccess {

      /** Keeps the page from serving another thread. */
      @SuppressWarnings("UnusedVariable")
      private final ThreadPage page;

      private final long address;

      private Bound(ThreadPage page, long offset) {
        this.page = page;
        this.address = page.address + offset;
      }

      @Override
      long address() {
        return Memory.at(address, Byte.BYTES);
      }
    }
  }

  /**
   * A key for a {@code short} in each thread.
   *
   * <p>The accessors are those of the VarHandle of {@link ValueLayout#JAVA_SHORT}, by the same
   * names and in the same memory order, but that {@code get} and {@code set} are opaque where a
   * VarHandle's are plain. They reach the calling thread's own value, whole. A thread's first use
   * of any key makes its page, and throws {@link VirtualThreadException} on a virtual thread; from
   * then on an access allocates nothing, takes no lock and makes no call.
   */
  final class OfShort extends ShortAccess implements TaskLocal {

    private final Key key;
    private final long offset;

    private OfShort(Key key) {
      this.key = key;
      this.offset = key.offset();
    }

    @Override
    long address() {
      return Memory.at(TaskLocalThread.address() + offset, Short.BYTES);
    }

    /**
     * {@return the calling thread's value, held} Of use to any thread, also after the calling one
     * has ended; see {@link TaskLocal}.
     *
     * @throws VirtualThreadException on a virtual thread
     */
    public Bound bind() {
      return new Bound(TaskLocalThread.page().escaping(), offset);
    }

    /**
     * {@return the value of any thread of this process, held}
     *
     * @param thread the thread; gets a page, and is registered with the open maps, if it has none
     * @throws NotFoundException if the thread has ended
     * @throws KernelException if it cannot be told whether it has
     */
    public Bound bind(NativeThread thread) {
      return new Bound(thread.page(), offset);
    }

    /**
     * {@return the value of any thread of this process} Zero where nobody has set it.
     *
     * @param thread the thread
     * @throws NotFoundException if the thread has ended
     * @throws KernelException if it cannot be told whether it has
     */
    public short get(NativeThread thread) {
      ThreadPage page = thread.borrowIfAny();
      if (page == null) {
        return 0;
      }
      try {
        return new Bound(page, offset).get();
      } finally {
        page.giveBack();
      }
    }

    /**
     * Sets the value of any thread of this process; see {@link NativeThread}.
     *
     * @param thread the thread; gets a page, and is registered with the open maps, if it has none
     * @param value the new value
     * @throws NotFoundException if the thread has ended
     * @throws KernelException if it cannot be told whether it has
     */
    public void set(NativeThread thread, short value) {
      ThreadPage page = thread.borrow();
      try {
        new Bound(page, offset).set(value);
      } finally {
        page.giveBack();
      }
    }

    /**
     * {@return a scope, which runs code with this value in the calling thread, and then puts the
     * old one back}
     *
     * @param value the value meanwhile
     */
    public TaskLocalScope with(short value) {
      return new TaskLocalScope.OfBits(key, Short.BYTES, value);
    }

    @Override
    public String name() {
      return key.name();
    }

    @Override
    public ValueLayout.OfShort layout() {
      return (ValueLayout.OfShort) key.layout();
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof OfShort that && key.equals(that.key);
    }

    @Override
    public int hashCode() {
      return key.hashCode();
    }

    @Override
    public String toString() {
      return TaskLocal.describe(key);
    }

    /** One thread's value of the key, for hot loops and for other threads. */
    public static final class Bound extends ShortAccess {

      /** Keeps the page from serving another thread. */
      @SuppressWarnings("UnusedVariable")
      private final ThreadPage page;

      private final long address;

      private Bound(ThreadPage page, long offset) {
        this.page = page;
        this.address = page.address + offset;
      }

      @Override
      long address() {
        return Memory.at(address, Short.BYTES);
      }
    }
  }

  /**
   * A key for a {@code char} in each thread.
   *
   * <p>The accessors are those of the VarHandle of {@link ValueLayout#JAVA_CHAR}, by the same names
   * and in the same memory order, but that {@code get} and {@code set} are opaque where a
   * VarHandle's are plain. They reach the calling thread's own value, whole. A thread's first use
   * of any key makes its page, and throws {@link VirtualThreadException} on a virtual thread; from
   * then on an access allocates nothing, takes no lock and makes no call.
   */
  final class OfChar extends CharAccess implements TaskLocal {

    private final Key key;
    private final long offset;

    private OfChar(Key key) {
      this.key = key;
      this.offset = key.offset();
    }

    @Override
    long address() {
      return Memory.at(TaskLocalThread.address() + offset, Character.BYTES);
    }

    /**
     * {@return the calling thread's value, held} Of use to any thread, also after the calling one
     * has ended; see {@link TaskLocal}.
     *
     * @throws VirtualThreadException on a virtual thread
     */
    public Bound bind() {
      return new Bound(TaskLocalThread.page().escaping(), offset);
    }

    /**
     * {@return the value of any thread of this process, held}
     *
     * @param thread the thread; gets a page, and is registered with the open maps, if it has none
     * @throws NotFoundException if the thread has ended
     * @throws KernelException if it cannot be told whether it has
     */
    public Bound bind(NativeThread thread) {
      return new Bound(thread.page(), offset);
    }

    /**
     * {@return the value of any thread of this process} Zero where nobody has set it.
     *
     * @param thread the thread
     * @throws NotFoundException if the thread has ended
     * @throws KernelException if it cannot be told whether it has
     */
    public char get(NativeThread thread) {
      ThreadPage page = thread.borrowIfAny();
      if (page == null) {
        return 0;
      }
      try {
        return new Bound(page, offset).get();
      } finally {
        page.giveBack();
      }
    }

    /**
     * Sets the value of any thread of this process; see {@link NativeThread}.
     *
     * @param thread the thread; gets a page, and is registered with the open maps, if it has none
     * @param value the new value
     * @throws NotFoundException if the thread has ended
     * @throws KernelException if it cannot be told whether it has
     */
    public void set(NativeThread thread, char value) {
      ThreadPage page = thread.borrow();
      try {
        new Bound(page, offset).set(value);
      } finally {
        page.giveBack();
      }
    }

    /**
     * {@return a scope, which runs code with this value in the calling thread, and then puts the
     * old one back}
     *
     * @param value the value meanwhile
     */
    public TaskLocalScope with(char value) {
      return new TaskLocalScope.OfBits(key, Character.BYTES, value);
    }

    @Override
    public String name() {
      return key.name();
    }

    @Override
    public ValueLayout.OfChar layout() {
      return (ValueLayout.OfChar) key.layout();
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof OfChar that && key.equals(that.key);
    }

    @Override
    public int hashCode() {
      return key.hashCode();
    }

    @Override
    public String toString() {
      return TaskLocal.describe(key);
    }

    /** One thread's value of the key, for hot loops and for other threads. */
    public static final class Bound extends CharAccess {

      /** Keeps the page from serving another thread. */
      @SuppressWarnings("UnusedVariable")
      private final ThreadPage page;

      private final long address;

      private Bound(ThreadPage page, long offset) {
        this.page = page;
        this.address = page.address + offset;
      }

      @Override
      long address() {
        return Memory.at(address, Character.BYTES);
      }
    }
  }

  /**
   * A key for an {@code int} in each thread.
   *
   * <p>The accessors are those of the VarHandle of {@link ValueLayout#JAVA_INT}, by the same names
   * and in the same memory order, but that {@code get} and {@code set} are opaque where a
   * VarHandle's are plain. They reach the calling thread's own value, whole. A thread's first use
   * of any key makes its page, and throws {@link VirtualThreadException} on a virtual thread; from
   * then on an access allocates nothing, takes no lock and makes no call.
   */
  final class OfInt extends IntAccess implements TaskLocal {

    private final Key key;
    private final long offset;

    private OfInt(Key key) {
      this.key = key;
      this.offset = key.offset();
    }

    @Override
    long address() {
      return Memory.at(TaskLocalThread.address() + offset, Integer.BYTES);
    }

    /**
     * {@return the calling thread's value, held} Of use to any thread, also after the calling one
     * has ended; see {@link TaskLocal}.
     *
     * @throws VirtualThreadException on a virtual thread
     */
    public Bound bind() {
      return new Bound(TaskLocalThread.page().escaping(), offset);
    }

    /**
     * {@return the value of any thread of this process, held}
     *
     * @param thread the thread; gets a page, and is registered with the open maps, if it has none
     * @throws NotFoundException if the thread has ended
     * @throws KernelException if it cannot be told whether it has
     */
    public Bound bind(NativeThread thread) {
      return new Bound(thread.page(), offset);
    }

    /**
     * {@return the value of any thread of this process} Zero where nobody has set it.
     *
     * @param thread the thread
     * @throws NotFoundException if the thread has ended
     * @throws KernelException if it cannot be told whether it has
     */
    public int get(NativeThread thread) {
      ThreadPage page = thread.borrowIfAny();
      if (page == null) {
        return 0;
      }
      try {
        return new Bound(page, offset).get();
      } finally {
        page.giveBack();
      }
    }

    /**
     * Sets the value of any thread of this process; see {@link NativeThread}.
     *
     * @param thread the thread; gets a page, and is registered with the open maps, if it has none
     * @param value the new value
     * @throws NotFoundException if the thread has ended
     * @throws KernelException if it cannot be told whether it has
     */
    public void set(NativeThread thread, int value) {
      ThreadPage page = thread.borrow();
      try {
        new Bound(page, offset).set(value);
      } finally {
        page.giveBack();
      }
    }

    /**
     * {@return a scope, which runs code with this value in the calling thread, and then puts the
     * old one back}
     *
     * @param value the value meanwhile
     */
    public TaskLocalScope with(int value) {
      return new TaskLocalScope.OfBits(key, Integer.BYTES, value);
    }

    @Override
    public String name() {
      return key.name();
    }

    @Override
    public ValueLayout.OfInt layout() {
      return (ValueLayout.OfInt) key.layout();
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof OfInt that && key.equals(that.key);
    }

    @Override
    public int hashCode() {
      return key.hashCode();
    }

    @Override
    public String toString() {
      return TaskLocal.describe(key);
    }

    /** One thread's value of the key, for hot loops and for other threads. */
    public static final class Bound extends IntAccess {

      /** Keeps the page from serving another thread. */
      @SuppressWarnings("UnusedVariable")
      private final ThreadPage page;

      private final long address;

      private Bound(ThreadPage page, long offset) {
        this.page = page;
        this.address = page.address + offset;
      }

      @Override
      long address() {
        return Memory.at(address, Integer.BYTES);
      }
    }
  }

  /**
   * A key for a {@code long} in each thread.
   *
   * <p>The accessors are those of the VarHandle of {@link ValueLayout#JAVA_LONG}, by the same names
   * and in the same memory order, but that {@code get} and {@code set} are opaque where a
   * VarHandle's are plain. They reach the calling thread's own value, whole. A thread's first use
   * of any key makes its page, and throws {@link VirtualThreadException} on a virtual thread; from
   * then on an access allocates nothing, takes no lock and makes no call.
   */
  final class OfLong extends LongAccess implements TaskLocal {

    private final Key key;
    private final long offset;

    private OfLong(Key key) {
      this.key = key;
      this.offset = key.offset();
    }

    @Override
    long address() {
      return Memory.at(TaskLocalThread.address() + offset, Long.BYTES);
    }

    /**
     * {@return the calling thread's value, held} Of use to any thread, also after the calling one
     * has ended; see {@link TaskLocal}.
     *
     * @throws VirtualThreadException on a virtual thread
     */
    public Bound bind() {
      return new Bound(TaskLocalThread.page().escaping(), offset);
    }

    /**
     * {@return the value of any thread of this process, held}
     *
     * @param thread the thread; gets a page, and is registered with the open maps, if it has none
     * @throws NotFoundException if the thread has ended
     * @throws KernelException if it cannot be told whether it has
     */
    public Bound bind(NativeThread thread) {
      return new Bound(thread.page(), offset);
    }

    /**
     * {@return the value of any thread of this process} Zero where nobody has set it.
     *
     * @param thread the thread
     * @throws NotFoundException if the thread has ended
     * @throws KernelException if it cannot be told whether it has
     */
    public long get(NativeThread thread) {
      ThreadPage page = thread.borrowIfAny();
      if (page == null) {
        return 0;
      }
      try {
        return new Bound(page, offset).get();
      } finally {
        page.giveBack();
      }
    }

    /**
     * Sets the value of any thread of this process; see {@link NativeThread}.
     *
     * @param thread the thread; gets a page, and is registered with the open maps, if it has none
     * @param value the new value
     * @throws NotFoundException if the thread has ended
     * @throws KernelException if it cannot be told whether it has
     */
    public void set(NativeThread thread, long value) {
      ThreadPage page = thread.borrow();
      try {
        new Bound(page, offset).set(value);
      } finally {
        page.giveBack();
      }
    }

    /**
     * {@return a scope, which runs code with this value in the calling thread, and then puts the
     * old one back}
     *
     * @param value the value meanwhile
     */
    public TaskLocalScope with(long value) {
      return new TaskLocalScope.OfBits(key, Long.BYTES, value);
    }

    @Override
    public String name() {
      return key.name();
    }

    @Override
    public ValueLayout.OfLong layout() {
      return (ValueLayout.OfLong) key.layout();
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof OfLong that && key.equals(that.key);
    }

    @Override
    public int hashCode() {
      return key.hashCode();
    }

    @Override
    public String toString() {
      return TaskLocal.describe(key);
    }

    /** One thread's value of the key, for hot loops and for other threads. */
    public static final class Bound extends LongAccess {

      /** Keeps the page from serving another thread. */
      @SuppressWarnings("UnusedVariable")
      private final ThreadPage page;

      private final long address;

      private Bound(ThreadPage page, long offset) {
        this.page = page;
        this.address = page.address + offset;
      }

      @Override
      long address() {
        return Memory.at(address, Long.BYTES);
      }
    }
  }

  /**
   * A key for a {@code float} in each thread.
   *
   * <p>The accessors are those of the VarHandle of {@link ValueLayout#JAVA_FLOAT}, by the same
   * names and in the same memory order, but that {@code get} and {@code set} are opaque where a
   * VarHandle's are plain. They reach the calling thread's own value, whole. A thread's first use
   * of any key makes its page, and throws {@link VirtualThreadException} on a virtual thread; from
   * then on an access allocates nothing, takes no lock and makes no call.
   */
  final class OfFloat extends FloatAccess implements TaskLocal {

    private final Key key;
    private final long offset;

    private OfFloat(Key key) {
      this.key = key;
      this.offset = key.offset();
    }

    @Override
    long address() {
      return Memory.at(TaskLocalThread.address() + offset, Float.BYTES);
    }

    /**
     * {@return the calling thread's value, held} Of use to any thread, also after the calling one
     * has ended; see {@link TaskLocal}.
     *
     * @throws VirtualThreadException on a virtual thread
     */
    public Bound bind() {
      return new Bound(TaskLocalThread.page().escaping(), offset);
    }

    /**
     * {@return the value of any thread of this process, held}
     *
     * @param thread the thread; gets a page, and is registered with the open maps, if it has none
     * @throws NotFoundException if the thread has ended
     * @throws KernelException if it cannot be told whether it has
     */
    public Bound bind(NativeThread thread) {
      return new Bound(thread.page(), offset);
    }

    /**
     * {@return the value of any thread of this process} Zero where nobody has set it.
     *
     * @param thread the thread
     * @throws NotFoundException if the thread has ended
     * @throws KernelException if it cannot be told whether it has
     */
    public float get(NativeThread thread) {
      ThreadPage page = thread.borrowIfAny();
      if (page == null) {
        return 0;
      }
      try {
        return new Bound(page, offset).get();
      } finally {
        page.giveBack();
      }
    }

    /**
     * Sets the value of any thread of this process; see {@link NativeThread}.
     *
     * @param thread the thread; gets a page, and is registered with the open maps, if it has none
     * @param value the new value
     * @throws NotFoundException if the thread has ended
     * @throws KernelException if it cannot be told whether it has
     */
    public void set(NativeThread thread, float value) {
      ThreadPage page = thread.borrow();
      try {
        new Bound(page, offset).set(value);
      } finally {
        page.giveBack();
      }
    }

    /**
     * {@return a scope, which runs code with this value in the calling thread, and then puts the
     * old one back}
     *
     * @param value the value meanwhile
     */
    public TaskLocalScope with(float value) {
      return new TaskLocalScope.OfBits(key, Float.BYTES, Float.floatToRawIntBits(value));
    }

    @Override
    public String name() {
      return key.name();
    }

    @Override
    public ValueLayout.OfFloat layout() {
      return (ValueLayout.OfFloat) key.layout();
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof OfFloat that && key.equals(that.key);
    }

    @Override
    public int hashCode() {
      return key.hashCode();
    }

    @Override
    public String toString() {
      return TaskLocal.describe(key);
    }

    /** One thread's value of the key, for hot loops and for other threads. */
    public static final class Bound extends FloatAccess {

      /** Keeps the page from serving another thread. */
      @SuppressWarnings("UnusedVariable")
      private final ThreadPage page;

      private final long address;

      private Bound(ThreadPage page, long offset) {
        this.page = page;
        this.address = page.address + offset;
      }

      @Override
      long address() {
        return Memory.at(address, Float.BYTES);
      }
    }
  }

  /**
   * A key for a {@code double} in each thread.
   *
   * <p>The accessors are those of the VarHandle of {@link ValueLayout#JAVA_DOUBLE}, by the same
   * names and in the same memory order, but that {@code get} and {@code set} are opaque where a
   * VarHandle's are plain. They reach the calling thread's own value, whole. A thread's first use
   * of any key makes its page, and throws {@link VirtualThreadException} on a virtual thread; from
   * then on an access allocates nothing, takes no lock and makes no call.
   */
  final class OfDouble extends DoubleAccess implements TaskLocal {

    private final Key key;
    private final long offset;

    private OfDouble(Key key) {
      this.key = key;
      this.offset = key.offset();
    }

    @Override
    long address() {
      return Memory.at(TaskLocalThread.address() + offset, Double.BYTES);
    }

    /**
     * {@return the calling thread's value, held} Of use to any thread, also after the calling one
     * has ended; see {@link TaskLocal}.
     *
     * @throws VirtualThreadException on a virtual thread
     */
    public Bound bind() {
      return new Bound(TaskLocalThread.page().escaping(), offset);
    }

    /**
     * {@return the value of any thread of this process, held}
     *
     * @param thread the thread; gets a page, and is registered with the open maps, if it has none
     * @throws NotFoundException if the thread has ended
     * @throws KernelException if it cannot be told whether it has
     */
    public Bound bind(NativeThread thread) {
      return new Bound(thread.page(), offset);
    }

    /**
     * {@return the value of any thread of this process} Zero where nobody has set it.
     *
     * @param thread the thread
     * @throws NotFoundException if the thread has ended
     * @throws KernelException if it cannot be told whether it has
     */
    public double get(NativeThread thread) {
      ThreadPage page = thread.borrowIfAny();
      if (page == null) {
        return 0;
      }
      try {
        return new Bound(page, offset).get();
      } finally {
        page.giveBack();
      }
    }

    /**
     * Sets the value of any thread of this process; see {@link NativeThread}.
     *
     * @param thread the thread; gets a page, and is registered with the open maps, if it has none
     * @param value the new value
     * @throws NotFoundException if the thread has ended
     * @throws KernelException if it cannot be told whether it has
     */
    public void set(NativeThread thread, double value) {
      ThreadPage page = thread.borrow();
      try {
        new Bound(page, offset).set(value);
      } finally {
        page.giveBack();
      }
    }

    /**
     * {@return a scope, which runs code with this value in the calling thread, and then puts the
     * old one back}
     *
     * @param value the value meanwhile
     */
    public TaskLocalScope with(double value) {
      return new TaskLocalScope.OfBits(key, Double.BYTES, Double.doubleToRawLongBits(value));
    }

    @Override
    public String name() {
      return key.name();
    }

    @Override
    public ValueLayout.OfDouble layout() {
      return (ValueLayout.OfDouble) key.layout();
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof OfDouble that && key.equals(that.key);
    }

    @Override
    public int hashCode() {
      return key.hashCode();
    }

    @Override
    public String toString() {
      return TaskLocal.describe(key);
    }

    /** One thread's value of the key, for hot loops and for other threads. */
    public static final class Bound extends DoubleAccess {

      /** Keeps the page from serving another thread. */
      @SuppressWarnings("UnusedVariable")
      private final ThreadPage page;

      private final long address;

      private Bound(ThreadPage page, long offset) {
        this.page = page;
        this.address = page.address + offset;
      }

      @Override
      long address() {
        return Memory.at(address, Double.BYTES);
      }
    }
  }

  /** A key for a struct, a union or an array in each thread. */
  final class OfSegment extends SegmentAccess implements TaskLocal {

    private static final MethodHandle CURRENT;
    private static final MethodHandle HELD;

    static {
      MethodHandles.Lookup lookup = MethodHandles.lookup();
      try {
        CURRENT =
            lookup.findStatic(
                OfSegment.class, "current", MethodType.methodType(long.class, long.class));
        HELD =
            lookup.findVirtual(
                Bound.class, "address", MethodType.methodType(long.class, Key.class));
      } catch (ReflectiveOperationException e) {
        throw new ExceptionInInitializerError(e);
      }
    }

    private final Key key;

    private OfSegment(Key key) {
      super(key.layout());
      this.key = key;
    }

    /**
     * {@return this thread's bytes of the value} The segment has the size of the layout, is
     * confined to the calling thread, and is of no use to anybody after the thread's end. Access
     * through it is plain unless a VarHandle says otherwise.
     *
     * @throws VirtualThreadException on a virtual thread
     */
    @Override
    public MemorySegment segment() {
      return TaskLocalThread.page().slice(key);
    }

    /**
     * {@return a handle of a member of the calling thread's value} To be kept in a {@code static
     * final} field: then an access is that of a key for a primitive type, without the checks of a
     * segment.
     *
     * {@snippet :
     * static final VarHandle DEPTH = SPAN.varHandle(groupElement("depth"));
     *
     * DEPTH.setOpaque(3);
     * }
     *
     * <p>It has the access modes of {@link MemoryLayout#varHandle} for that member, in their memory
     * order; a BPF program is sure to see what is set opaque, or stronger. Its coordinates are a
     * {@code long} for each open element of the path: the index. A thread's first use of any key
     * makes its page, and throws {@link VirtualThreadException} on a virtual thread.
     *
     * @param path from the layout to a value layout
     * @throws IllegalArgumentException if the path is no path of the layout, or leads elsewhere
     */
    public VarHandle varHandle(PathElement... path) {
      MethodHandle address = MethodHandles.insertArguments(CURRENT, 0, (long) key.offset());
      return MethodHandles.collectCoordinates(member(path), 0, address);
    }

    /**
     * {@return a handle of a member of a held value} As {@link #varHandle}, but that its first
     * coordinate is a {@link Bound} from {@link #bind()} of this key, to be used by that one's
     * thread alone. It throws {@link WrongThreadException} in another thread, and {@link
     * IllegalArgumentException} with another key's value.
     *
     * {@snippet :
     * static final VarHandle DEPTH = SPAN.boundVarHandle(groupElement("depth"));
     *
     * TaskLocal.OfSegment.Bound span = SPAN.bind();
     * for (Node node : path) {
     *   DEPTH.setOpaque(span, node.depth());
     * }
     * }
     *
     * @param path from the layout to a value layout
     * @throws IllegalArgumentException if the path is no path of the layout, or leads elsewhere
     */
    public VarHandle boundVarHandle(PathElement... path) {
      MethodHandle address = MethodHandles.insertArguments(HELD, 1, key);
      return MethodHandles.filterCoordinates(member(path), 0, address);
    }

    private VarHandle member(PathElement... path) {
      return MethodHandles.insertCoordinates(key.layout().varHandle(path), 0, Memory.ALL);
    }

    @SuppressWarnings("UnusedMethod") // CURRENT
    private static long current(long offset) {
      return Memory.at(TaskLocalThread.address() + offset, DataPage.ALIGNMENT);
    }

    /**
     * {@return the calling thread's value, held} Of use to the calling thread alone, to which its
     * segment is confined.
     *
     * @throws VirtualThreadException on a virtual thread
     */
    public Bound bind() {
      ThreadPage page = TaskLocalThread.page().escaping();
      return new Bound(sequenced, key, page, page.slice(key), Thread.currentThread());
    }

    /**
     * {@return the bytes of the value of any thread of this process} Every thread may use the
     * segment; as long as it is reachable, its page serves no other thread. Whether the thread
     * itself writes there at the same time is for the caller to know.
     *
     * @param thread the thread; gets a page, and is registered with the open maps, if it has none
     * @throws NotFoundException if the thread has ended
     * @throws KernelException if it cannot be told whether it has
     */
    public MemorySegment segment(NativeThread thread) {
      return thread.page().sharedSlice(key);
    }

    /**
     * {@return the value of any thread of this process, held} Of use to every thread, as {@link
     * #segment(NativeThread)}.
     *
     * @param thread the thread; gets a page, and is registered with the open maps, if it has none
     * @throws NotFoundException if the thread has ended
     * @throws KernelException if it cannot be told whether it has
     */
    public Bound bind(NativeThread thread) {
      ThreadPage page = thread.page();
      return new Bound(sequenced, key, page, page.sharedSlice(key), null);
    }

    /**
     * {@return a scope, which runs code with these bytes as the value in the calling thread, and
     * then puts the old ones back} Of a struct with a sequence the bytes of the sequence do not
     * matter: both are done as by {@link #update}.
     *
     * @param value as many bytes as the layout has; they are copied here
     * @throws IllegalArgumentException if it has more or less
     */
    public TaskLocalScope with(MemorySegment value) {
      Objects.requireNonNull(value, "value is null: pass the bytes of the value");
      long size = key.layout().byteSize();
      if (value.byteSize() != size) {
        throw new IllegalArgumentException(
            "the segment has %d bytes, the value of %s %d: pass as many, or a text"
                .formatted(value.byteSize(), key.name(), size));
      }
      return TaskLocalScope.of(this, key, value);
    }

    /**
     * {@return a scope, which runs code with a text as the value in the calling thread, and then
     * puts the old one back} The text is turned into bytes here, as by {@link #setString}.
     *
     * @param text at least one byte shorter than the value, in UTF-8, and without NUL
     * @throws UnsupportedOperationException if the value is a struct with a sequence
     * @throws IllegalArgumentException if the text does not fit, has a NUL, or has half of a
     *     surrogate pair
     */
    public TaskLocalScope with(String text) {
      MemorySegment value = MemorySegment.ofArray(new byte[(int) key.layout().byteSize()]);
      long ignored = fittingLength(text, value.byteSize());
      Utf8.write(text, value);
      return TaskLocalScope.of(this, key, value);
    }

    @Override
    public String name() {
      return key.name();
    }

    @Override
    public MemoryLayout layout() {
      return key.layout();
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof OfSegment that && key.equals(that.key);
    }

    @Override
    public int hashCode() {
      return key.hashCode();
    }

    @Override
    public String toString() {
      return TaskLocal.describe(key);
    }

    /**
     * One thread's value of the key, for hot loops; to be used by that thread alone, unless it is
     * from {@link #bind(NativeThread)}.
     */
    public static final class Bound extends SegmentAccess {

      /** Keeps the page from serving another thread. */
      @SuppressWarnings("UnusedVariable")
      private final ThreadPage page;

      private final MemorySegment segment;

      private final long address;

      /** The thread whose value it is, if nobody else may use it. */
      private final @Nullable Thread owner;

      private final Key key;

      private Bound(
          boolean sequenced,
          Key key,
          ThreadPage page,
          MemorySegment segment,
          @Nullable Thread owner) {
        super(sequenced);
        this.key = key;
        this.page = page;
        this.segment = segment;
        this.address = segment.address();
        this.owner = owner;
      }

      /**
       * As long as its thread lives, the page is that thread's whether this is reachable or not.
       */
      @SuppressWarnings({
        "UnusedMethod",
        "ReferenceEquality"
      }) // HELD; a process has one of each key
      private long address(Key of) {
        if (key != of) {
          throw new IllegalArgumentException(
              "a handle of the key \"%s\" was given the held value of \"%s\": use the handles of the key that was bound"
                  .formatted(of.name(), key.name()));
        }
        if (owner != Thread.currentThread()) {
          throw new WrongThreadException(
              "a handle reaches a held value from its own thread alone; from others use segment() of"
                  + " bind(NativeThread)");
        }
        return Memory.at(address, DataPage.ALIGNMENT);
      }

      /**
       * {@return the bytes of the value} Always the same segment, confined to the thread that
       * called {@code bind()}, or everybody's if it is from {@link #bind(NativeThread)}.
       */
      @Override
      public MemorySegment segment() {
        return segment;
      }
    }
  }
}
