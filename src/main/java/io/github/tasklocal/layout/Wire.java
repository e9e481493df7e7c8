// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.layout;

/**
 * A memory format in which user space and BPF programs share task local data. A BPF program is
 * compiled against one wire; this library serves all three from the same page of a thread.
 *
 * <p>{@code docs/wires.md} has the bytes and offsets. The size of a map's values and the name of
 * their BTF type tell its wire.
 */
public enum Wire {
  /**
   * RFC v3 of April 2025: map {@code task_local_data_map}, values of 32 bytes, up to two data
   * pages, a metadata page that holds an offset for each key.
   */
  A("task_local_data_map", "task_local_data_map_value", 32, 64),

  /**
   * Linux 6.18 to about 7.0 and the sched_ext tree: map {@code tld_data_map}, values of 16 bytes,
   * the start offset in the first 8 bytes of the data page, a metadata page that holds the size of
   * each key.
   */
  B("tld_data_map", "tld_map_value", 16, 63),

  /** Newer Linux: as B, with the start offset in the map's value, which has 24 bytes. */
  C("tld_data_map", "tld_map_value", 24, 63);

  private final String mapName;
  private final String valueType;
  private final int valueSize;
  private final int maxKeys;

  Wire(String mapName, String valueType, int valueSize, int maxKeys) {
    this.mapName = mapName;
    this.valueType = valueType;
    this.valueSize = valueSize;
    this.maxKeys = maxKeys;
  }

  /**
   * {@return the name by which the wire's headers call the map} The kernel keeps its first 15
   * bytes.
   */
  public String mapName() {
    return mapName;
  }

  /** {@return the name of the BTF struct that the map's values have} */
  public String valueType() {
    return valueType;
  }

  /** {@return the size of the map's values in bytes} */
  public int valueSize() {
    return valueSize;
  }

  /**
   * {@return how many keys a BPF program on this wire can see} They are the first that the process
   * made.
   */
  public int maxKeys() {
    return maxKeys;
  }
}
