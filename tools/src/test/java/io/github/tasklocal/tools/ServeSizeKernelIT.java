// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.tools.system.Errnos;
import io.github.tasklocal.tools.system.RawMaps;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * How many processes and arrays a serving side has. The full sizes, with -Dtasklocal.full=true,
 * take minutes and more than 4 GiB of memory.
 */
@KernelTest
class ServeSizeKernelIT {

  private static final boolean FULL = Boolean.getBoolean("tasklocal.full");
  private static final int ALL_ARRAYS = 16_384; // docs/serving.md
  private static final int OF_ONE = FULL ? 256 : 4;

  @TempDir Path folder;

  @Test
  void asManyProcessesAsItIsToldAndNoMore() throws Exception {
    int count = FULL ? 1000 : 20;
    List<ServeClient> clients = new ArrayList<>();
    try (ServeSide side =
            new ServeSide(folder, "--max-processes", count, "--max-processes-per-user", count + 1);
        ServeView view = side.view();
        ServeClient oneMore = side.client()) {
      try {
        for (int i = 0; i < count; i++) {
          ServeClient client = side.client();
          clients.add(client);
          String _ = client.connect(side.socket());
          assertThat(client.number("key", "v")).isZero();
          int _ = client.thread(2, i);
        }
        assertThat(view.values())
            .containsExactlyInAnyOrderElementsOf(IntStream.range(0, count).boxed().toList());
        assertThat(oneMore.number("connect", side.socket())).isZero();
        assertThat(oneMore.number("grant")).isEqualTo(Errnos.EUSERS);
        report(count + " processes", side);
      } finally {
        for (ServeClient client : clients) {
          client.kill();
          client.close();
        }
      }
      Await.until("nothing of them", () -> view.values().isEmpty());
      Await.until("a stock", () -> side.arrays() <= 64);
      assertThat(oneMore.number("connect", side.socket())).isZero();
      assertThat(oneMore.number("grant")).isZero();
    }
  }

  @Test
  void asManyArraysAsThereAreAndOthersGoOn() throws Exception {
    List<ServeClient> clients = new ArrayList<>();
    try (ServeSide side = new ServeSide(folder, "--max-pages", OF_ONE * RawMaps.PAGES)) {
      try {
        int given = 0;
        int refusal = 0;
        while (refusal == 0 && clients.size() < (FULL ? 100 : 3)) {
          ServeClient client = side.client();
          clients.add(client);
          assertThat(client.number("connect", side.socket())).isZero();
          for (int i = 0; i < OF_ONE && refusal == 0; i++) {
            refusal = client.number(i == 0 ? "grant" : "array");
            given += refusal == 0 ? 1 : 0;
          }
          if (refusal == 0) {
            assertThat(client.number("array")).isEqualTo(Errnos.EDQUOT);
          }
        }
        if (FULL) {
          assertThat(refusal).isEqualTo(Errnos.ENOSPC);
          assertThat(given).isEqualTo(ALL_ARRAYS);
        } else {
          assertThat(given).isEqualTo(3 * OF_ONE);
        }
        report(given + " arrays", side);
        clients.getFirst().kill();
        ServeClient next = side.client();
        clients.add(next);
        Await.until("room again", () -> next.isGranted(side.socket()));
      } finally {
        for (ServeClient client : clients) {
          client.kill();
          client.close();
        }
      }
      Await.until("nothing of them", () -> side.arrays() <= 64);
    }
  }

  private static void report(String what, ServeSide side) throws Exception {
    String memory =
        Files.readAllLines(Path.of("/proc/" + side.process().pid() + "/status")).stream()
            .filter(line -> line.startsWith("RssAnon"))
            .findFirst()
            .orElseThrow();
    System.out.printf("%s: %d arrays, serve has %s%n", what, side.arrays(), memory);
  }
}
