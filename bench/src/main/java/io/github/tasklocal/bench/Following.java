// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bench;

import io.github.tasklocal.memory.VirtualThreads;
import java.util.List;

/** JVMs in which values follow virtual threads. */
final class Following {

  /** Has values follow virtual threads. */
  static final String EXPORT = "--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED";

  /** The same, and all virtual threads share one carrier. */
  static final List<String> ONE_CARRIER =
      List.of(
          EXPORT,
          "-Djdk.virtualThreadScheduler.parallelism=1",
          "-Djdk.virtualThreadScheduler.maxPoolSize=1");

  private Following() {}

  /** Fails if what was measured is not what the table says. */
  static void check() {
    if (!VirtualThreads.follow() || VirtualThreads.unseen() > 0) {
      throw new IllegalStateException("values did not follow virtual threads");
    }
  }
}
