/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The tables of the serving side, and which processes there are. */
#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>
#include "serve_tables.bpf.h"

/* A process: its number, and what tells it from others with that number, or from before an exec. */
struct process {
	__u32 tgid;
	__u32 unused;
	__u64 started;
	__u64 exec;
};

/* The process to look for; 0 for all. */
int wanted;

SEC("iter/task")
int identify(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct process process = {};

	if (!task || task->pid != task->tgid || (wanted && task->tgid != wanted))
		return 0;
	process.tgid = task->tgid;
	process.started = task->start_boottime;
	process.exec = exec_of(task);
	bpf_seq_write(ctx->meta->seq, &process, sizeof(process));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
