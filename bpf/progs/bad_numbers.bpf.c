/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Wire A's map by its names and sizes, but with numbers in place of the pointers. */
#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>

struct task_local_data_map_value {
	__u64 data;
	__u64 more_data;
	__u64 keys;
	__s16 cnt;
	__s16 start;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_local_data_map_value);
} task_local_data_map SEC(".maps");

/* Whether the thread that runs it has an entry. */
SEC("syscall")
int entries(void *ctx)
{
	return bpf_task_storage_get(&task_local_data_map, bpf_get_current_task_btf(), 0, 0) != 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
