// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.tools.PinnedMap.PinDirectory;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Commands that read the map of a program that was compiled with another header. */
@KernelTest
class AnotherMapKernelIT {

  @TempDir Path folder;

  private Path compile(Wire wire) {
    Path object = folder.resolve("another.bpf.o");
    // clang -target bpf does not look where the distribution keeps <asm/types.h>.
    String triplet = System.getProperty("os.arch").replace("amd64", "x86_64") + "-linux-gnu";
    Jvm.Result clang =
        Jvm.run(
            List.of(
                Optional.ofNullable(System.getenv("CLANG")).orElse("clang"),
                "-target",
                "bpf",
                "-O2",
                "-g",
                "-mcpu=v3",
                "-Wall",
                "-Werror",
                "-idirafter",
                "/usr/include/" + triplet,
                "-DWIRE=" + (wire.ordinal() + 1),
                "-c",
                Path.of(System.getProperty("basedir"), "src/test/bpf/another.bpf.c").toString(),
                "-o",
                object.toString()));
    assertThat(clang.exit()).as(clang.output()).isZero();
    return object;
  }

  @ParameterizedTest
  @EnumSource(Wire.class)
  void isUsedAsItIs(Wire wire) throws Exception {
    try (PinDirectory directory = new PinDirectory();
        BpfObject object = BpfObject.load(compile(wire))) {
      Path pin = directory.path("map");
      object.map(wire.mapName()).pin(pin);
      try (ValuesProcess child = new ValuesProcess(pin, 2)) {
        Command dump = Command.run("dump", "--pin", pin, "--key", "an.int:int");
        assertThat(dump.err()).isEmpty();
        assertThat(dump.out()).containsPattern(" t0 +-100000\n").containsPattern(" t1 +-100001\n");
        assertThat(Command.run("keys", "--pin", pin, child.pid()).out())
            .containsPattern(" +2 +\\d+ +[-4] +an\\.int\n");
      }
    }
  }
}
