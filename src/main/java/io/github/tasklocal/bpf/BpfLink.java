// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import java.lang.foreign.MemorySegment;

/** A program or struct_ops that is attached, until this is closed or its {@link BpfObject} is. */
public final class BpfLink implements AutoCloseable {

  private final BpfObject object;
  private final MemorySegment link;

  BpfLink(BpfObject object, MemorySegment link) {
    this.object = object;
    this.link = link;
  }

  /**
   * {@return the link's descriptor, which stays the link's}
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
