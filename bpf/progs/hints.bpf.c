/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
// wires: a b c
/*
 * Carries each thread's value of a key into a map of hints as scx_layered has it:
 * task storage, in which a number up to 1024 is a hint, and any other is none. It
 * is done as a thread is woken, before a processor is chosen for it, and as its
 * time is charged, before it leaves its processor.
 */
#include "key_value.bpf.h"
#include "layered_hints.bpf.h"

#define MOST_VALUES 1025
#define NO_HINT (~0ULL)
#define PF_KTHREAD 0x00200000

/* Values that have a hint; their sizes are 0 here. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MOST_VALUES);
	__type(key, struct value);
	__type(value, __u64);
} hints SEC(".maps");

struct thread {
	struct value value; /* as last seen */
	struct place place;
	__u16 seen;    /* 1 if there is such a value */
	__u16 written; /* 1 if its hint is ours */
	__u64 hint;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread);
} threads SEC(".maps");

bool given[MOST_VALUES]; /* the numbers that values have */

__u64 changes; /* hints that were written */
__u64 failed;  /* those for which there was no memory */

/* What this costs: one of every SAMPLE runs is timed. */
#define SAMPLE 64

struct cost {
	__u64 runs;
	__u64 timed;
	__u64 ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cost);
} costs SEC(".maps");

static __always_inline __u64 hint_of(struct value *value)
{
	__u64 *found;

	/* Less than 1: there is no value. */
	if (value->size < 1 || (!key_text[0] && (__u32)value->size != key_size[0]))
		return NO_HINT;
	value->size = 0;
	found = bpf_map_lookup_elem(&hints, value);
	return found ? *found : NO_HINT;
}

static __noinline int write_hint(struct task_struct *task, struct thread *thread, __u64 hint)
{
	struct task_hint first = {.hint = hint}, *to;

	/* A hint that others have given a thread stays, as long as we know of none. */
	if (hint == NO_HINT && !thread->written)
		return 0;
	to = bpf_task_storage_get(&scx_layered_task_hint_map, task, &first,
				  BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!to) {
		__sync_fetch_and_add(&failed, 1);
		thread->seen = 0; /* the next time */
		return 0;
	}
	to->hint = hint;
	thread->hint = hint;
	thread->written = 1;
	__sync_fetch_and_add(&changes, 1);
	return 0;
}

static __noinline int carry(struct task_struct *task)
{
	struct thread *thread;
	struct value value;

	if (task->flags & PF_KTHREAD)
		return 0;
	thread = bpf_task_storage_get(&threads, task, 0, 0);
	if (!thread) {
		if (!tld_has_entry(task))
			return 0;
		thread = bpf_task_storage_get(&threads, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (!thread) {
			__sync_fetch_and_add(&failed, 1);
			return 0;
		}
	}
	if (read_value(task, &thread->place, &value, 0))
		return 0; /* the next time */
	if (thread->seen && same_value(&value, &thread->value))
		return 0;
	thread->value = value;
	thread->seen = 1;
	write_hint(task, thread, hint_of(&value));
	return 0;
}

static __always_inline int timed(struct task_struct *task)
{
	__u32 zero = 0;
	struct cost *cost = bpf_map_lookup_elem(&costs, &zero);
	__u64 start = 0;

	if (cost && cost->runs++ % SAMPLE == 0)
		start = bpf_ktime_get_ns();
	carry(task);
	if (cost && start) {
		cost->ns += bpf_ktime_get_ns() - start;
		cost->timed++;
	}
	return 0;
}

SEC("tp_btf/sched_waking")
int waking(__u64 *ctx)
{
	return timed((struct task_struct *)ctx[0]);
}

SEC("tp_btf/sched_stat_runtime")
int charged(__u64 *ctx)
{
	return timed((struct task_struct *)ctx[0]);
}

/*
 * At the start: what has one of our numbers is from a run that was killed, so it is
 * ours. It changes as its thread is woken the next time, and goes at the end.
 */
SEC("iter/task")
int take_over(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct thread *thread;
	struct task_hint *hint;
	__u64 number;

	if (!task)
		return 0;
	hint = bpf_task_storage_get(&scx_layered_task_hint_map, task, 0, 0);
	if (!hint)
		return 0;
	number = hint->hint;
	if (number >= MOST_VALUES || !given[number])
		return 0;
	thread = bpf_task_storage_get(&threads, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!thread) {
		__sync_fetch_and_add(&failed, 1);
		return 0;
	}
	thread->hint = number;
	thread->written = 1;
	return 0;
}

/* At the end: what we have given is taken back. */
SEC("iter/task")
int take_back(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct thread *thread;
	struct task_hint *hint;

	if (!task)
		return 0;
	thread = bpf_task_storage_get(&threads, task, 0, 0);
	hint = bpf_task_storage_get(&scx_layered_task_hint_map, task, 0, 0);
	if (thread && hint && thread->written && hint->hint == thread->hint)
		hint->hint = NO_HINT;
	return 0;
}

struct cost cost_total;

static long add_cost(__u64 cpu, void *unused)
{
	__u32 zero = 0;
	struct cost *cost = bpf_map_lookup_percpu_elem(&costs, &zero, cpu);

	if (!cost)
		return 1;
	cost_total.runs += cost->runs;
	cost_total.timed += cost->timed;
	cost_total.ns += cost->ns;
	return 0;
}

SEC("syscall")
int collect(void)
{
	struct cost none = {};

	cost_total = none;
	bpf_loop(8192, add_cost, 0, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
