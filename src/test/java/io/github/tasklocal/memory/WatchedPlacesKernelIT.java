// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.memory;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.BpfView;
import io.github.tasklocal.Clang;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.layout.Wire;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A watch of two paths, as {@code -Dtasklocal.map=default} starts one. */
@KernelTest
class WatchedPlacesKernelIT {

  @Test
  void whatIsWrongAtTwoPathsIsSaidOnceAndOfTheFirst(@TempDir Path folder) throws Exception {
    try (Bpffs bpffs = new Bpffs("rwxr-xr-x");
        BpfObject wrong = BpfObject.load(Clang.compile(folder, "object"));
        BpfView right = BpfView.load(BpfView.compile(folder, Wire.C), Wire.C)) {
      Path first = bpffs.path("first");
      Path second = bpffs.path("second");
      wrong.map("counts").pin(first);
      wrong.map("counts").pin(second);
      Watch watch = new Watch(ThreadPages.REGISTRY.maps(), List.of(first, second), null, () -> {});
      try {
        assertSays(watch, first);
        Files.delete(first);
        assertSays(watch, second);
        wrong.map("counts").pin(first);
        assertSays(watch, first);
        Files.delete(second);
        right.map().pin(second);
        watch.look();
        assertThat(watch.problem()).isNull();
        assertThat(watch.map()).isNotNull();
      } finally {
        watch.close();
      }
    }
  }

  private static void assertSays(Watch watch, Path path) {
    watch.look();
    assertThat(watch.hasNews()).as("news").isTrue();
    assertThat(watch.problem()).hasMessageContaining(path.toString());
    watch.report();
    for (int i = 0; i < 5; i++) {
      watch.look();
      assertThat(watch.hasNews()).as("news of nothing new").isFalse();
    }
  }
}
