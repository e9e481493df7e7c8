// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import com.sun.net.httpserver.HttpServer;
import io.github.tasklocal.kernel.Libc;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.layout.Wire;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.ReentrantLock;
import org.apache.catalina.Context;
import org.apache.catalina.LifecycleException;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.startup.Tomcat;

/**
 * A server that handles requests on virtual threads. Those with a tenant compare, while they
 * compute between several ways to block, what BPF sees with it; those without one must see none.
 * Arguments: a compiled program, its wire, clients, requests of each, and which server.
 */
public final class VirtualServerChild {

  private static final TaskLocal.OfInt TENANT = TaskLocal.of("life.00", JAVA_INT);

  private static final int BODY = 1 << 16;
  private static final int STEPS = 4;

  private static final ReentrantLock LOCK = new ReentrantLock();
  private static final AtomicReference<Throwable> WRONG = new AtomicReference<>();
  private static final AtomicLong OWN = new AtomicLong();
  private static final AtomicLong OTHERS = new AtomicLong();
  private static final AtomicLong MOVED = new AtomicLong();

  private final BpfView view;

  private VirtualServerChild(BpfView view) {
    this.view = view;
  }

  public static void main(String[] arguments) throws Exception {
    Wire wire = Wire.valueOf(arguments[1]);
    int clients = Integer.parseInt(arguments[2]);
    int requests = Integer.parseInt(arguments[3]);
    try (BpfView view = BpfView.load(Path.of(arguments[0]), wire);
        TaskLocalMap map = TaskLocalMap.of(view.map().fd());
        ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor()) {
      VirtualServerChild child = new VirtualServerChild(view);
      int port =
          switch (arguments[4]) {
            case "jdk" -> child.startJdk(executor);
            case "tomcat" -> child.startTomcat(executor, arguments[0]);
            default -> throw new IllegalArgumentException(arguments[4]);
          };
      load("http://localhost:" + port + "/", clients, requests);
      TaskLocalMap.Attached state = (TaskLocalMap.Attached) map.state();
      System.out.printf(
          "%d looks of requests with a tenant, %d without, %d moved; unseen %d, failures %d%n",
          OWN.get(), OTHERS.get(), MOVED.get(), state.unseen(), map.failures());
    }
    long all = (long) clients * requests;
    Throwable wrong = WRONG.get();
    if (wrong == null && OWN.get() != looks(all * 2 / 3)) {
      wrong = new AssertionError(OWN.get() + " looks of requests with a tenant");
    }
    if (wrong == null && OTHERS.get() != looks(all / 3)) {
      wrong = new AssertionError(OTHERS.get() + " looks of requests without a tenant");
    }
    if (wrong == null && MOVED.get() == 0) {
      wrong = new AssertionError("no request has gone on on another carrier");
    }
    if (wrong != null) {
      wrong.printStackTrace();
      System.exit(1);
    }
    System.out.println("all agree");
    System.exit(0); // whatever the client's threads do still
  }

  private static long looks(long requests) {
    return requests * (STEPS + 1);
  }

  private static void load(String address, int clients, int requests) {
    List<Thread> all = new ArrayList<>();
    HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    for (int i = 0; i < clients; i++) {
      int id = i;
      all.add(
          Thread.ofPlatform()
              .start(
                  () -> {
                    try {
                      for (int n = 0; n < requests && WRONG.get() == null; n++) {
                        int tenant = (id + n) % 3 == 0 ? 0 : 1 + id * requests + n;
                        ask(client, URI.create(address + tenant), tenant);
                      }
                    } catch (Throwable e) {
                      WRONG.compareAndSet(null, e);
                    }
                  }));
    }
    for (Thread each : all) {
      Await.until("the end of a client", () -> !each.isAlive());
    }
  }

