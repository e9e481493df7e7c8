// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.tools.serve.Interim;
import io.github.tasklocal.tools.serve.ServingSide;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Whether a command serves processes itself while it runs: an option of those that do. */
final class ServeOption {

  @Option(
      names = "--no-serve",
      description =
          "Do not serve applications while this runs. Without, this does what serve does, if nobody"
              + " else does, for whoever --mode and --group let in; 660 of root without.")
  private boolean no;

  @Spec(Spec.Target.MIXEE)
  private @Nullable CommandSpec command;

  /** What 2048 descriptors are enough for. */
  private static final ServingSide.Limits LIMITS =
      new ServingSide.Limits(360, 360, 16_384, 524_288);

  ServeOption() {}

  /** {@return whether it is to serve if nobody else does} */
  boolean isAsked() {
    return !no;
  }

  /**
   * Serves from now on, unless somebody else does or it is not wanted, and tells the user.
   *
   * @param access who may connect
   * @param map the pin of the map that is to see the values; where there are slots, it is not used
   * @return to be closed at the end; null if it is not wanted
   */
  @Nullable Interim start(PinAccess access, Path map) {
    if (no) {
      return null;
    }
    List<Path> maps = MapOptions.readsSlots() ? List.of() : List.of(map);
    return Interim.start(
        new ServingSide(access.socket(), Serve.HOME, maps, false, true, LIMITS),
        words -> Output.say(Tools.require(command), words));
  }
}
