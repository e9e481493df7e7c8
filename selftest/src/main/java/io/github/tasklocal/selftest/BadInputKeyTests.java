// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import static io.github.tasklocal.selftest.BadInputTests.keyRefused;
import static io.github.tasklocal.selftest.TestCase.withoutWire;
import static io.github.tasklocal.selftest.TestCase.withoutWireInOwnJvm;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.error.DirectoryFullException;
import io.github.tasklocal.error.InvalidKeyException;
import io.github.tasklocal.error.KeyConflictException;
import io.github.tasklocal.layout.DataPage;
import io.github.tasklocal.layout.Key;
import io.github.tasklocal.memory.ThreadPages;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.SequenceLayout;
import java.lang.foreign.StructLayout;
import java.nio.ByteOrder;
import java.util.List;

/** Keys that are refused. */
final class BadInputKeyTests {

  private static final int MOST = DataPage.CAPACITY;

  private BadInputKeyTests() {}

  static List<TestCase> tests() {
    return Suite.of(
        withoutWire("A null name or layout is refused", BadInputKeyTests::keyOfNull),
        withoutWire("An empty key is refused", BadInputKeyTests::emptyKey),
        withoutWire("A key of 62 bytes is refused", BadInputKeyTests::keyOf62Bytes),
        withoutWire(
            "A key of 61 characters but more bytes is refused",
            BadInputKeyTests::keyOfWideCharacters),
        withoutWire("A key with a NUL is refused", BadInputKeyTests::keyWithNul),
        withoutWire(
            "A key with half of a surrogate pair is refused", BadInputKeyTests::keyWithHalf),
        withoutWire("A layout of no bytes is refused", BadInputKeyTests::layoutOfNoBytes),
        withoutWire("A layout larger than a page is refused", BadInputKeyTests::layoutTooLarge),
        withoutWire("A layout aligned to 16 bytes is refused", BadInputKeyTests::layoutAlignedTo16),
        withoutWire(
            "A layout in the other byte order is refused", BadInputKeyTests::otherByteOrder),
        withoutWireInOwnJvm(
            "A key asked for with another size or type is refused", BadInputKeyTests::otherLayout),
        withoutWireInOwnJvm("The 65th key is refused", BadInputKeyTests::key65),
        withoutWireInOwnJvm(
            "A value for which the page has no room is refused", BadInputKeyTests::pageFull));
  }

  @SuppressWarnings({"NullAway", "DataFlowIssue"}) // that is the test
  private static void keyOfNull(Fixture fixture) {
    List<Key> before = ThreadPages.DIRECTORY.keys();
    NullPointerException name =
        Check.refused(
            NullPointerException.class, "a name of null", () -> TaskLocal.of(null, JAVA_INT));
    Check.contains("name is null", String.valueOf(name.getMessage()), "the message");
    Check.contains("1 to 61 bytes", String.valueOf(name.getMessage()), "the message");
    NullPointerException layout =
        Check.refused(
            NullPointerException.class,
            "a layout of null",
            () -> TaskLocal.of("bad.null", (StructLayout) null));
    Check.contains("layout is null", String.valueOf(layout.getMessage()), "the message");
    Check.equal(before, ThreadPages.DIRECTORY.keys(), "the process's keys");
  }

  private static void emptyKey(Fixture fixture) {
    keyRefused(
        InvalidKeyException.class, () -> TaskLocal.of("", JAVA_INT), "empty", "1 to 61 bytes");
  }

  private static void keyOf62Bytes(Fixture fixture) {
    String name = "n".repeat(62);
    keyRefused(
        InvalidKeyException.class,
        () -> TaskLocal.of(name, JAVA_INT),
        name,
        "62 bytes",
        "at most 61");
  }

  private static void keyOfWideCharacters(Fixture fixture) {
    String name = "n".repeat(60) + "\u00e9";
    keyRefused(
        InvalidKeyException.class,
        () -> TaskLocal.of(name, JAVA_INT),
        name,
        "62 bytes",
        "at most 61");
    String wide = "\u4e16".repeat(61);
    keyRefused(
        InvalidKeyException.class,
        () -> TaskLocal.of(wide, JAVA_INT),
        wide,
        "183 bytes",
        "at most 61");
  }

  private static void keyWithNul(Fixture fixture) {
    keyRefused(
        InvalidKeyException.class,
        () -> TaskLocal.of("bad\0name", JAVA_INT),
        "\"bad\\0name\"",
        "NUL at character 3",
        "C strings");
  }

  private static void keyWithHalf(Fixture fixture) {
    keyRefused(
        InvalidKeyException.class,
        () -> TaskLocal.of("bad\ud83dname", JAVA_INT),
        "\"bad\\ud83dname\"",
        "half of a surrogate pair",
        "whole characters");
    keyRefused(
        InvalidKeyException.class,
        () -> TaskLocal.of("\udd25", JAVA_INT),
        "\"\\udd25\"",
        "surrogate");
  }

