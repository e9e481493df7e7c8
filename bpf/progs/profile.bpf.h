/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef TASKLOCAL_PROFILE_BPF_H
#define TASKLOCAL_PROFILE_BPF_H

/*
 * The stacks of the threads that run, at a fixed rate on each CPU. Every sample
 * goes to the reader with its whole stack: a map of stacks by their hashes, as
 * bpf_get_stackid() fills it, loses those whose hashes collide.
 *
 *	read_sample()	defined by the includer: the value that the thread has now
 */
#include "watched.bpf.h"

#define KERNEL_FRAMES 128
#define USER_FRAMES 1024 /* Profile.MOST_FRAMES; kernel.perf_event_max_stack may be lower */
#define KERNEL_BYTES (KERNEL_FRAMES * sizeof(__u64))
#define USER_BYTES (USER_FRAMES * sizeof(__u64))

#ifndef BPF_F_USER_STACK
#define BPF_F_USER_STACK (1ULL << 8)
#endif

struct sample {
	int pid;
	int tid;
	int proc_id; /* the process's name in /proc; 0: it has none there */
	int own_pid; /* in the process's own pid namespace */
	__u64 cgroup;
	char comm[16];
	int kernel_bytes; /* of frames, those of the kernel first; below 0: the errno of none */
	int user_bytes;
	struct value value;
	__u64 frames[KERNEL_FRAMES + USER_FRAMES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sample);
} scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} samples SEC(".maps");

__u64 runs;	  /* of the program, for idle CPUs and for tasks that nobody watches, too */
__u64 busy;	  /* those on CPUs that are not idle */
__u64 lost;	  /* samples that found no room */
__u64 cost_nanos; /* what all runs took */

static int read_sample(struct task_struct *task, struct value *value);

/* Only tasks that are to be seen get here. */
static __noinline int tell(struct bpf_perf_event_data *ctx, struct task_struct *task)
{
	__u32 zero = 0;
	struct sample *sample = bpf_map_lookup_elem(&scratch, &zero);
	long kernel, user;

	if (!sample)
		return 0;
	sample->pid = task->tgid;
	sample->tid = task->pid;
	sample->proc_id = proc_id(task->group_leader);
	sample->own_pid = own_id(task->group_leader);
	sample->cgroup = bpf_get_current_cgroup_id();
	__builtin_memcpy(sample->comm, task->comm, sizeof(sample->comm));
	read_sample(task, &sample->value);

	kernel = bpf_get_stack(ctx, sample->frames, KERNEL_BYTES, 0);
	sample->kernel_bytes = kernel;
	if (kernel < 0)
		kernel = 0;
	if (kernel > (long)KERNEL_BYTES)
		return 0; /* for the verifier */
	user = bpf_get_stack(ctx, (char *)sample->frames + kernel, USER_BYTES, BPF_F_USER_STACK);
	sample->user_bytes = user;
	if (user < 0)
		user = 0;
	if (user > (long)USER_BYTES)
		return 0;
	/* The reader polls: waking it up would be work in the interrupt. */
	if (bpf_ringbuf_output(&samples, sample, offsetof(struct sample, frames) + kernel + user,
			       BPF_RB_NO_WAKEUP))
		__sync_fetch_and_add(&lost, 1);
	return 0;
}

static __always_inline bool is_seen(struct task_struct *task)
{
	int only = only_tgid;

	/* The idle tasks have no id. */
	if (!task->pid || (only && task->tgid != only))
		return false;
	return is_watched(task);
}

SEC("perf_event")
int sampled(struct bpf_perf_event_data *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 start = bpf_ktime_get_ns();

	if (is_seen(task))
		tell(ctx, task);
	__sync_fetch_and_add(&runs, 1);
	if (task->pid)
		__sync_fetch_and_add(&busy, 1);
	__sync_fetch_and_add(&cost_nanos, bpf_ktime_get_ns() - start);
	return 0;
}

SEC("syscall")
int prepare(void)
{
	note_home();
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#endif /* TASKLOCAL_PROFILE_BPF_H */
