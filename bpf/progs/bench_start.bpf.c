/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* When a value was first seen in any thread that has an entry. */
#include "kernel_types.bpf.h"

struct task_local_data_offsets {
	short priority;
};

#include "task_local_data.bpf.h"

#define AWAITED 7

__u64 seen_at; /* by bpf_ktime_get_ns(); 0 until the value is seen */

SEC("tp_btf/sys_enter")
int look(__u64 *ctx)
{
	struct bpf_task_local_data tld;
	int *value;

	if (seen_at || bpf_tld_init(bpf_get_current_task_btf(), &tld))
		return 0;
	value = bpf_tld_lookup(&tld, priority, sizeof(*value));
	if (value && *value == AWAITED)
		seen_at = bpf_ktime_get_ns();
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
