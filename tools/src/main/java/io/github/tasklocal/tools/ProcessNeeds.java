// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import com.sun.tools.attach.AttachNotSupportedException;
import com.sun.tools.attach.VirtualMachine;
import io.github.tasklocal.management.TaskLocalMXBean;
import io.github.tasklocal.management.TaskLocalMXBean.KeyView;
import io.github.tasklocal.management.TaskLocalMXBean.MapView;
import io.github.tasklocal.management.TaskLocalMXBean.ThreadView;
import io.github.tasklocal.tools.system.Failure;
import java.io.IOException;
import java.io.ObjectInputFilter;
import java.lang.reflect.UndeclaredThrowableException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import javax.management.JMX;
import javax.management.MBeanServerConnection;
import javax.management.MalformedObjectNameException;
import javax.management.ObjectName;
import javax.management.remote.JMXConnector;
import javax.management.remote.JMXConnectorFactory;
import javax.management.remote.JMXServiceURL;

/** What keeps a running application's values from being seen, as the library says there by JMX. */
final class ProcessNeeds {

  /** How many threads are named that are not shown. */
  private static final int NAMED = 5;

  /** The bean comes within a second of the MBean server, which may be started by our asking. */
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(10);

  /** What an answer may be made of: the process may be another user's, and we are root. */
  private static final String ANSWERS =
      "maxdepth=20;java.base/*;java.management/*;java.management.rmi/*;java.rmi/*;!*";

  private final int pid;
  private final List<Finding> findings = new ArrayList<>();
  private boolean isShown = true;

  ProcessNeeds(int pid) {
    this.pid = pid;
  }

  /**
   * {@return a finding for each map and each kind of threads that are not seen; the last says
   * whether all are}
   *
   * @throws Failure if the process cannot be asked
   */
  @SuppressWarnings("BanJNDI") // with a filter
  List<Finding> all() throws Failure {
    if (ObjectInputFilter.Config.getSerialFilter() == null) {
      ObjectInputFilter.Config.setSerialFilter(ObjectInputFilter.Config.createFilter(ANSWERS));
    }
    try (JMXConnector connector = JMXConnectorFactory.connect(address())) {
      MBeanServerConnection server = connector.getMBeanServerConnection();
      ObjectName name = new ObjectName(TaskLocalMXBean.NAME);
      awaitBean(server, name);
      look(JMX.newMXBeanProxy(server, name, TaskLocalMXBean.class));
    } catch (IOException | UndeclaredThrowableException e) {
      if (ProcessHandle.of(pid).isEmpty()) {
        throw new Failure("process " + pid + " has ended while it was asked");
      }
      Throwable cause = e.getMessage() == null && e.getCause() != null ? e.getCause() : e;
      throw new Failure(
          "process " + pid + " cannot be asked by JMX (" + cause.getMessage() + ")",
          "run doctor where the process runs, as the same user: in its container");
    } catch (MalformedObjectNameException e) {
      throw new IllegalStateException(e.getMessage(), e);
    }
    findings.add(
        isShown
            ? Finding.yes("sharing", "the values of all its threads are seen")
            : Finding.no("sharing", "some values are not seen", ""));
    return findings;
  }

  private JMXServiceURL address() throws Failure, IOException {
    try {
      VirtualMachine machine = VirtualMachine.attach(Integer.toString(pid));
      try {
        return new JMXServiceURL(machine.startLocalManagementAgent());
      } finally {
        machine.detach();
      }
    } catch (AttachNotSupportedException e) {
      throw new Failure(
          "process " + pid + " is no Java program that can be asked (" + e.getMessage() + ")",
          "name one that jcmd lists, and that was not started with -XX:+DisableAttachMechanism");
    }
  }

  private void awaitBean(MBeanServerConnection server, ObjectName name)
      throws Failure, IOException {
    long end = System.nanoTime() + PATIENCE_NANOS;
    while (!server.isRegistered(name)) {
      if (System.nanoTime() - end > 0) {
        throw new Failure(
            "the library in process " + pid + " has no map, or there is no such library",
            "start Java with -Dtasklocal.map=default; it is opened at the first use of a key");
      }
      try {
        Thread.sleep(100);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new Failure("process " + pid + " was not asked to the end");
      }
    }
  }

  private void look(TaskLocalMXBean bean) {
    List<KeyView> keys = bean.getKeys();
    findings.add(
        Finding.yes(
            "keys",
            keys.isEmpty()
                ? "none yet"
                : keys.stream()
                    .map(key -> key.name() + " (" + bytes(key.bytes()) + ")")
                    .collect(Collectors.joining(", "))));
    List<MapView> maps = bean.getMaps();
    maps.forEach(this::look);
    lookAtThreads(maps, bean.getUnshownThreads());
    long unseen = bean.getUnseenVirtualThreads();
    if (unseen > 0) {
      no(
          "virtual",
          (unseen == 1 ? "1 virtual thread has" : unseen + " virtual threads have")
              + " used keys whose values BPF does not see: "
              + bean.getUnseenReason(),
          "");
    }
  }

  private static String bytes(int count) {
    return count == 1 ? "1 byte" : count + " bytes";
  }

  private void look(MapView map) {
    String problem = map.problem();
    if (map.state().equals("waiting")) {
      no(
          "map",
          map.name() + ": waits" + (problem == null ? ", as nothing is there" : ": " + problem),
          problem == null ? "run tasklocal-tools.jar serve, or a command that makes the map" : "");
    } else {
      String wire = map.wire().isEmpty() ? "" : ", wire " + map.wire();
      findings.add(
          Finding.yes(
              "map",
              map.name() + ": " + map.state() + wire + ", shows " + threads(map.threads()),
              map.failures() == 0 ? "" : map.failures() + " failures, the last: " + problem));
    }
  }

  private void lookAtThreads(List<MapView> maps, List<ThreadView> unshown) {
    int waiting = maps.stream().mapToInt(MapView::waiting).sum();
    if (waiting > 0) {
      no(
          "waiting",
          threads(waiting)
              + " had values before the serving side was there; each is seen from its next use of a"
              + " key on",
          "start Java with -Dtasklocal.map=, which connects before the first key, or with"
              + " -javaagent:tasklocal.jar=default");
    }
    int unregistered = maps.stream().mapToInt(MapView::unregistered).sum();
    if (unregistered > 0) {
      no("threads", threads(unregistered) + " should have an entry and have none", "");
    }
    unshown.stream()
        .limit(waiting + unregistered > 0 ? NAMED : 0)
        .forEach(each -> findings.add(Finding.no("thread", each.reason(), "")));
  }

  private static String threads(int count) {
    return count == 1 ? "1 thread" : count + " threads";
  }

  private void no(String need, String found, String cure) {
    isShown = false;
    findings.add(Finding.no(need, found, cure));
  }
}
