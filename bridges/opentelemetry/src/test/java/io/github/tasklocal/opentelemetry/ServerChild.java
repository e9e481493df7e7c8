// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.opentelemetry;

import com.sun.net.httpserver.HttpServer;
import io.github.tasklocal.TaskLocal;
import java.lang.foreign.ValueLayout;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.locks.LockSupport;

/**
 * A server that knows nothing of OpenTelemetry, and uses a key of its own by its own copy of the
 * library: it works in a pool of threads, for as long as the first request's client has not asked
 * for /end.
 */
final class ServerChild {

  private static final TaskLocal.OfLong MINE = TaskLocal.of("mine", ValueLayout.JAVA_LONG);
  private static volatile boolean isEnd;

  private ServerChild() {}

  public static void main(String[] args) throws Exception {
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(Executors.newFixedThreadPool(2));
    ExecutorService pool =
        args[0].equals("virtual")
            ? Executors.newVirtualThreadPerTaskExecutor()
            : Executors.newSingleThreadExecutor(Thread.ofPlatform().name("pooled").factory());
    server.createContext(
        "/work",
        exchange -> {
          pool.execute(ServerChild::work);
          exchange.sendResponseHeaders(204, -1);
          exchange.close();
        });
    server.createContext(
        "/end",
        exchange -> {
          isEnd = true;
          exchange.sendResponseHeaders(204, -1);
          exchange.close();
        });
    server.start();
    System.out.println("port " + server.getAddress().getPort());
    Thread.sleep(Long.MAX_VALUE);
  }

  private static void work() {
    MINE.set(42);
    System.out.println("working");
    while (!isEnd) {
      if (Thread.currentThread().isVirtual()) {
        Thread.onSpinWait(); // stays on its carrier, or no task would show its values
      } else {
        LockSupport.parkNanos(1_000_000);
      }
    }
    MINE.set(0);
    System.out.println("worked");
  }
}
