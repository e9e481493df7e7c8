// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.tools.serve;

import io.github.tasklocal.tools.system.Errnos;

/** Threads register themselves by a call that a program answers, and others by their numbers. */
final class ByCall implements Registration {

  private final SlotTables slots;

  ByCall(SlotTables slots) {
    this.slots = slots;
  }

  @Override
  public int ways() {
    return Message.BY_PRCTL | Message.BY_TID;
  }

  @Override
  public int set(ServedProcess process, int pidfd, ServedArray array, int page, int start) {
    return -Errnos.EOPNOTSUPP;
  }

  @Override
  public int set(ServedProcess process, long tid, ServedArray array, int page, int start) {
    return slots.place(
        process.pid(), tid, process.requireGrant().token(), array.number(), page, start);
  }

  @Override
  public int remove(ServedProcess process, int pidfd) {
    return -Errnos.EOPNOTSUPP;
  }

  @Override
  public int remove(ServedProcess process, long tid) {
    return slots.takeOut(process.pid(), tid);
  }

  @Override
  public void removeAll(int pid) {
    slots.sweep();
  }
}
