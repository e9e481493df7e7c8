// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.TaskLocalThread;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.NotPermittedException;
import io.github.tasklocal.error.TaskLocalException;
import io.github.tasklocal.kit.Kernel;
import io.github.tasklocal.kit.Machine;
import io.github.tasklocal.kit.SchedExt;
import io.github.tasklocal.kit.seen.ThreadValues;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.SeenKey;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.tools.system.Failure;
import io.github.tasklocal.tools.system.FileAccess;
import io.github.tasklocal.tools.system.Namespaces;
import io.github.tasklocal.tools.system.Native;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** What threads and BPF programs need in order to share values, looked for on this machine. */
final class Needs {

  private static final Path BPFFS = Path.of("/sys/fs/bpf");
  private static final Path MOUNTS = Path.of("/proc/self/mounts");
  private static final Path UNPRIVILEGED = Path.of("/proc/sys/kernel/unprivileged_bpf_disabled");

  private static final String JAR = "java -jar tasklocal-tools.jar ";
  private static final String NATIVE_ACCESS = "java --enable-native-access=ALL-UNNAMED ...";
  private static final String EXPORTS = "--add-exports java.base/jdk.internal.misc=ALL-UNNAMED";
  private static final String MANIFEST = "Add-Exports: java.base/jdk.internal.misc";
  private static final int JDK = 22;

  private final Path pin;
  private final Path socket;

  /** The names in the kernel's BTF; null if it cannot be read. */
  private final Kernel.@Nullable Names types;

  /**
   * Whether this process is kept apart from the machine, whose kernel and bpffs are not its own.
   */
  private final boolean contained = !Namespaces.ofOwn().isEmpty();

  private final boolean root = Machine.status().getOrDefault("Uid", "").matches("\\d+\\s+0\\s.*");

  /** Whether a BPF program of ours was loaded and has run. */
  private boolean loaded;

  Needs(Path pin, Path socket) {
    this.pin = pin.toAbsolutePath();
    this.socket = socket.toAbsolutePath();
    this.types = Kernel.names();
  }

  /** {@return a finding for each need, the last of which says whether values can be shared} */
  List<Finding> all() {
    List<Finding> findings = new ArrayList<>();
    findings.add(kernel());
    findings.add(btf());
    Finding bpffs = bpffs();
    findings.add(bpffs);
    Finding sharing = sharing(bpffs);
    findings.add(privileges());
    findings.add(libbpf());
    findings.add(jdk());
    findings.add(virtualThreads());
    findings.add(pageSize());
    findings.add(tracing());
    findings.add(schedExt());
    findings.add(pin());
    Finding served = SocketNeed.look(socket);
    findings.add(served);
    boolean onlyServed =
        sharing.answer() != Finding.Answer.YES && served.answer() == Finding.Answer.YES;
    findings.add(onlyServed ? Finding.yes("sharing", served.found()) : sharing);
    return findings;
  }

  private Finding kernel() {
    String system = Kernel.version();
    String cure =
        contained
            ? "run this on a machine with Linux 6.13 or newer: a container has its machine's kernel"
            : "boot Linux 6.13 or newer, or try it in a virtual machine: scripts/vm --help";
    if (Kernel.isLinux(5, 15)) {
      cure =
          "java -jar tasklocal-tools.jar serve --mode 666 # as the machine's root: shares values here, too";
    }
    if (types != null) {
      return types.containsUptr()
          ? Finding.yes("kernel", system + " has uptr, pointers to user memory in maps")
          : Finding.no("kernel", system + " has no uptr, pointers to user memory in maps", cure);
    }
    return Kernel.isLinux(6, 13)
        ? Finding.yes("kernel", system + ", which has uptr since 6.13")
        : Finding.no("kernel", system + "; uptr needs Linux 6.13 or newer", cure);
  }

  private Finding btf() {
    if (types != null) {
      return Finding.yes("BTF", "the kernel's types, in " + Kernel.BTF);
    }
    return Files.exists(Kernel.BTF)
        ? Finding.notAllowed("BTF", Kernel.BTF + " cannot be read", root ? "" : "run this as root")
        : Finding.no(
            "BTF",
            "there is no " + Kernel.BTF,
            "boot a kernel with CONFIG_DEBUG_INFO_BTF=y, as distributions build theirs");
  }

