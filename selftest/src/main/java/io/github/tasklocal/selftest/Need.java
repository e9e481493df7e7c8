// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.kernel.KernelVersion;
import io.github.tasklocal.kernel.LibBpf;
import io.github.tasklocal.kit.Machine;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/**
 * What a test needs that a kernel or a user may lack: the only reasons to skip it. All are found
 * out before any test runs, so that none can be skipped because of a defect.
 */
public enum Need {
  /** Loading programs, mounting a bpffs, and becoming another user. */
  ROOT {
    @Override
    String lack() throws IOException {
      Map<String, String> status = Machine.status();
      String uid = status.getOrDefault("Uid", "?").split("\\s+", 3)[0];
      long capabilities = Long.parseUnsignedLong(status.getOrDefault("CapEff", "0"), 16);
      long wanted = 1L << SYS_ADMIN | 1L << PERFMON | 1L << BPF;
      if (!uid.equals("0")) {
        return "not root: this is user " + uid;
      }
      return (capabilities & wanted) == wanted
          ? ""
          : "root without CAP_SYS_ADMIN, CAP_PERFMON and CAP_BPF, as in a container";
    }
  },

  /** Pointers to user memory in a map. */
  UPTR {
    @Override
    String lack() {
      if (!System.getProperty("os.name", "").equals("Linux")) {
        return "no Linux: this is " + System.getProperty("os.name");
      }
      return KernelVersion.RUNNING.atLeast(6, 13)
          ? ""
          : "kernel " + KernelVersion.RUNNING + " has no uptr: needs 6.13 or newer";
    }
  },

  /** Type information of the running kernel. */
  BTF {
    @Override
    String lack() {
      Path btf = Path.of("/sys/kernel/btf/vmlinux");
      return Files.exists(btf) ? "" : "the kernel has no BTF (" + btf + ", CONFIG_DEBUG_INFO_BTF)";
    }
  },

  /** Schedulers as BPF programs, and a libbpf that can load them. */
  SCHED_EXT {
    @Override
    String lack() {
      try {
        LibBpf.require("look for", "sched_ext");
      } catch (KernelException e) {
        return "no libbpf: " + e.getMessage();
      }
      LibBpf.Lack lack = LibBpf.schedulerLack();
      return lack == null ? "" : lack.problem() + ": " + lack.cure();
    }
  },

  /** The command that starts a process as another user. */
  SETPRIV {
    @Override
    String lack() {
      String path = System.getenv().getOrDefault("PATH", "");
      return Stream.of(path.split(File.pathSeparator))
              .anyMatch(folder -> Files.isExecutable(Path.of(folder, "setpriv")))
          ? ""
          : "no setpriv: install the package util-linux";
    }
  };

  private static final int SYS_ADMIN = 21;
  private static final int PERFMON = 38;
  private static final int BPF = 39;

  /** What every test with a BPF program needs. */
  public static final Set<Need> KERNEL = Set.of(ROOT, UPTR, BTF);

  /** {@return what is lacking here, in words; empty if nothing is} */
  abstract String lack() throws IOException;

  /** {@return the needs that this machine does not meet, and why} */
  public static Map<Need, String> unmet() {
    Map<Need, String> unmet = new EnumMap<>(Need.class);
    for (Need need : EnumSet.allOf(Need.class)) {
      String lack;
      try {
        lack = need.lack();
      } catch (IOException e) {
        lack = "cannot find out whether there is " + need + ": " + e;
      }
      if (!lack.isEmpty()) {
        unmet.put(need, lack);
      }
    }
    return unmet;
  }
}
