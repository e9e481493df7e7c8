// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kit;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What a test needs that a kernel or a user may lack: the only reasons to skip it. All are found
 * out before a test runs, so that none can be skipped because of a defect: what a kernel of this
 * version has is not looked for, and a test that does not find it fails.
 */
public enum Need {
  /** Loading programs, mounting a bpffs, and becoming another user. */
  ROOT {
    @Override
    String lack() {
      String uid = Machine.status().getOrDefault("Uid", "?").split("\\s+", 2)[0];
      if (!uid.equals("0")) {
        return "not root: this is user " + uid;
      }
      List<String> lacking = Kernel.lackingCapabilities();
      return lacking.isEmpty()
          ? ""
          : "root without " + String.join(", ", lacking) + ", as in a container";
    }
  },

  /** Pointers to user memory in a map. */
  UPTR {
    @Override
    String lack() {
      String system = System.getProperty("os.name", "");
      if (!system.equals("Linux")) {
        return "not Linux: this is " + system;
      }
      if (Kernel.isLinux(6, 13)) {
        return "";
      }
      Kernel.Names names = Kernel.names();
      return names != null && names.containsUptr()
          ? ""
          : "kernel " + System.getProperty("os.version") + " has no uptr: needs 6.13 or newer";
    }
  },

  /**
   * A way from values to programs: uptrs; or slots, and a serving side whose socket the environment
   * names: {@link #socket}.
   */
  VALUES {
    @Override
    String lack() {
      String lack = UPTR.lack();
      return lack.isEmpty() || socket() != null
          ? ""
          : lack + ", and no TASKLOCAL_SOCKET names a serving side that gives slots";
    }
  },

  /** A serving side: one that runs, or the jar that has one. */
  SERVED {
    @Override
    String lack() {
      return socket() != null || System.getProperty(ServeProcess.JAR) != null
          ? ""
          : "no serving side: name the jar of the tools with -D" + ServeProcess.JAR + "=FILE";
    }
  },

  /** Type information of the running kernel. */
  BTF {
    @Override
    String lack() {
      return Files.exists(Kernel.BTF)
          ? ""
          : "the kernel has no BTF (" + Kernel.BTF + ", CONFIG_DEBUG_INFO_BTF)";
    }
  },

  /** Schedulers as BPF programs. */
  SCHED_EXT {
    @Override
    String lack() {
      return SchedExt.supported()
          ? ""
          : "this kernel has no sched_ext: needs 6.13 or newer with CONFIG_SCHED_CLASS_EXT";
    }
  },

  /** A processor that can be taken offline for a moment: {@link #SECOND_PROCESSOR}. */
  HOTPLUG {
    @Override
    String lack() {
      return Files.isWritable(SECOND_PROCESSOR)
          ? ""
          : "no processor that can be taken offline: no " + SECOND_PROCESSOR + ", or not writable";
    }
  },

  /** The command that starts a process as another user. */
  SETPRIV {
    @Override
    String lack() {
      String path = System.getenv().getOrDefault("PATH", "");
      return Stream.of(path.split(File.pathSeparator))
              .map(folder -> Path.of(folder, "setpriv"))
              .filter(Files::isExecutable)
              .findFirst()
              .filter(found -> !isBusybox(found))
              .isPresent()
          ? ""
          : "no setpriv that changes the user: install the one of util-linux";
    }

    private boolean isBusybox(Path command) {
      try {
        return command.toRealPath().endsWith("busybox");
      } catch (IOException e) {
        return false;
      }
    }
  };

  /** Writing 0 takes it offline, and 1 back. */
  public static final Path SECOND_PROCESSOR = Path.of("/sys/devices/system/cpu/cpu1/online");

  /** What every test needs that opens a map. */
  public static final Set<Need> KERNEL = Set.of(ROOT, UPTR, BTF);

  /** What every test needs whose programs read values, whatever way. */
  public static final Set<Need> SHARED = Set.of(ROOT, VALUES, BTF);

  /**
   * {@return the socket of the serving side that gives slots, where the kernel has no uptrs; null
   * where it has, or none is named}
   */
  public static @Nullable Path socket() {
    return Socket.PATH;
  }

  /** Found once: the names of all of the kernel's types are read for it. */
  private static final class Socket {

    static final @Nullable Path PATH = find();

    private static @Nullable Path find() {
      String socket = System.getenv("TASKLOCAL_SOCKET");
      return socket == null || socket.isEmpty() || UPTR.isMet() ? null : Path.of(socket);
    }
  }

  /** {@return what is lacking here, in words; empty if nothing is} */
  abstract String lack();

  /** {@return whether nothing is lacking} */
  public boolean isMet() {
    return lack().isEmpty();
  }

  /** {@return those of some needs that this machine does not meet, and why} */
  public static Map<Need, String> unmet(Collection<Need> needs) {
    Map<Need, String> unmet = new EnumMap<>(Need.class);
    for (Need need : needs) {
      String lack = need.lack();
      if (!lack.isEmpty()) {
        unmet.put(need, lack);
      }
    }
    return unmet;
  }

  /** {@return all that this machine does not meet, and why} */
  public static Map<Need, String> unmet() {
    return unmet(List.of(values()));
  }
}
