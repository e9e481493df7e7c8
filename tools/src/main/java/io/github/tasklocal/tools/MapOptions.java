// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.error.NotFoundException;
import io.github.tasklocal.error.TaskLocalException;
import io.github.tasklocal.kit.Kernel;
import io.github.tasklocal.layout.Wire;
import io.github.tasklocal.tools.system.Failure;
import io.github.tasklocal.tools.system.FileAccess;
import io.github.tasklocal.tools.system.Native;
import io.github.tasklocal.tools.system.Programs;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Locale;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/**
 * The map that a command reads: options of all commands that read one. If none is pinned at the
 * default place, or where the user asks for one, it is made and stays pinned, so that several
 * commands share it and the next command finds the values there. At any other path nothing is made:
 * a command that looks would leave a map at a mistyped path, and whoever is to pin one there later
 * would find the path taken.
 */
final class MapOptions {

  /** How long processes may take to register their threads with a new map. */
  static final long REGISTRATION_MILLIS = 1000;

  /** The wire of a map that is made here: a process without privilege can tell it. */
  private static final Wire NEW = Wire.C;

  /** Which page each thread has: what programs find slots by. */
  private static final Path SLOTS = Path.of("/sys/fs/bpf/tld_slot_map");

  @Option(
      names = "--pin",
      paramLabel = "PATH",
      description =
          "Where the map is pinned (${DEFAULT-VALUE}). If none is at the default place, one is"
              + " made, and stays.")
  private Path pin = TaskLocalMap.defaultPin();

  @Option(names = "--create", description = "If no map is at --pin, make one there, which stays.")
  private boolean create;

  @Mixin private PinAccess access = new PinAccess();

  @Spec(Spec.Target.MIXEE)
  private @Nullable CommandSpec command;

  private boolean ofSocket;
  private Wire wire = NEW;
  private boolean created;

  MapOptions() {}

  /** {@return where the map is pinned; with slots, once a program is loaded, theirs} */
  Path pin() {
    return pin;
  }

  /** Reads the map that is pinned at this path instead. */
  void pin(Path other) {
    pin = other;
  }

  /** Makes a map if none is pinned there. */
  void create() {
    create = true;
  }

  /** {@return who may open the map} */
  PinAccess access() {
    return access;
  }

  /** Takes the mode and the group for those of a socket where there is no map to pin. */
  void serves() {
    ofSocket = true;
  }

  /** {@return whether it is the map that all commands share} */
  boolean isShared() {
    return readsSlots() || PinAccess.isDefault(pin);
  }

  /** {@return the map's wire, once a program is loaded} */
  Wire wire() {
    return wire;
  }

  /**
   * {@return whether {@link #load} has made the map} Processes that watch the pin then need a
   * moment to register their threads: {@link #REGISTRATION_MILLIS}.
   */
  boolean created() {
    return created;
  }

  /**
   * Loads a program of this jar, in the form that the pinned map's wire wants, with that map as its
   * own. If none is there, and one may be made, it is made and pinned, and the user is told.
   *
   * @param name such as {@code dump}, for {@code bpf/dump.c.bpf.o}
   * @param beforeLoad sets what can be set before the load alone, such as {@code .rodata}
   * @return the loaded object, to be closed; its map is {@link Wire#mapName}
   * @throws TaskLocalException if the map or the program cannot be opened, made, loaded or pinned
   * @throws Failure if there is no map and none may be made, the pin's group or mode cannot be set,
   *     or somebody else {@linkplain PinAccess#requireOwn decides} what the pin is
   */
  BpfObject load(String name, Consumer<BpfObject> beforeLoad) throws Failure, IOException {
    if (readsSlots()) {
      return loadForSlots(name, beforeLoad);
    }
    BpfObject object = null;
    while (object == null) {
      PinAccess.requireOwn(pin);
      object =
          (create || PinAccess.isDefault(pin)) && !Files.exists(pin, LinkOption.NOFOLLOW_LINKS)
              ? create(name, beforeLoad)
              : takeOver(name, beforeLoad);
    }
    if (created && command != null) {
      Output.say(
          command,
          "made the map %s; processes that watch it have a second to register".formatted(pin));
    }
    return object;
  }

  /**
   * {@return whether values are read from the slots that a serving side gives to processes, as this
   * kernel has no uptrs}
   */
  static boolean readsSlots() {
    Kernel.Names names = Kernel.names();
    return names != null && !names.containsUptr();
  }

  /** Slots have one form, and one table for the whole machine. */
  private BpfObject loadForSlots(String name, Consumer<BpfObject> beforeLoad)
      throws Failure, IOException {
    if (create || !PinAccess.isDefault(pin) || (access.isAsked() && !ofSocket)) {
      throw new Failure(
          "this kernel has no uptrs: values are read from slots, and there is no map to pin",
          "leave out --pin, --create, --mode and --group; serve has a mode and a group for its"
              + " socket");
    }
    wire = Wire.A;
    pin = SLOTS;
    return loaded(name, null, beforeLoad);
  }