  private Finding bpffs() {
    if (!Native.isEnabled()) {
      return noNativeAccess("bpffs");
    }
    String cure =
        contained
            ? "start the container with -v " + BPFFS + ":" + BPFFS + ", the machine's bpffs"
            : "mount -t bpf bpf " + BPFFS + " # as root";
    try {
      if (!FileAccess.exists(BPFFS)) {
        return Finding.no("bpffs", "there is no " + BPFFS, cure);
      }
      if (!Native.isBpffs(BPFFS)) {
        boolean covered = isCovered();
        return Finding.no(
            "bpffs",
            BPFFS
                + " is not a bpffs but a "
                + Native.name(Native.fileSystem(BPFFS))
                + (covered ? ", which covers a bpffs" : ""),
            covered && !contained ? "umount " + BPFFS + " # as root" : cure);
      }
      String mode = PinAccess.of(BPFFS);
      if (!canEnter(BPFFS)) {
        return Finding.no(
            "bpffs",
            "this user may not enter " + BPFFS + " (" + mode + "), and reaches no pin there",
            "chmod 711 " + BPFFS + " # as root");
      }
      boolean open =
          PosixFilePermissions.toString(Files.getPosixFilePermissions(BPFFS)).endsWith("x");
      return open
          ? Finding.yes("bpffs", BPFFS + " (" + mode + ")")
          : Finding.yes(
              "bpffs",
              BPFFS + " (" + mode + "); applications of other users reach no pin there",
              "chmod 711 " + BPFFS + " # if they should");
    } catch (IOException e) {
      return Finding.no("bpffs", BPFFS + " cannot be examined: " + e, cure);
    }
  }

  /** {@return whether there is a bpffs at its place, under something that was mounted later} */
  private static boolean isCovered() {
    return text(MOUNTS, "").lines().anyMatch(line -> line.matches("\\S+ " + BPFFS + " bpf .*"));
  }

  private Finding privileges() {
    String unprivileged =
        "kernel.unprivileged_bpf_disabled is " + text(UNPRIVILEGED, "not readable");
    List<String> lacking = Kernel.lackingCapabilities();
    if (loaded) {
      return Finding.yes(
          "privileges",
          "this process may load programs"
              + (lacking.isEmpty() ? "" : ", without " + String.join(", ", lacking))
              + "; "
              + unprivileged);
    }
    if (!Namespaces.inFirst("user")) {
      return Finding.no(
          "privileges",
          "this process is in a user namespace of its own, whose capabilities do not count for BPF;"
              + " it can load no programs, but share values with them; "
              + unprivileged,
          "to load programs, start it as the machine's root, in no user namespace");
    }
    if (lacking.isEmpty()) {
      return Finding.yes("privileges", "all capabilities that it takes; " + unprivileged);
    }
    return Finding.no(
        "privileges",
        "no "
            + String.join(", ", lacking)
            + ": needed to load programs, not to share values with them; "
            + unprivileged,
        Kernel.unreachableCapabilities().isEmpty()
            ? root
                ? "give this process the capabilities that it lacks"
                : "run this as root: sudo " + JAR + "doctor"
            : "let whoever starts this process leave it these capabilities: of a container,"
                + " --cap-add "
                + lacking.stream()
                    .map(each -> each.substring("CAP_".length()))
                    .collect(Collectors.joining(" --cap-add ")));
  }

  private static Finding libbpf() {
    if (!Native.isEnabled()) {
      return noNativeAccess("libbpf");
    }
    String version = Native.libbpfVersion();
    if (version == null) {
      return Finding.no(
          "libbpf",
          "libbpf.so.1 is not installed",
          Files.exists(Path.of("/usr/bin/apt-get"))
              ? "apt-get install libbpf1"
              : "install libbpf 1.1 or newer, with the package manager of this machine");
    }
    String number = version.replaceFirst("^v", "");
    if (!Kernel.atLeast(number, 1, 1)) {
      return Finding.no("libbpf", number + " is too old", "install libbpf 1.1 or newer");
    }
    return Kernel.atLeast(number, 1, 4)
        ? Finding.yes("libbpf", number)
        : Finding.yes(
            "libbpf", number + ", which loads no sched_ext scheduler: that takes 1.4 or newer");
  }

