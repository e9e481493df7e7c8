// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.tasklocal.error.ObjectLoadException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.assertj.core.api.AbstractThrowableAssert;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ObjectFileTest {

  private static final int SECTIONS = 3;

  /** An ELF file of nothing but a header and a section table. */
  private static byte[] elf(ByteOrder order, int bits, int machine) {
    ByteBuffer elf = ByteBuffer.allocate(64 + SECTIONS * 64).order(order);
    elf.put(new byte[] {0x7f, 'E', 'L', 'F', (byte) (bits / 32)});
    elf.put((byte) (order == ByteOrder.LITTLE_ENDIAN ? 1 : 2));
    elf.putShort(18, (short) machine);
    elf.putLong(40, 64);
    elf.putShort(58, (short) 64);
    elf.putShort(60, (short) SECTIONS);
    return elf.array();
  }

  private static byte[] good() {
    return elf(ByteOrder.nativeOrder(), 64, 247);
  }

  private static AbstractThrowableAssert<?, ?> refused(byte[] file) {
    return refused(file, "clang -target bpf -O2 -g");
  }

  /** Compiling it otherwise would not mend it. */
  private static AbstractThrowableAssert<?, ?> cut(byte[] file) {
    return refused(file, "check that the file is whole: build or copy it again")
        .hasMessageNotContaining("clang");
  }

  private static AbstractThrowableAssert<?, ?> refused(byte[] file, String cure) {
    return assertThatThrownBy(() -> ObjectFile.check(file, "some.bpf.o"))
        .isExactlyInstanceOf(ObjectLoadException.class)
        .hasMessageStartingWith("open object some.bpf.o: ")
        .hasMessageEndingWith(cure);
  }

  @Test
  void anObjectFileIsAccepted() {
    assertThatCode(() -> ObjectFile.check(good(), "some.bpf.o")).doesNotThrowAnyException();
  }

  @Test
  void anEmptyFileIsRefused() {
    cut(new byte[0]).hasMessageContaining("the file is empty");
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 4, 16, 63})
  void aFileShorterThanItsHeaderIsRefused(int length) {
    refused(Arrays.copyOf(good(), length)).hasMessageContaining(length + " bytes are no ELF");
  }

  @Test
  void aFileThatIsNoElfIsRefused() {
    byte[] file = good();
    file[0] = 'M';
    refused(file).hasMessageContaining(file.length + " bytes are no ELF object file");
  }

  @ParameterizedTest
  @ValueSource(ints = {64, 65, 128, 255})
  void aFileThatEndsBeforeItsSectionTableIsRefused(int length) {
    cut(Arrays.copyOf(good(), length))
        .hasMessageContaining("it is cut: it has " + length + " bytes")
        .hasMessageContaining("ends at " + (64 + SECTIONS * 64));
  }

  @ParameterizedTest
  @ValueSource(longs = {-1, Long.MIN_VALUE, Long.MAX_VALUE, Long.MAX_VALUE - 100})
  void aSectionTableAtNoPlaceIsRefused(long place) {
    byte[] file = good();
    ByteBuffer.wrap(file).order(ByteOrder.nativeOrder()).putLong(40, place);
    cut(file).hasMessageContaining("it is cut");
  }

  @Test
  void anotherProcessorsFileIsRefused() {
    refused(elf(ByteOrder.nativeOrder(), 64, 62))
        .hasMessageContaining("ELF number 62")
        .hasMessageContaining("BPF (247)");
  }

  @Test
  void theOtherByteOrderAndSizeAreRefused() {
    ByteOrder other =
        ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN
            ? ByteOrder.BIG_ENDIAN
            : ByteOrder.LITTLE_ENDIAN;
    refused(elf(other, 64, 247))
        .hasMessageContaining("64 bits, " + other)
        .hasMessageContaining("is " + ByteOrder.nativeOrder());
    refused(elf(ByteOrder.nativeOrder(), 32, 247)).hasMessageContaining("32 bits");
  }
}
