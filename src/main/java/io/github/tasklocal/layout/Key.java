// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.layout;

import java.lang.foreign.MemoryLayout;

/**
 * A key of a {@link KeyDirectory}.
 *
 * @param name 1 to 61 bytes in UTF-8, without NUL
 * @param layout the value's layout, without a name and with natural alignment
 * @param index its place in the directory, from 0
 * @param offset where a value lies, in bytes from the beginning of a thread's page; a multiple of 8
 */
public record Key(String name, MemoryLayout layout, int index, int offset) {

  /** {@return the value's size in bytes} */
  public int size() {
    return (int) layout.byteSize();
  }
}
