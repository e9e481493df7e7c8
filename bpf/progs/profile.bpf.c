/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
// wires: a b c
/* Stacks of processor time, with the value that the thread has at the instant of the sample. */
#include "key_value.bpf.h"
#include "profile.bpf.h"

/*
 * The place is looked for each time: at some hundred samples a second that costs
 * less than a record of each thread. A value that cannot be read right now is
 * one that was not seen, and the sample counts nevertheless.
 */
static int read_sample(struct task_struct *task, struct value *value)
{
	struct place place = {};

	if (task->flags & PF_KTHREAD || read_value(task, &place, value, 0)) {
		__builtin_memset(value, 0, sizeof(*value));
		value->size = task->flags & PF_KTHREAD ? VALUE_NO_ENTRY : VALUE_UNSEEN;
	}
	return 0;
}
