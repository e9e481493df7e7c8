/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef TASKLOCAL_SERVE_TABLES_BPF_H
#define TASKLOCAL_SERVE_TABLES_BPF_H

/* What the serving side keeps in the kernel, so that it is there again after a restart. */
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

/* How often the process has executed a program: the threads of one have one number. */
static __always_inline __u64 exec_of(struct task_struct *task)
{
	return BPF_CORE_READ((struct task_struct___exec *)task, self_exec_id);
}

#endif /* TASKLOCAL_SERVE_TABLES_BPF_H */
