/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Task storage that no kernel makes, as one before 6.13 does not make one with
 * pointers to user memory: both end the load before the verifier is asked.
 */
#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1); /* has to be 0 */
	__type(key, int);
	__type(value, long);
} storage SEC(".maps");

SEC("syscall")
int idle(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
