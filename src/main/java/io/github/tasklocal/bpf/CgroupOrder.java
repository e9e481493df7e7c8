// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

/** Over which control groups {@link BpfProgram#iterate(java.nio.file.Path, CgroupOrder)} goes. */
public enum CgroupOrder {
  // In the order of enum bpf_cgroup_iter_order of include/uapi/linux/bpf.h, which begins with 1.

  /** The one that is given, and no other. */
  SELF,

  /** The one that is given and all below it, each before those below it. */
  DESCENDANTS,

  /** The one that is given and all below it, each after those below it. */
  DESCENDANTS_FIRST,

  /** The one that is given and all above it, up to the root. */
  ANCESTORS;

  int number() {
    return ordinal() + 1;
  }
}
