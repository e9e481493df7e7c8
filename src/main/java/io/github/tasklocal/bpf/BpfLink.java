// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import java.lang.foreign.MemorySegment;

/** Attaches a program or struct_ops until this link or its {@link BpfObject} is closed. */
public final class BpfLink implements AutoCloseable {

  private final BpfObject object;
  private final MemorySegment link;

  BpfLink(BpfObject object, MemorySegment link) {
    this.object = object;
    this.link = link;
  }

  /**
   * {@return the descriptor, which the link owns}
   *
   * @throws IllegalStateException if it is closed
   */
  public int fd() {
    return object.fd(this, link);
  }

  /** Detaches. A second call does nothing. */
  @Override
  public void close() {
    object.detach(this, link);
  }
}
