// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import io.github.tasklocal.management.TaskLocalMXBean;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandleProxies;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.management.ManagementFactory;
import java.lang.ref.Reference;
import java.lang.ref.WeakReference;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.Objects;
import javax.management.DynamicMBean;
import javax.management.InstanceAlreadyExistsException;
import javax.management.InstanceNotFoundException;
import javax.management.JMException;
import javax.management.JMRuntimeException;
import javax.management.MBeanServer;
import javax.management.MBeanServerFactory;
import javax.management.ObjectName;
import javax.management.StandardMBean;
import org.jspecify.annotations.Nullable;

/**
 * The bean in the platform's MBean server. The server would keep our class loader for ever, so what
 * it has is made of the JDK's types alone, and finds the bean by a weak reference, as {@link Beat}
 * finds the keeper's work.
 */
final class BeanServer {

  private final ObjectName name;
  private final TaskLocalMXBean bean;

  /** Kept here alone. */
  @SuppressWarnings("UnusedVariable")
  private @Nullable InvocationHandler ours;

  /** Whether this copy's bean is the one that is there, and whether it may be soon. */
  private volatile boolean isOurs;

  private volatile boolean begun;

  BeanServer(TaskLocalMXBean bean) throws JMException {
    this.name = new ObjectName(TaskLocalMXBean.NAME);
    this.bean = bean;
  }

  /** {@return whether there is a server, and the process's bean is not in it} */
  boolean lacks() {
    if (MBeanServerFactory.findMBeanServer(null).isEmpty()) {
      return false; // it would be made by asking for it, which takes 50 ms
    }
    MBeanServer server = ManagementFactory.getPlatformMBeanServer();
    boolean lacks = !server.isRegistered(name) || (!isOurs && isDead(server));
    begun |= lacks;
    return lacks;
  }

  /** {@return whether the copy of the library is gone whose bean it is} */
  private boolean isDead(MBeanServer server) {
    try {
      Object ignored = server.getMBeanInfo(name);
      return false;
    } catch (JMRuntimeException e) {
      return true; // it says null
    } catch (JMException e) {
      return e instanceof InstanceNotFoundException;
    }
  }

  /** {@return whether this copy's bean may be there} */
  boolean mayBeThere() {
    return begun;
  }

  /** Puts the bean there. Listeners of the server's hear of it, which are foreign code. */
  synchronized void register() {
    try {
      MBeanServer server = ManagementFactory.getPlatformMBeanServer();
      if (!isOurs && server.isRegistered(name) && isDead(server)) {
        unregister(server);
      }
      Object ignored = server.registerMBean(dynamic(), name);
      isOurs = true;
    } catch (InstanceAlreadyExistsException e) {
      ours = null; // another copy was faster
    } catch (JMException | RuntimeException | Error e) {
      ours = null;
      warn("be registered", e);
    }
  }

  /** Takes it away, if it is this copy's. */
  synchronized void unregister() {
    if (isOurs) {
      isOurs = false;
      try {
        unregister(ManagementFactory.getPlatformMBeanServer());
      } catch (JMException | RuntimeException | Error e) {
        warn("be taken away", e);
      }
      ours = null;
    }
  }

  private void warn(String what, Throwable cause) {
    boolean ignored = Log.warn("The MBean " + name + " could not " + what + ".", cause);
  }

  private void unregister(MBeanServer server) throws JMException {
    try {
      server.unregisterMBean(name);
    } catch (InstanceNotFoundException e) {
      // somebody has taken it away
    }
  }

  private DynamicMBean dynamic() {
    DynamicMBean open = new StandardMBean(bean, TaskLocalMXBean.class, true);
    InvocationHandler handler = (proxy, method, arguments) -> call(method, open, arguments);
    ours = handler;
    return (DynamicMBean)
        Proxy.newProxyInstance(
            DynamicMBean.class.getClassLoader(),
            new Class<?>[] {DynamicMBean.class},
            weak(handler));
  }

  private static @Nullable Object call(Method method, Object target, Object[] arguments)
      throws Throwable {
    try {
      return method.invoke(target, arguments);
    } catch (InvocationTargetException e) {
      throw e.getCause() == null ? e : e.getCause();
    }
  }

  /** {@return what answers as another does, or null once nothing keeps that} */
  private static InvocationHandler weak(InvocationHandler handler) {
    try {
      MethodHandles.Lookup lookup = MethodHandles.publicLookup();
      MethodHandle get =
          lookup
              .findVirtual(Reference.class, "get", MethodType.methodType(Object.class))
              .bindTo(new WeakReference<>(handler));
      MethodHandle isGone =
          lookup.findStatic(
              Objects.class, "isNull", MethodType.methodType(boolean.class, Object.class));
      MethodHandle invoke =
          lookup.findVirtual(
              InvocationHandler.class,
              "invoke",
              MethodType.methodType(Object.class, Object.class, Method.class, Object[].class));
      MethodType type =
          MethodType.methodType(
              Object.class, Object.class, Object.class, Method.class, Object[].class);
      MethodHandle once =
          MethodHandles.guardWithTest(
              isGone,
              MethodHandles.dropArguments(
                  MethodHandles.constant(Object.class, null), 0, type.parameterList()),
              invoke.asType(type));
      return MethodHandleProxies.asInterfaceInstance(
          InvocationHandler.class, MethodHandles.foldArguments(once, get));
    } catch (ReflectiveOperationException e) {
      throw new LinkageError(e.getMessage(), e);
    }
  }
}
