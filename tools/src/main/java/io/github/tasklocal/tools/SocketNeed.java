// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.TaskLocalException;
import java.nio.file.Path;
import java.util.List;

/** Whether this user's processes are served over a socket, which takes no privilege. */
final class SocketNeed {

  private static final String NEED = "socket";
  private static final String SERVE = "java -jar tasklocal-tools.jar serve --mode 666 # as root";

  private SocketNeed() {}

  /** {@return what is found by being served} This thread is registered for a moment. */
  static Finding look(Path socket) {
    try (TaskLocalMap map = TaskLocalMap.open(socket)) {
      TaskLocal.OfLong key = TaskLocal.of("tasklocal.doctor", JAVA_LONG);
      key.set(key.get()); // moves what the thread has had before
      if (map.state() instanceof TaskLocalMap.Served served && served.threads() > 0) {
        return Finding.yes(NEED, "this thread was registered over " + socket);
      }
      List<TaskLocalMap.Unregistered> lacking = map.unregistered();
      return lacking.isEmpty()
          ? Finding.no(NEED, socket + ": the serving side has gone", SERVE)
          : no(lacking.getFirst().reason());
    } catch (NotFoundException e) {
      return Finding.no(NEED, "nobody serves at " + socket, SERVE);
    } catch (TaskLocalException e) {
      return no(e);
    }
  }

  private static Finding no(TaskLocalException e) {
    return Finding.no(NEED, Needs.problem(e), e.cure());
  }
}
