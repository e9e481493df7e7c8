// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.system;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * Unix sockets that keep messages apart (SOCK_SEQPACKET), with descriptors in them: the calls that
 * Java lacks. Descriptors are close-on-exec, and no call waits. Results are negative errnos where a
 * call failed.
 */
@SuppressWarnings("restricted")
public final class Sockets {

  /** As many as a message can have (SCM_MAX_FD), so that the kernel closes none by itself. */
  public static final int MOST_DESCRIPTORS = 253;

  private static final int AF_UNIX = 1;
  private static final int SOCK_SEQPACKET = 5;
  private static final int SOCK_CLOEXEC = 02000000;
  private static final int SOCK_NONBLOCK = 04000;
  private static final int SOL_SOCKET = 1;
  private static final int SO_PEERCRED = 17;
  private static final int SO_PEERPIDFD = 77;
  private static final int SO_PASSCRED = 16;
  private static final int SHUT_RDWR = 2;
  private static final int SCM_RIGHTS = 1;
  private static final int SCM_CREDENTIALS = 2;
  private static final int MSG_CTRUNC = 8;
  private static final int MSG_TRUNC = 0x20;
  private static final int MSG_DONTWAIT = 0x40;
  private static final int MSG_PEEK = 2;
  private static final int MSG_NOSIGNAL = 0x4000;
  private static final int MSG_CMSG_CLOEXEC = 0x40000000;

  /** Of struct sockaddr_un: the family and the path. */
  public static final int LONGEST_PATH = 107;

  private static final int ADDRESS_BYTES = 110;

  private static final MethodHandle SOCKET =
      Calls.libc("socket", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT);
  private static final MethodHandle BIND =
      Calls.libc("bind", JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT);
  private static final MethodHandle CONNECT =
      Calls.libc("connect", JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT);
  private static final MethodHandle LISTEN = Calls.libc("listen", JAVA_INT, JAVA_INT, JAVA_INT);
  private static final MethodHandle ACCEPT =
      Calls.libc("accept4", JAVA_INT, JAVA_INT, ADDRESS, ADDRESS, JAVA_INT);
  private static final MethodHandle GETSOCKOPT =
      Calls.libc("getsockopt", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS, ADDRESS);
  private static final MethodHandle SHUTDOWN = Calls.libc("shutdown", JAVA_INT, JAVA_INT, JAVA_INT);
  private static final MethodHandle SETSOCKOPT =
      Calls.libc("setsockopt", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT);
  private static final MethodHandle RECVMSG =
      Calls.libc("recvmsg", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_INT);
  private static final MethodHandle SENDMSG =
      Calls.libc("sendmsg", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_INT);

  /** struct msghdr, with its iovec behind it at 56, and the control buffer at 72. */
  private final MemorySegment header;

  private final MemorySegment vector;
  private final MemorySegment control;

  /** What the last {@link #receive} got. */
  private final int[] descriptors = new int[MOST_DESCRIPTORS];

  private int received;
  private int sender;
  private boolean whole;

  /** Makes the buffers, for one thread. */
  public Sockets(Arena arena) {
    header = arena.allocate(56, 8);
    vector = arena.allocate(16, 8);
    control = arena.allocate(32 + 16 + (MOST_DESCRIPTORS + 1) * 4, 8); // the sender comes along
  }

