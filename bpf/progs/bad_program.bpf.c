/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A program that the verifier refuses: it uses the result of a lookup without a null check. */
#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u64);
} storage SEC(".maps");

SEC("syscall")
int careless(void *ctx)
{
	__u64 *value = bpf_task_storage_get(&storage, bpf_get_current_task_btf(), 0, 0);

	return *value;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
