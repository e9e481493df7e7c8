// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.selftest;

import static java.lang.foreign.MemoryLayout.PathElement.groupElement;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.bpf.BpfProgram;
import io.github.tasklocal.kit.Await;
import io.github.tasklocal.layout.DataPage;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SequenceLayout;
import java.lang.foreign.StructLayout;
import java.lang.foreign.UnionLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;

/** Every type of value, from Java to BPF and back. */
final class ValueTests {

  /** How many keys {@code values.bpf.c} looks for. */
  private static final int KEYS = 12;

  /** How many spans are written, and how many read, while the two may meet. */
  private static final long SPANS = 500_000;

  private ValueTests() {}

  /** {@return the tests of this theme} */
  static List<TestCase> tests() {
    List<TestCase> tests = new ArrayList<>();
    for (Primitive type : Primitive.all()) {
      String name = type.name();
      String one = (name.equals("int") ? "An " : "A ") + name;
      tests.addAll(
          TestCase.onEachWire(
              one + " set in Java in any way is read by BPF", f -> javaToBpf(f, type)));
      tests.addAll(
          TestCase.onEachWire(
              one + " written by BPF is read in Java in any way", f -> bpfToJava(f, type)));
    }
    tests.addAll(
        Suite.of(
            TestCase.onEachWire(
                "A struct with padding goes to BPF and back", ValueTests::paddedStruct),
            TestCase.onEachWire("An array goes to BPF and back", ValueTests::array),
            TestCase.onEachWire("A union goes to BPF and back", ValueTests::union),
            TestCase.onEachWire("A string goes to BPF and back as UTF-8", ValueTests::string),
            TestCase.onEachWire(
                "Values that nobody has set are zero in BPF", ValueTests::unsetValues),
            TestCase.onEachWireInOwnJvm(
                "A value that ends with the page goes to BPF and back", ValueTests::pageEnd),
            TestCase.onEachWire(
                "A span that is being written is not taken for a whole one",
                ValueTests::readInTheMiddle),
            TestCase.onEachWire(
                "No read of a span that another thread writes all the time is torn",
                ValueTests::readWhileWritten)));
    return tests;
  }

  /** Keys are made by the first test that uses them, not by listing the tests. */
  private static final class Keys {
    static final StructLayout PADDED_LAYOUT =
        MemoryLayout.structLayout(
            JAVA_BYTE.withName("a"),
            MemoryLayout.paddingLayout(3),
            JAVA_INT.withName("b"),
            JAVA_SHORT.withName("c"),
            MemoryLayout.paddingLayout(6),
            JAVA_LONG.withName("d"),
            JAVA_BYTE.withName("e"),
            MemoryLayout.paddingLayout(7));
    static final SequenceLayout NUMBERS_LAYOUT = MemoryLayout.sequenceLayout(5, JAVA_INT);
    static final UnionLayout UNION_LAYOUT =
        MemoryLayout.unionLayout(
            JAVA_LONG.withName("whole"),
            MemoryLayout.sequenceLayout(4, JAVA_SHORT).withName("parts"));
    static final StructLayout SPAN_LAYOUT =
        MemoryLayout.structLayout(
            JAVA_INT.withName("sequence"),
            JAVA_INT.withName("kind"),
            JAVA_LONG.withName("id"),
            JAVA_LONG.withName("inverse"));

    static final TaskLocal.OfSegment PADDED = TaskLocal.of("value_padded", PADDED_LAYOUT);
    static final TaskLocal.OfSegment NUMBERS = TaskLocal.of("value_numbers", NUMBERS_LAYOUT);
    static final TaskLocal.OfSegment TEXT =
        TaskLocal.of("value_text", MemoryLayout.sequenceLayout(32, JAVA_BYTE));
    static final TaskLocal.OfSegment UNION = TaskLocal.of("value_union", UNION_LAYOUT);
    static final TaskLocal.OfSegment SPAN = TaskLocal.of("span", SPAN_LAYOUT);

    static {
      // The programs look for all of them.
      for (Primitive type : Primitive.all()) {
        type.access().get().setters().getFirst().accept(0);
      }
    }

    static void make() {}
  }

  /** {@return the key of {@code checked.bpf.c}} */
  static TaskLocal.OfSegment span() {
    return Keys.SPAN;
  }

  /** {@return {@code values.bpf.c}, loaded, its map open} */
  static BpfObject values(Fixture fixture) throws Exception {
    Keys.make();
    BpfObject object = fixture.load("values");
    fixture.share(object);
    return object;
  }

  /** Runs a program of {@code values.bpf.c}, each of which finds all keys. */
  static void run(BpfObject object, String program) {
    Check.equal(KEYS, object.program(program).run(), "keys that BPF found in " + program);
  }

  private static void javaToBpf(Fixture fixture, Primitive type) throws Exception {
    BpfObject object = values(fixture);
    MemorySegment seen = object.global("seen_" + type.name());
    Primitive.Access access = type.access().get();
    for (int way = 0; way < access.setters().size(); way++) {
      for (long bits : type.patterns(fixture.random())) {
        access.setters().get(way).accept(bits);
        run(object, "read_values");
        Check.equalBits(bits, type.get(seen), "what BPF read after setter " + way);
      }
    }
  }

