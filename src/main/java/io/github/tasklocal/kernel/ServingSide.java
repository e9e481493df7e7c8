// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import io.github.tasklocal.error.NativeAccessException;
import io.github.tasklocal.error.NotSupportedException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * The socket of the side that serves processes which may not call bpf(2) themselves, or whose
 * kernel has no pointers to user memory. Each call returns a negative errno if the kernel refuses.
 */
public final class ServingSide {

  private static final int AF_UNIX = 1;
  private static final int SOCK_SEQPACKET = 5;
  private static final int SOCK_CLOEXEC = 0x80000;
  private static final int SOL_SOCKET = 1;
  private static final int SCM_RIGHTS = 1;
  private static final int SO_RCVTIMEO = 20;
  private static final int SO_SNDTIMEO = 21;
  private static final int MSG_PEEK = 2;
  private static final int MSG_DONTWAIT = 0x40;
  private static final int MSG_NOSIGNAL = 0x4000;
  private static final int MSG_CMSG_CLOEXEC = 0x40000000;

  /** The longest path in a struct sockaddr_un, with its NUL. */
  static final int PATH_BYTES = 108;

  /** Of a struct msghdr, a struct iovec, and a struct cmsghdr with one descriptor. */
  private static final int HEADER_BYTES = 56;

  private static final int VECTOR_BYTES = 16;
  private static final int CONTROL_BYTES = 24;

  /** Where the descriptor lies in the last, and how long that is without padding. */
  private static final int DESCRIPTOR = 16;

  private static final long CONTROL_LENGTH = 20;

  private ServingSide() {}

  /**
   * Prepares the calls, and refuses where there are none.
   *
   * @param operation what the caller tries, for messages
   * @param subject what it tries that on
   * @throws NotSupportedException if this is not Linux, or a native image
   * @throws NativeAccessException if the runtime denies this module native access
   */
  public static void require(String operation, String subject) {
    if (!Libc.LINUX) {
      throw new NotSupportedException(
          operation,
          subject,
          null,
          "BPF is a part of Linux, this is " + System.getProperty("os.name"),
          "run it on Linux; without a map, values are plain thread memory");
    }
    NativeAccess.requireCalls(operation, subject);
    Linking.ensure();
  }

  /**
   * {@return a connection, for {@link Libc#close}} No call on it waits longer than a limit.
   *
   * @param most the limit in milliseconds, above 0
   */
  static int connect(Path socket, long most) {
    byte[] path = socket.toString().getBytes(StandardCharsets.UTF_8);
    if (path.length >= PATH_BYTES) {
      return -Errno.ENAMETOOLONG;
    }
    int fd = open();
    if (fd < 0) {
      return fd;
    }
    boolean isConnected = false;
    try (Arena arena = Arena.ofConfined()) {
      int error = limit(fd, most, arena);
      MemorySegment address = arena.allocate(Short.BYTES + PATH_BYTES, Long.BYTES);
      address.set(JAVA_SHORT, 0, (short) AF_UNIX);
      MemorySegment.copy(MemorySegment.ofArray(path), 0, address, Short.BYTES, path.length);
      while (error == 0) {
        error = (int) Libc.call(Libc.Numbers.CONNECT, fd, address.address(), address.byteSize(), 0);
        if (error == 0) {
          isConnected = true;
          return fd;
        }
        if (error == -Errno.EINTR) {
          error = 0; // the next attempt begins anew
        }
      }
      return error;
    } finally {
      if (!isConnected) {
        Libc.close(fd);
      }
    }
  }

  /** Lets no call on a socket wait longer. */
  static int limit(int fd, long most) {
    try (Arena arena = Arena.ofConfined()) {
      return limit(fd, most, arena);
    }
  }

  private static int limit(int fd, long most, Arena arena) {
    MemorySegment time = arena.allocate(2 * Long.BYTES, Long.BYTES);
    time.set(JAVA_LONG, 0, most / 1000);
    time.set(JAVA_LONG, Long.BYTES, most % 1000 * 1000);
    int error = option(fd, SO_SNDTIMEO, time);
    return error == 0 ? option(fd, SO_RCVTIMEO, time) : error;
  }

  private static int option(int fd, int option, MemorySegment value) {
    return (int)
        Libc.call(
            Libc.Numbers.SETSOCKOPT, fd, SOL_SOCKET, option, value.address(), value.byteSize());
  }