  private BpfObject takeOver(String name, Consumer<BpfObject> beforeLoad)
      throws Failure, IOException {
    try (TaskLocalMap map = TaskLocalMap.open(pin)) {
      wire = map.wire();
    } catch (NotFoundException e) {
      Path folder = pin.toAbsolutePath().getParent();
      if (folder == null || !Native.isBpffs(folder) || FileAccess.exists(pin)) {
        throw e;
      }
      throw new Failure(
          "there is no such file as " + pin, "check the path, or make a map there with --create");
    }
    PinAccess.requireOwn(pin); // once more, now that it is there
    BpfObject object = loaded(name, pin, beforeLoad);
    try {
      access.apply(pin, object.map(wire.mapName()));
      return object;
    } catch (IOException e) {
      object.close();
      throw new Failure(
          "the mode or group of the pin %s cannot be set (%s)".formatted(pin, e),
          "run as its owner, " + owner());
    }
  }

  /** {@return the object with a new map, or null if another process has pinned one meanwhile} */
  private @Nullable BpfObject create(String name, Consumer<BpfObject> beforeLoad)
      throws Failure, IOException {
    wire = NEW;
    // A link is made or refused in one step, so that two commands never work with two maps; and
    // the object, which removes its own pin at the end, does not know of the link.
    Path own =
        pin.resolveSibling(
            "%s_%d_%d"
                .formatted(pin.getFileName(), ProcessHandle.current().pid(), System.nanoTime()));
    // A user who may not load the program leaves no directory of their own behind.
    boolean homeless = PinAccess.isDefault(pin) && !FileAccess.exists(Serve.HOME);
    BpfObject object = loaded(name, homeless ? null : own, beforeLoad);
    boolean done = false;
    try {
      if (homeless) {
        makeDirectory();
      }
      PinAccess.requireOwn(pin); // once more, now that the directory is there
      if (homeless) {
        object.map(wire.mapName()).pin(own);
      }
      applyAccess(own, object.map(wire.mapName()));
      Files.createLink(pin, own);
      object.map(wire.mapName()).unpin(own);
      created = true;
      done = true;
      return object;
    } catch (FileAlreadyExistsException e) {
      return null;
    } catch (IOException e) {
      throw new Failure("the map cannot be pinned at %s (%s)".formatted(pin, e), "run this again");
    } finally {
      if (!done) {
        object.close();
        if (homeless) {
          removeDirectory();
        }
      }
    }
  }

  /** {@return the object, its map pinned at a path, or not pinned yet if that is null} */
  private BpfObject loaded(String name, @Nullable Path at, Consumer<BpfObject> beforeLoad)
      throws IOException {
    BpfObject object = open(name, wire);
    boolean done = false;
    try {
      if (at != null) {
        BpfMap map = object.map(wire.mapName());
        map.pinPath(pin); // so that an error names the path that the user knows
        map.pinPath(at);
      }
      beforeLoad.accept(object);
      object.load();
      done = true;
      return object;
    } finally {
      if (!done) {
        object.close();
      }
    }
  }

  /** {@return a program of this jar for a wire, not loaded yet} */
  static BpfObject open(String name, Wire wire) throws IOException {
    return Programs.open(name + "." + wire.name().toLowerCase(Locale.ROOT));
  }

  /** Makes the directory of the default pin, which is ours; all others are their owners' affair. */
  private static void makeDirectory() {
    // It is made with its mode: by the time it were given one, something else could be there.
    int umask = Native.umask(022);
    try {
      Files.createDirectory(
          Serve.HOME,
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwxr-xr-x")));
    } catch (IOException e) {
      // It exists by now, this is no bpffs, or it is not ours: what follows says what mends it.
    } finally {
      int ignored = Native.umask(umask);
    }
  }

  /** Removes the directory, unless something is pinned there. */
  private static void removeDirectory() {
    try {
      Files.delete(Serve.HOME);
    } catch (IOException e) {
      // The directory is in use, or not ours.
    }
  }

  /** Gives the map's first pin its mode and group. */
  private void applyAccess(Path own, BpfMap map) throws Failure {
    try {
      access.apply(own, map);
    } catch (IOException e) {
      throw new Failure(
          "the mode or group of a pin at %s cannot be set (%s)".formatted(pin, e),
          "run as root, or choose a group of yours");
    }
  }

  private String owner() {
    try {
      return "who is " + Files.getOwner(pin, LinkOption.NOFOLLOW_LINKS).getName();
    } catch (IOException e) {
      return "who is not known";
    }
  }
}
