// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import io.github.tasklocal.kit.Need;
import io.github.tasklocal.layout.Wire;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A test: a sentence that is true, and the code that throws if it is not.
 *
 * @param name the sentence
 * @param wire the wire that it runs on, or null
 * @param needs what the machine must have, or else the test is skipped
 * @param ownJvm whether it gets a JVM of its own, because it fills the process's directory of keys
 * @param body what is done, in a new thread
 */
record TestCase(String name, @Nullable Wire wire, Set<Need> needs, boolean ownJvm, Body body) {

  /** What a test does. */
  @FunctionalInterface
  interface Body {
    /**
     * Runs the test, and throws whatever tells best what is wrong.
     *
     * @param fixture the test's resources
     */
    void run(Fixture fixture) throws Exception;
  }

  /** {@return a test of BPF programs that read values in some way, once for each wire} */
  static List<TestCase> onEachWire(String name, Body body) {
    return onWires(List.of(Wire.values()), name, false, Need.SHARED, body);
  }

  /** {@return the same, each in a JVM of its own} */
  static List<TestCase> onEachWireInOwnJvm(String name, Body body) {
    return onWires(List.of(Wire.values()), name, true, Need.SHARED, body);
  }

  /** {@return a test of maps of a wire, once for each wire} */
  static List<TestCase> onEachMap(String name, Body body) {
    return onWires(List.of(Wire.values()), name, false, Need.KERNEL, body);
  }

  /** {@return a test for some wires, with these needs} */
  static List<TestCase> onWires(
      List<Wire> wires, String name, boolean ownJvm, Set<Need> needs, Body body) {
    List<TestCase> cases = new ArrayList<>();
    for (Wire wire : wires) {
      cases.add(new TestCase(name, wire, needs, ownJvm, body));
    }
    return cases;
  }

  /** {@return a test to which the wires do not matter} */
  static List<TestCase> withoutWire(String name, Body body, Need... needs) {
    return List.of(new TestCase(name, null, Set.of(needs), false, body));
  }

  /** {@return a test to which the wires do not matter, in a JVM of its own} */
  static List<TestCase> withoutWireInOwnJvm(String name, Body body, Need... needs) {
    return List.of(new TestCase(name, null, Set.of(needs), true, body));
  }

  /** {@return the name and the wire, which together no other test has} */
  String title() {
    return wire == null ? name : name + ", wire " + wire;
  }
}
