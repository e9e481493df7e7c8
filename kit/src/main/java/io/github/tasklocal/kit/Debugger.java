// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit;

import com.sun.jdi.Bootstrap;
import com.sun.jdi.ThreadReference;
import com.sun.jdi.VirtualMachine;
import com.sun.jdi.connect.AttachingConnector;
import com.sun.jdi.connect.Connector;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;

/**
 * A debugger in a process of its own: suspends all threads of the JVM that started it, then some
 * virtual ones alone, and lets them go on, again and again. In the end it prints how often it has
 * suspended a thread alone.
 */
public final class Debugger {

  /** The option of a JVM that can be debugged. */
  public static final String OPTION =
      "-agentlib:jdwp=transport=dt_socket,server=y,suspend=n,quiet=y,includevirtualthreads=y,"
          + "address=127.0.0.1:0";

  /** How many threads are chosen between two times that all are suspended. */
  private static final int ALONE = 20;

  private Debugger() {}

  /**
   * {@return the command of a debugger} The calling JVM has {@link #OPTION}, and threads that do
   * not end before the debugger does.
   *
   * @param rounds how often it suspends all threads
   */
  public static List<String> command(int rounds) {
    return Jvm.command(
        Jvm.shortLived(),
        Jvm.join(Jvm.classPath()),
        Debugger.class,
        Long.toString(ProcessHandle.current().pid()),
        Integer.toString(rounds));
  }

  /**
   * Debugs.
   *
   * @param args the process id of a JVM, and how often all its threads are suspended
   */
  public static void main(String[] args) throws Exception {
    AttachingConnector connector =
        Bootstrap.virtualMachineManager().attachingConnectors().stream()
            .filter(each -> each.name().equals("com.sun.jdi.ProcessAttach"))
            .findFirst()
            .orElseThrow();
    Map<String, Connector.Argument> arguments = connector.defaultArguments();
    Objects.requireNonNull(arguments.get("pid")).setValue(args[0]);
    VirtualMachine machine = connector.attach(arguments);
    List<ThreadReference> threads = machine.allThreads();
    Random random = new Random();
    long alone = 0;
    for (int i = Integer.parseInt(args[1]); i > 0; i--) {
      machine.suspend();
      machine.resume();
      for (int j = 0; j < ALONE; j++) {
        ThreadReference thread = threads.get(random.nextInt(threads.size()));
        if (thread.isVirtual()) { // there are many: asked of none but the chosen ones
          thread.suspend();
          thread.resume();
          alone++;
        }
      }
    }
    machine.dispose();
    System.out.println(alone);
  }
}
