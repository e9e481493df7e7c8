/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#include "kernel_types.bpf.h"

struct task_local_data_offsets {
	short priority; /* a short for every key that this program uses */
};

#include "task_local_data.bpf.h"

int seen; /* the last priority that a thread had when the kernel switched to it */

SEC("tp_btf/sched_switch")
int switched(__u64 *ctx)
{
	struct bpf_task_local_data tld;
	int *priority;

	if (bpf_tld_init((struct task_struct *)ctx[2], &tld))
		return 0; /* a thread without such data */
	priority = bpf_tld_lookup(&tld, priority, sizeof(*priority));
	if (priority && *priority)
		seen = *priority;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
