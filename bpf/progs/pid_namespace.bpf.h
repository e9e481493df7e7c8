/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef TASKLOCAL_PID_NAMESPACE_BPF_H
#define TASKLOCAL_PID_NAMESPACE_BPF_H

/*
 * The ids of tasks in pid namespaces: a task has one in its own and in each of
 * those above, up to the first. The namespace of the tool that runs a program
 * decides which tasks it is to see, and by which ids its user knows them.
 *
 *	note_home()	call before the others, in a program that the tool runs itself
 *	home_id()	a task's id there; 0: the task cannot be seen from there
 *	own_id()	its id in the task's own namespace
 */
#include <bpf/bpf_core_read.h>

/* Of include/linux/pid.h. A name that ends in ___... stands for the type without that. */
struct upid___ids {
	int nr;
	void *ns;
} __attribute__((preserve_access_index));

struct pid___ids {
	unsigned int level;
	struct upid___ids numbers[1];
} __attribute__((preserve_access_index));

struct task_struct___ids {
	struct pid___ids *thread_pid; /* null once the task was waited for */
} __attribute__((preserve_access_index));

struct {
	void *ns;
	__u32 level;
} home;

static __always_inline struct pid___ids *ids_of(struct task_struct *task)
{
	struct pid___ids *ids = NULL;

	bpf_core_read(&ids, sizeof(ids), &((struct task_struct___ids *)task)->thread_pid);
	return ids;
}

static __always_inline __u32 level_of(struct pid___ids *ids)
{
	__u32 level = 0;

	bpf_core_read(&level, sizeof(level), &ids->level);
	return level;
}

/* A task's id at a level: 0 is the first namespace. With ns, 0 if that is not the one there. */
static __noinline int id_at(struct task_struct *task, __u32 level, void *ns)
{
	struct pid___ids *ids = ids_of(task);
	struct upid___ids *id;
	void *there = NULL;
	int nr = 0;

	if (!ids || level > level_of(ids))
		return 0;
	id = (void *)ids + bpf_core_field_offset(ids->numbers) +
	     level * bpf_core_type_size(struct upid___ids);
	bpf_core_read(&there, sizeof(there), &id->ns);
	if (ns && there != ns)
		return 0;
	bpf_core_read(&nr, sizeof(nr), &id->nr);
	return nr;
}

static __always_inline void note_home(void)
{
	struct pid___ids *ids = ids_of((void *)bpf_get_current_task_btf());
	struct upid___ids *id;

	if (!ids)
		return;
	home.level = level_of(ids);
	id = (void *)ids + bpf_core_field_offset(ids->numbers) +
	     home.level * bpf_core_type_size(struct upid___ids);
	bpf_core_read(&home.ns, sizeof(home.ns), &id->ns);
}

static __always_inline int home_id(struct task_struct *task)
{
	return id_at(task, home.level, home.ns);
}

static __always_inline int own_id(struct task_struct *task)
{
	struct pid___ids *ids = ids_of(task);

	return ids ? id_at(task, level_of(ids), NULL) : 0;
}

#endif /* TASKLOCAL_PID_NAMESPACE_BPF_H */
