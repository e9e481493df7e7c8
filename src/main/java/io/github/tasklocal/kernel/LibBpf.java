// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.kernel;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.error.KernelException;
import io.github.tasklocal.error.NativeAccessException;
import io.github.tasklocal.error.NotPermittedException;
import io.github.tasklocal.error.NotSupportedException;
import io.github.tasklocal.error.ObjectLoadException;
import io.github.tasklocal.error.WrongObjectException;
import io.github.tasklocal.libbpf.bpf_iter_attach_opts;
import io.github.tasklocal.libbpf.bpf_object_open_opts;
import io.github.tasklocal.libbpf.bpf_test_run_opts;
import io.github.tasklocal.libbpf.libbpf_h;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * libbpf's objects, maps, programs and links. Pointers are libbpf's; the caller keeps the object to
 * which they belong open. Functions of libbpf 1.x return a negative errno, or null and set errno.
 */
@SuppressWarnings("restricted")
public final class LibBpf {

  /** Where a kernel with sched_ext shows its state. */
  private static final Path SCHED_EXT = Path.of("/sys/kernel/sched_ext");

  /** {@code BPF_MAP_TYPE_PERF_EVENT_ARRAY} of include/uapi/linux/bpf.h. */
  private static final int PERF_EVENT_ARRAY = 4;

  /** Sections of programs that libbpf attaches through perf_event_open. */
  private static final Pattern PERF_EVENTS =
      Pattern.compile("\\??(k(ret)?(probe|syscall)|u(ret)?probe|tp/|tracepoint|usdt|perf_event)");

  /** The calls by which a program is attached. */
  static final SystemCall[] DIRECT = {SystemCall.PRIVILEGED_BPF};

  static final SystemCall[] THROUGH_PERF_EVENTS = {
    SystemCall.PERF_EVENT_OPEN, SystemCall.PRIVILEGED_BPF
  };

  /** Exists on any kernel, if a sysfs is mounted. */
  private static final Path SYS_KERNEL = Path.of("/sys/kernel");

  /** Hash tables and arrays, per CPU and LRU ones, by their numbers in linux/bpf.h. */
  private static final Set<Integer> ELEMENTS = Set.of(1, 2, 5, 6, 9, 10);

  /** As much as libbpf itself would give the verifier for its log. */
  private static final long VERIFIER_LOG_BYTES = 16 << 20;

  /** Of a map: programs cannot write it (include/uapi/linux/bpf.h). */
  private static final int BPF_F_RDONLY_PROG = 1 << 7;

  /** Package managers, and how each installs libbpf. */
  private static final String[][] INSTALLATIONS = {
    {"/usr/bin/apt-get", "apt-get install libbpf1"},
    {"/usr/bin/dnf", "dnf install libbpf"},
    {"/sbin/apk", "apk add libbpf"},
    {"/usr/bin/zypper", "zypper install libbpf1"},
    {"/usr/bin/pacman", "pacman -S libbpf"},
  };

  /** BPF_MAP_TYPE_DEVMAP and BPF_MAP_TYPE_DEVMAP_HASH. */
  private static final Set<Integer> DEVICES = Set.of(14, 25);

  private LibBpf() {}

  /** The library, looked up once. */
  private static final class Library {
    /** Why there is no libbpf 1.1 or newer, or null if there is one. */
    static final @Nullable String MISSING = load();

    private static @Nullable String load() {
      try {
        MemorySegment ignored = libbpf_h.bpf_map_get_fd_by_id_opts$address(); // new in 1.1
        return null;
      } catch (UnsatisfiedLinkError e) {
        return "it is version 1.0";
      } catch (LinkageError e) {
        String why = DynamicLinker.why("libbpf.so.1");
        return why == null ? String.valueOf(e.getMessage()) : why;
      }
    }
  }

  private static final class OpenMem {
    static final MethodHandle HANDLE =
        Errno.capturing(
            libbpf_h.bpf_object__open_mem$address(), libbpf_h.bpf_object__open_mem$descriptor());
  }

