// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.junit;

import io.github.tasklocal.error.NotSupportedException;
import org.junit.jupiter.api.Assumptions;

/** In the thread's memory, where no BPF program can be loaded. */
final class PlainView implements View {

  @Override
  public <T> T value(Thread thread, Access<T> access) {
    if (thread == Thread.currentThread()) {
      return access.own().get();
    }
    try {
      return access.other().apply(View.find(thread));
    } catch (NotSupportedException e) {
      return Assumptions.abort(
          "another thread's values cannot be looked at here: " + e.getMessage());
    }
  }

  @Override
  public void close() {}
}
