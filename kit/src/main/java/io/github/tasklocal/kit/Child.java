// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit;

import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.Arrays;

/**
 * The main class of a child JVM: runs another class, and ends the JVM when its standard input ends.
 * The parent holds the other end of that pipe and writes nothing, so that the child ends with the
 * parent, even if the parent is killed. It needs no thread and no further descriptor in the parent.
 */
public final class Child {

  /** The exit status of a child whose parent has gone; nobody is there to see it. */
  private static final int ORPHAN = 3;

  private Child() {}

  /**
   * Runs the class.
   *
   * @param args the class's name, and its arguments
   * @throws Throwable what the class throws
   */
  public static void main(String[] args) throws Throwable {
    Thread.ofPlatform().name("end of input").daemon().start(Child::awaitEndOfInput);
    Method main = Class.forName(args[0]).getDeclaredMethod("main", String[].class);
    main.setAccessible(true);
    try {
      main.invoke(null, (Object) Arrays.copyOfRange(args, 1, args.length));
    } catch (InvocationTargetException e) {
      throw e.getCause();
    }
  }

  private static void awaitEndOfInput() {
    try {
      while (System.in.read() >= 0) {}
    } catch (IOException e) {
      // The same as its end.
    }
    Runtime.getRuntime().halt(ORPHAN);
  }
}
