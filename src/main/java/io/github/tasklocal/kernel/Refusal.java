// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.NotPermittedException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.error.WrongObjectException;
import java.nio.file.Path;

/**
 * What a serving side refuses, or the kernel on the way to it: positive errnos, and their words.
 */
public final class Refusal {

  /** What is said if nobody is at the other end. */
  public static final int GONE = Errno.EPIPE;

  /** What is said if an answer does not come. */
  public static final int STALLED = Errno.ETIMEDOUT;

  /** What is said of an answer that makes no sense. */
  public static final int NOT_UNDERSTOOD = Errno.EPROTO;

  /** What is said if a descriptor did not come, as none is left. */
  public static final int NO_DESCRIPTOR = Errno.EMFILE;

  /** What is said of a grant that is not known. */
  public static final int NO_GRANT = Errno.ESTALE;

  /** What is said of a thread that has ended. */
  public static final int NO_SUCH_THREAD = Errno.ESRCH;

  /** What is said where no way to register a thread is left. */
  public static final int NO_WAY = Errno.EOPNOTSUPP;

  private static final String ALL_GIVEN = "the serving side has given all its pages away";

  private static final String LESS_EACH =
      "end processes with many threads, or lower --max-pages-per-user of serve, so that none takes"
          + " them all; it is tried again";

  private static final String NO_MEMORY =
      "there is no memory for it, or the serving side has no descriptor left";

  private static final String MORE_MEMORY =
      "raise the memory limit of this process's control group or of the serving side's, or the"
          + " latter's limit of open files: its output says which; it is tried again";

  private Refusal() {}

  /** {@return whether an error says that the other side takes long} */
  public static boolean isLate(int error) {
    return error == Errno.EAGAIN;
  }

  /** {@return whether an error says that the connection is over} */
  public static boolean isEnd(int error) {
    return error == Errno.EPIPE || error == Errno.ECONNRESET || error == Errno.EPROTO;
  }

  /** {@return whether an error says that an earlier grant is not known any more} */
  public static boolean isOfGrant(int error) {
    return error == Errno.ESTALE || error == Errno.EPERM || error == Errno.EOPNOTSUPP;
  }

  /** {@return whether a pidfd of a thread cannot be had at all, as the kernel or a filter says} */
  public static boolean isNoPidfd(int error) {
    return error == Errno.EINVAL
        || error == Errno.ENOSYS
        || error == Errno.EPERM
        || error == Errno.EACCES;
  }

  /**
   * {@return why a process cannot connect}
   *
   * @param socket the path
   * @param errno the positive number
   */
  public static KernelException of(Path socket, int errno) {
    String operation = "connect to";
    String subject = socket.toString();
    String name = Errno.name(errno);
    return switch (errno) {
      case Errno.ENOENT ->
          new NotFoundException(
              operation, subject, name, "there is no such socket", "start the serving side: serve");
      case Errno.ECONNREFUSED, Errno.EPIPE, Errno.ECONNRESET ->
          new NotFoundException(
              operation,
              subject,
              name,
              "nobody serves there",
              "start the serving side, tasklocal-tools.jar serve, and it is tried again");
      case Errno.EACCES, Errno.EPERM ->
          new NotPermittedException(
              operation,
              subject,
              name,
              "not allowed to this process",
              "who runs the serving side says who may: --mode and --group of serve; each folder"
                  + " above the socket has to let this process pass");
      case Errno.EPROTOTYPE, Errno.EPROTO ->
          new WrongObjectException(
              operation,
              subject,
              name,
              "whoever listens there does not speak this library's protocol",
              "name the socket of tasklocal-tools.jar serve, of this library's version");
      case Errno.EUSERS ->
          new KernelException(
              operation,
              subject,
              name,
              "the serving side serves no more processes",
              "raise its limit (--max-processes of serve), and it is tried again");
      case Errno.EDQUOT ->
          new KernelException(
              operation,
              subject,
              name,
              "the serving side serves no more processes of this user, or has no more pages for it",
              "raise its limits (--max-processes-per-user and --max-pages-per-user of serve), and it"
                  + " is tried again");
      case Errno.ENOSPC -> new KernelException(operation, subject, name, ALL_GIVEN, LESS_EACH);
      case Errno.ENOMEM -> new KernelException(operation, subject, name, NO_MEMORY, MORE_MEMORY);
      case Errno.EAGAIN ->
          new KernelException(
              operation,
              subject,
              name,
              "the serving side does not answer",
              "look whether it hangs; it is tried again");
      case Errno.ENAMETOOLONG ->
          new WrongObjectException(
              operation,
              subject,
              name,
              "a socket's path has at most " + (ServingSide.PATH_BYTES - 1) + " bytes",
              "let the serving side use a shorter one");
      case Errno.ENOSYS ->
          new NotSupportedException(
              operation,
              subject,
              name,
              "not known for this processor, or a filter refuses it",
              "allow socket, connect, sendmsg and recvmsg in the seccomp profile; serving is for"
                  + " x86-64, arm64 and riscv64");
      case Errno.EEXIST ->
          new KernelException(
              operation,
              subject,
              name,
              "this process is served already, over another connection",
              "let all copies of this library in the process be of one version, and other clients in"
                  + " it leave; it is tried again");
      case Errno.EMFILE, Errno.ENFILE ->
          new KernelException(
              operation,
              subject,
              name,
              "no file descriptor is left",
              "raise the limit of open files (ulimit -n)");
      default ->
          new KernelException(
              operation,
              subject,
              name,
              "the kernel or the serving side refused it",
              "the output of serve may say why; it is tried again");
    };
  }

  /**
   * {@return why a thread could not be registered, or its entry not be taken out}
   *
   * @param operation what was tried
   * @param socket the path
   * @param errno the positive number
   */
  public static KernelException of(String operation, String socket, int errno) {
    String name = Errno.name(errno);
    return switch (errno) {
      case GONE ->
          new NotFoundException(
              operation, socket, name, "nobody serves there now", "start the serving side again");
      case STALLED ->
          new KernelException(
              operation,
              socket,
              name,
              "the serving side does not answer in time",
              "look whether it is stopped, or has too little processor time");
      case Errno.EDQUOT ->
          new KernelException(
              operation,
              socket,
              name,
              "the serving side gives this process, or its user, no more pages",
              "raise its limits: --max-pages and --max-pages-per-user of serve");
      case Errno.ENOSPC -> new KernelException(operation, socket, name, ALL_GIVEN, LESS_EACH);
      case Errno.ENOMEM -> new KernelException(operation, socket, name, NO_MEMORY, MORE_MEMORY);
      case Errno.EMFILE ->
          new KernelException(
              operation,
              socket,
              name,
              "no file descriptor is left",
              "raise the limit of open files (ulimit -n)");
      case Errno.EOPNOTSUPP ->
          new NotSupportedException(
              operation,
              socket,
              name,
              "no way to register a thread is open to this process",
              "allow pidfd_open and prctl in the seccomp profile, or look what serve says of its"
                  + " hook");
      default ->
          new KernelException(
              operation,
              socket,
              name,
              "the serving side refused it",
              "its own output says why; start it and this process anew if it says nothing");
    };
  }
}
