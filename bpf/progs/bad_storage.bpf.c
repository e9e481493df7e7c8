/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Task storage with a pointer to user memory, of a size that every kernel refuses. */
#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>

typedef struct page {
	char bytes[4096];
} page_t;

struct pointer {
	page_t __attribute__((btf_type_tag("uptr"))) * page;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1); /* has to be 0 */
	__type(key, int);
	__type(value, struct pointer);
} storage SEC(".maps");

SEC("syscall")
int idle(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
