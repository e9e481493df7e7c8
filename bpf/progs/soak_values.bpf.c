/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
// wires: a b c
/*
 * Values that tell which thread wrote them, read while their threads are
 * writing: from the scheduler, which stops a writer at any instruction, and by
 * an iterator on another CPU. Counts what must never be seen.
 */
#include "kernel_types.bpf.h"

struct task_local_data_offsets {
	short soak_int;
	short soak_long;
	short soak_checked;
	short soak_plain;
};

#include "task_local_data.bpf.h"

/* The low half of a long is a sequence; the high half is sequence * MIX ^ the thread's id. */
#define MIX 0x9e3779b1U
/* No thread's id is larger: one that is comes from halves that do not belong together. */
#define MAX_THREADS (1U << 22)

#define WORDS 7

struct checked {
	__u32 sequence;
	__u32 unused;
	__u64 word[WORDS]; /* a long as above, several times */
};

struct plain {
	__u64 word[WORDS];
};

int process; /* whose threads are read */
__u32 looks; /* how often the iterator looks at each thread in a run */

__u64 numbers;		 /* ints and longs that were read */
__u64 numbers_at_switch; /* of them, by the scheduler's program */
__u64 foreign;		 /* of them, another thread's */
__u64 torn;		 /* of them, halves that do not belong together */
__u64 checked;		 /* structs that were read through the checked form */
__u64 busy;		 /* attempts at that which met the writer at work */
__u64 half_checked;	 /* half-written ones among "checked" */
__u64 plain;		 /* structs that were read without it */
__u64 half_plain;	 /* half-written ones among "plain" */
__u64 foreign_structs;	 /* structs of another thread */

#define COUNT(counter) __sync_fetch_and_add(&(counter), 1)

struct target {
	struct bpf_task_local_data tld;
	__u32 thread;
	__u32 numbers;
};

static __always_inline __u32 thread_of(__u64 value)
{
	return (value >> 32) ^ ((__u32)value * MIX);
}

static __always_inline int is_whole(const volatile __u64 *word, __u64 *first)
{
	int whole = 1;

	*first = word[0];
	for (int i = 1; i < WORDS; i++)
		whole &= word[i] == *first;
	return whole;
}

static long look(__u64 i __attribute__((unused)), struct target *target)
{
	struct bpf_task_local_data *tld = &target->tld;
	struct checked copy;
	struct plain *words;
	__u64 *whole, value;
	__u32 *half;
	int error;

	/* 0: not written yet */
	half = bpf_tld_lookup(tld, soak_int, sizeof(*half));
	if (half && (value = *(volatile __u32 *)half)) {
		target->numbers++;
		if (value >> 10 != target->thread)
			COUNT(foreign);
	}

	whole = bpf_tld_lookup(tld, soak_long, sizeof(*whole));
	if (whole && (value = *(volatile __u64 *)whole)) {
		target->numbers++;
		if (thread_of(value) >= MAX_THREADS)
			COUNT(torn);
		else if (thread_of(value) != target->thread)
			COUNT(foreign);
	}

	error = bpf_tld_read_checked(tld, soak_checked, &copy, sizeof(copy));
	if (error == -EAGAIN) {
		COUNT(busy);
	} else if (!error && copy.sequence) {
		COUNT(checked);
		if (!is_whole(copy.word, &value))
			COUNT(half_checked);
		else if (thread_of(value) != target->thread)
			COUNT(foreign_structs);
	}

	words = bpf_tld_lookup(tld, soak_plain, sizeof(*words));
	if (words) {
		if (!is_whole(words->word, &value)) {
			COUNT(plain);
			COUNT(half_plain);
		} else if (value) {
			COUNT(plain);
			if (thread_of(value) != target->thread)
				COUNT(foreign_structs);
		}
	}
	return 0;
}

static __always_inline void look_at(struct task_struct *task, __u32 times, int at_switch)
{
	struct target target = {};

	if (task->tgid != process || bpf_tld_init(task, &target.tld))
		return;
	target.thread = task->pid;
	bpf_loop(times, look, &target, 0);
	__sync_fetch_and_add(&numbers, target.numbers);
	if (at_switch)
		__sync_fetch_and_add(&numbers_at_switch, target.numbers);
}

SEC("tp_btf/sched_switch")
int switched(__u64 *ctx)
{
	look_at((struct task_struct *)ctx[1], 1, 1);
	look_at((struct task_struct *)ctx[2], 1, 1);
	return 0;
}

SEC("iter/task")
int others(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (task)
		look_at(task, looks, 0);
	return 0;
}

SEC("syscall")
int thread_id(void)
{
	return (int)bpf_get_current_pid_tgid();
}

SEC("syscall")
int watch_this_process(void)
{
	process = bpf_get_current_pid_tgid() >> 32;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
