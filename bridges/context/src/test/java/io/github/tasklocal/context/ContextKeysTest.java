// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.context;

import static java.lang.foreign.ValueLayout.JAVA_BOOLEAN;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_CHAR;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.kit.Jvm;
import java.lang.foreign.MemoryLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ContextKeysTest {

  private static final Logger LOGGER = Logger.getLogger("io.github.tasklocal");

  private final List<String> said = new ArrayList<>();
  private final Handler handler =
      new Handler() {
        @Override
        public void publish(LogRecord line) {
          said.add(line.getMessage());
        }

        @Override
        public void flush() {}

        @Override
        public void close() {}
      };

  @BeforeEach
  void listen() {
    LOGGER.addHandler(handler);
    LOGGER.setUseParentHandlers(false);
  }

  @AfterEach
  void listenNoMore() {
    LOGGER.removeHandler(handler);
    LOGGER.setUseParentHandlers(true);
  }

  private static TaskLocal.OfSegment text(String name, int bytes) {
    return TaskLocal.of(name, MemoryLayout.sequenceLayout(bytes, JAVA_BYTE));
  }

  @Test
  void aListNamesKeysInItsOrderWhateverSpacesAreInIt() {
    ContextKeys keys = ContextKeys.parse(" order.b:16, order.a :long,,order:with:colons:8 ");
    assertThat(said).isEmpty();
    assertThat(keys.all())
        .extracting(ContextKey::name)
        .containsExactly("order.b", "order.a", "order:with:colons");
    assertThat(keys.find("order.a")).isNotNull();
    assertThat(keys.find("order")).isNull();
    assertThat(keys.find(null)).isNull();
    assertThat(keys.isEmpty()).isFalse();
    assertThat(keys.find("order.b").local()).isEqualTo(text("order.b", 16));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", " ", ","})
  void anEmptyListHasNoKeysAndSaysNothing(String list) {
    assertThat(ContextKeys.parse(list).isEmpty()).isTrue();
    assertThat(said).isEmpty();
  }

  @Test
  void aTextIsTheValueAndNoneIsTheEmptyText() {
    ContextKey key = ContextKeys.parse("text.plain:16").find("text.plain");
    TaskLocal.OfSegment local = text("text.plain", 16);
    key.set("acme");
    assertThat(local.getString()).isEqualTo("acme");
    key.set("");
    assertThat(local.getString()).isEmpty();
    key.set("x");
    key.set(null);
    assertThat(local.getString()).isEmpty();
  }

  @Test
  void aTextThatIsTooLongIsCutAtACharactersBoundary() {
    ContextKey key = ContextKeys.parse("text.cut:8").find("text.cut");
    TaskLocal.OfSegment local = text("text.cut", 8);
    key.set("initech.example");
    assertThat(local.getString()).isEqualTo("initech");
    key.set("initecé");
    assertThat(local.getString()).isEqualTo("initec");
    key.set("abcd\uD83D\uDE00");
    assertThat(local.getString()).isEqualTo("abcd");
    key.set("abc\uD83D\uDE00!");
    assertThat(local.getString()).isEqualTo("abc\uD83D\uDE00");
    assertThat(said).isEmpty();
  }

  @Test
  void eachTypeTakesATextThatSaysSuchAValue() {
    ContextKeys keys =
        ContextKeys.parse(
            "t.z:boolean,t.b:byte,t.s:short,t.c:char,t.i:int,t.j:long,t.f:float,t.d:double");
    keys.find("t.z").set("TRUE");
    keys.find("t.b").set("-128");
    keys.find("t.s").set("+32767");
    keys.find("t.c").set("\u00e9");
    keys.find("t.i").set("-2147483648");
    keys.find("t.j").set("9223372036854775807");
    keys.find("t.f").set("1.5");
    keys.find("t.d").set("-2e300");
    assertThat(TaskLocal.of("t.z", JAVA_BOOLEAN).get()).isTrue();
    assertThat(TaskLocal.of("t.b", JAVA_BYTE).get()).isEqualTo((byte) -128);
    assertThat(TaskLocal.of("t.s", JAVA_SHORT).get()).isEqualTo((short) 32767);
    assertThat(TaskLocal.of("t.c", JAVA_CHAR).get()).isEqualTo('\u00e9');
    assertThat(TaskLocal.of("t.i", JAVA_INT).get()).isEqualTo(Integer.MIN_VALUE);
    assertThat(TaskLocal.of("t.j", JAVA_LONG).get()).isEqualTo(Long.MAX_VALUE);
    assertThat(TaskLocal.of("t.f", JAVA_FLOAT).get()).isEqualTo(1.5f);
    assertThat(TaskLocal.of("t.d", JAVA_DOUBLE).get()).isEqualTo(-2e300);
    keys.all().forEach(each -> each.set(null));
    assertThat(TaskLocal.of("t.z", JAVA_BOOLEAN).get()).isFalse();
    assertThat(TaskLocal.of("t.b", JAVA_BYTE).get()).isZero();
    assertThat(TaskLocal.of("t.s", JAVA_SHORT).get()).isZero();
    assertThat(TaskLocal.of("t.c", JAVA_CHAR).get()).isEqualTo('\0');
    assertThat(TaskLocal.of("t.i", JAVA_INT).get()).isZero();
    assertThat(TaskLocal.of("t.j", JAVA_LONG).get()).isZero();
    assertThat(TaskLocal.of("t.f", JAVA_FLOAT).get()).isZero();
    assertThat(TaskLocal.of("t.d", JAVA_DOUBLE).get()).isZero();
    assertThat(said).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "boolean|yes",
        "byte|128",
        "short|32768",
        "char|ab",
        "char|",
        "int|2147483648",
        "int|1.5",
        "int|",
        "int|-",
        "int| 1",
        "int|\u0661",
        "long|9223372036854775808",
        "long|123456789012345678901234567890",
        "float|x",
        "double|"
      })
  void aTextThatSaysNoSuchValueCountsAsNoneWhichIsSaidOnce(String typeAndText) {
    String type = typeAndText.split("\\|")[0];
    String text = typeAndText.substring(type.length() + 1);
    String name = "none." + type;
    ContextKey key = ContextKeys.parse(name + ":" + type).find(name);
    key.set(type.equals("boolean") ? "true" : "1");
    assertThat(said).isEmpty();
    key.set(text);
    key.set(text);
    assertThat(said).hasSize(1);
    assertThat(said.getFirst())
        .contains("\"" + text + "\" is no " + type)
        .contains("\"" + name + "\"");
    Object value =
        switch (key.local()) {
          case TaskLocal.OfBoolean local -> local.get() ? 1 : 0;
          case TaskLocal.OfByte local -> local.get();
          case TaskLocal.OfShort local -> local.get();
          case TaskLocal.OfChar local -> (int) local.get();
          case TaskLocal.OfInt local -> local.get();
          case TaskLocal.OfLong local -> local.get();
          case TaskLocal.OfFloat local -> local.get();
          case TaskLocal.OfDouble local -> local.get();
          case TaskLocal.OfSegment local -> local.getString();
        };
    assertThat(((Number) value).doubleValue()).isZero();
  }

  @Test
  void whatCannotBeAKeyIsNamedAndLeftOut() {
    TaskLocal.of("bad.taken", JAVA_INT);
    ContextKeys keys =
        ContextKeys.parse(
            "bad.nothing,bad.empty:,:8,bad.one:1,bad.most:4081,bad.type:string,bad.minus:-8,"
                + "bad.taken:long,bad.twice:8,bad.twice:16,bad."
                + "x".repeat(60)
                + ":8,bad.good:8");
    assertThat(keys.all()).extracting(ContextKey::name).containsExactly("bad.twice", "bad.good");
    assertThat(said).hasSize(1);
    assertThat(said.getFirst())
        .startsWith("-Dtasklocal.context: left out ")
        .contains("\"bad.nothing\", which is no NAME:TYPE", "tenant:16", "\"bad.empty:\"", "\":8\"")
        .contains("\"bad.one:1\": \"1\" is neither 2 to 4080 bytes for a text nor one of boolean")
        .contains("\"bad.most:4081\"", "\"bad.type:string\"", "\"bad.minus:-8\"")
        .contains("\"bad.taken:long\": ", "KeyConflictException")
        .contains("the second \"bad.twice\"")
        .contains("InvalidKeyException");
    assertThat(text("bad.twice", 8).name()).isEqualTo("bad.twice");
  }

  /** Keys are never removed, so these fill a process of their own. */
  @Test
  void keysBeyondWhatAProcessHasAreNamedAndLeftOut() {
    String many =
        IntStream.range(0, 70).mapToObj(i -> "k" + i + ":8").collect(Collectors.joining(","));
    assertThat(list(many)).contains("64 keys").contains("\"k64:8\"", "\"k69:8\"", "all 64 are");
    assertThat(list("a:4000,b:16,c:4080,d:64"))
        .contains("3 keys")
        .contains("\"c:4080\"", "has 64 left")
        .doesNotContain("\"d:64\"");
  }

  /** {@return what a process says whose list this is} */
  private static String list(String list) {
    Jvm.Result result =
        Jvm.run(
            Jvm.command(
                List.of("-Dtasklocal.context=" + list),
                Jvm.join(Jvm.classPath()),
                ListChild.class));
    assertThat(result.exit()).as(result.output()).isZero();
    return result.output();
  }

  /** Without native access there are no keys, and no failure. */
  @Test
  void withoutNativeAccessThereAreNoKeysAndThatIsSaid() {
    List<String> command =
        new ArrayList<>(
            Jvm.command(
                List.of("-Dtasklocal.context=tenant:16"),
                Jvm.join(Jvm.classPath()),
                ListChild.class));
    command.removeIf(each -> each.startsWith("--enable-native-access"));
    command.add(1, "--illegal-native-access=deny");
    Jvm.Result result = Jvm.run(command);
    assertThat(result.output())
        .contains("0 keys")
        .contains("\"tenant:16\"", "NativeAccessException", "--enable-native-access=ALL-UNNAMED");
    assertThat(result.exit()).isZero();
  }
}
