// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Tenants of requests that real servers handle on virtual threads, as BPF sees them. */
@KernelTest
class VirtualServerKernelIT {

  @TempDir Path folder;

  @ParameterizedTest
  @EnumSource
  void eachRequestOfTheJdksServerHasItsOwnTenant(Wire wire) {
    serve(wire, "jdk");
  }

  @ParameterizedTest
  @EnumSource
  void eachRequestOfTomcatHasItsOwnTenant(Wire wire) {
    serve(wire, "tomcat");
  }

  private void serve(Wire wire, String server) {
    Jvm.Result result =
        Jvm.run(
            Jvm.command(
                List.of(
                    "--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED",
                    "-Djdk.virtualThreadScheduler.parallelism=4"),
                Jvm.join(Jvm.classPath()),
                VirtualServerChild.class,
                BpfView.compile(folder, wire).toString(),
                wire.name(),
                "24",
                "60",
                server));
    assertThat(result.output()).contains("all agree").contains("unseen 0, failures 0");
    assertThat(result.exit()).isZero();
  }
}