  /** Sends a message, and its descriptor if it has one; returns 0. */
  static int send(int fd, Message message) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment bytes = arena.allocate(Message.BYTES, Long.BYTES);
      message.write(bytes);
      MemorySegment header = header(arena, bytes);
      if (message.descriptor() >= 0) {
        MemorySegment control = control(header);
        control.set(JAVA_LONG, 0, CONTROL_LENGTH);
        control.set(JAVA_INT, 8, SOL_SOCKET);
        control.set(JAVA_INT, 12, SCM_RIGHTS);
        control.set(JAVA_INT, DESCRIPTOR, message.descriptor());
      } else {
        header.set(JAVA_LONG, 32, 0);
        header.set(JAVA_LONG, 40, 0);
      }
      long sent;
      do {
        sent = Libc.call(Libc.Numbers.SENDMSG, fd, header.address(), MSG_NOSIGNAL, 0);
      } while (sent == -Errno.EINTR);
      return sent < 0 ? (int) sent : 0;
    }
  }

  /**
   * {@return the next message, with its descriptor, which the caller closes; of kind 0 if there is
   * none, with the reason as status: EAGAIN if none has come in time, EPIPE after the last one}
   *
   * @param waits whether to wait for one, as long as the socket's limit
   */
  static Message receive(int fd, boolean waits) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment bytes = arena.allocate(Message.BYTES, Long.BYTES);
      MemorySegment header = header(arena, bytes);
      int flags = MSG_CMSG_CLOEXEC | (waits ? 0 : MSG_DONTWAIT);
      long got;
      do {
        got = Libc.call(Libc.Numbers.RECVMSG, fd, header.address(), flags, 0);
      } while (got == -Errno.EINTR);
      int descriptor = -1;
      if (got > 0 && header.get(JAVA_LONG, 40) >= CONTROL_LENGTH) {
        descriptor = control(header).get(JAVA_INT, DESCRIPTOR);
      }
      if (got == Message.BYTES) {
        return Message.read(bytes, descriptor);
      }
      if (descriptor >= 0) {
        Libc.close(descriptor);
      }
      int why = got < 0 ? (int) -got : got == 0 ? Errno.EPIPE : Errno.EPROTO;
      return new Message(0, 0, why, 0, 0, 0, 0, 0, -1);
    }
  }

  /** {@return 0 if there is room for one more descriptor} */
  static int spare() {
    int fd = open();
    if (fd >= 0) {
      Libc.close(fd);
    }
    return Math.min(0, fd);
  }

  private static int open() {
    return (int) Libc.call(Libc.Numbers.SOCKET, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, 0);
  }

  /** {@return whether nobody is at the other end any more} */
  static boolean isOver(int fd) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment header = header(arena, arena.allocate(Message.BYTES, Long.BYTES));
      header.set(JAVA_LONG, 32, 0); // no descriptor: a look would make one
      header.set(JAVA_LONG, 40, 0);
      int flags = MSG_PEEK | MSG_DONTWAIT;
      long got = Libc.call(Libc.Numbers.RECVMSG, fd, header.address(), flags, 0);
      return got == 0 || (got < 0 && got != -Errno.EAGAIN && got != -Errno.EINTR);
    }
  }

  /** {@return a struct msghdr for one message with room for a descriptor} */
  private static MemorySegment header(Arena arena, MemorySegment bytes) {
    MemorySegment all = arena.allocate(HEADER_BYTES + VECTOR_BYTES + CONTROL_BYTES, Long.BYTES);
    long vector = all.address() + HEADER_BYTES;
    all.set(JAVA_LONG, 16, vector);
    all.set(JAVA_LONG, 24, 1);
    all.set(JAVA_LONG, 32, vector + VECTOR_BYTES);
    all.set(JAVA_LONG, 40, CONTROL_BYTES);
    all.set(JAVA_LONG, HEADER_BYTES, bytes.address());
    all.set(JAVA_LONG, HEADER_BYTES + Long.BYTES, bytes.byteSize());
    return all;
  }

  private static MemorySegment control(MemorySegment header) {
    return header.asSlice(HEADER_BYTES + VECTOR_BYTES);
  }
}
