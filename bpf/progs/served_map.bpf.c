/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
// wires: a b c
/* The map of task local data and nothing else, for a side that serves it. */
#include "kernel_types.bpf.h"

struct task_local_data_offsets {
	short unused;
};

#include "task_local_data.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
