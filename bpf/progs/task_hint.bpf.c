/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
// wires: b c
/*
 * Does what a sched_ext scheduler does with the key that sched_ext's maintainers
 * have named: reads the hint of a task that is about to run. Here for one thread
 * only, by its id.
 */
#include "kernel_types.bpf.h"

struct task_local_data_offsets {
	short task_hint_priority;
};

#include "task_local_data.bpf.h"

int thread;
__u64 hint;
__u64 switches;

SEC("tp_btf/sched_switch")
int look_at_hint(__u64 *ctx)
{
	struct task_struct *next = (struct task_struct *)ctx[2];
	struct bpf_task_local_data tld;
	__u64 *priority;

	if (next->pid != thread || bpf_tld_init(next, &tld))
		return 0;
	priority = bpf_tld_lookup(&tld, task_hint_priority, sizeof(*priority));
	if (priority) {
		hint = *priority;
		__sync_fetch_and_add(&switches, 1);
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
