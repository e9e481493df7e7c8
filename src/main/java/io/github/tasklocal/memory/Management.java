// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import java.util.List;
import javax.management.JMException;
import org.jspecify.annotations.Nullable;

/**
 * Shows what is open to those who operate the application: by JMX and by the Flight Recorder, each
 * once it is in use and if this Java has it. Used by the keeper alone, so that an application that
 * starts does not wait for their classes.
 */
final class Management {

  private final @Nullable BeanServer server;
  private final @Nullable Flight flight;

  Management(Maps maps, List<Watch> watches) {
    ManagementBean bean = new ManagementBean(maps, watches);
    this.server = has("java.management") ? server(bean) : null;
    this.flight = has("jdk.jfr") ? new Flight(bean) : null;
  }

  private static boolean has(String module) {
    return ModuleLayer.boot().findModule(module).isPresent();
  }

  private static BeanServer server(ManagementBean bean) {
    try {
      return new BeanServer(bean);
    } catch (JMException e) {
      throw new IllegalStateException(e.getMessage(), e);
    }
  }

  /** {@return code that puts the bean where it lacks, which calls foreign code; null if none is} */
  @Nullable Runnable look() {
    if (flight != null) {
      flight.look();
    }
    return server != null && server.lacks() ? server::register : null;
  }

  /** {@return code that takes the bean away; null if there is none} */
  @Nullable Runnable end() {
    return server != null && server.mayBeThere() ? server::unregister : null;
  }
}
