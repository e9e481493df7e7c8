/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Looks at the hint of a thread that gets a processor, in a map of the form that
 * scx_layered has: a number up to 1024 is one, any other is none.
 */
#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>
#include "layered_hints.bpf.h"

int thread;
__s64 hint; /* -1: none */
__u64 at;   /* since when it has been that, by CLOCK_MONOTONIC */

static __always_inline void look(struct task_struct *task)
{
	struct task_hint *found;
	__s64 now;

	if (task->pid != thread)
		return;
	found = bpf_task_storage_get(&scx_layered_task_hint_map, task, 0, 0);
	now = found && found->hint <= 1024 ? found->hint : -1;
	if (now != hint) {
		at = bpf_ktime_get_ns();
		hint = now;
	}
}

SEC("tp_btf/sched_switch")
int switched(__u64 *ctx)
{
	look((struct task_struct *)ctx[2]);
	return 0;
}

/* For a thread that never leaves its processor. */
SEC("tp_btf/sched_stat_runtime")
int charged(__u64 *ctx)
{
	look((struct task_struct *)ctx[0]);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
