/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
// wires: a b c
/* Lists the threads of a process that have an entry, each with its long "soak". */
#include "kernel_types.bpf.h"

struct task_local_data_offsets {
	short soak;
};

#include "task_local_data.bpf.h"

#define NO_KEY 1

int process; /* whose threads */

struct record {
	int thread;
	int error; /* 0, NO_KEY, or a negative errno */
	__s64 value;
};

SEC("syscall")
int process_id(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

SEC("syscall")
int thread_id(void)
{
	return (int)bpf_get_current_pid_tgid();
}

SEC("iter/task")
int entries(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct bpf_task_local_data tld;
	struct record record = {};
	__s64 *value;

	if (!task || task->tgid != process)
		return 0;
	record.error = bpf_tld_init(task, &tld);
	if (record.error == -ENOENT)
		return 0;
	record.thread = task->pid;
	if (!record.error) {
		value = bpf_tld_lookup(&tld, soak, sizeof(*value));
		if (value)
			record.value = *value;
		else
			record.error = NO_KEY;
	}
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
