// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.Clang;
import io.github.tasklocal.kit.junit.KernelTest;
import io.github.tasklocal.libbpf.bpf_map_info;
import io.github.tasklocal.libbpf.btf_type;
import io.github.tasklocal.libbpf.libbpf_h;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@KernelTest
class BtfKernelIT {

  @Test
  void everyTypeHasTheNameThatLibbpfFindsToo(@TempDir Path folder) throws Exception {
    byte[] file = Files.readAllBytes(Clang.compile(folder, "types"));
    LibBpf.require("test", "types");
    try (Arena arena = Arena.ofShared()) {
      MemorySegment bytes = arena.allocate(file.length).copyFrom(MemorySegment.ofArray(file));
      MemorySegment object = LibBpf.open(bytes, "types", "types", MemorySegment.NULL);
      try {
        LibBpf.load(object, "types", MemorySegment.NULL);
        int btfId = btfId(LibBpf.mapFd(LibBpf.maps(object).getFirst()), arena);
        MemorySegment btf = libbpf_h.bpf_object__btf(object);
        Set<Integer> kinds = new HashSet<>();
        int count = libbpf_h.btf__type_cnt(btf);
        for (int id = 1; id < count; id++) {
          MemorySegment type = btf_type.reinterpret(libbpf_h.btf__type_by_id(btf, id), arena, null);
          kinds.add(btf_type.info(type) >> 24 & 0x1f);
          String name = libbpf_h.btf__name_by_offset(btf, btf_type.name_off(type)).getString(0);
          assertThat(Btf.kernelTypeName(btfId, id)).as("type " + id).isEqualTo(name);
        }
        assertThat(kinds).hasSizeGreaterThan(15);
      } finally {
        LibBpf.close(object);
      }
    }
  }

  @Test
  void unknownTypesHaveNoName() {
    LibBpf.require("test", "types");
    assertThat(Btf.kernelTypeName(Integer.MAX_VALUE, 1)).isNull();
  }

  private static int btfId(int map, Arena arena) {
    MemorySegment info = bpf_map_info.allocate(arena);
    MemorySegment size = arena.allocateFrom(JAVA_INT, (int) info.byteSize());
    assertThat(libbpf_h.bpf_obj_get_info_by_fd(map, info, size)).isZero();
    return bpf_map_info.btf_id(info);
  }
}
