/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Programs that cannot be attached, each for another reason. */
#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>

SEC("tp/tasklocal/no_such")
int no_tracepoint(void *ctx)
{
	return 0;
}

SEC("tp/sched/sched_switch")
int tracepoint(void *ctx)
{
	return 0;
}

SEC("iter/cgroup")
int groups(void *ctx)
{
	return 0;
}

SEC("uprobe//proc/self/exe:no_such")
int no_function(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
