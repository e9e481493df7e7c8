/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
// wires: a b c
/* A value of several words, read while its thread may be writing it. */
#include "kernel_types.bpf.h"

struct task_local_data_offsets {
	short span;
};

#include "task_local_data.bpf.h"

struct span {
	__u32 sequence;
	__u32 kind;
	__u64 id;
	__u64 inverse; /* of the id, if the span is whole */
};

struct span seen;

/* Reads the calling thread's own span; returns 0 or an error. */
SEC("syscall")
int read_own(void)
{
	struct bpf_task_local_data tld;
	struct span span;
	int error;

	if (bpf_tld_init(bpf_get_current_task_btf(), &tld))
		return -1;
	error = bpf_tld_read_checked(&tld, span, &span, sizeof(span));
	if (!error)
		seen = span;
	return error;
}

int writer; /* the thread whose spans are read by read_others */
__u64 whole;
__u64 busy;
__u64 torn;

static long read_again(__u64 i __attribute__((unused)), struct bpf_task_local_data *tld)
{
	struct span span;

	if (bpf_tld_read_checked(tld, span, &span, sizeof(span)))
		busy++;
	else if (span.id == ~span.inverse)
		whole++;
	else
		torn++;
	return 0;
}

SEC("iter/task")
int read_others(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct bpf_task_local_data tld;

	if (task && task->pid == writer && !bpf_tld_init(task, &tld))
		bpf_loop(10000, read_again, &tld, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
