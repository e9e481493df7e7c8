/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the serving side keeps in the kernel, so that it is there again after a
 * restart: who may register threads, and with which arrays of pages.
 */
#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define ARRAYS 16384

struct grant {
	__u32 array; /* the process's first */
	__u32 tgid;
	__u64 started;
	__u64 exec;
	__u32 uid;
	__u32 unused;
};

/* By token. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ARRAYS);
	__type(key, __u64);
	__type(value, struct grant);
} tld_grants SEC(".maps");

/* The token of the process that has an array; 0 for none. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ARRAYS);
	__type(key, __u32);
	__type(value, __u64);
} tld_owners SEC(".maps");

struct task_struct___exec {
	__u64 self_exec_id;
} __attribute__((preserve_access_index));

/* A process: its number, and what tells it from others with that number, or from before an exec. */
struct process {
	__u32 tgid;
	__u32 unused;
	__u64 started;
	__u64 exec;
};

/* The process to look for; 0 for all. */
int wanted;

static __always_inline __u64 exec_of(struct task_struct *leader)
{
	return BPF_CORE_READ((struct task_struct___exec *)leader, self_exec_id);
}

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
