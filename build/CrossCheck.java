// SPDX-License-Identifier: Apache-2.0
import java.io.IOException;
import java.lang.foreign.GroupLayout;
import java.lang.foreign.MemoryLayout;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Prints a C file that compiles, for arm64, only if the structs and constants which Java has from
 * the headers of x86-64 are the same there, and the numbers that differ are that processor's.
 *
 * <p>Usage: {@code java -cp CLASSES build/CrossCheck.java CLASSES SOURCE_FOLDER...}: the library's
 * compiled classes, and sources with numbers that were written by hand.
 */
final class CrossCheck {

  private static final String BINDINGS = "io.github.tasklocal.libbpf";

  private static final String HEADERS =
      """
      #define _GNU_SOURCE
      #include <asm/unistd.h>
      #include <bpf/bpf.h>
      #include <bpf/btf.h>
      #include <bpf/libbpf.h>
      #include <dlfcn.h>
      #include <elf.h>
      #include <fcntl.h>
      #include <linux/membarrier.h>
      #include <signal.h>
      #include <stddef.h>
      #include <sys/epoll.h>
      #include <sys/mman.h>
      #include <sys/socket.h>
      #define SAME(c, java) _Static_assert((c) == (java), #c " is " #java)
      """;

  /** A constant, with its name as in C. */
  private static final Pattern CONSTANT =
      Pattern.compile(
          "static final (?:int|long) ((?:O|F|AF|SOCK|SOL|SO|SCM|MSG|SHUT|EPOLL|MAP|RTLD|MEMBARRIER|AT|"
              + "BPF_F|BPF_MAP_TYPE)_\\w+) = ([^;]+);");

  /** A system call's number on x86-64 and on arm64. */
  private static final Pattern NUMBERS =
      Pattern.compile("\\b(\\w+) = number\\(\\d+, (\\d+)\\);|^  ([A-Z_]+)\\(\\d+, (\\d+)\\)[,;]");

  /** One that is the same everywhere. */
  private static final Pattern NUMBER =
      Pattern.compile("static final long (?:SYS_)?(PIDFD_\\w+) = (\\d+);");

  /** Newer than the headers of the oldest Debian that this is run on. */
  private static final List<String> NEW = List.of("SO_PEERPIDFD");

  private CrossCheck() {}

  public static void main(String[] args) throws IOException, ReflectiveOperationException {
    System.out.print(HEADERS);
    try (Stream<Path> classes =
        Files.list(Path.of(args[0], BINDINGS.split("\\.")[0], "github", "tasklocal", "libbpf"))) {
      for (Path file : classes.sorted().toList()) {
        String name = file.getFileName().toString().replace(".class", "");
        if (!name.contains("$") && !name.equals("package-info")) {
          bindings(Class.forName(BINDINGS + "." + name), name);
        }
      }
    }
    for (String folder : List.of(args).subList(1, args.length)) {
      try (Stream<Path> sources = Files.walk(Path.of(folder))) {
        for (Path file : sources.filter(each -> each.toString().endsWith(".java")).toList()) {
          byHand(Files.readString(file));
        }
      }
    }
  }

  private static void bindings(Class<?> type, String name) throws ReflectiveOperationException {
    for (Method method : type.getDeclaredMethods()) {
      boolean isPlain =
          Modifier.isStatic(method.getModifiers())
              && Modifier.isPublic(method.getModifiers())
              && method.getParameterCount() == 0;
      if (isPlain && method.getName().matches("[A-Z][A-Z0-9_]+") && name.endsWith("_h")) {
        System.out.println("SAME(%s, %s);".formatted(method.getName(), method.invoke(null)));
      } else if (isPlain && method.getName().equals("layout")) {
        GroupLayout layout = (GroupLayout) method.invoke(null);
        System.out.println("SAME(sizeof(struct %s), %d);".formatted(name, layout.byteSize()));
        members("struct " + name, "", layout, 0);
      }
    }
  }

  /**
   * A struct or union without a name is the same to C as if its members were those of the outer
   * one.
   */
  private static void members(String struct, String path, GroupLayout group, long base) {
    long offset = base;
    for (MemoryLayout member : group.memberLayouts()) {
      String name = member.name().orElse("");
      if (member instanceof GroupLayout inner && (name.isEmpty() || name.startsWith("$anon"))) {
        members(struct, path, inner, offset);
      } else if (!name.isEmpty()) {
        System.out.println("SAME(offsetof(%s, %s), %d);".formatted(struct, path + name, offset));
        System.out.println(
            "SAME(sizeof(((%s *)0)->%s), %d);".formatted(struct, path + name, member.byteSize()));
      }
      offset += group instanceof java.lang.foreign.StructLayout ? member.byteSize() : 0;
    }
  }

  private static void byHand(String source) {
    for (String line : source.lines().toList()) {
      Matcher constant = CONSTANT.matcher(line);
      Matcher numbers = NUMBERS.matcher(line);
      Matcher number = NUMBER.matcher(line);
      if (numbers.find()) {
        boolean isEnum = numbers.group(1) == null;
        call(numbers.group(isEnum ? 3 : 1), numbers.group(isEnum ? 4 : 2));
      } else if (number.find()) {
        call(number.group(1), number.group(2));
      } else if (constant.find()) {
        String value =
            constant.group(2).replace("_", "").replaceFirst("^ARM \\? (\\w+) : \\w+$", "$1");
        String same = "SAME(%s, %s);".formatted(constant.group(1), value);
        System.out.println(
            NEW.contains(constant.group(1))
                ? "#ifdef %s\n%s\n#endif".formatted(constant.group(1), same)
                : same);
      }
    }
  }

  private static void call(String name, String number) {
    String call =
        name.replaceFirst("^SYS_", "")
            .replaceFirst("^PRIVILEGED_", "")
            .toLowerCase(java.util.Locale.ROOT);
    System.out.println("SAME(__NR_%s, %s);".formatted(call, number));
  }
}
