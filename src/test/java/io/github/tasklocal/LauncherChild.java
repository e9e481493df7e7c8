// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

/** Lists the threads of a process that a native launcher has started, from none of its threads. */
public final class LauncherChild {

  private LauncherChild() {}

  /** Prints the kind of each thread, and its name. */
  public static void main(String... none) throws InterruptedException {
    Thread lister =
        new Thread(
            () -> {
              for (NativeThread each : NativeThread.list()) {
                System.out.println("kind " + each.tid() + " " + each.kind() + " " + each.name());
              }
            });
    lister.start();
    lister.join();
  }
}
