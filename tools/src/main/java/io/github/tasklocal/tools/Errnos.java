// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

/** The errnos that the serving side gives or gets, of asm-generic. */
final class Errnos {

  static final int EPERM = 1;
  static final int ENOENT = 2;
  static final int ESRCH = 3;
  static final int EINTR = 4;
  static final int EBADF = 9;
  static final int EAGAIN = 11;
  static final int ENOMEM = 12;
  static final int EACCES = 13;
  static final int EEXIST = 17;
  static final int EINVAL = 22;
  static final int EMFILE = 24;
  static final int ENOSPC = 28;
  static final int EPIPE = 32;
  static final int EPROTO = 71;
  static final int EUSERS = 87;
  static final int EOPNOTSUPP = 95;
  static final int ECONNREFUSED = 111;
  static final int ESTALE = 116;
  static final int EDQUOT = 122;

  private Errnos() {}

  /** {@return the name of an errno} */
  static String name(int errno) {
    return switch (errno) {
      case EPERM -> "EPERM";
      case ENOENT -> "ENOENT";
      case ESRCH -> "ESRCH";
      case EINTR -> "EINTR";
      case EBADF -> "EBADF";
      case EAGAIN -> "EAGAIN";
      case ENOMEM -> "ENOMEM";
      case EACCES -> "EACCES";
      case EEXIST -> "EEXIST";
      case EINVAL -> "EINVAL";
      case EMFILE -> "EMFILE";
      case ENOSPC -> "ENOSPC";
      case EPIPE -> "EPIPE";
      case EPROTO -> "EPROTO";
      case EUSERS -> "EUSERS";
      case EOPNOTSUPP -> "EOPNOTSUPP";
      case ECONNREFUSED -> "ECONNREFUSED";
      case ESTALE -> "ESTALE";
      case EDQUOT -> "EDQUOT";
      default -> "errno " + errno;
    };
  }
}
