// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.bpf;

import io.github.tasklocal.kernel.Link;

/** Attaches a program or struct_ops until this link or its {@link BpfObject} is closed. */
public final class BpfLink implements AutoCloseable {

  private final BpfObject object;
  private final Link link;

  BpfLink(BpfObject object, Link link) {
    this.object = object;
    this.link = link;
  }

  /**
   * {@return the descriptor, which the link owns}
   *
   * @throws IllegalStateException if it is closed, or has none: that of a {@code SEC("usdt/...")}
   *     consists of several
   */
  public int fd() {
    return object.fd(this, link);
  }

  /** Detaches. A second call does nothing. */
  @Override
  public void close() {
    object.detach(this);
  }

  /** For the object, whose lock is held. */
  void destroy() {
    link.destroy();
  }
}
