// SPDX-License-Identifier: Apache-2.0

/** Carries listed values between threads, by the context propagation of Micrometer. */
module io.github.tasklocal.micrometer {
  requires context.propagation;
  requires io.github.tasklocal.context;
  requires static org.jspecify;

  exports io.github.tasklocal.micrometer;

  provides io.micrometer.context.ThreadLocalAccessor with
      io.github.tasklocal.micrometer.TaskLocalAccessor;
}
