/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A scheduler with two layers, for the test of the command "hints". It takes hints
 * as scx_layered does: from a map of its own that others write, when it chooses a
 * processor for a task, queues it, or its turn is over. A task with the hint of a
 * layer moves there; any other stays where it is, at first in layer 0. Layer 1
 * comes first, but for one turn in RESCUE.
 */
#include "sched_ext.bpf.h"
#include "layered_hints.bpf.h"

#define LAYERS 2
#define SLICE 3000000ULL
#define RESCUE 16
#define ENOMEM 12

struct task {
	__u64 paid; /* CPU time up to its last turn */
	__u32 layer;
	bool hinted;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task);
} tasks SEC(".maps");

__u64 nanos[LAYERS]; /* CPU time of tasks with a hint */
__u32 turns;
struct scx_exited exited;

static struct task *match(struct task_struct *p)
{
	struct task *task = bpf_task_storage_get(&tasks, p, 0, 0);
	struct task_hint *found = bpf_task_storage_get(&scx_layered_task_hint_map, p, 0, 0);

	if (!task)
		return NULL;
	task->hinted = found && found->hint < LAYERS;
	if (task->hinted)
		task->layer = found->hint & (LAYERS - 1);
	return task;
}

__s32 SCX_OP(layers_select_cpu, struct task_struct *p, __s32 prev_cpu, __u64 wake_flags)
{
	bool idle = false;
	__s32 cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &idle);

	match(p);
	if (idle)
		scx_insert(p, SCX_DSQ_LOCAL, SLICE, 0);
	return cpu;
}

void SCX_OP(layers_enqueue, struct task_struct *p, __u64 flags)
{
	struct task *task = match(p);
	__s32 idle;

	if (!task || (p->flags & PF_KTHREAD && p->nr_cpus_allowed == 1)) {
		scx_insert(p, SCX_DSQ_LOCAL, SLICE, flags | SCX_ENQ_PREEMPT);
		return;
	}
	scx_insert(p, task->layer, SLICE, flags);
	idle = scx_bpf_pick_idle_cpu(p->cpus_ptr, 0);
	if (idle >= 0)
		scx_bpf_kick_cpu(idle, SCX_KICK_IDLE);
}

void SCX_OP(layers_dispatch, __s32 cpu, struct task_struct *prev)
{
	__u32 first = __sync_fetch_and_add(&turns, 1) % RESCUE ? 1 : 0;

	if (!scx_move_to_local(first))
		scx_move_to_local(!first);
}

void SCX_OP(layers_running, struct task_struct *p)
{
	struct task *task = bpf_task_storage_get(&tasks, p, 0, 0);

	if (task)
		task->paid = p->se.sum_exec_runtime;
}

void SCX_OP(layers_stopping, struct task_struct *p, bool runnable)
{
	struct task *task = bpf_task_storage_get(&tasks, p, 0, 0);

	if (task && task->hinted)
		__sync_fetch_and_add(&nanos[task->layer & (LAYERS - 1)],
				     p->se.sum_exec_runtime - task->paid);
	match(p);
}

__s32 SCX_OP_SLEEPABLE(layers_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	return bpf_task_storage_get(&tasks, p, 0, BPF_LOCAL_STORAGE_GET_F_CREATE) ? 0 : -ENOMEM;
}

__s32 SCX_OP_SLEEPABLE(layers_init)
{
	__s32 error = 0;

	for (__u32 layer = 0; layer < LAYERS && !error; layer++)
		error = scx_bpf_create_dsq(layer, -1);
	return error;
}

void SCX_OP(layers_exit, struct scx_exit_info *info)
{
	scx_note_exit(&exited, info);
}

SEC(".struct_ops.link")
struct sched_ext_ops layers_ops = {
	.select_cpu = (void *)layers_select_cpu,
	.enqueue = (void *)layers_enqueue,
	.dispatch = (void *)layers_dispatch,
	.running = (void *)layers_running,
	.stopping = (void *)layers_stopping,
	.init_task = (void *)layers_init_task,
	.init = (void *)layers_init,
	.exit = (void *)layers_exit,
	.name = "layers",
};

char LICENSE[] SEC("license") = "Dual BSD/GPL";
