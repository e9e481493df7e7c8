// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.serve;

import io.github.tasklocal.error.TaskLocalException;
import io.github.tasklocal.tools.system.Failure;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * Serves in a thread of its own, as long as nobody else does, until this is closed. Then nothing of
 * it is left: applications wait for the next serving side, with plain memory.
 */
public final class Interim implements AutoCloseable {

  private static final long PAUSE_MILLIS = 1000;

  private final ServingSide side;
  private final Consumer<String> words;
  private final CountDownLatch decided = new CountDownLatch(1);
  private final CountDownLatch ended = new CountDownLatch(1);
  private final Thread thread = new Thread(this::run, "serves");

  /** Under the lock of this, as is the next. */
  private Runnable stop = () -> {};

  private boolean serves;

  private Interim(ServingSide side, Consumer<String> words) {
    this.side = side;
    this.words = words;
  }

  /**
   * Begins, or finds out that somebody else serves, or why this cannot.
   *
   * @param words is told once what came of it, unless somebody else serves
   */
  public static Interim start(ServingSide side, Consumer<String> words) {
    Interim interim = new Interim(side, words);
    interim.thread.start();
    try {
      interim.decided.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    return interim;
  }

  /** {@return whether it serves at this moment} */
  public synchronized boolean serves() {
    return serves;
  }

  /** Another one may begin and end meanwhile: whenever there is none, this begins. */
  private void run() {
    try {
      do {
        if (!Listener.isServed(side.socket().path())) {
          serve();
        }
        decided.countDown();
      } while (!ended.await(PAUSE_MILLIS, TimeUnit.MILLISECONDS));
    } catch (InterruptedException e) {
      // It is told to end.
    } finally {
      decided.countDown();
    }
  }

  private void serve() {
    try {
      side.run(new ServeLog(new PrintWriter(Writer.nullWriter()), false), this::began);
    } catch (Failure | IOException | TaskLocalException e) {
      tell("serves nobody: " + e.getMessage());
    } finally {
      synchronized (this) {
        serves = false;
        stop = () -> {};
      }
    }
  }

  private void began(Runnable end) {
    synchronized (this) {
      serves = true;
      stop = end;
    }
    if (ended.getCount() == 0) {
      end.run();
    }
    tell("serves at %s while it runs, as nobody else does".formatted(side.socket()));
    decided.countDown();
  }

  private void tell(String what) {
    if (decided.getCount() > 0) {
      words.accept(what);
    }
  }

  @Override
  public void close() {
    ended.countDown();
    synchronized (this) {
      stop.run();
    }
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
