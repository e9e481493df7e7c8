// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Exchanger;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;

/** Ways in which a virtual thread blocks, shortly; threads that block alike meet each other. */
public final class Blocking {

  /** How many ways there are. */
  public static final int WAYS = 10;

  private final ReentrantLock lock = new ReentrantLock();
  private final Object monitor = new Object();
  private final Exchanger<Integer> exchanger = new Exchanger<>();
  private final Path file;

  /**
   * Makes what threads meet at.
   *
   * @param file is read in one of the ways
   */
  public Blocking(Path file) {
    this.file = file;
  }

  /**
   * Blocks.
   *
   * @param way from 0 on, less than {@link #WAYS}
   */
  @SuppressWarnings({"ThreadPriorityCheck", "WaitNotInLoop"}) // any way to block will do
  public void block(int way) throws IOException, InterruptedException {
    switch (way) {
      case 0 -> Thread.yield();
      case 1 -> LockSupport.parkNanos(1000);
      case 2 -> {
        lock.lock();
        try {
          Thread.yield();
        } finally {
          lock.unlock();
        }
      }
      case 3 -> {
        synchronized (monitor) {
          Thread.onSpinWait();
        }
      }
      case 4 -> {
        synchronized (monitor) {
          monitor.wait(0, 1000);
        }
      }
      case 5 -> Thread.sleep(0, 1000);
      case 6 -> {
        try {
          Integer ignored = exchanger.exchange(1, 50, TimeUnit.MICROSECONDS);
        } catch (TimeoutException e) {
          // blocked all the same
        }
      }
      case 7 -> {
        synchronized (monitor) {
          Thread.yield(); // keeps others waiting
        }
      }
      case 8 -> {
        byte[] ignored = Files.readAllBytes(file);
      }
      default -> {
        LockSupport.unpark(Thread.currentThread());
        LockSupport.park();
      }
    }
  }
}