  private static Finding jdk() {
    String version = System.getProperty("java.runtime.version", "unknown");
    if (Runtime.version().feature() < JDK) {
      return Finding.no("JDK", version + " is too old", "install a JDK of 22 or newer");
    }
    return Native.isEnabled()
        ? Finding.yes("JDK", version + "; start applications with " + NATIVE_ACCESS)
        : Finding.no("JDK", version + " without native access for this jar", NATIVE_ACCESS);
  }

  /** What applications have to allow; whether one of them does is not known here. */
  private static Finding virtualThreads() {
    Optional<String> problem = TaskLocalThread.virtualProblem();
    if (problem.isPresent()) {
      return Finding.no(
          "virtual",
          "keys work on virtual threads, but BPF programs do not see the values: this JDK is not as"
              + " it was tested ("
              + problem.get()
              + ")",
          "for values that follow virtual threads start applications with JDK 25");
    }
    return Finding.yes(
        "virtual",
        "keys work on virtual threads; BPF programs see the values only of applications that let"
            + " them follow their threads. That opens jdk.internal.misc, the JDK's own Unsafe, with"
            + " which any memory and any field can be read and written: to the whole class path"
            + " (ALL-UNNAMED), or to the module io.github.tasklocal alone",
        "start applications with "
            + EXPORTS
            + " or -javaagent:tasklocal.jar, or put "
            + MANIFEST
            + " into the manifest of an executable jar");
  }

  private static Finding noNativeAccess(String need) {
    return Finding.notAllowed(need, "this Java has no native access", NATIVE_ACCESS);
  }

  private static Finding pageSize() {
    if (!Native.isEnabled()) {
      return noNativeAccess("page size");
    }
    int size = Native.pageSize();
    String found = size + " bytes";
    if (size != DataPage.SIZE) {
      found +=
          ", which each thread with a key takes; start applications with -Dtasklocal.slotBytes=1024,"
              + " and threads share them, except with programs of wire B";
    }
    return Finding.yes("page size", found);
  }

  private Finding tracing() {
    if (types == null) {
      return Finding.notAllowed(
          "tracing", "only the kernel's types tell, and they cannot be read", "");
    }
    // What the tracepoint macros generate, the second only with CONFIG_BPF_EVENTS.
    return types.contains("btf_trace_sched_switch") && types.contains("__bpf_trace_sched_switch")
        ? Finding.yes("tracing", "BPF programs can be attached to the scheduler's tracepoints")
        : Finding.no(
            "tracing",
            "BPF programs cannot be attached to the scheduler's tracepoints, as top and trace do",
            "boot a kernel with CONFIG_BPF_EVENTS=y");
  }

  private Finding schedExt() {
    if (!SchedExt.supported()) {
      return Finding.no(
          "sched_ext",
          "this kernel's scheduler cannot be replaced; only the command sched needs that",
          (contained ? "run this on a machine with " : "boot ")
              + (Kernel.isLinux(6, 13) ? "a kernel" : "Linux 6.13 or newer")
              + " with CONFIG_SCHED_CLASS_EXT=y"
              + (contained ? "" : ", such as scripts/vm --kernel backports"));
    }
    String scheduler = SchedExt.scheduler();
    return Finding.yes(
        "sched_ext",
        "it is " + SchedExt.state() + (scheduler.isEmpty() ? "" : " with " + scheduler));
  }

  private Finding pin() {
    try {
      PinAccess.requireOwn(pin);
    } catch (Failure | IOException e) {
      return Finding.no("map", problem(e), cure(e));
    }
    if (!FileAccess.exists(pin)) {
      Path folder = pin.getParent();
      while (folder != null && !FileAccess.exists(folder)) {
        folder = folder.getParent();
      }
      if (folder != null && !canEnter(folder)) {
        return Finding.notAllowed(
            "map",
            "this user may not enter " + folder + ", and cannot reach " + pin,
            "chmod 711 " + folder + " # as root");
      }
      return Finding.no(
          "map",
          "none is pinned at "
              + pin
              + (PinAccess.isDefault(pin)
                  ? "; dump, keys, top and trace make one"
                  : "; dump, keys, top and trace make one with --create"),
          keys("--mode 600") + "; 666 lets every user's applications in");
    }
    try {
      String mode = PinAccess.of(pin);
      try (TaskLocalMap map = TaskLocalMap.open(pin)) {
        return Finding.yes("map", "%s (%s, wire %s)".formatted(pin, mode, map.wire()));
      } catch (NotPermittedException e) {
        return Finding.no(
            "map",
            "this user may not read and write " + pin + " (" + mode + ")",
            keys("--mode 660 --group NAME"));
      }
    } catch (TaskLocalException e) {
      return Finding.no("map", problem(e), cure(e));
    } catch (IOException e) {
      return Finding.no("map", pin + " cannot be examined: " + e, "run this again");
    }
  }