  /** {@return a new socket} */
  public static int open() {
    try {
      return Calls.checked(
          (int)
              SOCKET.invokeExact(
                  Calls.state(), AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  /** Gives a socket a path. */
  public static int bind(int socket, Path path) {
    try (Arena arena = Arena.ofConfined()) {
      return Calls.checked(
          (int) BIND.invokeExact(Calls.state(), socket, address(path, arena), ADDRESS_BYTES));
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  /** Connects a socket to whoever listens at a path. */
  public static int connect(int socket, Path path) {
    try (Arena arena = Arena.ofConfined()) {
      return Calls.checked(
          (int) CONNECT.invokeExact(Calls.state(), socket, address(path, arena), ADDRESS_BYTES));
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  private static MemorySegment address(Path path, Arena arena) {
    byte[] name = path.toString().getBytes(StandardCharsets.UTF_8);
    MemorySegment address = arena.allocate(ADDRESS_BYTES, 2);
    address.set(JAVA_SHORT, 0, (short) AF_UNIX);
    MemorySegment.copy(name, 0, address, JAVA_BYTE, 2, Math.min(name.length, LONGEST_PATH));
    return address;
  }

  /** Lets others connect. */
  public static int listen(int socket, int waiting) {
    try {
      return Calls.checked((int) LISTEN.invokeExact(Calls.state(), socket, waiting));
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  /** {@return the next connection} */
  public static int accept(int socket) {
    try {
      return Calls.checked(
          (int)
              ACCEPT.invokeExact(
                  Calls.state(),
                  socket,
                  MemorySegment.NULL,
                  MemorySegment.NULL,
                  SOCK_CLOEXEC | SOCK_NONBLOCK));
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  /**
   * Who has connected.
   *
   * @param pid in the pid namespace of this process; 0 if it has none there
   * @param uid of the user
   */
  public record Peer(int pid, int uid) {}

  /** Has the kernel tell with each message who has sent it: {@link #sender}. */
  public static int tellSenders(int connection) {
    try (Arena arena = Arena.ofConfined()) {
      return Calls.checked(
          (int)
              SETSOCKOPT.invokeExact(
                  Calls.state(),
                  connection,
                  SOL_SOCKET,
                  SO_PASSCRED,
                  arena.allocateFrom(JAVA_INT, 1),
                  4));
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  /** {@return who has made a connection} */
  public static Peer peer(int connection) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment credentials = arena.allocate(12, 4);
      int status = option(connection, SO_PEERCRED, credentials, arena);
      return status < 0
          ? new Peer(0, -1)
          : new Peer(credentials.get(JAVA_INT, 0), credentials.get(JAVA_INT, 4));
    }
  }

  /** {@return a pidfd of who has made a connection, where the kernel gives it (6.5)} */
  public static int peerPidfd(int connection) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment pidfd = arena.allocate(JAVA_INT);
      int status = option(connection, SO_PEERPIDFD, pidfd, arena);
      return status < 0 ? status : pidfd.get(JAVA_INT, 0);
    }
  }

  private static int option(int connection, int option, MemorySegment value, Arena arena) {
    MemorySegment size = arena.allocateFrom(JAVA_INT, (int) value.byteSize());
    try {
      return Calls.checked(
          (int) GETSOCKOPT.invokeExact(Calls.state(), connection, SOL_SOCKET, option, value, size));
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }

  /** {@return whether the other end of a connection is closed, and nothing is left to read} */
  public boolean isEnded(int connection, MemorySegment into) {
    return call(RECVMSG, connection, into, 0, MSG_DONTWAIT | MSG_PEEK) == 0;
  }

  /**
   * Closes a connection, and waits for nothing that was sent over it and not read.
   *
   * @param uid of the other end's user
   */
  public void close(int connection, MemorySegment into, Closer closer, int uid) {
    try {
      int ignored = Calls.checked((int) SHUTDOWN.invokeExact(Calls.state(), connection, SHUT_RDWR));
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
    if (isEnded(connection, into)) {
      Native.close(connection);
    } else {
      closer.close(connection, uid);
    }
  }

  /**
   * Reads the next message, and takes over its descriptors, which {@link #descriptor} tells.
   *
   * @return how many bytes it has, more than there is room for included; 0 at the end
   */
  public int receive(int connection, MemorySegment into) {
    received = 0;
    sender = 0;
    long result =
        call(
            RECVMSG,
            connection,
            into,
            control.byteSize(),
            MSG_DONTWAIT | MSG_CMSG_CLOEXEC | MSG_TRUNC);
    if (result < 0) {
      return (int) result;
    }
    whole = (header.get(JAVA_INT, 48) & MSG_CTRUNC) == 0;
    takeDescriptors(header.get(JAVA_LONG, 40));
    return (int) Math.min(result, Integer.MAX_VALUE);
  }

  private void takeDescriptors(long bytes) {
    for (long at = 0; at + 16 <= bytes; ) {
      long length = control.get(JAVA_LONG, at);
      if (length < 16 || at + length > bytes) {
        return;
      }
      int type = control.get(JAVA_INT, at + 8) == SOL_SOCKET ? control.get(JAVA_INT, at + 12) : 0;
      if (type == SCM_CREDENTIALS) {
        sender = control.get(JAVA_INT, at + 16);
      } else if (type == SCM_RIGHTS) {
        for (long each = at + 16; each + 4 <= at + length; each += 4) {
          descriptors[received++] = control.get(JAVA_INT, each);
        }
      }
      at += (length + 7) & -8;
    }
  }

  /** {@return how many descriptors came with the last message; -1 if there were too many} */
  public int descriptors() {
    return whole ? received : -1;
  }

  /**
   * {@return the process that has sent the last message, by its number here; 0 if the kernel does
   * not say}
   */
  public int sender() {
    return sender;
  }

  /** {@return one of them} */
  public int descriptor(int i) {
    return descriptors[i];
  }

  /**
   * Closes the descriptors that came with the last message, and waits for none.
   *
   * @param uid of the user it came from
   */
  public void closeDescriptors(Closer closer, int uid) {
    for (int i = 0; i < received; i++) {
      if (Pidfds.isPidfd(descriptors[i])) {
        Native.close(descriptors[i]);
      } else {
        closer.close(descriptors[i], uid);
      }
    }
    received = 0;
  }

  /**
   * Sends a message.
   *
   * @param descriptor what goes with it, or -1
   */
  public int send(int connection, MemorySegment message, int descriptor) {
    long size = 0;
    if (descriptor >= 0) {
      control.set(JAVA_LONG, 0, 20);
      control.set(JAVA_INT, 8, SOL_SOCKET);
      control.set(JAVA_INT, 12, SCM_RIGHTS);
      control.set(JAVA_INT, 16, descriptor);
      size = 24;
    }
    return (int) call(SENDMSG, connection, message, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  }

  private long call(
      MethodHandle function, int connection, MemorySegment bytes, long control, int flags) {
    vector.set(ADDRESS, 0, bytes);
    vector.set(JAVA_LONG, 8, bytes.byteSize());
    header.set(ADDRESS, 0, MemorySegment.NULL);
    header.set(JAVA_INT, 8, 0);
    header.set(ADDRESS, 16, vector);
    header.set(JAVA_LONG, 24, 1);
    header.set(ADDRESS, 32, control == 0 ? MemorySegment.NULL : this.control);
    header.set(JAVA_LONG, 40, control);
    header.set(JAVA_INT, 48, 0);
    try {
      return Calls.checked((long) function.invokeExact(Calls.state(), connection, header, flags));
    } catch (Throwable e) {
      throw Calls.impossible(e);
    }
  }
}
