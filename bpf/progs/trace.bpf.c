/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
// wires: a b c
/*
 * Changes of a key's value. Setting a value is a plain store that triggers
 * nothing, so a change is seen only when the thread is put on a processor,
 * leaves it or is sampled there. A value that comes and goes in between is not
 * seen.
 */
#include "key_value.bpf.h"
#include "sampler.bpf.h"
#include "watched.bpf.h"

enum { AT_ENTER, AT_LEAVE, AT_SAMPLE, AT_EXIT };

/* At the thread's end, "after" is VALUE_NO_ENTRY. */
struct change {
	__u64 time; /* CLOCK_MONOTONIC */
	int pid;
	int tid;
	__u32 cpu;
	__u32 where;
	int proc_id; /* the process's name in /proc */
	int own_pid; /* these two in the process's own pid namespace */
	int own_tid;
	__u32 unused;
	char comm[16];
	struct value before;
	struct value after;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} changes SEC(".maps");

__u64 lost; /* changes that found no room */

struct thread {
	struct value value; /* as last reported */
	struct place place;
	int proc_id;
	int own_pid;
	int own_tid;
	bool ended;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread);
} threads SEC(".maps");

static __always_inline struct thread *thread_of(struct task_struct *task)
{
	struct thread *thread;

	if (is_other(task))
		return NULL;
	thread = bpf_task_storage_get(&threads, task, 0, 0);
	if (thread || !tld_has_entry(task))
		return thread;
	if (!is_watched(task))
		return NULL;
	thread = bpf_task_storage_get(&threads, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!thread)
		return NULL;
	thread->value.size = VALUE_UNSEEN;
	thread->proc_id = proc_id(task->group_leader);
	thread->own_pid = own_id(task->group_leader);
	thread->own_tid = own_id(task);
	return thread;
}

/* If there is no room, the thread's next change starts from the value last reported. */
static __noinline int tell(struct task_struct *task, struct thread *thread, struct value *value,
			   __u32 where)
{
	struct change *change = bpf_ringbuf_reserve(&changes, sizeof(*change), 0);

	if (!change) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	change->time = bpf_ktime_get_ns();
	change->pid = task->tgid;
	change->tid = task->pid;
	change->cpu = bpf_get_smp_processor_id();
	change->where = where;
	change->proc_id = thread->proc_id;
	change->own_pid = thread->own_pid;
	change->own_tid = thread->own_tid;
	change->unused = 0;
	__builtin_memcpy(change->comm, task->comm, sizeof(change->comm));
	change->before = thread->value;
	change->after = *value;
	thread->value = *value;
	/* The reader polls: waking it up is not allowed in the scheduler. */
	bpf_ringbuf_submit(change, BPF_RB_NO_WAKEUP);
	return 0;
}

static __noinline int look(struct task_struct *task, __u32 where)
{
	struct thread *thread = thread_of(task);
	struct value value;

	if (!thread || thread->ended || read_value(task, &thread->place, &value, 0))
		return 0;
	if (!same_value(&value, &thread->value))
		tell(task, thread, &value, where);
	return 1;
}

SEC("tp_btf/sched_switch")
int switched(__u64 *ctx)
{
	look((struct task_struct *)ctx[1], AT_LEAVE);
	if (look((struct task_struct *)ctx[2], AT_ENTER))
		sampler_entered(bpf_ktime_get_ns());
	return 0;
}

static bool sampled(struct task_struct *task, __u64 now)
{
	return look(task, AT_SAMPLE);
}

/* The tick and other timers, for threads that never leave the processor. */
SEC("tp_btf/hrtimer_expire_exit")
int interrupted(__u64 *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 now;

	if (!thread_of(task))
		return 0;
	now = bpf_ktime_get_ns();
	sampler_entered(now);
	if (sampler_is_late(now))
		look(task, AT_SAMPLE);
	return 0;
}

SEC("syscall")
int prepare(void)
{
	note_home();
	sampler_prepare();
	return 0;
}

SEC("tp_btf/sched_process_exit")
int exited(__u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[0];
	struct thread *thread = bpf_task_storage_get(&threads, task, 0, 0);
	struct value none = {};

	if (!thread)
		return 0;
	thread->ended = true;
	none.size = VALUE_NO_ENTRY;
	tell(task, thread, &none, AT_EXIT);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