  private static void layoutOfNoBytes(Fixture fixture) {
    keyRefused(
        InvalidKeyException.class,
        () -> TaskLocal.of("bad.empty", MemoryLayout.structLayout()),
        "\"bad.empty\"",
        "0 bytes",
        "1 to " + MOST);
    keyRefused(
        InvalidKeyException.class,
        () -> TaskLocal.of("bad.empty", MemoryLayout.sequenceLayout(0, JAVA_INT)),
        "\"bad.empty\"",
        "0 bytes",
        "1 to " + MOST);
  }

  private static void layoutTooLarge(Fixture fixture) {
    keyRefused(
        InvalidKeyException.class,
        () -> TaskLocal.of("bad.large", bytes(MOST + 1)),
        "\"bad.large\"",
        MOST + 1 + " bytes",
        "1 to " + MOST);
    keyRefused(
        InvalidKeyException.class,
        () -> TaskLocal.of("bad.large", bytes(Long.MAX_VALUE)),
        Long.MAX_VALUE + " bytes",
        "1 to " + MOST);
  }

  private static void layoutAlignedTo16(Fixture fixture) {
    keyRefused(
        InvalidKeyException.class,
        () ->
            TaskLocal.of("bad.aligned", MemoryLayout.structLayout(JAVA_LONG).withByteAlignment(16)),
        "\"bad.aligned\"",
        "aligned to 16 bytes",
        "aligned to 8 bytes");
  }

  private static void otherByteOrder(Fixture fixture) {
    ByteOrder other =
        ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN
            ? ByteOrder.BIG_ENDIAN
            : ByteOrder.LITTLE_ENDIAN;
    keyRefused(
        InvalidKeyException.class,
        () -> TaskLocal.of("bad.order", JAVA_INT.withOrder(other)),
        "\"bad.order\"",
        other.toString(),
        ByteOrder.nativeOrder().toString());
    keyRefused(
        InvalidKeyException.class,
        () ->
            TaskLocal.of(
                "bad.order", MemoryLayout.structLayout(JAVA_INT, JAVA_INT.withOrder(other))),
        "\"bad.order\"",
        other.toString(),
        ByteOrder.nativeOrder().toString());
  }

  private static void otherLayout(Fixture fixture) {
    TaskLocal.OfInt number = TaskLocal.of("conflict", JAVA_INT);
    number.set(5);
    keyRefused(
        KeyConflictException.class,
        () -> TaskLocal.of("conflict", JAVA_LONG),
        "\"conflict\"",
        "long of 8 bytes",
        "int of 4 bytes");
    keyRefused(
        KeyConflictException.class,
        () -> TaskLocal.of("conflict", JAVA_FLOAT),
        "\"conflict\"",
        "float of 4 bytes",
        "int of 4 bytes");
    keyRefused(
        KeyConflictException.class,
        () -> TaskLocal.of("conflict", bytes(4)),
        "\"conflict\"",
        "[4:b1] of 4 bytes",
        "int of 4 bytes");
    Check.equal(5, number.get(), "the value after its key was asked for with another layout");
    Check.equal(
        number, TaskLocal.of("conflict", JAVA_INT), "the key, asked for with its own layout again");
    Check.equal(
        ThreadPages.DIRECTORY.keys().getLast().offset() + 8,
        keyOffsetOf("next"),
        "where the next key lies");
  }

  private static int keyOffsetOf(String name) {
    TaskLocal.OfInt ignored = TaskLocal.of(name, JAVA_INT);
    return ThreadPages.DIRECTORY.keys().getLast().offset();
  }

  private static void key65(Fixture fixture) {
    while (ThreadPages.DIRECTORY.keys().size() < 64) {
      int ignored = keyOffsetOf("key " + ThreadPages.DIRECTORY.keys().size());
    }
    keyRefused(
        DirectoryFullException.class,
        () -> TaskLocal.of("one too many", JAVA_BYTE),
        "\"one too many\"",
        "all 64",
        "struct layout");
    TaskLocal.OfInt last = TaskLocal.of("key 63", JAVA_INT);
    last.set(63);
    Check.equal(63, last.get(), "the value of the last key");
  }

  private static void pageFull(Fixture fixture) {
    TaskLocal.OfSegment most = TaskLocal.of("most", bytes(MOST - 16));
    keyRefused(
        DirectoryFullException.class,
        () -> TaskLocal.of("too much", bytes(17)),
        "\"too much\"",
        "needs 17 bytes",
        "16 left of " + MOST,
        "multiple of 8");
    TaskLocal.OfSegment rest = TaskLocal.of("rest", bytes(16));
    rest.segment().fill((byte) -1);
    Check.equal(
        (byte) 0, most.segment().get(JAVA_BYTE, MOST - 17), "the byte before the last value");
    keyRefused(
        DirectoryFullException.class,
        () -> TaskLocal.of("a byte", JAVA_BYTE),
        "\"a byte\"",
        "needs 1 bytes",
        "0 left of " + MOST);
  }

  private static SequenceLayout bytes(long count) {
    return MemoryLayout.sequenceLayout(count, JAVA_BYTE);
  }
}
