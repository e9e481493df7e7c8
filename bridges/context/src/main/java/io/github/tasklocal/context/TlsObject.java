// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.context;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * An ELF shared object with a thread-local pointer, made here, since Java has no other way to a
 * variable that readers outside of the process find by name. It has no code but a return: readers
 * look for it in mappings that may be executed.
 *
 * <p>Sources: the System V gABI 4.1, chapters 4 and 5; "ELF Handling For Thread-Local Storage" (U.
 * Drepper); the psABI supplements of x86-64 and AArch64 for the relocation that fills in a TLS
 * descriptor, by which readers learn where a thread has the variable.
 */
final class TlsObject {

  private static final int HEADER = 64;
  private static final int PROGRAM_HEADER = 56;
  private static final int SECTION_HEADER = 64;
  private static final int SYMBOL = 24;
  private static final int RELOCATION = 24;
  private static final int POINTER = 8;

  /** More than a page has on any processor: what can be written lies on a page of its own. */
  private static final int ALIGNMENT = 0x10000;

  private static final String[] SECTIONS = {
    "",
    ".hash",
    ".gnu.hash",
    ".dynsym",
    ".dynstr",
    ".rela.dyn",
    ".text",
    ".tbss",
    ".dynamic",
    ".got",
    ".shstrtab"
  };

  // Indexes of sections that others name.
  private static final int DYNSYM = 3;
  private static final int DYNSTR = 4;
  private static final int TBSS = 7;
  private static final int SHSTRTAB = 10;

  private TlsObject() {}

  /** What differs between processors. */
  private record Machine(int number, int tlsDescriptor, int code) {

    static Machine of(String arch) {
      return arch.equals("amd64")
          ? new Machine(62, 36, 0xc3)
          : new Machine(183, 1031, 0xd65f03c0);
    }
  }

  /**
   * {@return the bytes of the file}
   *
   * @param arch amd64 or aarch64, as in the system property os.arch
   * @param symbol the variable's name
   */
  static byte[] bytes(String arch, String symbol) {
    return new Writer(Machine.of(arch), symbol).write();
  }

  /** Lays one part behind the other, in the order of the sections. */
  private static final class Writer {

    private final Machine machine;
    private final String symbol;
    private final ByteBuffer file = ByteBuffer.allocate(4096).order(ByteOrder.LITTLE_ENDIAN);

    /** Where each section begins, and how many bytes it has. */
    private final int[] begin = new int[SECTIONS.length];

    private final int[] size = new int[SECTIONS.length];

    Writer(Machine machine, String symbol) {
      this.machine = machine;
      this.symbol = symbol;
    }

