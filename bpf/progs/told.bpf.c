/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
// wires: a b c
/*
 * Is told with each call which values the calling thread has, and counts
 * whether its task shows them. One call is on one task: nothing can be
 * scheduled elsewhere between the question and the answer.
 */
#include "kernel_types.bpf.h"

struct task_local_data_offsets {
	short told;
	short told_too;
};

#include "task_local_data.bpf.h"

#define NO_ENTRY 1
#define NO_KEY 2
#define BUSY 3 /* another program uses the task's storage on this CPU */

__u64 right;
__u64 wrong;
__u64 missing; /* calls on a task without an entry, or a key */

struct call {
	__s32 value;  /* in: the value told; out: the value seen */
	__s32 other;  /* the other key's */
	__s32 thread; /* out: the task's id */
};

#define COUNT(counter) __sync_fetch_and_add(&(counter), 1)

struct words {
	int *value;
	int *other;
};

static __always_inline int look(struct words *words)
{
	struct bpf_task_local_data tld;
	int error;

	error = bpf_tld_init(bpf_get_current_task_btf(), &tld);
	if (error)
		return error == -ENOENT ? NO_ENTRY : BUSY;
	words->value = bpf_tld_lookup(&tld, told, sizeof(*words->value));
	words->other = bpf_tld_lookup(&tld, told_too, sizeof(*words->other));
	return words->value && words->other ? 0 : NO_KEY;
}

SEC("syscall")
int tell(struct call *call)
{
	__s32 value = call->value, other = call->other;
	struct words words = {};
	int result = look(&words);

	if (result == BUSY)
		return result;
	if (result || !words.value || !words.other) {
		COUNT(missing);
		return result;
	}
	call->thread = (__s32)bpf_get_current_pid_tgid();
	call->value = *(volatile int *)words.value;
	call->other = *(volatile int *)words.other;
	if (call->value == value && call->other == other)
		COUNT(right);
	else
		COUNT(wrong);
	return 0;
}

/* Gives the task these values, and returns those that it had; counts nothing. */
SEC("syscall")
int write(struct call *call)
{
	__s32 value = call->value, other = call->other;
	struct words words = {};
	int result = look(&words);

	if (result || !words.value || !words.other)
		return result;
	call->thread = (__s32)bpf_get_current_pid_tgid();
	call->value = *(volatile int *)words.value;
	call->other = *(volatile int *)words.other;
	*(volatile int *)words.value = value;
	*(volatile int *)words.other = other;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