  private static void bpfToJava(Fixture fixture, Primitive type) throws Exception {
    BpfObject object = values(fixture);
    MemorySegment given = object.global("given_" + type.name());
    Primitive.Access access = type.access().get();
    access.setters().getFirst().accept(0); // the first use registers the thread
    for (long bits : type.patterns(fixture.random())) {
      type.set(given, bits);
      run(object, "write_values");
      for (int way = 0; way < access.getters().size(); way++) {
        Check.equalBits(
            bits, type.cut(access.getters().get(way).getAsLong()), "what getter " + way + " gave");
      }
    }
  }

  private static void paddedStruct(Fixture fixture) throws Exception {
    BpfObject object = values(fixture);
    Random random = fixture.random();
    MemorySegment mine = Keys.PADDED.segment();
    for (int i = 0; i < 20; i++) {
      fillPadded(mine, random);
      run(object, "read_values");
      equalPadded(mine, object.global("seen_padded"), "what BPF read");

      fillPadded(object.global("given_padded"), random);
      run(object, "write_values");
      equalPadded(object.global("given_padded"), mine, "what BPF wrote");
    }
  }

  private static final List<String> MEMBERS = List.of("a", "b", "c", "d", "e");

  private static void fillPadded(MemorySegment struct, Random random) {
    for (String member : MEMBERS) {
      long offset = Keys.PADDED_LAYOUT.byteOffset(groupElement(member));
      long size = Keys.PADDED_LAYOUT.select(groupElement(member)).byteSize();
      byte[] bytes = new byte[(int) size];
      random.nextBytes(bytes);
      struct.asSlice(offset, size).copyFrom(MemorySegment.ofArray(bytes));
    }
  }

  /** Compares member by member, since the padding may differ. */
  private static void equalPadded(MemorySegment expected, MemorySegment actual, String what) {
    for (String member : MEMBERS) {
      long offset = Keys.PADDED_LAYOUT.byteOffset(groupElement(member));
      long size = Keys.PADDED_LAYOUT.select(groupElement(member)).byteSize();
      Check.equal(
          hex(expected.asSlice(offset, size)),
          hex(actual.asSlice(offset, size)),
          what + ", member " + member);
    }
  }

  private static String hex(MemorySegment bytes) {
    return java.util.HexFormat.of().formatHex(bytes.toArray(JAVA_BYTE));
  }

  private static void array(Fixture fixture) throws Exception {
    BpfObject object = values(fixture);
    int[] numbers = {0, -1, Integer.MIN_VALUE, Integer.MAX_VALUE, fixture.random().nextInt()};
    MemorySegment mine = Keys.NUMBERS.segment();
    mine.copyFrom(MemorySegment.ofArray(numbers));
    run(object, "read_values");
    int[] seen = object.global("seen_numbers").toArray(JAVA_INT);
    Check.equal(Arrays.toString(numbers), Arrays.toString(seen), "the array that BPF read");

    int[] given = fixture.random().ints(numbers.length).toArray();
    object.global("given_numbers").copyFrom(MemorySegment.ofArray(given));
    run(object, "write_values");
    Check.equal(Arrays.toString(given), Arrays.toString(mine.toArray(JAVA_INT)), "what BPF wrote");
  }

  private static void union(Fixture fixture) throws Exception {
    BpfObject object = values(fixture);
    Random random = fixture.random();
    MemorySegment mine = Keys.UNION.segment();
    for (int part = 0; part < 4; part++) {
      mine.setAtIndex(JAVA_SHORT, part, (short) random.nextInt());
    }
    run(object, "read_values");
    Check.equalBits(
        mine.get(JAVA_LONG, 0), object.global("seen_union").get(JAVA_LONG, 0), "what BPF read");

    long given = random.nextLong();
    object.global("given_union").set(JAVA_LONG, 0, given);
    run(object, "write_values");
    Check.equalBits(given, mine.get(JAVA_LONG, 0), "what BPF wrote");
  }

  private static void string(Fixture fixture) throws Exception {
    BpfObject object = values(fixture);
    List<String> texts =
        List.of(
            "a text of 31 bytes, no one more", // all but the NUL
            "",
            "ä€𝄞",
            "€".repeat(10),
            "short");
    for (String text : texts) {
      Keys.TEXT.setString(text);
      run(object, "read_values");
      byte[] expected = Arrays.copyOf(text.getBytes(StandardCharsets.UTF_8), 32);
      Check.equal(
          hex(MemorySegment.ofArray(expected)),
          hex(object.global("seen_text")),
          "\"" + text + "\" as BPF read it");

      MemorySegment given = object.global("given_text");
      given.fill((byte) 0).setString(0, text);
      Keys.TEXT.setString("");
      run(object, "write_values");
      Check.equal(text, Keys.TEXT.getString(), "the text that BPF wrote");
    }
    IllegalArgumentException refused =
        Check.refused(
            IllegalArgumentException.class,
            "a text of 32 bytes in an array of 32",
            () -> Keys.TEXT.setString("€".repeat(10) + "ab"));
    Check.contains("31", refused.getMessage(), "the refusal");
    Check.equal("short", Keys.TEXT.getString(), "the text after one was refused");
  }