    byte[] write() {
      byte[] strings = strings(symbol, "libtasklocal-threads.so");
      int soname = 2 + symbol.length();
      byte[] names = strings(Arrays.copyOfRange(SECTIONS, 1, SECTIONS.length));
      file.position(HEADER + 5 * PROGRAM_HEADER);

      section(1, () -> ints(1, 2, 1, 0, 0)); // one bucket, whose chain is the symbol
      section(2, () -> gnuHash(symbol));
      section(
          DYNSYM,
          () -> {
            longs(0, 0, 0);
            file.putInt(1).put((byte) (1 << 4 | 6)); // its name; global, thread-local
            file.put((byte) 0).putShort((short) TBSS);
            longs(0, POINTER);
          });
      section(DYNSTR, () -> file.put(strings));
      section(5, () -> longs(0, 1L << 32 | machine.tlsDescriptor, 0));
      section(6, () -> file.putInt(machine.code));
      section(SHSTRTAB, () -> file.put(names));
      align();
      int sectionHeaders = file.position();
      int writable = sectionHeaders + SECTIONS.length * SECTION_HEADER;
      file.position(writable);
      begin[TBSS] = writable;
      size[TBSS] = POINTER;
      section(
          8,
          () -> {
            longs(14, soname, 4, begin[1], 0x6ffffef5L, begin[2], 5, begin[DYNSTR]);
            longs(6, begin[DYNSYM], 10, size[DYNSTR], 11, SYMBOL);
            longs(7, begin[5], 8, size[5], 9, RELOCATION);
            longs(30, 8, 0x6ffffffbL, 1, 0, 0); // all is bound as it is loaded
          });
      section(9, () -> longs(0, 0)); // the descriptor, which the dynamic linker fills in
      int end = file.position();
      file.putLong(begin[5], ALIGNMENT + begin[9]);

      file.position(0);
      header(sectionHeaders);
      program(1, 5, 0, 0, writable, writable, ALIGNMENT); // to be executed
      program(1, 6, writable, ALIGNMENT, end - writable, end - writable, ALIGNMENT);
      program(2, 6, begin[8], ALIGNMENT, size[8], size[8], POINTER); // dynamic
      program(7, 4, writable, ALIGNMENT, 0, POINTER, POINTER); // thread-local
      program(0x6474e551, 6, 0, 0, 0, 0, 16); // no stack that can be executed
      file.position(sectionHeaders);
      longs(0, 0, 0, 0, 0, 0, 0, 0);
      sectionHeader(1, 5, 2, DYNSYM, 0, 4);
      sectionHeader(2, 0x6ffffff6, 2, DYNSYM, 0, 0);
      sectionHeader(DYNSYM, 11, 2, DYNSTR, 1, SYMBOL);
      sectionHeader(DYNSTR, 3, 2, 0, 0, 0);
      sectionHeader(5, 4, 2, DYNSYM, 0, RELOCATION);
      sectionHeader(6, 1, 6, 0, 0, 0);
      sectionHeader(TBSS, 8, 0x403, 0, 0, 0);
      sectionHeader(8, 6, 3, DYNSTR, 0, 16);
      sectionHeader(9, 1, 3, 0, 0, 8);
      sectionHeader(SHSTRTAB, 3, 0, 0, 0, 0);
      return Arrays.copyOf(file.array(), end);
    }

    private void section(int index, Runnable content) {
      align();
      begin[index] = file.position();
      content.run();
      size[index] = file.position() - begin[index];
    }

    private void align() {
      file.position((file.position() + 7) & -8);
    }

    /** One bucket again; the words of its filter have the bits of the symbol. */
    private void gnuHash(String name) {
      int hash = 5381;
      for (int i = 0; i < name.length(); i++) {
        hash = hash * 33 + name.charAt(i);
      }
      int shift = 6;
      ints(1, 1, 1, shift);
      longs(1L << hash | 1L << (hash >>> shift));
      ints(1, hash | 1);
    }

    private void header(int sectionHeaders) {
      file.putInt(0x464c457f).put(new byte[] {2, 1, 1, 0}).putLong(0);
      file.putShort((short) 3).putShort((short) machine.number).putInt(1);
      longs(0, HEADER, sectionHeaders);
      file.putInt(0).putShort((short) HEADER);
      file.putShort((short) PROGRAM_HEADER).putShort((short) 5);
      file.putShort((short) SECTION_HEADER).putShort((short) SECTIONS.length);
      file.putShort((short) SHSTRTAB);
    }

    private void program(
        int type, int flags, int offset, int above, int fileSize, int memorySize, int alignment) {
      int address = offset + above;
      ints(type, flags);
      longs(offset, address, address, fileSize, memorySize, alignment);
    }

    private void sectionHeader(int index, int type, int flags, int link, int info, int entry) {
      int name = 1;
      for (int i = 1; i < index; i++) {
        name += SECTIONS[i].length() + 1;
      }
      boolean isLoaded = (flags & 2) != 0;
      boolean isWritable = (flags & 1) != 0;
      ints(name, type);
      longs(flags, isLoaded || isWritable ? begin[index] + (isWritable ? ALIGNMENT : 0) : 0);
      longs(begin[index], size[index]);
      ints(link, info);
      longs(8, entry);
    }

    private void ints(int... values) {
      for (int each : values) {
        file.putInt(each);
      }
    }

    private void longs(long... values) {
      for (long each : values) {
        file.putLong(each);
      }
    }

    /** {@return a table of strings, which begins with an empty one} */
    private static byte[] strings(String... all) {
      return ("\0" + String.join("\0", all) + "\0").getBytes(StandardCharsets.US_ASCII);
    }
  }
}
