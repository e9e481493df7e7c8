// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.github.tasklocal.libbpf.bpf_btf_info;
import io.github.tasklocal.libbpf.btf_header;
import io.github.tasklocal.libbpf.btf_type;
import io.github.tasklocal.libbpf.btf_var_secinfo;
import io.github.tasklocal.libbpf.libbpf_h;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** What is read from BTF, the type information of the kernel and of BPF objects. */
@SuppressWarnings("restricted")
public final class Btf {

  private Btf() {}

  /**
   * {@return the name of a type of BTF in the kernel, or null if this process may not read it} Does
   * not use libbpf's functions for BTF, as linking them would cost every program that opens a map
   * 15 ms.
   */
  static @Nullable String kernelTypeName(int btfId, int typeId) {
    int fd = libbpf_h.bpf_btf_get_fd_by_id(btfId);
    if (fd < 0) {
      return null;
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment info = bpf_btf_info.allocate(arena);
      MemorySegment size = arena.allocateFrom(JAVA_INT, (int) info.byteSize());
      if (libbpf_h.bpf_obj_get_info_by_fd(fd, info, size) < 0) {
        return null;
      }
      MemorySegment btf = arena.allocate(bpf_btf_info.btf_size(info), Integer.BYTES);
      bpf_btf_info.btf(info.fill((byte) 0), btf.address());
      bpf_btf_info.btf_size(info, (int) btf.byteSize());
      return libbpf_h.bpf_obj_get_info_by_fd(fd, info, size) < 0 ? null : typeName(btf, typeId);
    } finally {
      Libc.close(fd);
    }
  }

  /**
   * {@return the name of a type, or null if a type before it is of a kind that this code does not
   * know}
   *
   * @param btf a header, the types one after another, their names
   * @param typeId its place among the types, from 1
   */
  static @Nullable String typeName(MemorySegment btf, int typeId) {
    int header = btf_header.hdr_len(btf);
    int at = header + btf_header.type_off(btf);
    for (int id = 1; id < typeId; id++) {
      int info = btf_type.info(btf.asSlice(at));
      int members = info & 0xffff;
      int more =
          switch (info >> 24 & 0x1f) {
            case 1, 14, 17 -> 4; // int, variable, declaration's tag
            case 3 -> 12; // array
            case 4, 5, 15, 19 -> members * 12; // struct, union, section, enum of 64 bits
            case 6, 13 -> members * 8; // enum, function's prototype
            // pointer, forward, typedef, volatile, const, restrict, function, float, type's tag
            case 2, 7, 8, 9, 10, 11, 12, 16, 18 -> 0;
            default -> -1;
          };
      if (more < 0) {
        return null;
      }
      at += (int) btf_type.sizeof() + more;
    }
    return btf.getString(header + btf_header.str_off(btf) + btf_type.name_off(btf.asSlice(at)));
  }

  /**
   * A global variable's place.
   *
   * @param name in the C source; several static ones may have the same in an object that was linked
   *     from several
   * @param section the map that holds it: {@code .bss}, {@code .data}, {@code .rodata}, one of
   *     their subsections, or {@code .kconfig}
   * @param offset in bytes from the beginning of the section
   * @param size in bytes
   */
  public record Variable(String name, String section, long offset, long size) {}

  /** {@return the global variables of an object} */
  static List<Variable> variables(MemorySegment btf) {
    Pattern globalData = Pattern.compile("\\.(bss|data|rodata|kconfig)\\b");
    List<Variable> variables = new ArrayList<>();
    int count = libbpf_h.btf__type_cnt(btf);
    for (int id = 1; id < count; id++) {
      MemorySegment section = libbpf_h.btf__type_by_id(btf, id);
      int info = btf_type.info(type(section));
      if ((info >> 24 & 0x1f) != libbpf_h.BTF_KIND_DATASEC()) {
        continue;
      }
      String sectionName = name(btf, btf_type.name_off(type(section)));
      if (!globalData.matcher(sectionName).lookingAt()) {
        continue; // maps, the licence, struct_ops
      }
      MemorySegment members =
          section
              .reinterpret(btf_type.sizeof() + (info & 0xffff) * btf_var_secinfo.sizeof())
              .asSlice(btf_type.sizeof());
      for (int i = 0; i < (info & 0xffff); i++) {
        MemorySegment member = btf_var_secinfo.asSlice(members, i);
        MemorySegment variable = libbpf_h.btf__type_by_id(btf, btf_var_secinfo.type(member));
        variables.add(
            new Variable(
                name(btf, btf_type.name_off(type(variable))),
                sectionName,
                Integer.toUnsignedLong(btf_var_secinfo.offset(member)),
                Integer.toUnsignedLong(btf_var_secinfo.size(member))));
      }
    }
    return variables;
  }

  /** {@return the types of an object's struct_ops, by the names of their maps} */
  static Map<String, String> structOps(MemorySegment btf) {
    Map<String, String> types = new HashMap<>();
    int count = libbpf_h.btf__type_cnt(btf);
    for (int id = 1; id < count; id++) {
      MemorySegment section = libbpf_h.btf__type_by_id(btf, id);
      int info = btf_type.info(type(section));
      if ((info >> 24 & 0x1f) != libbpf_h.BTF_KIND_DATASEC()
          || !name(btf, btf_type.name_off(type(section))).matches("\\??\\.struct_ops.*")) {
        continue;
      }
      MemorySegment members =
          section
              .reinterpret(btf_type.sizeof() + (info & 0xffff) * btf_var_secinfo.sizeof())
              .asSlice(btf_type.sizeof());
      for (int i = 0; i < (info & 0xffff); i++) {
        int member = btf_var_secinfo.type(btf_var_secinfo.asSlice(members, i));
        MemorySegment variable = type(libbpf_h.btf__type_by_id(btf, member));
        MemorySegment struct = type(libbpf_h.btf__type_by_id(btf, btf_type.type(variable)));
        types.put(name(btf, btf_type.name_off(variable)), name(btf, btf_type.name_off(struct)));
      }
    }
    return types;
  }

  private static MemorySegment type(MemorySegment pointer) {
    return btf_type.reinterpret(pointer, Arena.global(), null);
  }

  private static String name(MemorySegment btf, int offset) {
    return libbpf_h.btf__name_by_offset(btf, offset).getString(0);
  }
}
