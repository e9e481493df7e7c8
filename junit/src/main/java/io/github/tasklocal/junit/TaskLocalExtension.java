// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.junit;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalScope;
import io.github.tasklocal.error.TaskLocalException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionConfigurationException;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;

/**
 * Gives each test a map of its own, so that {@link TaskLocalAssertions} can tell what a BPF program
 * sees, and values that are zero.
 *
 * {@snippet :
 * @ExtendWith(TaskLocalExtension.class)
 * class ServerTest {
 *   @Test
 *   void aRequestIsUrgent() {
 *     Server.PRIORITY.set(7);
 *     assertSeen(Thread.currentThread(), Server.PRIORITY, 7);
 *   }
 * }
 * }
 *
 * <p><b>A map of its own.</b> Before each test a BPF program with a new map is loaded, and the
 * threads of this process are registered with that map; after the test both are gone. Nothing is
 * pinned, and maps that the application opens are not touched. Each test pays for the kernel's
 * check of the program. It needs root (CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN), and Linux 6.13 or
 * newer with BTF.
 *
 * <p><b>Plain memory elsewhere.</b> Where no program can be loaded, the tests run as well: values
 * are plain memory then, as in the application on such a machine, and assertions look at that. The
 * reason is logged once, and is an entry {@code tasklocal} of each test's report. The parameter of
 * JUnit's configuration {@value #PARAMETER}, in {@code junit-platform.properties} for example, can
 * say otherwise: {@code required} makes tests fail that cannot have a map, as a machine wants it
 * that is known to have BPF; {@code off} loads no program; {@code auto} is the default.
 *
 * <p><b>Values</b> of all keys are set to zero on the thread that runs the test, before its {@code
 * BeforeEach} methods and after its {@code AfterEach} methods. Other threads keep theirs: those of
 * a pool that several tests share, for instance.
 *
 * <p>Tests may run at the same time. The extension is stateless, so one object of it can serve any
 * number of tests.
 */
public final class TaskLocalExtension implements BeforeEachCallback, AfterEachCallback {

  /** The name of the configuration parameter that says whether tests have a map. */
  public static final String PARAMETER = "tasklocal.bpf";

  private static final System.Logger LOG = System.getLogger("io.github.tasklocal.junit");
  private static final AtomicBoolean SAID = new AtomicBoolean();

  /** Makes an extension. JUnit calls this. */
  public TaskLocalExtension() {}

  /**
   * Begins a test.
   *
   * @param context of the test
   * @throws ExtensionConfigurationException if the test is to have a map and cannot, with the
   *     reason as its cause; or if the parameter has a value that it cannot have
   */
  @Override
  public void beforeEach(ExtensionContext context) {
    reset();
    View view = view(context);
    store(context).put(View.class, view);
    View.begin(view);
  }

  /**
   * Ends a test.
   *
   * @param context of the test
   */
  @Override
  public void afterEach(ExtensionContext context) {
    View view = store(context).remove(View.class, View.class);
    if (view != null) { // null if there was no beginning
      View.end(view);
    }
    reset();
  }

  private static ExtensionContext.Store store(ExtensionContext context) {
    return context.getStore(Namespace.create(TaskLocalExtension.class, context.getUniqueId()));
  }

  private static View view(ExtensionContext context) {
    String wanted = context.getConfigurationParameter(PARAMETER).orElse("auto");
    switch (wanted) {
      case "auto", "required" -> {}
      case "off" -> {
        return new PlainView();
      }
      default ->
          throw new ExtensionConfigurationException(
              "%s is \"%s\": it can be auto, required or off".formatted(PARAMETER, wanted));
    }
    try {
      return new MapView();
    } catch (TaskLocalException e) {
      if (wanted.equals("required")) {
        throw new ExtensionConfigurationException(
            "the test can have no map, which %s=required asks for: %s"
                .formatted(PARAMETER, e.getMessage()),
            e);
      }
      String said = "values are plain memory in tests, and no BPF program looks at them: ";
      context.publishReportEntry("tasklocal", said + e.getMessage());
      if (!SAID.getAndSet(true)) {
        LOG.log(System.Logger.Level.WARNING, said + e.getMessage());
      }
      return new PlainView();
    }
  }

  /** Sets all values of the calling thread to zero: those that a new thread has. */
  private static void reset() {
    AtomicReference<TaskLocalScope> zeros = new AtomicReference<>();
    Thread fresh = Thread.ofPlatform().start(() -> zeros.set(TaskLocal.capture()));
    boolean interrupted = false;
    while (fresh.isAlive()) {
      try {
        fresh.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    // Not closed, since that would put the old values back.
    TaskLocalScope.Entered _ = zeros.get().enter();
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
