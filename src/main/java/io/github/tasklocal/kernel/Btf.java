// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import io.github.tasklocal.libbpf.btf_type;
import io.github.tasklocal.libbpf.btf_var_secinfo;
import io.github.tasklocal.libbpf.libbpf_h;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** What is read from BTF, the type information of the kernel and of BPF objects. */
@SuppressWarnings("restricted")
public final class Btf {

  private static final Pattern GLOBAL_DATA = Pattern.compile("\\.(bss|data|rodata)\\b");

  private Btf() {}

  /** {@return the name of a type of BTF in the kernel, or null where it may not be read} */
  static @Nullable String kernelTypeName(int btfId, int typeId) {
    MemorySegment btf = libbpf_h.btf__load_from_kernel_by_id(btfId);
    if (btf.address() == 0) {
      return null;
    }
    try {
      MemorySegment type = libbpf_h.btf__type_by_id(btf, typeId);
      return type.address() == 0 ? null : name(btf, btf_type.name_off(type(type)));
    } finally {
      libbpf_h.btf__free(btf);
    }
  }

  /**
   * A global variable's place.
   *
   * @param section the map that holds it: {@code .bss}, {@code .data}, {@code .rodata} or one of
   *     their subsections
   * @param offset in bytes from the beginning of the section
   * @param size in bytes
   */
  public record Variable(String section, long offset, long size) {}

  /** {@return the global variables of an object by name} */
  static Map<String, Variable> variables(MemorySegment btf) {
    Map<String, Variable> variables = new HashMap<>();
    int count = libbpf_h.btf__type_cnt(btf);
    for (int id = 1; id < count; id++) {
      MemorySegment section = libbpf_h.btf__type_by_id(btf, id);
      int info = btf_type.info(type(section));
      if ((info >> 24 & 0x1f) != libbpf_h.BTF_KIND_DATASEC()) {
        continue;
      }
      String sectionName = name(btf, btf_type.name_off(type(section)));
      if (!GLOBAL_DATA.matcher(sectionName).lookingAt()) {
        continue; // maps, the licence, struct_ops
      }
      MemorySegment members =
          section
              .reinterpret(btf_type.sizeof() + (info & 0xffff) * btf_var_secinfo.sizeof())
              .asSlice(btf_type.sizeof());
      for (int i = 0; i < (info & 0xffff); i++) {
        MemorySegment member = btf_var_secinfo.asSlice(members, i);
        MemorySegment variable = libbpf_h.btf__type_by_id(btf, btf_var_secinfo.type(member));
        Variable place =
            new Variable(
                sectionName,
                Integer.toUnsignedLong(btf_var_secinfo.offset(member)),
                Integer.toUnsignedLong(btf_var_secinfo.size(member)));
        variables.put(name(btf, btf_type.name_off(type(variable))), place);
      }
    }
    return variables;
  }

  private static MemorySegment type(MemorySegment pointer) {
    return btf_type.reinterpret(pointer, Arena.global(), null);
  }

  private static String name(MemorySegment btf, int offset) {
    return libbpf_h.btf__name_by_offset(btf, offset).getString(0);
  }
}
