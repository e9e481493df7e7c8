// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.kit.Await;
import io.github.tasklocal.kit.Bpffs;
import io.github.tasklocal.kit.Jvm;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.tools.system.Errnos;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The beginning and the end of a serving side: orderly, by a signal, and beside another. */
@KernelTest
class ServeLifeKernelIT {

  @TempDir Path folder;

  /** Starts one that must not start, and {@return what it says} */
  private static String refused(List<String> before, Object... arguments) {
    List<String> command = new ArrayList<>(before);
    command.addAll(
        Jvm.command(
            Jvm.shortLived(),
            Jvm.join(Jvm.classPath()),
            Tools.class,
            Stream.of(arguments).map(Object::toString).toArray(String[]::new)));
    Jvm.Result result = Jvm.run(command);
    assertThat(result.exit()).as(result.output()).isEqualTo(1);
    return result.output();
  }

  @Test
  void thereIsOneAtASocketAndOneWithPins() throws Exception {
    try (ServeSide side = new ServeSide(folder)) {
      Path other = side.bpffs().path("other");
      assertThat(refused(List.of(), "serve", "--socket", side.socket(), "--pins", other))
          .contains("another serving side listens at " + side.socket(), "--socket");
      assertThat(
              refused(
                  List.of(),
                  "serve",
                  "--socket",
                  folder.resolve("other.sock"),
                  "--pins",
                  side.pins()))
          .contains("another serving side uses the pins in " + side.pins(), "--pins");
      assertThat(refused(List.of(), "serve", "--remove", "--pins", side.pins()))
          .contains("another serving side uses the pins");
      try (ServeClient client = side.client()) {
        String _ = client.connect(side.socket());
      }
    }
  }

  @Test
  void oneThatCannotBeginLeavesEverythingAsItWas() throws Exception {
    try (ServeSide side = new ServeSide(folder)) {
      Await.until("a stock", () -> side.arrays() == 4);
      Path fresh = Files.createDirectory(side.bpffs().path("of_its_own")).resolve("tasklocal");
      for (Path pins : List.of(fresh, side.pins())) {
        if (pins.equals(side.pins())) {
          List<String> _ = side.process().end("TERM");
        }
        List<Path> before = all(side.bpffs().folder());
        assertThat(
                refused(
                    List.of(),
                    "serve",
                    "--slots",
                    "--map",
                    side.bpffs().path("any"),
                    "--socket",
                    folder.resolve("other.sock"),
                    "--pins",
                    pins))
            .contains("which needs no --map");
        assertThat(all(side.bpffs().folder())).isEqualTo(before);
        assertThat(folder.resolve("other.sock")).doesNotExist();
      }
      side.restart();
    }
  }

  private static List<Path> all(Path folder) throws IOException {
    try (Stream<Path> paths = Files.walk(folder)) {
      return paths.sorted().toList();
    }
  }

  @Test
  void whoLocksTheSocketsFolderKeepsNoneFromStarting() throws Exception {
    Process locks =
        new ProcessBuilder(
                "flock", "--no-fork", folder.toString(), "sh", "-c", "echo locked; exec sleep 600")
            .start();
    try {
      assertThat(locks.inputReader().readLine()).isEqualTo("locked");
      try (ServeSide side = new ServeSide(folder);
          ServeClient client = side.client()) {
        String _ = client.connect(side.socket());
      }
    } finally {
      locks.destroyForcibly().waitFor();
    }
  }

  @Test
  void slotsAreOfOneServingSideOnly() throws Exception {
    try (ServeSide side = new ServeSide(folder, "--slots")) {
      Path other = side.bpffs().path("other");
      assertThat(
              refused(
                  List.of(),
                  "serve",
                  "--slots",
                  "--socket",
                  folder.resolve("other.sock"),
                  "--pins",
                  other))
          .contains(side.pins() + " has pins of another serving side", "--remove", "--pins");
      assertThat(other).doesNotExist();
    }
  }

