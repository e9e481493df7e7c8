/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef TASKLOCAL_WATCHED_BPF_H
#define TASKLOCAL_WATCHED_BPF_H

/*
 * Which processes a tracing program watches. It is called for the tasks of the
 * whole machine; its user is to see those of the tool's pid namespace.
 */
#include "pid_namespace.bpf.h"

const volatile int only_process; /* its id in the tool's pid namespace; 0: all */
const volatile __u32 proc_above; /* how many namespaces above the tool's /proc shows */
static volatile int only_tgid;	 /* the same process's id in the first namespace, once met */

#define PF_KTHREAD 0x00200000

/* A quick answer for tasks that are certainly not. */
static __always_inline bool is_other(struct task_struct *task)
{
	int only = only_tgid;

	return task->flags & PF_KTHREAD || (only && task->tgid != only);
}

/* Call it with a task of a process that is not known yet. */
static __noinline bool is_watched(struct task_struct *task)
{
	int id = home_id(task->group_leader);

	if (!id || (only_process && id != only_process))
		return false;
	if (only_process)
		only_tgid = task->tgid;
	return true;
}

/* A task's id in the /proc that the tool reads. */
static __always_inline int proc_id(struct task_struct *task)
{
	return proc_above <= home.level ? id_at(task, home.level - proc_above, NULL) : 0;
}

#endif /* TASKLOCAL_WATCHED_BPF_H */