  private static final class Attach {
    static final MethodHandle PROGRAM =
        Errno.capturing(
            libbpf_h.bpf_program__attach$address(), libbpf_h.bpf_program__attach$descriptor());
  }

  private static final class AttachIterator {
    static final MethodHandle PROGRAM =
        Errno.capturing(
            libbpf_h.bpf_program__attach_iter$address(),
            libbpf_h.bpf_program__attach_iter$descriptor());
  }

  private static final class AttachStructOps {
    static final MethodHandle MAP =
        Errno.capturing(
            libbpf_h.bpf_map__attach_struct_ops$address(),
            libbpf_h.bpf_map__attach_struct_ops$descriptor());
  }

  /**
   * Loads libbpf, if this has not happened yet.
   *
   * @param operation what needs it
   * @param subject on what
   * @throws NotSupportedException if this is not Linux, or a native image, or there is no libbpf
   *     1.1 or newer
   * @throws NativeAccessException if the runtime denies this module native access
   */
  public static void require(String operation, String subject) {
    if (!System.getProperty("os.name", "").equals("Linux")) {
      throw new NotSupportedException(
          operation,
          subject,
          null,
          "BPF is a part of Linux, this is " + System.getProperty("os.name"),
          "run it on Linux 6.13 or newer; without a map, values are plain thread memory");
    }
    NativeAccess.requireCalls(operation, subject);
    Linking.ensure();
    if (Library.MISSING != null) {
      throw new NotSupportedException(
          operation,
          subject,
          null,
          "libbpf.so.1 cannot be used (" + Library.MISSING + ")",
          (DynamicLinker.isNotExecutable(Library.MISSING)
                  ? "mount the file system on which it lies without noexec"
                  : "install libbpf 1.1 or newer" + installation())
              + "; values can be shared without it through a serving side, tasklocal-tools.jar"
              + " serve");
    }
  }

  /** {@return the command of this machine's package manager, if it has one that is known here} */
  private static String installation() {
    for (String[] each : INSTALLATIONS) {
      if (Files.exists(Path.of(each[0]))) {
        return " (" + each[1] + ")";
      }
    }
    return "";
  }

  /**
   * {@return what keeps schedulers from being loaded here, or null if nothing does} libbpf must be
   * loaded.
   */
  public static @Nullable Lack schedulerLack() {
    if (Files.notExists(SCHED_EXT) && Files.isDirectory(SYS_KERNEL)) {
      return new Lack(
          "this kernel has no sched_ext",
          KernelVersion.RUNNING.atLeast(6, 13)
              ? "boot one built with CONFIG_SCHED_CLASS_EXT=y"
              : "needs kernel 6.13 or newer with CONFIG_SCHED_CLASS_EXT; this is "
                  + KernelVersion.RUNNING);
    }
    return KernelVersion.parse(version().substring(1)).atLeast(1, 4)
        ? null
        : new Lack(
            "libbpf " + version() + " cannot load schedulers",
            "install libbpf 1.4 or newer (Debian 12: libbpf1 of bookworm-backports), or name its"
                + " folder in LD_LIBRARY_PATH");
  }

  /**
   * A missing feature.
   *
   * @param problem what is wrong, in words
   * @param cure what mends it
   */
  public record Lack(String problem, String cure) {}

  /** {@return the version of the libbpf in use, such as {@code v1.1}; it must be loaded} */
  public static String version() {
    return libbpf_h.libbpf_version_string().getString(0);
  }

  /**
   * Opens an object file in memory.
   *
   * @param bytes the file, which must stay until the object is closed
   * @param name what the names of its global-data maps begin with
   * @param origin where it comes from, for messages
   * @param verifierLog from {@link #verifierLog}; must stay until the object is closed
   * @return a {@code struct bpf_object *}, for {@link #close}
   * @throws ObjectLoadException if libbpf cannot read it
   */
  public static MemorySegment open(
      MemorySegment bytes, String name, String origin, MemorySegment verifierLog) {
    return LibBpfLog.during(log -> open(bytes, name, origin, verifierLog, log));
  }