  private static void unsetValues(Fixture fixture) throws Exception {
    BpfObject object = values(fixture);
    Parallel.run(
        1,
        index -> {
          MemorySegment first = Keys.TEXT.segment(); // a use of any key registers the thread
          Check.equal(0, (int) first.get(JAVA_BYTE, 0), "the first byte in Java");
          for (Primitive type : Primitive.all()) {
            type.set(object.global("seen_" + type.name()), -1);
          }
          object.global("seen_padded").fill((byte) -1);
          run(object, "read_values");
          for (Primitive type : Primitive.all()) {
            Check.equalBits(
                0, type.get(object.global("seen_" + type.name())), "the unset " + type.name());
          }
          equalPadded(
              MemorySegment.ofArray(new byte[32]), object.global("seen_padded"), "an unset struct");
        });
  }

  private static void pageEnd(Fixture fixture) throws Exception {
    TaskLocal.OfSegment ignored =
        TaskLocal.of("filler", MemoryLayout.sequenceLayout(DataPage.CAPACITY - 24, JAVA_BYTE));
    TaskLocal.OfSegment tail = TaskLocal.of("tail", MemoryLayout.sequenceLayout(3, JAVA_LONG));
    BpfObject object = fixture.load("page_end");
    fixture.share(object);
    MemorySegment mine = tail.segment();
    Check.equal(
        0L, (mine.address() + mine.byteSize()) % DataPage.SIZE, "where the value ends in its page");

    long[] words = fixture.random().longs(3).toArray();
    mine.copyFrom(MemorySegment.ofArray(words));
    Check.equal(0, object.program("exchange_tail").run(), "the result of the program");
    Check.equal(
        Arrays.toString(words),
        Arrays.toString(object.global("seen").toArray(JAVA_LONG)),
        "what BPF read");
    for (int i = 0; i < words.length; i++) {
      Check.equalBits(~words[i], mine.getAtIndex(JAVA_LONG, i), "word " + i + " that BPF wrote");
    }
  }

  private static final int TRY_AGAIN = -11;

  private static void readInTheMiddle(Fixture fixture) throws Exception {
    Keys.make();
    BpfObject object = fixture.load("checked");
    fixture.share(object);
    BpfProgram read = object.program("read_own");
    MemorySegment seen = object.global("seen");
    Check.that(
        Keys.SPAN.segment().byteSize() == seen.byteSize(),
        "the size of the struct differs between Java and C");

    writeSpan(1);
    Check.equal(0, read.run(), "reading a whole span");
    Check.equal(1L, seen.get(JAVA_LONG, 8), "the id that was read");
    Keys.SPAN.update(
        span -> {
          span.set(JAVA_LONG, 8, 2);
          Check.equal(TRY_AGAIN, read.run(), "reading a span that is half written");
          span.set(JAVA_LONG, 16, ~2L);
        });
    Check.equal(1L, seen.get(JAVA_LONG, 8), "the id that was read last, while it was written");
    Check.equal(0, read.run(), "reading the span after it was written");
    Check.equal(2L, seen.get(JAVA_LONG, 8), "the new id");
    Check.equal(~2L, seen.get(JAVA_LONG, 16), "its inverse");
  }

  private static void writeSpan(long id) {
    Keys.SPAN.update(
        span -> {
          span.set(JAVA_LONG, 8, id);
          span.set(JAVA_LONG, 16, ~id);
        });
  }

  private static void readWhileWritten(Fixture fixture) throws Exception {
    BpfProgram threadId = fixture.loadWithoutWire("thread_id").program("thread_id");
    BpfObject object = fixture.load("checked");
    fixture.share(object);
    BpfProgram read = object.program("read_others");
    MemorySegment whole = object.global("whole");
    AtomicLong written = new AtomicLong();
    Parallel.run(
        2,
        index -> {
          MemorySegment writer = object.global("writer");
          if (index == 0) {
            writeSpan(0);
            JAVA_INT.varHandle().setRelease(writer, 0L, threadId.run());
            while ((int) JAVA_INT.varHandle().getAcquire(writer, 0L) != 0) {
              writeSpan(written.incrementAndGet());
            }
          } else {
            Await.until(
                "the first span", () -> (int) JAVA_INT.varHandle().getAcquire(writer, 0L) != 0);
            try {
              long ignored =
                  Await.until(
                      "spans to be written and read whole",
                      () -> {
                        Check.equal(
                            0L, read.iterate().byteSize(), "the output of the reading program");
                        return Math.min(written.get(), whole.get(JAVA_LONG, 0));
                      },
                      least -> least > SPANS);
            } finally {
              JAVA_INT.varHandle().setRelease(writer, 0L, 0);
            }
          }
        });
    Check.equal(
        0L,
        object.global("torn").get(JAVA_LONG, 0),
        "torn reads, beside " + whole.get(JAVA_LONG, 0) + " whole ones");
  }
}
