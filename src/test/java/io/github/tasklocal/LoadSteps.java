// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.error.ObjectLoadException;
import java.nio.file.Path;

/** Loads that fail, again and again; run in a copy of the library. */
public final class LoadSteps {

  private LoadSteps() {}

  /** Loads an object whose program is refused; the exception has to say so of this program. */
  public static void run(String file, String program, int times) {
    for (int i = 0; i < times; i++) {
      try (BpfObject object = BpfObject.load(Path.of(file))) {
        throw new AssertionError(object + " was loaded");
      } catch (ObjectLoadException e) {
        String log = e.log();
        if (!e.getMessage().contains("the verifier refused the program " + program + ":")
            || !log.contains("BEGIN PROG LOAD LOG")
            || !log.contains("invalid mem access 'map_value_or_null'")
            || log.split("BPF program load failed", -1).length != 2) {
          throw new AssertionError("not the log of " + program + ", or not all of it: " + log, e);
        }
      }
    }
  }
}
