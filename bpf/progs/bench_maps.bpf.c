/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Maps without programs: that of task local data, and one that holds a value itself. */
#include "kernel_types.bpf.h"

struct task_local_data_offsets {
	short unused;
};

#include "task_local_data.bpf.h"

/* What a process would update by system call, without task local data. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, int);
} hints SEC(".maps");

char LICENSE[] SEC("license") = "Dual BSD/GPL";