  @Test
  void whatANewerOneHasLeftIsRefused() throws Exception {
    try (ServeSide side = new ServeSide(folder)) {
      List<String> _ = side.process().end("TERM");
      Path newer = Files.createDirectory(side.pins().resolve("serve_2"));
      for (List<Object> arguments :
          List.of(side.arguments(), List.<Object>of("serve", "--remove", "--pins", side.pins()))) {
        assertThat(refused(List.of(), arguments.toArray()))
            .contains("pins of version 2, this side knows 1", "serve --remove");
      }
      Files.delete(newer);
      side.restart();
    }
  }

  @Test
  void removesAllThatItHasLeft() throws Exception {
    try (ServeSide side = new ServeSide(folder);
        ServeClient client = side.client()) {
      String _ = client.connect(side.socket());
      assertThat(client.number("key", "v")).isZero();
      int _ = client.thread(2, 1);
      List<String> _ = side.process().end("INT");
      side.restart();
      side.kill();
      assertThat(side.socket()).exists();
      remove(side);
      assertThat(side.pins()).doesNotExist();
      assertThat(side.wireA()).doesNotExist();
      assertThat(side.socket()).doesNotExist();
      remove(side); // nothing, and says nothing
      assertThat(side.pins()).doesNotExist();
      side.restart();
      assertThat(client.number("connect", side.socket())).isZero();
      assertThat(client.number("resume", "4711")).isEqualTo(Errnos.ESTALE);
      assertThat(client.number("grant")).isZero();
    }
  }

  private static void remove(ServeSide side) {
    Command remove =
        Command.run("serve", "--remove", "--pins", side.pins(), "--socket", side.socket());
    assertThat(remove.exit()).as(remove.err()).isZero();
    assertThat(remove.err()).isEmpty();
  }

