// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.symbols;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.tools.symbols.Frame.Kind;
import org.junit.jupiter.api.Test;

/** Names of frames. */
class SymbolsTest {

  @Test
  void anAddressHasTheNameOfTheRangeItIsIn() {
    SymbolTable table = new SymbolTable();
    table.add(0x1000, 0x10, "sized");
    table.add(0x2000, 0, "open");
    table.add(0xffffffff80000000L, 0, "high");
    assertThat(table.find(0xfff)).isNull();
    assertThat(table.find(0x1000)).isEqualTo("sized");
    assertThat(table.find(0x100f)).isEqualTo("sized");
    assertThat(table.find(0x1010)).isNull();
    assertThat(table.find(0x2fff)).isEqualTo("open");
    assertThat(table.find(0xffffffff80000001L)).isEqualTo("high");
  }

  @Test
  void codeOfAJvmIsAMethodOrAStub() {
    assertThat(JavaCode.frame("double Spin.hot(int)")).isEqualTo(new Frame("Spin.hot", Kind.JAVA));
    assertThat(JavaCode.frame("void a.B$C.d(java.lang.Object, int[])"))
        .isEqualTo(new Frame("a.B$C.d", Kind.JAVA));
    assertThat(JavaCode.frame("Interpreter")).isEqualTo(new Frame("[interpreter]", Kind.STUB));
    assertThat(JavaCode.frame("StubRoutines (initialstubs)"))
        .isEqualTo(new Frame("[initialstubs]", Kind.STUB));
    assertThat(JavaCode.frame("I2C/C2I adapters").kind()).isEqualTo(Kind.STUB);
  }

  @Test
  void nativeFunctionsLoseTheirParameters() {
    assertThat(ElfSymbols.name("memcpy")).isEqualTo("memcpy");
    assertThat(ElfSymbols.name("_ZN6Thread8call_runEv")).isEqualTo("Thread::call_run");
    assertThat(ElfSymbols.name("_ZNK3foo3barEPFvvE")).isEqualTo("foo::bar");
  }

  @Test
  void devicesHaveTheFormThatMapsHave() {
    assertThat(ProcessSymbols.device(0xfd01)).isEqualTo("fd:01");
    assertThat(ProcessSymbols.device(0x0001_2345_6789_abcdL)).isEqualTo("129ab:345678cd");
  }
}