  /** The finding that counts: a value is really shared. */
  private Finding sharing(Finding bpffs) {
    try {
      long seen = shareWithProgram();
      loaded = true;
      if (seen == 0) {
        return Finding.no(
            "sharing",
            "a BPF program was loaded, and does not see this thread's value",
            "report this, with the output of: " + JAR + "doctor --json");
      }
      return bpffs.answer() == Finding.Answer.YES
          ? Finding.yes("sharing", "a BPF program has read a value of this very thread")
          : Finding.no(
              "sharing",
              "a BPF program has read a value of this very thread, but without a bpffs no other"
                  + " process finds its map",
              bpffs.cure());
    } catch (NotPermittedException e) {
      return shareWithPin();
    } catch (TaskLocalException | IOException e) {
      return Finding.no("sharing", problem(e), cure(e));
    }
  }

  /** {@return how many threads BPF sees with a value that this thread has just set} */
  private static long shareWithProgram() throws IOException {
    try (BpfObject object = MapOptions.open("dump", Wire.C)) {
      object.load();
      try (TaskLocalMap map = TaskLocalMap.of(object.map(Wire.C.mapName()).fd())) {
        TaskLocal.OfLong key = TaskLocal.of("tasklocal.doctor", JAVA_LONG);
        long value = System.nanoTime() | 1;
        key.set(value);
        return ThreadValues.look(object, map.wire()).stream()
            .filter(thread -> value == value(thread, key.name()))
            .count();
      }
    }
  }

  private static long value(ThreadValues thread, String name) {
    SeenKey key = thread.key(name);
    MemorySegment value = key == null ? null : thread.value(key);
    return value == null || value.byteSize() < Long.BYTES
        ? 0
        : value.get(JAVA_LONG.withByteAlignment(1), 0);
  }

  /** Applications need no privilege where somebody else has pinned the map. */
  private Finding shareWithPin() {
    try {
      PinAccess.requireOwn(pin);
    } catch (Failure | IOException e) {
      return Finding.no("sharing", problem(e), cure(e));
    }
    try (TaskLocalMap map = TaskLocalMap.open(pin)) {
      return Finding.yes(
          "sharing",
          "this user may register its threads with %s (wire %s)".formatted(pin, map.wire()));
    } catch (NotFoundException e) {
      return Finding.no(
          "sharing",
          "this user may load no BPF program, and no map is pinned at " + pin,
          keys("--mode 666") + ", or 660 and --group NAME");
    } catch (NotPermittedException e) {
      return FileAccess.exists(pin)
          ? Finding.no("sharing", problem(e), cure(e))
          : Finding.notAllowed("sharing", problem(e), cure(e));
    } catch (TaskLocalException e) {
      return Finding.no("sharing", problem(e), cure(e));
    }
  }

  /** {@return the command that makes a map at the pin, or opens that to others} */
  private String keys(String options) {
    return JAR
        + "keys "
        + (PinAccess.isDefault(pin) ? "" : "--create --pin " + pin + " ")
        + options
        + (contained ? " # as root, outside of the container" : " # as root");
  }

  /** {@return whether files in a folder can be reached} The kernel is asked for one. */
  private static boolean canEnter(Path folder) {
    return FileAccess.exists(folder.resolve("."));
  }

  static String problem(Exception e) {
    String message = String.valueOf(e.getMessage());
    String cure = cure(e);
    return message.endsWith(": " + cure)
        ? message.substring(0, message.length() - cure.length() - 2)
        : message;
  }

  private static String cure(Exception e) {
    return switch (e) {
      case TaskLocalException ours -> ours.cure();
      case Failure failure -> failure.cure();
      default -> "";
    };
  }

  private static String text(Path file, String otherwise) {
    try {
      return Files.readString(file, StandardCharsets.ISO_8859_1).strip();
    } catch (IOException e) {
      return otherwise;
    }
  }
}
