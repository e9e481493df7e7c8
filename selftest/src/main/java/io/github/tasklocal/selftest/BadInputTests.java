// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import io.github.tasklocal.error.TaskLocalException;
import io.github.tasklocal.kit.Descriptors;
import io.github.tasklocal.kit.Need;
import io.github.tasklocal.layout.Key;
import io.github.tasklocal.memory.ThreadPages;
import java.util.List;

/**
 * What is refused: with an exception of the right type that names the value, the limit and the
 * cure, and with nothing changed.
 */
final class BadInputTests {

  private BadInputTests() {}

  static List<TestCase> tests() {
    return Suite.of(
        BadInputKeyTests.tests(),
        BadInputMapTests.tests(),
        BadInputObjectTests.tests(),
        BadInputRuntimeTests.tests());
  }

  /** {@return a test that loads programs, none of which follows a pointer to user memory} */
  static List<TestCase> onKernel(String name, TestCase.Body body) {
    return TestCase.withoutWire(name, body, Need.ROOT, Need.BTF);
  }

  /**
   * Checks that code is refused.
   *
   * @param type the exception's exact type
   * @param code what is refused
   * @param words all of which the message has to contain
   * @return the exception
   */
  static <T extends TaskLocalException> T refused(Class<T> type, Check.Code code, String... words) {
    T e = Check.refused(type, "what should be refused for " + String.join(", ", words), code);
    String message = String.valueOf(e.getMessage());
    for (String word : words) {
      Check.contains(word, message, "the message");
    }
    Check.that(
        !e.cure().isBlank() && message.endsWith(e.cure()),
        "the message does not end with its cure: " + message);
    return e;
  }

  /** As {@link #refused}, and the process's keys are the same afterwards. */
  static <T extends TaskLocalException> void keyRefused(
      Class<T> type, Check.Code code, String... words) {
    List<Key> before = ThreadPages.DIRECTORY.keys();
    T ignored = refused(type, code, words);
    Check.equal(before, ThreadPages.DIRECTORY.keys(), "the process's keys after a refused one");
  }

  /** As {@link #refused}, and no descriptor of a BPF object is left. */
  static <T extends TaskLocalException> T objectRefused(
      Class<T> type, Check.Code code, String... words) {
    long before = bpfDescriptors();
    T e = refused(type, code, words);
    Check.equal(before, bpfDescriptors(), "open BPF descriptors after a refusal");
    return e;
  }

  private static long bpfDescriptors() {
    return Descriptors.all().values().stream().filter(each -> each.contains("bpf")).count();
  }
}
