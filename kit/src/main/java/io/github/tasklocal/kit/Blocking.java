// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;

/** Ways in which a virtual thread blocks, shortly; threads that block alike meet each other. */
public final class Blocking {

  /** How many ways there are. */
  public static final int WAYS = 10;

  private static final int SOCKETS = 32;

  private final ReentrantLock lock = new ReentrantLock();
  private final Object monitor = new Object();
  private final SynchronousQueue<Integer> queue = new SynchronousQueue<>();

  /** To which nobody sends; several, since threads that read from one wait for each other. */
  private final List<DatagramSocket> sockets = new ArrayList<>();

  private final Path file;

  /**
   * Makes what threads meet at.
   *
   * @param file is read in one of the ways
   */
  public Blocking(Path file) {
    this.file = file;
    try {
      for (int i = 0; i < SOCKETS; i++) {
        DatagramSocket socket = new DatagramSocket(0, InetAddress.getLoopbackAddress());
        socket.setSoTimeout(1);
        sockets.add(socket);
      }
    } catch (SocketException e) {
      throw new UncheckedIOException(e);
    }
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
        if (ThreadLocalRandom.current().nextBoolean()) {
          boolean ignored = queue.offer(1, 50, TimeUnit.MICROSECONDS);
        } else {
          Integer ignored = queue.poll(50, TimeUnit.MICROSECONDS);
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
        try {
          sockets
              .get(ThreadLocalRandom.current().nextInt(SOCKETS))
              .receive(new DatagramPacket(new byte[1], 1));
        } catch (SocketTimeoutException e) {
          // It has waited all the same.
        }
      }
    }
  }
}
