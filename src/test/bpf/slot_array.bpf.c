/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* An array of pages as a serving side gives it to a process. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 64);
	__uint(key_size, 4);
	__uint(value_size, 4096);
} pages SEC(".maps");

char LICENSE[] SEC("license") = "Dual BSD/GPL";
