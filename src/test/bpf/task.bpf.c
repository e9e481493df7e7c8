/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Reads or writes an int of any task, found by its tid; loads on every wire. */
#include "kernel_types.bpf.h"

/* clang-format off */
#define TEN(DO, t)                                                                                 \
	DO(t##0) DO(t##1) DO(t##2) DO(t##3) DO(t##4) DO(t##5) DO(t##6) DO(t##7) DO(t##8) DO(t##9)
#define EACH_KEY(DO)                                                                               \
	TEN(DO, 0) TEN(DO, 1) TEN(DO, 2) TEN(DO, 3) TEN(DO, 4) TEN(DO, 5)                          \
	DO(60) DO(61) DO(62) DO(63)
/* clang-format on */

#define OFFSET(i) short key_##i;

struct task_local_data_offsets {
	EACH_KEY(OFFSET)
};

#include "task_local_data.bpf.h"

/* By the ids of the first pid namespace, in which the tests run. */
struct task_struct *bpf_task_from_pid(int pid) __ksym;
void bpf_task_release(struct task_struct *task) __ksym;

#define NO_TASK 1
#define NO_ENTRY 2
#define NO_KEY 3
#define BUSY 4

struct question {
	__s32 tid;
	__s32 key;
	__s32 write;
	__s32 value;
};

/* 08 and 09 would be bad octal numbers. */
#define INDEX(i) (1##i - 100)

#define LOOK_UP(i)                                                                                 \
	if (question->key == INDEX(i))                                                             \
		value = bpf_tld_lookup_named(&tld, key_##i, "life." #i, sizeof(*value));

static __always_inline int look(struct task_struct *task, struct question *question)
{
	struct bpf_task_local_data tld;
	int *value = (void *)0;
	int error;

	error = bpf_tld_init(task, &tld);
	if (error)
		return error == -ENOENT ? NO_ENTRY : BUSY;
	EACH_KEY(LOOK_UP)
	if (!value)
		return NO_KEY;
	if (question->write)
		*(volatile int *)value = question->value;
	else
		question->value = *(volatile int *)value;
	return 0;
}

SEC("syscall")
int ask(struct question *question)
{
	struct question copy = *question; /* the verifier wants fixed offsets into a context */
	struct task_struct *task = bpf_task_from_pid(copy.tid);
	int result;

	barrier_var(copy.key);
	if (!task)
		return NO_TASK;
	result = look(task, &copy);
	bpf_task_release(task);
	question->value = copy.value;
	return result;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
