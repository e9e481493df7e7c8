// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.log4j;

import org.apache.logging.log4j.ThreadContext;

/** An application that uses Log4j's context. */
final class ContextChild {

  private ContextChild() {}

  public static void main(String[] args) {
    ThreadContext.put("tenant", "acme");
    System.out.println("the context has " + ThreadContext.get("tenant"));
  }
}
