// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import io.github.tasklocal.error.ObjectLoadException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Checks an object file before libbpf gets it, whose messages for a bad one do not help. */
final class ObjectFile {

  private static final String COMPILE = "compile it on this machine with clang -target bpf -O2 -g";
  private static final String WHOLE = "check that the file is whole: build or copy it again";

  private static final int HEADER = 64;
  private static final int MAGIC = 0x7f454c46;
  private static final int CLASS_64 = 2;
  private static final int LITTLE_ENDIAN = 1;
  private static final int MACHINE_BPF = 247;

  private ObjectFile() {}

  /** Checks the ELF header, and that the file is as long as the header says. */
  static void check(byte[] file, String name) {
    if (file.length == 0) {
      throw refused(name, "the file is empty", WHOLE);
    }
    if (file.length < HEADER || ByteBuffer.wrap(file).getInt(0) != MAGIC) {
      throw refused(name, "its " + file.length + " bytes are no ELF object file", COMPILE);
    }
    boolean little = file[5] == LITTLE_ENDIAN;
    if (file[4] != CLASS_64 || little != (ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN)) {
      throw refused(
          name,
          "it is for a machine of %d bits, %s; this one has 64 and is %s"
              .formatted(
                  file[4] * 32, little ? "LITTLE_ENDIAN" : "BIG_ENDIAN", ByteOrder.nativeOrder()),
          COMPILE);
    }
    ByteBuffer elf = ByteBuffer.wrap(file).order(ByteOrder.nativeOrder());
    int machine = Short.toUnsignedInt(elf.getShort(18));
    if (machine != MACHINE_BPF) {
      throw refused(
          name,
          "it is for the processor with ELF number "
              + machine
              + ", not for BPF ("
              + MACHINE_BPF
              + ")",
          COMPILE);
    }
    long sections = elf.getLong(40);
    long end =
        sections
            + (long) Short.toUnsignedInt(elf.getShort(58)) * Short.toUnsignedInt(elf.getShort(60));
    if (sections < 0 || sections > file.length || end > file.length) {
      throw refused(
          name,
          "it is cut: it has " + file.length + " bytes, its section table ends at " + end,
          WHOLE);
    }
  }

  private static ObjectLoadException refused(String name, String problem, String cure) {
    return new ObjectLoadException("open object", name, null, problem, cure, "");
  }
}
