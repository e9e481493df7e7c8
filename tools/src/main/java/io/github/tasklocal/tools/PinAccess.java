// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools;

import io.github.tasklocal.TaskLocalMap;
import io.github.tasklocal.bpf.BpfMap;
import io.github.tasklocal.error.TaskLocalException;
import io.github.tasklocal.tools.serve.ServingSide;
import io.github.tasklocal.tools.system.Failure;
import io.github.tasklocal.tools.system.FileAccess;
import io.github.tasklocal.tools.system.Native;
import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.GroupPrincipal;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserPrincipalNotFoundException;
import java.util.EnumSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** Who may open the map that a command pins: options of every command that pins one. */
final class PinAccess {

  @Option(
      names = "--mode",
      paramLabel = "MODE",
      converter = ModeConverter.class,
      description =
          "The pin's mode, octal; a new one has 600. Whoever may write it can set any thread's"
              + " values.")
  private @Nullable Mode mode;

  @Option(
      names = "--group",
      paramLabel = "NAME",
      converter = GroupConverter.class,
      description = "The pin's group.")
  private @Nullable GroupPrincipal group;

  PinAccess() {}

  /** {@return whether the user has asked for a mode or a group} */
  boolean isAsked() {
    return mode != null || group != null;
  }

  /** {@return the default socket with this mode and group; 660 without} */
  ServingSide.Socket socket() {
    return new ServingSide.Socket(
        TaskLocalMap.defaultSocket(),
        mode == null ? PosixFilePermissions.fromString("rw-rw----") : mode.permissions,
        group);
  }

  /**
   * Gives a pin the mode and the group that were asked for, if any were. Whoever may write the
   * folder can put anything else there at any moment, such as a link to a file of root's: so the
   * file is held, and what is held is checked and changed, not what lies at the path.
   *
   * @param map what has to be pinned there
   * @throws IOException if they cannot be set, or something else is there
   */
  void apply(Path pin, BpfMap map) throws IOException {
    if (!isAsked()) {
      return;
    }
    int held = Native.hold(pin);
    try {
      Path file = Path.of("/proc/self/fd", String.valueOf(held));
      if (!Files.isRegularFile(file) || !Native.isBpffs(file) || !isPinOf(map, file)) {
        throw new FileSystemException(
            pin.toString(), null, "it is not the pin of this map, or no longer");
      }
      if (group != null) {
        Files.getFileAttributeView(file, PosixFileAttributeView.class).setGroup(group);
      }
      if (mode != null) {
        Files.setPosixFilePermissions(file, mode.permissions);
      }
    } finally {
      Native.close(held);
    }
  }

  private static boolean isPinOf(BpfMap map, Path file) {
    try (TaskLocalMap ours = TaskLocalMap.of(map.fd());
        TaskLocalMap pinned = TaskLocalMap.open(file)) {
      return ours.id() == pinned.id();
    } catch (TaskLocalException e) {
      return false; // something else is pinned there
    }
  }

  /**
   * Checks that nobody else decides what a pin is. The owner of the default pin's directory could
   * exchange the map at any time; and where every user may make that directory, whoever makes it
   * first owns it.
   *
   * @throws Failure if the pin is a symbolic link, or it is the default pin and its directory
   *     belongs neither to root nor to this user
   */
  static void requireOwn(Path pin) throws Failure, IOException {
    if (isDefault(pin)) {
      FileAccess.requireOwnFolder(Serve.HOME);
    }
    if (Files.isSymbolicLink(pin)) {
      throw new Failure(
          pin + " is a symbolic link",
          "name the pin itself, with --pin "
              + Output.printable(pin.resolveSibling(Files.readSymbolicLink(pin)).toString()));
    }
  }

  /** {@return whether it is the default pin, the directory of which is ours to make} */
  static boolean isDefault(Path pin) {
    return pin.toAbsolutePath().normalize().equals(TaskLocalMap.defaultPin());
  }

  /** {@return mode, owner and group of a pin, as ls shows them} */
  static String of(Path pin) throws IOException {
    PosixFileAttributes attributes =
        Files.readAttributes(pin, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
    return PosixFilePermissions.toString(attributes.permissions())
        + " "
        + attributes.owner()
        + ":"
        + attributes.group();
  }

  /** Not a set by itself, as picocli would take that for an option that can be given many times. */
  record Mode(Set<PosixFilePermission> permissions) {}

  static final class ModeConverter implements ITypeConverter<Mode> {
    @Override
    public Mode convert(String octal) {
      if (!octal.matches("0?[0-7]{3}")) {
        throw new TypeConversionException(
            "it takes three octal digits, such as 660, not " + Output.printable(octal));
      }
      int bits = Integer.parseInt(octal, 8);
      Set<PosixFilePermission> permissions = EnumSet.noneOf(PosixFilePermission.class);
      // The enum's order is that of the bits, the owner's read first.
      PosixFilePermission[] all = PosixFilePermission.values();
      for (int i = 0; i < all.length; i++) {
        if ((bits & 0400 >> i) != 0) {
          permissions.add(all[i]);
        }
      }
      return new Mode(permissions);
    }
  }

  static final class GroupConverter implements ITypeConverter<GroupPrincipal> {
    @Override
    public GroupPrincipal convert(String name) throws IOException {
      try {
        return FileSystems.getDefault()
            .getUserPrincipalLookupService()
            .lookupPrincipalByGroupName(name);
      } catch (UserPrincipalNotFoundException e) {
        throw new TypeConversionException(
            "there is no group " + Output.printable(name) + " here: see /etc/group");
      }
    }
  }
}
