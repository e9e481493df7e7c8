/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Iterators over tasks: good ones, and each way in which one can go wrong. */
#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>

#define PAGE 4096

struct record {
	__u64 number;
	int tid;
	char name[16];
};

char bytes[PAGE];
int runs; /* of wide */

SEC("iter/task")
int tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct record record = {};

	if (!task)
		return 0;
	record.number = ctx->meta->seq_num;
	record.tid = task->pid;
	bpf_probe_read_kernel(record.name, sizeof(record.name), task->comm);
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}

SEC("iter/task")
int wide(struct bpf_iter__task *ctx)
{
	__u64 number = ctx->meta->seq_num;

	if (!ctx->task)
		return 0;
	__sync_fetch_and_add(&runs, 1);
	bpf_seq_write(ctx->meta->seq, &number, sizeof(number));
	bpf_seq_write(ctx->meta->seq, bytes, sizeof(bytes));
	return 0;
}

SEC("iter/task")
int too_wide(struct bpf_iter__task *ctx)
{
#pragma unroll
	for (int i = 0; i < 9; i++)
		bpf_seq_write(ctx->meta->seq, bytes, sizeof(bytes));
	return 0;
}

SEC("iter/task")
int again(struct bpf_iter__task *ctx)
{
	return 1;
}

SEC("iter/task")
int silent(struct bpf_iter__task *ctx)
{
	return 0;
}

SEC("syscall")
int no_iterator(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
