// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** What the tests of the lifecycle do in a virtual machine of its own. */
public final class LifecycleChild {

  private LifecycleChild() {}

  /**
   * Does one thing.
   *
   * @param arguments {@code serve OBJECT WIRE PIN} pins a map and answers for each tid in a line
   *     what BPF sees; {@code kinds} lists the threads
   */
  public static void main(String... arguments) throws IOException {
    switch (arguments[0]) {
      case "serve" -> serve(Path.of(arguments[1]), Wire.valueOf(arguments[2]), arguments[3]);
      case "kinds" -> {
        System.gc();
        for (NativeThread each : NativeThread.list()) {
          boolean first = each.tid() == ProcessHandle.current().pid();
          System.out.println((first ? "FIRST" : each.kind().name()) + " " + each.name());
        }
      }
      default -> throw new IllegalArgumentException(arguments[0]);
    }
  }

  private static void serve(Path object, Wire wire, String pin) throws IOException {
    BpfView view = BpfView.load(object, wire);
    view.map().pin(Path.of(pin));
    try (TaskLocalMap map = TaskLocalMap.of(view.map().fd())) {
      System.out.println("pinned " + map.id());
    }
    BufferedReader lines =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      System.out.println(view.of(Integer.parseInt(line)));
    }
  }
}