  /**
   * {@return memory for the verifier's log, of which only what is written takes frames; empty if
   * the system gives none, and then the log comes with what libbpf prints}
   *
   * @param arena frees it at its end
   */
  public static MemorySegment verifierLog(Arena arena) {
    return Libc.reserve(VERIFIER_LOG_BYTES, arena);
  }

  private static MemorySegment open(
      MemorySegment bytes,
      String name,
      String origin,
      MemorySegment verifierLog,
      LibBpfLog printed) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment options = bpf_object_open_opts.allocate(arena);
      bpf_object_open_opts.sz(options, bpf_object_open_opts.sizeof());
      bpf_object_open_opts.object_name(options, arena.allocateFrom(name));
      if (verifierLog.byteSize() > 0) {
        bpf_object_open_opts.kernel_log_buf(options, verifierLog);
        bpf_object_open_opts.kernel_log_size(options, verifierLog.byteSize());
      }
      MemorySegment errno = Errno.allocate(arena);
      MemorySegment object =
          (MemorySegment) OpenMem.HANDLE.invokeExact(errno, bytes, bytes.byteSize(), options);
      if (object.address() == 0) {
        String log = printed.text();
        throw new ObjectLoadException(
            "open object",
            origin,
            Errno.name(Errno.of(errno)),
            "libbpf cannot open it" + LibBpfLog.summary(log),
            LibBpfLog.cure(log),
            log);
      }
      return object;
    } catch (Throwable e) {
      throw Errno.unexpected(e);
    }
  }

  /**
   * Loads an opened object into the kernel.
   *
   * @param verifierLog with which it was opened
   * @throws ObjectLoadException if libbpf or the verifier refuses it
   * @throws NotPermittedException if the process may not load programs
   * @throws NotSupportedException if the kernel is too old for its maps
   */
  public static void load(MemorySegment object, String name, MemorySegment verifierLog) {
    boolean ignored =
        LibBpfLog.during(
            log -> {
              load(object, name, verifierLog, log);
              return true;
            });
  }

  private static void load(
      MemorySegment object, String name, MemorySegment verifierLog, LibBpfLog printed) {
    String operation = "load object";
    int error = libbpf_h.bpf_object__load(object);
    if (error >= 0) {
      return;
    }
    String log = printed.withVerifierLog(verifierLog);
    if (error == -Errno.EAGAIN) {
      // The verifier gives up when a signal is pending (do_check in kernel/bpf/verifier.c). Those
      // that can be blocked are; the rest stop or end the process, or freeze its control group.
      throw new KernelException(
          operation,
          name,
          Errno.name(-error),
          "a program was not verified to its end, at several tries" + LibBpfLog.interrupted(log),
          "load it again; what stops and continues this process, such as a debugger or a freezer,"
              + " makes the verifier give up");
    }
    if (!LibBpfLog.fromVerifier(log) && Errno.isRefusal(-error, SystemCall.PRIVILEGED_BPF)) {
      throw Errno.failure(
          operation, name, -error, LibBpfLog.summary(log), SystemCall.PRIVILEGED_BPF);
    }
    if (!KernelVersion.RUNNING.atLeast(5, 15)
        && hasType(object, "tld_slot", libbpf_h.BTF_KIND_STRUCT())) {
      throw new NotSupportedException(
          operation,
          name,
          Errno.name(-error),
          "this kernel can neither follow pointers to user memory (uptr) nor read slots"
              + LibBpfLog.summary(log),
          "needs kernel 5.15 or newer; this is " + KernelVersion.RUNNING);
    }
    if (!KernelVersion.RUNNING.atLeast(6, 13)
        && hasType(object, "uptr", libbpf_h.BTF_KIND_TYPE_TAG())
        && !hasType(object, "tld_slot", libbpf_h.BTF_KIND_STRUCT())) {
      // An older kernel takes such a pointer for a number, and refuses programs that follow it.
      throw new NotSupportedException(
          operation,
          name,
          Errno.name(-error),
          "its maps hold pointers to user memory (uptr)" + LibBpfLog.summary(log),
          "needs kernel 6.13 or newer; this is " + KernelVersion.RUNNING);
    }
    if (hasType(object, "sched_ext_ops", libbpf_h.BTF_KIND_STRUCT())) {
      Lack lack = schedulerLack();
      if (lack != null) {
        throw new NotSupportedException(
            operation,
            name,
            Errno.name(-error),
            "it is a scheduler, and " + lack.problem + LibBpfLog.summary(log),
            lack.cure);
      }
    }
    if (error == -Errno.ENOSPC && LibBpfLog.fromVerifier(log)) {
      // bpf_check() in kernel/bpf/verifier.c puts this in the place of any other reason, be it that
      // the program is wrong or that the verifier was disturbed.
      throw new ObjectLoadException(
          operation,
          name,
          Errno.name(-error),
          "verifying "
              + LibBpfLog.refusedProgram(log)
              + " has failed, and the verifier's log has more than %d MiB, which hides the reason"
                  .formatted(VERIFIER_LOG_BYTES >> 20),
          "look at the end of the log, which is in the exception (log()); if no reason stands there,"
              + " load it again, as something has stopped this process meanwhile",
          log);
    }
    throw new ObjectLoadException(
        operation,
        name,
        Errno.name(-error),
        (LibBpfLog.fromVerifier(log)
                ? "the verifier refused " + LibBpfLog.refusedProgram(log)
                : "libbpf refused it")
            + LibBpfLog.summary(log),
        LibBpfLog.cure(log),
        log);
  }

  private static boolean hasType(MemorySegment object, String name, int kind) {
    MemorySegment btf = libbpf_h.bpf_object__btf(object);
    try (Arena arena = Arena.ofConfined()) {
      return btf.address() != 0
          && libbpf_h.btf__find_by_name_kind(btf, arena.allocateFrom(name), kind) > 0;
    }
  }

  /** Closes an object and everything that belongs to it except its links. */
  public static void close(MemorySegment object) {
    libbpf_h.bpf_object__close(object);
  }

  /** {@return an object's maps} */
  public static List<MemorySegment> maps(MemorySegment object) {
    return all(map -> libbpf_h.bpf_object__next_map(object, map));
  }

  /** {@return an object's programs} */
  public static List<MemorySegment> programs(MemorySegment object) {
    return all(program -> libbpf_h.bpf_object__next_program(object, program));
  }

  private static List<MemorySegment> all(UnaryOperator<MemorySegment> next) {
    List<MemorySegment> found = new ArrayList<>();
    for (MemorySegment each = next.apply(MemorySegment.NULL);
        each.address() != 0;
        each = next.apply(each)) {
      found.add(each);
    }
    return found;
  }

  /** {@return the map of that name, or null; the name of a map of global data is its section's} */
  public static @Nullable MemorySegment findMap(MemorySegment object, String name) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment map = libbpf_h.bpf_object__find_map_by_name(object, arena.allocateFrom(name));
      return map.address() == 0 ? null : map;
    }
  }

  /** {@return a map's name in its object} */
  public static String mapName(MemorySegment map) {
    return libbpf_h.bpf_map__name(map).getString(0);
  }

  /**
   * {@return a map's descriptor, once the object is loaded}
   *
   * @throws IllegalStateException if there is none
   */
  public static int mapFd(MemorySegment map) {
    int fd = libbpf_h.bpf_map__fd(map);
    if (fd < 0) {
      throw new IllegalStateException(
          "the map " + mapName(map) + " was not made when its object was loaded");
    }
    return fd;
  }

  /** {@return a map's type, such as {@link KernelMap#TASK_STORAGE}} */
  public static int mapType(MemorySegment map) {
    return libbpf_h.bpf_map__type(map);
  }

  /** {@return the size of a map's keys in bytes} */
  public static int keySize(MemorySegment map) {
    return libbpf_h.bpf_map__key_size(map);
  }

  /** {@return the size of a map's values in bytes} */
  public static int valueSize(MemorySegment map) {
    return libbpf_h.bpf_map__value_size(map);
  }

  /** {@return how many entries a map can hold; 0 where nothing limits them} */
  public static int maxEntries(MemorySegment map) {
    return libbpf_h.bpf_map__max_entries(map);
  }

  /**
   * Sets how many entries a map can hold; only before the object is loaded.
   *
   * @throws WrongObjectException if the map holds the object's global variables
   */
  public static void setMaxEntries(MemorySegment map, int entries) {
    String operation = "set max_entries of map";
    requireNoGlobals(operation, map);
    int error = libbpf_h.bpf_map__set_max_entries(map, entries);
    if (error < 0) {
      throw Errno.failure(operation, mapName(map), -error);
    }
  }

  /**
   * Sets the size of a map's values; only before the object is loaded.
   *
   * @throws WrongObjectException if the map holds the object's global variables
   */
  public static void setValueSize(MemorySegment map, int bytes) {
    String operation = "set value_size of map";
    requireNoGlobals(operation, map);
    int error = libbpf_h.bpf_map__set_value_size(map, bytes);
    if (error < 0) {
      throw Errno.failure(operation, mapName(map), -error);
    }
  }

  /** libbpf holds the initial values in memory of the size that the map had when it was opened. */
  private static void requireNoGlobals(String operation, MemorySegment map) {
    if (libbpf_h.bpf_map__is_internal(map)) {
      throw new WrongObjectException(
          operation,
          mapName(map),
          null,
          "it holds the object's global variables, from which its size follows",
          "change the variables in the C source");
    }
  }

  /** Has loading pin a map nowhere, although its source declares a pin. */
  public static void forgetPinPath(MemorySegment map) {
    int error = libbpf_h.bpf_map__set_pin_path(map, MemorySegment.NULL);
    if (error < 0) {
      throw Errno.failure("set pin path of map", mapName(map), -error);
    }
  }

  /** {@return whether a map that exists is like the one that loading would make} */
  public static boolean isAlike(MemorySegment map, KernelMap existing) {
    int added = DEVICES.contains(existing.type()) ? BPF_F_RDONLY_PROG : 0;
    return existing.type() == mapType(map)
        && existing.keySize() == keySize(map)
        && existing.valueSize() == valueSize(map)
        && existing.maxEntries() == entriesAfterLoad(map)
        && (existing.flags() | added) == (libbpf_h.bpf_map__map_flags(map) | added)
        && existing.extra() == libbpf_h.bpf_map__map_extra(map);
  }

  /** {@return how many entries a map gets: libbpf has one for each CPU where none are named} */
  private static int entriesAfterLoad(MemorySegment map) {
    int entries = maxEntries(map);
    return entries == 0 && mapType(map) == PERF_EVENT_ARRAY
        ? Math.max(0, libbpf_h.libbpf_num_possible_cpus())
        : entries;
  }

  /** Has loading take a map that exists, of which it duplicates the descriptor, and make none. */
  public static void takeOver(MemorySegment map, KernelMap existing) {
    int error = libbpf_h.bpf_map__reuse_fd(map, existing.fd());
    if (error < 0) {
      throw Errno.failure("take over " + existing + " as map", mapName(map), -error);
    }
  }

  /**
   * Pins a map, program or link at a path where nothing is.
   *
   * @return 0, or a negative errno
   */
  public static int pin(int fd, Path path) {
    try (Arena arena = Arena.ofConfined()) {
      return libbpf_h.bpf_obj_pin(fd, arena.allocateFrom(path.toString()));
    }
  }

  /**
   * {@return the initial content of a map of global data, which can be changed before its object is
   * loaded; or null if the map is not one}
   */
  public static @Nullable MemorySegment initialValue(MemorySegment map, Arena arena) {
    try (Arena call = Arena.ofConfined()) {
      MemorySegment size = call.allocate(JAVA_LONG);
      MemorySegment value = libbpf_h.bpf_map__initial_value(map, size);
      return value.address() == 0 ? null : value.reinterpret(size.get(JAVA_LONG, 0), arena, null);
    }
  }

  /**
   * {@return the live values of a loaded map of global data}
   *
   * @param writable whether the map may be written; if not, the memory is read-only, since a store
   *     there would be fatal
   * @param arena unmaps them at its end
   */
  public static MemorySegment mapValues(MemorySegment map, boolean writable, Arena arena) {
    return Libc.map(
        mapFd(map),
        0,
        valueSize(map),
        writable,
        arena,
        mapName(map),
        Errno.EINVAL, // array_map_mmap of kernel/bpf/arraymap.c, of a map that libbpf made not so
        "declare at least one variable of the section without static");
  }

  /**
   * {@return the page of a loaded ring buffer that holds the consumer's position}
   *
   * @param arena unmaps it at its end
   */
  public static MemorySegment ringConsumer(MemorySegment map, Arena arena) {
    return mapRing(map, 0, KernelPage.BYTES, true, arena);
  }

  /**
   * {@return the page of a loaded ring buffer that holds the producer's position, and behind it the
   * records, twice in a row, so that each of them is in one piece}
   *
   * @param arena unmaps it at its end
   */
  public static MemorySegment ringProducer(MemorySegment map, Arena arena) {
    int page = KernelPage.BYTES;
    return mapRing(map, page, page + 2L * maxEntries(map), false, arena);
  }

  private static MemorySegment mapRing(
      MemorySegment map, long from, long size, boolean writable, Arena arena) {
    return Libc.map(
        mapFd(map),
        from,
        size,
        writable,
        arena,
        mapName(map),
        Errno.ENOMEM,
        "make the ring buffer smaller, or raise the limit of address space (ulimit -v)");
  }

  /** {@return where the object's global variables lie} */
  public static List<Btf.Variable> variables(MemorySegment object) {
    MemorySegment btf = libbpf_h.bpf_object__btf(object);
    return btf.address() == 0 ? List.of() : Btf.variables(btf);
  }

  /** {@return a program's name} */
  public static String programName(MemorySegment program) {
    return libbpf_h.bpf_program__name(program).getString(0);
  }

  /** {@return a program's section, such as {@code tp_btf/sched_switch}} */
  public static String sectionName(MemorySegment program) {
    return libbpf_h.bpf_program__section_name(program).getString(0);
  }

  /** {@return whether loading the object loads a program, too} */
  public static boolean autoload(MemorySegment program) {
    return libbpf_h.bpf_program__autoload(program);
  }

  /** Sets whether loading the object loads a program, too; only before that. */
  public static void setAutoload(MemorySegment program, boolean on) {
    int error = libbpf_h.bpf_program__set_autoload(program, on);
    if (error < 0) {
      throw Errno.failure("set autoload of program", programName(program), -error);
    }
  }

  /**
   * {@return a program's descriptor, once the object is loaded}
   *
   * @throws IllegalStateException if the program was not loaded
   */
  public static int programFd(MemorySegment program) {
    int fd = libbpf_h.bpf_program__fd(program);
    if (fd < 0) {
      throw new IllegalStateException(
          "the program "
              + programName(program)
              + " was not loaded with its object"
              + (autoload(program)
                  ? ""
                  : ": it is off; open the object, switch it on by autoload(true), and load it"));
    }
    return fd;
  }

  /**
   * Runs a program once in the calling thread ({@code BPF_PROG_TEST_RUN}).
   *
   * @param program a loaded program
   * @param context what the program gets as its context, or {@link MemorySegment#NULL}
   * @return what the program returned
   * @throws NotSupportedException if programs of its type cannot be run
   * @throws KernelException if the kernel refuses
   */
  public static int run(MemorySegment program, MemorySegment context) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment options = bpf_test_run_opts.allocate(arena);
      bpf_test_run_opts.sz(options, bpf_test_run_opts.sizeof());
      bpf_test_run_opts.ctx_in(options, context);
      bpf_test_run_opts.ctx_size_in(options, Math.toIntExact(context.byteSize()));
      int error = libbpf_h.bpf_prog_test_run_opts(programFd(program), options);
      if (error == -Errno.ENOTSUPP) {
        throw new NotSupportedException(
            "run program",
            programName(program),
            Errno.name(-error),
            "the kernel cannot test-run programs of section " + sectionName(program),
            "attach it, or put it into SEC(\"syscall\")");
      }
      if (error < 0) {
        throw Errno.failure(
            "run program", programName(program), -error, "", SystemCall.PRIVILEGED_BPF);
      }
      return bpf_test_run_opts.retval(options);
    }
  }

  /** {@return a {@code struct bpf_link *} for {@link #destroy}, by which a program is attached} */
  public static MemorySegment attachProgram(MemorySegment program) {
    int ignored = programFd(program); // libbpf would say EINVAL of one that is not loaded
    String section = sectionName(program);
    return attach(
        () -> Attach.PROGRAM,
        program,
        "attach program",
        programName(program) + " (" + section + ")",
        (errno, said) -> {
          if (errno == Errno.EOPNOTSUPP && said.isEmpty()) { // from libbpf, which has not tried
            return new Lack(
                "its section does not say where",
                "run it with run(); name the place (attachUprobe, attach(PerfEvent), attachIngress);"
                    + " or give it a section that says where: SEC(\"tp_btf/sched_switch\")");
          }
          return Tracepoint.lack(section);
        },
        PERF_EVENTS.matcher(section).lookingAt() ? THROUGH_PERF_EVENTS : DIRECT);
  }

  /**
   * Runs an iterator to its end.
   *
   * @param program a loaded program of a section {@code iter/...}
   * @param map the loaded map over whose elements it goes; null if it is not for maps
   * @return what it wrote
   * @throws WrongObjectException if it cannot go over this map
   * @throws NotPermittedException if this process may not
   * @throws KernelException if the kernel refuses
   */
  public static MemorySegment iterate(MemorySegment program, @Nullable MemorySegment map) {
    String operation = "iterate program";
    String subject = programName(program) + " (" + sectionName(program) + ")";
    return read(
        map == null ? attachProgram(program) : attachIterator(program, map), operation, subject);
  }

  /**
   * Runs an iterator over control groups of the default hierarchy to its end.
   *
   * @param program a loaded program of section {@code iter/cgroup}
   * @param order the kernel's number for which, and in which order
   * @param id of the one at which it begins
   * @return what it wrote
   * @throws NotPermittedException if this process may not
   * @throws KernelException if the kernel refuses
   */
  public static MemorySegment iterateCgroups(MemorySegment program, int order, long id) {
    String operation = "iterate over control groups";
    String subject = "with program " + programName(program) + " (" + sectionName(program) + ")";
    try (Arena arena = Arena.ofConfined()) {
      // The member cgroup of union bpf_iter_link_info: the order, a descriptor, or else the id.
      MemorySegment target = arena.allocate(16, Long.BYTES);
      target.set(JAVA_INT, 0, order);
      target.set(JAVA_LONG, 8, id);
      return read(attachIterator(program, target, operation, subject), operation, subject);
    }
  }

  private static MemorySegment read(MemorySegment link, String operation, String subject) {
    try {
      int fd = libbpf_h.bpf_iter_create(libbpf_h.bpf_link__fd(link));
      if (fd < 0) {
        throw Errno.failure(operation, subject, -fd, "", SystemCall.PRIVILEGED_BPF);
      }
      try {
        return Libc.readAll(fd, operation, subject);
      } finally {
        Libc.close(fd);
      }
    } finally {
      destroy(link);
    }
  }

  private static MemorySegment attachIterator(MemorySegment program, MemorySegment map) {
    String operation = "iterate over map";
    String subject =
        mapName(map) + " with program " + programName(program) + " (" + sectionName(program) + ")";
    try (Arena arena = Arena.ofConfined()) {
      // For maps, union bpf_iter_link_info is only this first member.
      MemorySegment mapFd = arena.allocateFrom(JAVA_INT, mapFd(map));
      return attachIterator(program, mapFd, operation, subject);
    } catch (KernelException e) {
      boolean overElements = sectionName(program).endsWith("/bpf_map_elem");
      throw switch (String.valueOf(e.errnoName())) {
        case "EINVAL" ->
            overElements && ELEMENTS.contains(mapType(map))
                ? e
                : new WrongObjectException(
                    operation,
                    subject,
                    "EINVAL",
                    "programs of this section do not go over maps of its type, " + mapType(map),
                    "SEC(\"iter/bpf_map_elem\") is for hash tables and arrays, per CPU or not");
        case "EACCES" ->
            new WrongObjectException(
                operation,
                subject,
                "EACCES",
                "the program reads more of a key or value than there is, %d and %d bytes"
                    .formatted(keySize(map), valueSize(map)),
                "pass the map for which it was written");
        default -> e;
      };
    }
  }

  private static MemorySegment attachIterator(
      MemorySegment program, MemorySegment target, String operation, String subject) {
    int ignored = programFd(program);
    try (Arena arena = Arena.ofShared()) { // another thread makes the call
      MemorySegment options = bpf_iter_attach_opts.allocate(arena);
      bpf_iter_attach_opts.sz(options, bpf_iter_attach_opts.sizeof());
      bpf_iter_attach_opts.link_info(options, target);
      bpf_iter_attach_opts.link_info_len(options, (int) target.byteSize());
      return attach(
          () -> MethodHandles.insertArguments(AttachIterator.PROGRAM, 2, options),
          program,
          operation,
          subject,
          (errno, said) -> null,
          DIRECT);
    }
  }

  /**
   * {@return a {@code struct bpf_link *} for {@link #destroy}, by which struct_ops are attached}
   *
   * @param object the map's
   */
  public static MemorySegment attachStructOps(MemorySegment object, MemorySegment map) {
    int ignored = mapFd(map);
    return attach(
        () -> AttachStructOps.MAP,
        map,
        "attach struct_ops map",
        mapName(map),
        (errno, said) -> {
          String scheduler = errno == Errno.EBUSY && isScheduler(object, map) ? inUse() : null;
          return scheduler == null
              ? null
              : new Lack(
                  "the scheduler " + scheduler + " is in use", "end the program that attached it");
        },
        DIRECT);
  }

  private static boolean isScheduler(MemorySegment object, MemorySegment map) {
    MemorySegment btf = libbpf_h.bpf_object__btf(object);
    return btf.address() != 0 && "sched_ext_ops".equals(Btf.structOps(btf).get(mapName(map)));
  }

  /** {@return the name of the sched_ext scheduler in use, or null if none is} */
  private static @Nullable String inUse() {
    try {
      return Files.readString(SCHED_EXT.resolve("root/ops")).strip();
    } catch (IOException e) {
      return null;
    }
  }

  /**
   * What is known to be the cause of a failure, from its errno and what libbpf printed; or null.
   */
  interface Cause {
    @Nullable Lack of(int errno, String said);
  }

  /**
   * {@return a {@code struct bpf_link *} for {@link #destroy}}
   *
   * @param handle gives the function of errno and the target; called by the thread that links it
   * @param calls the system calls that libbpf makes for it, of which a filter may refuse any
   */
  static MemorySegment attach(
      Supplier<MethodHandle> handle,
      MemorySegment target,
      String operation,
      String subject,
      Cause cause,
      SystemCall... calls) {
    return LibBpfLog.during(log -> attach(handle, target, operation, subject, cause, calls, log));
  }

  private static MemorySegment attach(
      Supplier<MethodHandle> handle,
      MemorySegment target,
      String operation,
      String subject,
      Cause cause,
      SystemCall[] calls,
      LibBpfLog log) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = Errno.allocate(arena);
      MemorySegment link = (MemorySegment) handle.get().invokeExact(errno, target);
      if (link.address() != 0) {
        return link;
      }
      int number = Errno.of(errno);
      String said = LibBpfLog.summary(log.text());
      if (Errno.isRefusal(number, calls)) {
        throw Errno.failure(operation, subject, number, said, calls);
      }
      Lack known = cause.of(number, said);
      throw new KernelException(
          operation,
          subject,
          Errno.name(number),
          (known == null ? "it cannot be attached" : known.problem) + said,
          known == null ? "the kernel's log (dmesg) may say more" : known.cure);
    } catch (Throwable e) {
      throw Errno.unexpected(e);
    }
  }

  /** Detaches and frees a link. */
  public static void destroy(MemorySegment link) {
    int ignored = libbpf_h.bpf_link__destroy(link);
  }
}
