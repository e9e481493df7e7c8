// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.symbols;

import io.github.tasklocal.tools.system.Demangler;
import java.io.IOException;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import net.fornwall.jelf.ElfFile;
import net.fornwall.jelf.ElfSegment;
import net.fornwall.jelf.ElfSymbol;
import net.fornwall.jelf.ElfSymbolTableSection;
import org.jspecify.annotations.Nullable;

/** The functions of a native file. Of one thread, but for the start. */
final class ElfSymbols {

  /** {@code STT_GNU_IFUNC}: a function that is chosen when the file is loaded. */
  private static final int INDIRECT = 10;

  private final MappedByteBuffer content;
  private final SymbolTable functions = new SymbolTable();
  private final Map<String, String> named = new HashMap<>();

  /** Null until the file is read. */
  private @Nullable List<ElfSegment> segments;

  /**
   * Takes hold of a file, which takes little time and no descriptor: it is read when a function is
   * looked for.
   *
   * @throws IOException if it cannot be had
   */
  ElfSymbols(Path path) throws IOException {
    if (!Files.isRegularFile(path)) { // to open a device can do anything
      throw new IOException(path + " is no regular file");
    }
    try (FileChannel file = FileChannel.open(path)) {
      if (file.size() > Integer.MAX_VALUE) {
        throw new IOException(path + " is too large");
      }
      content = file.map(FileChannel.MapMode.READ_ONLY, 0, file.size());
    }
  }

  private List<ElfSegment> read() {
    try {
      ElfFile file = ElfFile.from(content);
      List<ElfSegment> loaded = file.segmentsOfType(ElfSegment.PT_LOAD);
      add(file.getSymbolTableSection());
      add(file.getDynamicSymbolTableSection());
      return loaded;
    } catch (RuntimeException | InternalError e) {
      return List.of(); // it is another process's, can be of any form, and be cut meanwhile
    }
  }

  private void add(@Nullable ElfSymbolTableSection table) {
    if (table == null) {
      return;
    }
    for (ElfSymbol symbol : table.symbols) {
      int type = symbol.getType();
      if ((type == ElfSymbol.STT_FUNC || type == INDIRECT) && symbol.st_value != 0) {
        String name = symbol.getName();
        if (name != null) {
          functions.add(symbol.st_value, symbol.st_size, name);
        }
      }
    }
  }

  /** {@return the function at a place in the file, or null} */
  @Nullable String find(long offset) {
    if (segments == null) {
      segments = read();
    }
    for (ElfSegment segment : segments) {
      if (offset >= segment.p_offset && offset < segment.p_offset + segment.p_filesz) {
        String name = functions.find(segment.p_vaddr + offset - segment.p_offset);
        return name == null ? null : named.computeIfAbsent(name, ElfSymbols::name);
      }
    }
    return null;
  }

  /** {@return a function's name in its source, without its parameters} */
  static String name(String symbol) {
    String name = Demangler.demangle(symbol);
    int end = name.endsWith(" const") ? name.length() - 6 : name.length();
    if (end == 0 || name.charAt(end - 1) != ')') {
      return name;
    }
    int depth = 0;
    int at = end;
    do {
      at--;
      char c = name.charAt(at);
      depth += c == ')' ? 1 : c == '(' ? -1 : 0;
    } while (depth > 0 && at > 0);
    return at == 0 || depth > 0 ? name : name.substring(0, at);
  }
}