  private static void ask(HttpClient client, URI uri, int tenant) throws Exception {
    HttpRequest request =
        HttpRequest.newBuilder(uri)
            .POST(HttpRequest.BodyPublishers.ofByteArray(new byte[BODY]))
            .build();
    HttpResponse<String> answer = client.send(request, HttpResponse.BodyHandlers.ofString());
    if (answer.statusCode() != 200 || !answer.body().equals(String.valueOf(tenant))) {
      throw new AssertionError(uri + ": " + answer.statusCode() + " " + answer.body());
    }
  }

  /** {@return the port} */
  private int startJdk(Executor executor) throws IOException {
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(executor);
    server.createContext(
        "/",
        exchange -> {
          try (exchange) {
            byte[] answer = serve(exchange.getRequestURI().getPath(), exchange.getRequestBody());
            exchange.sendResponseHeaders(200, answer.length);
            exchange.getResponseBody().write(answer);
          }
        });
    server.start();
    return server.getAddress().getPort();
  }

  /** {@return the port} */
  private int startTomcat(Executor executor, String program) throws LifecycleException {
    Tomcat server = new Tomcat();
    server.setBaseDir(Path.of(program).resolveSibling("tomcat").toString());
    Connector connector = new Connector();
    connector.setPort(0);
    connector.getProtocolHandler().setExecutor(executor);
    server.setConnector(connector);
    Context context = server.addContext("", null);
    Tomcat.addServlet(context, "all", new TomcatServlet(this)).addMapping("/*");
    server.start();
    return connector.getLocalPort();
  }

  @SuppressWarnings("serial") // never written
  private static final class TomcatServlet extends HttpServlet {
    private final transient VirtualServerChild child;

    TomcatServlet(VirtualServerChild child) {
      this.child = child;
    }

    @Override
    protected void doPost(HttpServletRequest request, HttpServletResponse response)
        throws IOException {
      response
          .getOutputStream()
          .write(child.serve(request.getPathInfo(), request.getInputStream()));
    }
  }

  /** {@return the tenant of a request, which is its path} */
  private byte[] serve(String path, InputStream body) throws IOException {
    try {
      int tenant = Integer.parseInt(path.substring(1));
      if (tenant != 0) {
        TENANT.set(tenant);
      }
      work(body, tenant);
      if (tenant != 0) {
        TENANT.set(0); // a server may handle the next request of a connection here
      }
      return String.valueOf(tenant).getBytes(StandardCharsets.US_ASCII);
    } catch (Throwable e) {
      WRONG.compareAndSet(null, e);
      throw e;
    }
  }

  private void work(InputStream body, int tenant) throws IOException {
    compute(tenant);
    for (int step = 0; step < STEPS; step++) {
      int before = Libc.currentTid();
      switch (step) {
        case 0 -> {
          if (body.readAllBytes().length != BODY) {
            throw new AssertionError("a body has another length");
          }
        }
        case 1 -> sleep();
        case 2 -> {
          LOCK.lock();
          try {
            sleep();
          } finally {
            LOCK.unlock();
          }
        }
        default -> {
          synchronized (this) {
            sleep();
          }
        }
      }
      if (before != Libc.currentTid()) {
        long ignored = MOVED.incrementAndGet();
      }
      compute(tenant);
    }
  }

  private static void sleep() {
    try {
      Thread.sleep(0, 10_000);
    } catch (InterruptedException e) {
      throw new AssertionError("interrupted", e);
    }
  }

  /** Computes for a while, and sees what BPF sees of it. */
  private void compute(int tenant) {
    int tid;
    long seen;
    do { // a moment in which the carrier was the same
      tid = Libc.currentTid();
      seen = view.of(tid);
    } while (tid != Libc.currentTid());
    if (tenant == 0) {
      if (seen != 0 && seen != BpfView.NO_ENTRY) {
        throw new AssertionError("BPF sees " + seen + " where the request has no tenant");
      }
      long ignored = OTHERS.incrementAndGet();
      return;
    }
    if (seen != tenant || TENANT.get() != tenant) {
      throw new AssertionError(
          "the tenant is %d: Java sees %d, BPF %d".formatted(tenant, TENANT.get(), seen));
    }
    long ignored = OWN.incrementAndGet();
  }
}
