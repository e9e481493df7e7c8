/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
// wires: a b c
/*
 * The workflow that the RFC shows: at one system call a program finds the keys,
 * and at another a second program uses what the first has found.
 */
#include "kernel_types.bpf.h"

struct task_local_data_offsets {
	short thread_id;
	short job;
	short echo_id;
	short echo_job;
};

#include "task_local_data.bpf.h"

struct job {
	int thread_id;
	short round;
	__s64 deadline;
};

/* Numbers of system calls, which differ between processors. */
const volatile __u64 find_syscall;
const volatile __u64 check_syscall;

__u64 finds;
__u64 checks;
__u64 mismatches;
__u64 not_cached;

SEC("tp_btf/sys_enter")
int find_keys(__u64 *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct bpf_task_local_data tld;
	int *echo_id;

	if (ctx[1] != find_syscall || bpf_tld_init(task, &tld))
		return 0;
	if (bpf_tld_init_var(&tld, thread_id) || bpf_tld_init_var(&tld, job))
		return 0;
	__sync_fetch_and_add(&finds, 1);

	echo_id = bpf_tld_lookup(&tld, echo_id, sizeof(*echo_id));
	if (echo_id)
		*echo_id = -task->pid; /* tells the thread that its call was seen */
	return 0;
}

SEC("tp_btf/sys_enter")
int check_values(__u64 *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct bpf_task_local_data tld;
	struct job *job, *echo_job;
	int *id, *echo_id;

	if (ctx[1] != check_syscall || bpf_tld_init(task, &tld))
		return 0;
	if (tld.off_map->thread_id <= 0 || tld.off_map->job <= 0)
		__sync_fetch_and_add(&not_cached, 1);

	id = bpf_tld_lookup(&tld, thread_id, sizeof(*id));
	job = bpf_tld_lookup(&tld, job, sizeof(*job));
	echo_id = bpf_tld_lookup(&tld, echo_id, sizeof(*echo_id));
	echo_job = bpf_tld_lookup(&tld, echo_job, sizeof(*echo_job));
	if (!id || !job || !echo_id || !echo_job) {
		__sync_fetch_and_add(&mismatches, 1);
		return 0;
	}

	if (*id != task->pid || job->thread_id != task->pid ||
	    job->deadline != task->pid * 1000003LL + job->round)
		__sync_fetch_and_add(&mismatches, 1);
	__sync_fetch_and_add(&checks, 1);

	*echo_id = *id;
	echo_job->thread_id = job->thread_id;
	echo_job->round = job->round + 1;
	echo_job->deadline = -job->deadline;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
