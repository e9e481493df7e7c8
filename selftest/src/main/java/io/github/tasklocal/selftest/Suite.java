// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import java.util.ArrayList;
import java.util.List;

/** All tests, in the order in which they run. */
final class Suite {

  private Suite() {}

  /** {@return all tests} */
  static List<TestCase> all() {
    return of(
        WorkflowTests.tests(),
        ValueTests.tests(),
        AtomicTests.tests(),
        MapTests.tests(),
        ThreadTests.tests(),
        VirtualTests.tests(),
        HintTests.tests(),
        DirectoryTests.tests(),
        NobodyTests.tests(),
        ContainedTests.tests(),
        BadInputTests.tests(),
        SchedulerTests.tests());
  }

  /** {@return the tests of several lists in one} */
  @SafeVarargs
  static List<TestCase> of(List<TestCase>... lists) {
    List<TestCase> all = new ArrayList<>();
    for (List<TestCase> list : lists) {
      all.addAll(list);
    }
    return all;
  }
}
