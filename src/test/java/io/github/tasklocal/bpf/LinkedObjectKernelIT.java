// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.tasklocal.Clang;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.kit.junit.KernelTest;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An object that was linked from two, as by {@code bpftool gen object}. */
@KernelTest
class LinkedObjectKernelIT {

  private static final Pattern CANDIDATE = Pattern.compile("\\bdebug@\\.data\\+\\d+");

  private static Path linked;

  @BeforeAll
  static void link(@TempDir Path folder) throws Throwable {
    linked = folder.resolve("linked.bpf.o");
    Path one =
        Clang.compile(
            Files.createDirectory(folder.resolve("one")),
            "same_name",
            "-DREADER=read_one",
            "-DOWN=own_one",
            "-DINITIAL=1");
    Path two =
        Clang.compile(
            Files.createDirectory(folder.resolve("two")),
            "same_name",
            "-DREADER=read_two",
            "-DOWN=own_two",
            "-DINITIAL=2");
    link(linked, one, two);
  }

  @SuppressWarnings("restricted")
  private static void link(Path to, Path... from) throws Throwable {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment linker =
          (MemorySegment)
              function(arena, "bpf_linker__new", ADDRESS, ADDRESS, ADDRESS)
                  .invokeWithArguments(arena.allocateFrom(to.toString()), MemorySegment.NULL);
      assertThat(linker.address()).isNotZero();
      for (Path each : from) {
        Object result =
            function(arena, "bpf_linker__add_file", JAVA_INT, ADDRESS, ADDRESS, ADDRESS)
                .invokeWithArguments(
                    linker, arena.allocateFrom(each.toString()), MemorySegment.NULL);
        assertThat(result).isEqualTo(0);
      }
      Object result =
          function(arena, "bpf_linker__finalize", JAVA_INT, ADDRESS).invokeWithArguments(linker);
      assertThat(result).isEqualTo(0);
      Object ignored =
          Linker.nativeLinker()
              .downcallHandle(
                  SymbolLookup.libraryLookup("libbpf.so.1", arena)
                      .find("bpf_linker__free")
                      .orElseThrow(),
                  FunctionDescriptor.ofVoid(ADDRESS))
              .invokeWithArguments(linker);
    }
  }

  @SuppressWarnings("restricted")
  private static MethodHandle function(
      Arena arena, String name, MemoryLayout result, MemoryLayout... arguments) {
    return Linker.nativeLinker()
        .downcallHandle(
            SymbolLookup.libraryLookup("libbpf.so.1", arena).find(name).orElseThrow(),
            FunctionDescriptor.of(result, arguments));
  }

  @Test
  void aNameThatTwoVariablesHaveIsRefusedWithTheNamesThatTellThemApart() {
    try (BpfObject object = BpfObject.load(linked)) {
      List<String> candidates = new ArrayList<>();
      assertThatThrownBy(() -> object.global("debug"))
          .isInstanceOfSatisfying(
              NotFoundException.class,
              e -> {
                Matcher found = CANDIDATE.matcher(e.getMessage());
                while (found.find()) {
                  candidates.add(found.group());
                }
              });
      assertThat(candidates).hasSize(2).doesNotHaveDuplicates();
      assertThat(candidates.stream().map(each -> object.global(each).get(JAVA_INT, 0)))
          .containsExactlyInAnyOrder(1, 2);
      for (String each : candidates) {
        MemorySegment debug = object.global(each);
        String reader = debug.get(JAVA_INT, 0) == 1 ? "read_one" : "read_two";
        debug.set(JAVA_INT, 0, 7);
        assertThat(object.program(reader).run()).isEqualTo(700);
        debug.set(JAVA_INT, 0, reader.equals("read_one") ? 1 : 2);
      }
    }
  }

  @Test
  void itIsRefusedBeforeTheLoadTooAndInASectionWithoutInitialValues() {
    try (BpfObject object = BpfObject.open(linked)) {
      assertThatThrownBy(() -> object.global("debug")).isInstanceOf(NotFoundException.class);
      assertThatThrownBy(() -> object.global("unset"))
          .isInstanceOf(NotFoundException.class)
          .hasMessageContainingAll("unset@.bss+", "several");
    }
  }

  @Test
  void aNameThatOneVariableHasNeedsNoMore() {
    try (BpfObject object = BpfObject.load(linked)) {
      assertThat(object.global("own_one").get(JAVA_INT, 0)).isEqualTo(1);
      assertThat(object.global("own_two").get(JAVA_INT, 0)).isEqualTo(2);
    }
  }
}