  /** As a service manager or a shell may set it for root. */
  @Test
  void everybodyFindsTheSocketWhateverTheUmaskAndInTheSameFolderAgain() throws Exception {
    Path socket = folder.resolve("run/tasklocal/tasklocal.sock");
    List<String> shell = List.of("sh", "-c", "umask 077; exec \"$@\"", "sh");
    try (Bpffs bpffs = new Bpffs("rwxr-xr-x")) {
      List<Object> folders = new ArrayList<>();
      for (int round = 0; round < 2; round++) {
        try (TopProcess side =
            new TopProcess(
                shell,
                "serve",
                "--json",
                "--mode",
                "666",
                "--socket",
                socket,
                "--pins",
                bpffs.path("tasklocal"))) {
          side.awaitLine("the socket", line -> line.contains("\"ready\""));
          for (Path each : List.of(socket.getParent(), socket.getParent().getParent())) {
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(each)))
                .isEqualTo("rwxr-xr-x");
          }
          try (ServeClient client = new ServeClient(folder, ServeClient.NOBODY)) {
            String _ = client.connect(socket);
          }
          List<String> _ = side.end("TERM");
        }
        assertThat(socket).doesNotExist();
        folders.add(Files.getAttribute(socket.getParent(), "unix:ino"));
      }
      assertThat(folders.getFirst()).isEqualTo(folders.getLast());
    }
  }

  @Test
  void aProcessThatDidNotWaitForItsAnswerGoesOn() throws Exception {
    try (ServeSide side = new ServeSide(folder);
        ServeView view = side.view();
        ServeClient client = side.client()) {
      String token = client.connect(side.socket());
      assertThat(client.number("key", "v")).isZero();
      int _ = client.thread(2, 42);
      side.kill();
      side.restart();
      side.process().signal("STOP");
      assertThat(client.number("give-up", token, side.socket())).isZero();
      side.process().signal("CONT");
      assertThat(client.number("connect", side.socket())).isZero();
      assertThat(client.ask("resume", token)).startsWith("0 ");
      assertThat(view.values()).containsExactly(42);
    }
  }

  @Test
  void saysWhatIsLacking() throws Exception {
    Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxrwxrwx"));
    assertThat(
            refused(List.of("unshare", "--pid", "--fork", "--kill-child", "--mount-proc"), "serve"))
        .contains("not the first pid namespace", "--pid=host");
    Command nobody = new ToolsJar(folder).shell(ToolsJar.NOBODY + "TOOLS serve");
    assertThat(nobody.exit()).isEqualTo(1);
    assertThat(nobody.err()).contains("no CAP_", "run as root");
    assertThat(
            refused(
                List.of("sh", "-c", "ulimit -n 300; exec \"$@\"", "sh"),
                "serve",
                "--max-processes",
                "100"))
        .contains("300 open files are allowed", "ulimit -n 1253");
    for (String[] bad :
        new String[][] {{"--max-pages", "0"}, {"--mode", "9"}, {"--max-processes", "-1"}}) {
      assertThat(Command.run("serve", bad[0], bad[1]).exit()).isEqualTo(2);
    }
    assertThat(refused(List.of(), "serve", "--socket", "/" + "x".repeat(120)))
        .contains("no path for a socket");
    assertThat(
            refused(List.of(), "serve", "--socket", folder.resolve("s"), "--pins", "/tmp/no/bpffs"))
        .contains("not on a bpffs", "mount");
  }

  @Test
  void whoeverIsOneTooManyIsToldSo() throws Exception {
    try (ServeSide side =
            new ServeSide(folder, "--max-processes", "3", "--max-processes-per-user", "2");
        ServeClient first = side.client();
        ServeClient second = side.client();
        ServeClient third = side.client();
        ServeClient root = new ServeClient(folder, List.of());
        ServeClient another = new ServeClient(folder, List.of())) {
      String _ = first.connect(side.socket());
      String _ = second.connect(side.socket());
      assertThat(third.number("connect", side.socket())).isZero();
      assertThat(third.number("grant")).isEqualTo(Errnos.EDQUOT);
      String _ = root.connect(side.socket());
      assertThat(another.number("connect", side.socket())).isZero();
      assertThat(another.number("grant")).isEqualTo(Errnos.EUSERS);
      first.kill();
      Await.until("room", () -> third.isGranted(side.socket()));
    }
  }

  @Test
  void allThatWereServedComeBackAlsoWhereThereIsNoRoomForMore() throws Exception {
    try (ServeSide side =
            new ServeSide(folder, "--max-processes", "3", "--max-processes-per-user", "2");
        ServeView view = side.view();
        ServeClient first = side.client();
        ServeClient second = side.client();
        ServeClient root = new ServeClient(folder, List.of());
        ServeClient another = new ServeClient(folder, List.of())) {
      List<ServeClient> all = List.of(first, second, root);
      List<String> tokens = new ArrayList<>();
      for (ServeClient client : all) {
        tokens.add(client.connect(side.socket()));
        assertThat(client.number("key", "v")).isZero();
        int _ = client.thread(2, tokens.size());
      }
      side.kill();
      side.restart();
      assertThat(another.number("connect", side.socket())).isZero();
      assertThat(another.number("grant")).isEqualTo(Errnos.EUSERS);
      for (int i = 0; i < all.size(); i++) {
        assertThat(all.get(i).number("connect", side.socket())).isZero();
        assertThat(all.get(i).ask("resume", tokens.get(i))).startsWith("0 ");
      }
      assertThat(view.values()).containsExactlyInAnyOrder(1, 2, 3);
      assertThat(another.number("connect", side.socket())).isZero();
      assertThat(another.number("grant")).isEqualTo(Errnos.EUSERS);
    }
  }

  /** It cannot look at the process, which lives. */
  @Test
  void oneWithoutDescriptorsTakesNothingFromWhoeverLives() throws Exception {
    try (ServeSide side = new ServeSide(folder, "--slots");
        ServeView view = side.view();
        ServeClient client = side.client()) {
      String token = client.connect(side.socket());
      assertThat(client.number("key", "v")).isZero();
      int _ = client.thread(2, 42);
      side.kill();
      // The first of these calls tells what the kernel has.
      List<String> strace =
          List.of(
              "strace",
              "--follow-forks",
              "--seccomp-bpf",
              "--output=" + folder.resolve("strace"),
              "--trace=pidfd_open",
              "--inject=pidfd_open:error=EMFILE:when=2+");
      assertThat(refused(strace, side.arguments().toArray()))
          .contains("no pidfd of process " + client.pid(), "EMFILE", "raise the limit");
      side.restart();
      assertThat(client.number("connect", side.socket())).isZero();
      assertThat(client.ask("resume", token)).startsWith("0 ");
      assertThat(view.values()).containsExactly(42);
    }
  }

  /** The long form, with -Dtasklocal.kills=100, is for a machine that does nothing else. */
  @ParameterizedTest
  @ValueSource(strings = {"--max-processes=1000", "--slots"})
  void isKilledAtAnyMomentUnderLoad(String way) throws Exception {
    int kills = Integer.getInteger("tasklocal.kills", 5);
    Random random = new Random(kills);
    try (ServeSide side = new ServeSide(folder, way);
        ServeView view = side.view();
        ServeClient steady = side.client()) {
      String token = steady.connect(side.socket());
      assertThat(steady.number("key", "v")).isZero();
      int _ = steady.thread(2, 42);
      for (int i = 0; i < kills; i++) {
        List<ServeClient> crowd = new ArrayList<>();
        for (int c = 0; c < 4; c++) {
          ServeClient client = side.client();
          crowd.add(client);
          client.send("connect", side.socket());
          client.send("grant");
          for (int a = 0; a < 20; a++) {
            client.send("array");
          }
        }
        Thread.sleep(random.nextInt(60)); // a random moment, which nothing waits for
        side.kill();
        if (random.nextBoolean()) {
          crowd.getFirst().kill();
        }
        side.restart();
        assertThat(view.values()).containsExactly(42);
        assertThat(steady.number("connect", side.socket())).isZero();
        assertThat(steady.ask("resume", token)).startsWith("0 ");
        assertThat(steady.number("register", 0, 2 + i % 60)).isZero();
        assertThat(steady.number("set", 0, 0, 42)).isZero();
        assertThat(view.values()).containsExactly(42);
        for (ServeClient client : crowd) {
          client.kill();
          client.close();
        }
      }
      Await.until("nothing of the others", () -> side.arrays() <= 65);
      side.kill();
      side.restart();
      Await.until("the arrays of one process, and a stock", () -> side.arrays() == 5);
      assertThat(view.values()).containsExactly(42);
    }
  }

  /**
   * Between the calls by which an array is made, shown to programs, given to a process, written
   * down, and sent.
   */
  @ParameterizedTest
  @CsvSource({"java, bpf", "java, sendmsg", "makes arrays, bpf"}) // each call has its own count
  void isKilledAtEachStepOfAGrant(String thread, String call) throws Exception {
    try (ServeSide side = new ServeSide(folder, "--slots");
        ServeView view = side.view();
        ServeClient steady = side.client()) {
      String token = steady.connect(side.socket());
      assertThat(steady.number("key", "v")).isZero();
      int _ = steady.thread(2, 42);
      int step = 1;
      while (isKilledAt(step, thread, call, side)) {
        assertThat(view.values()).as("while it is away").containsExactly(42);
        side.restart();
        assertThat(steady.number("connect", side.socket())).isZero();
        assertThat(steady.ask("resume", token)).startsWith("0 ");
        try (ServeClient client = side.client()) {
          String _ = client.connect(side.socket());
          assertThat(client.number("key", "v")).isZero();
          int _ = client.thread(2, 43);
          assertThat(view.values()).as("step " + step).containsExactlyInAnyOrder(42, 43);
        }
        step++;
      }
      assertThat(step).as("steps").isGreaterThan(call.equals("bpf") ? 3 : 2);
      side.kill();
      side.restart(); // with a small stock: a slow thread of the last one has made more
      Await.until("the arrays of one process, and a stock", () -> side.arrays() == 5);
      assertThat(view.values()).containsExactly(42);
    }
  }

  /** Has a process ask for what it needs; {@return whether the serving side was killed at that} */
  private boolean isKilledAt(int step, String thread, String call, ServeSide side)
      throws Exception {
    try (ServeClient client = side.client()) {
      Await.until("a stock", () -> side.arrays() >= 5);
      String granted;
      String more;
      try (Strace _ =
          new Strace(
              side.process().pid(),
              thread,
              call + ":signal=KILL:when=" + step,
              folder.resolve("strace"))) {
        assertThat(client.number("connect", side.socket())).isZero();
        granted = client.ask("grant");
        more = client.ask("array");
        boolean isServed = granted.startsWith("0 ") && more.startsWith("0 ");
        Await.until(
            "an end, or a new stock",
            () -> !side.process().isAlive() || (isServed && side.arrays() >= 7));
      }
      // It may be about to end.
      if (client.number("kind", 99) == Errnos.EOPNOTSUPP) {
        assertThat(List.of(granted, more)).allMatch(answer -> answer.startsWith("0 "));
        return false;
      }
      Await.until("its end", () -> !side.process().isAlive());
      return true;
    }
  }

  /** Between the calls by which it connects, maps what it is given, and registers a thread. */
  @ParameterizedTest
  @ValueSource(strings = {"--max-processes=1000", "--slots"})
  void aProcessIsKilledAtEachStepOfItsRegistration(String way) throws Exception {
    try (ServeSide side = new ServeSide(folder, way);
        ServeView view = side.view();
        ServeClient steady = side.client()) {
      String token = steady.connect(side.socket());
      assertThat(steady.number("key", "v")).isZero();
      int _ = steady.thread(2, 42);
      for (String call : List.of("connect", "sendmsg", "recvmsg", "mmap", "clone3", "pidfd_open")) {
        int step = 1;
        while (isKilledAsItRegisters(call, step, side)) {
          Await.until("nothing of it", () -> view.values().equals(List.of(42)));
          try (ServeClient client = side.client()) {
            String _ = client.connect(side.socket());
            assertThat(client.number("key", "v")).isZero();
            int _ = client.thread(2, 43);
            assertThat(view.values()).as(call + step).containsExactlyInAnyOrder(42, 43);
          }
          step++;
        }
        assertThat(step).as(call).isGreaterThan(1);
      }
      Await.until("nothing of the last", () -> view.values().equals(List.of(42)));
      side.kill();
      side.restart();
      assertThat(steady.number("connect", side.socket())).isZero();
      assertThat(steady.ask("resume", token)).startsWith("0 ");
      Await.until("the arrays of one process, and a stock", () -> side.arrays() == 5);
      assertThat(view.values()).containsExactly(42);
    }
  }

  /** Has a process register a thread; {@return whether it was killed at that} */
  private boolean isKilledAsItRegisters(String call, int step, ServeSide side) throws Exception {
    try (ServeClient client = side.client();
        Strace strace =
            Strace.ofProcess(
                client.pid(), call + ":signal=KILL:when=" + step, folder.resolve("strace"))) {
      boolean isThrough =
          client.isAnswered("connect", side.socket())
              && client.isAnswered("grant")
              && client.isAnswered("key", "v")
              && client.isAnswered("array")
              && client.isAnswered("thread")
              && client.isAnswered("register", 0, 2)
              && client.isAnswered("set", 0, 0, 44);
      if (!isThrough) {
        strace.awaitEnd();
      }
      return !isThrough;
    }
  }
}
