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

import io.github.tasklocal.TaskLocal;
import java.lang.foreign.MemoryLayout;
import org.jspecify.annotations.Nullable;

/**
 * A key of {@link ContextKeys}, which takes a text from another context as the calling thread's
 * value.
 */
public final class ContextKey {

  private static final int MOST_BYTES = 4080;

  private final TaskLocal local;
  private final String type;
  private final Setter setter;
  private final ContextKeys.Contexts contexts;

  /** Whether a problem of this key was logged: once is enough. */
  private volatile boolean isSaid;

  /** Sets the value of the calling thread. */
  @FunctionalInterface
  private interface Setter {

    /**
     * Sets the value, to zero if there is no text.
     *
     * @return whether the text, if any, says a value of the key's type
     */
    boolean set(@Nullable String text);
  }

  private ContextKey(Made made, String type, ContextKeys.Contexts contexts) {
    this.local = made.local;
    this.type = type;
    this.setter = made.setter;
    this.contexts = contexts;
  }

  private record Made(TaskLocal local, Setter setter) {}

  /**
   * Makes a key.
   *
   * @param contexts that may have a value of this name
   * @throws IllegalArgumentException if there is no such type
   * @throws RuntimeException of other kinds, as {@code TaskLocal.of}
   */
  static ContextKey of(String name, String type, ContextKeys.Contexts contexts) {
    return new ContextKey(make(name, type), type, contexts);
  }

  private static Made make(String name, String type) {
    return switch (type) {
      case "boolean" -> {
        TaskLocal.OfBoolean key = TaskLocal.of(name, JAVA_BOOLEAN);
        yield new Made(
            key,
            text -> {
              boolean is = "true".equalsIgnoreCase(text);
              key.set(is);
              return is || text == null || "false".equalsIgnoreCase(text);
            });
      }
      case "char" -> {
        TaskLocal.OfChar key = TaskLocal.of(name, JAVA_CHAR);
        yield new Made(
            key,
            text -> {
              char c = text != null && text.length() == 1 ? text.charAt(0) : 0;
              key.set(c);
              return c != 0 || text == null;
            });
      }
      case "byte" -> {
        TaskLocal.OfByte key = TaskLocal.of(name, JAVA_BYTE);
        yield new Made(key, new Whole(Byte.MIN_VALUE, Byte.MAX_VALUE, n -> key.set((byte) n)));
      }
      case "short" -> {
        TaskLocal.OfShort key = TaskLocal.of(name, JAVA_SHORT);
        yield new Made(key, new Whole(Short.MIN_VALUE, Short.MAX_VALUE, n -> key.set((short) n)));
      }
      case "int" -> {
        TaskLocal.OfInt key = TaskLocal.of(name, JAVA_INT);
        yield new Made(key, new Whole(Integer.MIN_VALUE, Integer.MAX_VALUE, n -> key.set((int) n)));
      }
      case "long" -> {
        TaskLocal.OfLong key = TaskLocal.of(name, JAVA_LONG);
        yield new Made(key, new Whole(Long.MIN_VALUE, Long.MAX_VALUE, key::set));
      }
      case "float" -> {
        TaskLocal.OfFloat key = TaskLocal.of(name, JAVA_FLOAT);
        yield new Made(key, new Fraction(x -> key.set((float) x)));
      }
      case "double" -> {
        TaskLocal.OfDouble key = TaskLocal.of(name, JAVA_DOUBLE);
        yield new Made(key, new Fraction(key::set));
      }
      default -> ofText(name, type);
    };
  }

  private static Made ofText(String name, String type) {
    int bytes =
        type.length() <= 4 && type.chars().allMatch(c -> c >= '0' && c <= '9')
            ? Integer.parseInt(type)
            : 0;
    if (bytes < 2 || bytes > MOST_BYTES) {
      throw new IllegalArgumentException(
          "\"%s\" is neither 2 to %d bytes for a text nor one of boolean, byte, short, char, int,"
                  .formatted(type, MOST_BYTES)
              + " long, float, double");
    }
    TaskLocal.OfSegment key = TaskLocal.of(name, MemoryLayout.sequenceLayout(bytes, JAVA_BYTE));
    return new Made(
        key,
        text -> {
          key.setTruncated(text == null ? "" : text);
          return true;
        });
  }

  /** {@return the key's name} */
  public String name() {
    return local.name();
  }

  /** {@return the key itself} */
  public TaskLocal local() {
    return local;
  }

  /**
   * Sets the calling thread's value. A text that fits allocates nothing, one that is cut or is a
   * fraction allocates its copy; the thread's first use of any key costs more (see {@link
   * TaskLocal}).
   *
   * <p>Throws nothing. If the value cannot be set, for lack of memory for the thread's page, that
   * is logged once, and the thread goes on without.
   *
   * @param text or null for no value: then it is the empty text, or zero
   */
  public void set(@Nullable String text) {
    try {
      if (!setter.set(text) && !isSaid) {
        isSaid = true;
        ContextKeys.warn(
            "\"%s\" is no %s, so the thread has no value of the key \"%s\": list it with a number of"
                    .formatted(text, type, name())
                + " bytes, as a text. (Said once for each key.)");
      }
    } catch (RuntimeException | Error e) {
      if (!isSaid) {
        isSaid = true;
        ContextKeys.warn(
            "The key \"%s\" could not be set, and the thread goes on. (Said once for each key.)"
                .formatted(name()),
            e);
      }
    }
  }

  /**
   * Sets the calling thread's value to what a context has that has just changed, or, where it has
   * none, to what another context of {@link ContextKeys#with} has. Otherwise as {@link #set}, if
   * the contexts throw nothing.
   *
   * @param text what the context has; null if it has no value of this name
   */
  public void show(@Nullable String text) {
    set(text != null ? text : contexts.ask(name()));
  }

  @Override
  public String toString() {
    return name() + ":" + type;
  }

  /** Takes a whole number. */
  @FunctionalInterface
  private interface Numbers {
    void set(long number);
  }

  /** Whole numbers. No exception shows that a text is none, as it would be made at each change. */
  private record Whole(long least, long most, Numbers to) implements Setter {

    @Override
    public boolean set(@Nullable String text) {
      boolean isNumber = text != null && isWhole(text);
      long number = 0;
      if (isNumber) {
        try {
          number = Long.parseLong(text);
          isNumber = number >= least && number <= most;
        } catch (NumberFormatException e) {
          isNumber = false; // digits, but too many
        }
      }
      to.set(isNumber ? number : 0);
      return isNumber || text == null;
    }

    private static boolean isWhole(String text) {
      int first = !text.isEmpty() && (text.charAt(0) == '-' || text.charAt(0) == '+') ? 1 : 0;
      for (int i = first; i < text.length(); i++) {
        if (text.charAt(i) < '0' || text.charAt(i) > '9') {
          return false;
        }
      }
      return text.length() > first && text.length() <= 20;
    }
  }

  /** Takes a number. */
  @FunctionalInterface
  private interface Fractions {
    void set(double number);
  }

  /** Numbers with a fraction. */
  private record Fraction(Fractions to) implements Setter {

    @Override
    public boolean set(@Nullable String text) {
      double number = 0;
      boolean isNumber = text != null;
      if (text != null) {
        try {
          number = Double.parseDouble(text);
        } catch (NumberFormatException e) {
          isNumber = false;
        }
      }
      to.set(number);
      return isNumber || text == null;
    }
  }
}
