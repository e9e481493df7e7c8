/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Every thread of the system: its label, and what it has used of the processors. */
#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>

/* JVMs without privilege can open a map of this wire as it is; of wire A they have to name it. */
#define TLD_WIRE TLD_WIRE_B

struct task_local_data_offsets {
	short kind;
};

#include "task_local_data.bpf.h"

/* Further members; what follows ___ is no part of the kernel's name. */
struct task_struct___usage {
	struct {
		__u64 sum_exec_runtime;
	} se;
	unsigned long nvcsw, nivcsw;
} __attribute__((preserve_access_index));

struct record {
	int process;
	int thread;
	int label;
	int switches;
	__u64 nanoseconds;
};

SEC("iter/task")
int labels(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct bpf_task_local_data tld;
	struct task_struct___usage *usage = (void *)task;
	struct record record = {};
	int *kind;

	if (!task)
		return 0; /* the end */
	record.process = task->tgid;
	record.thread = task->pid;
	record.nanoseconds = usage->se.sum_exec_runtime;
	record.switches = usage->nvcsw + usage->nivcsw;
	if (!bpf_tld_init(task, &tld)) {
		kind = bpf_tld_lookup_named(&tld, kind, "jvm.kind", sizeof(*kind));
		if (kind)
			record.label = *kind & 3; /* of another process it may be anything */
	}
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
