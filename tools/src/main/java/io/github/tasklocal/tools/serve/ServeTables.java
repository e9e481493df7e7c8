// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.serve;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.github.tasklocal.bpf.BpfMap;
import io.github.tasklocal.bpf.BpfObject;
import io.github.tasklocal.tools.system.Failure;
import io.github.tasklocal.tools.system.FileAccess;
import io.github.tasklocal.tools.system.Programs;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What the serving side keeps in the kernel: who may register threads, and who has which array. Its
 * layouts are those of {@code serve.bpf.c}.
 */
final class ServeTables implements AutoCloseable {

  /** How many arrays there can be. */
  static final int ARRAYS = 16_384;

  private static final int PROCESS = 24;

  /**
   * A process, told from others with the same number, and from itself before it executed another
   * program.
   *
   * @param tgid its number in the first pid namespace
   * @param started when, in nanoseconds since boot
   * @param exec how often it has executed a program
   */
  record Identity(int tgid, long started, long exec) {}

  /**
   * Who may register threads.
   *
   * @param token what the process shows
   * @param array the number of its first array
   * @param process whose it is
   * @param uid of its user
   */
  record Grant(long token, int array, Identity process, int uid) {}

  private final BpfObject object;
  private final BpfMap grants;
  private final BpfMap owners;

  private ServeTables(BpfObject object) {
    this.object = object;
    this.grants = object.map("tld_grants");
    this.owners = object.map("tld_owners");
  }

  /** Takes over the tables that are pinned in a folder, or makes them there. */
  static ServeTables open(PinFolder pins) throws Failure, IOException {
    BpfObject object = Programs.open("serve");
    boolean done = false;
    try {
      for (String name : List.of("tld_grants", "tld_owners")) {
        if (FileAccess.exists(pins.own(name))) {
          object.map(name).pinPath(pins.own(name));
        }
      }
      object.load();
      for (String name : List.of("tld_grants", "tld_owners")) {
        pins.pin(object.map(name).fd(), pins.own(name));
      }
      done = true;
      return new ServeTables(object);
    } finally {
      if (!done) {
        object.close();
      }
    }
  }

  /** {@return who a process is; null if there is none with this number} */
  @Nullable Identity identify(int tgid) {
    return look(tgid).get(tgid);
  }

  /** {@return all processes by number} */
  Map<Integer, Identity> processes() {
    return look(0);
  }

  private Map<Integer, Identity> look(int tgid) {
    object.global("wanted").set(JAVA_INT, 0, tgid);
    MemorySegment found = object.program("identify").iterate();
    Map<Integer, Identity> processes = new HashMap<>();
    for (long at = 0; at < found.byteSize(); at += PROCESS) {
      Identity process =
          new Identity(
              found.get(JAVA_INT, at), found.get(JAVA_LONG, at + 8), found.get(JAVA_LONG, at + 16));
      processes.put(process.tgid(), process);
    }
    return processes;
  }

  /** {@return all grants} */
  List<Grant> grants() {
    return grants.keys().stream()
        .flatMap(
            key ->
                grants.get(key).stream()
                    .map(
                        value ->
                            new Grant(
                                key.get(JAVA_LONG, 0),
                                value.get(JAVA_INT, 0),
                                new Identity(
                                    value.get(JAVA_INT, 4),
                                    value.get(JAVA_LONG, 8),
                                    value.get(JAVA_LONG, 16)),
                                value.get(JAVA_INT, 24))))
        .toList();
  }

  /** Lets a process register threads. */
  void put(Grant grant) {
    MemorySegment value = MemorySegment.ofArray(new long[4]);
    value.set(JAVA_INT, 0, grant.array());
    value.set(JAVA_INT, 4, grant.process().tgid());
    value.set(JAVA_LONG, 8, grant.process().started());
    value.set(JAVA_LONG, 16, grant.process().exec());
    value.set(JAVA_INT, 24, grant.uid());
    grants.put(key(grant.token()), value);
  }

  /** Ends what {@link #put} began. */
  void remove(long token) {
    boolean ignored = grants.remove(key(token));
  }

  /** {@return the token of the process that has an array; 0 for none} */
  long owner(int array) {
    return owners.get(index(array)).map(value -> value.get(JAVA_LONG, 0)).orElse(0L);
  }

  /** Gives an array to a process, or to none. */
  void owner(int array, long token) {
    owners.put(index(array), key(token));
  }

  private static MemorySegment key(long token) {
    return MemorySegment.ofArray(new long[] {token});
  }

  private static MemorySegment index(int array) {
    return MemorySegment.ofArray(new int[] {array});
  }

  @Override
  public void close() {
    object.close();
  }
}
