/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Reads two values of a task again and again, while it exchanges them. All words of them are the
 * same number, as long as they belong to one thread. Loads on every wire.
 */
#include "kernel_types.bpf.h"

struct task_local_data_offsets {
	short record;
	short number;
};

#include "task_local_data.bpf.h"

#define NO_TASK 1
#define NO_VALUES 2
#define WORDS 8

struct task_struct *bpf_task_from_pid(int pid) __ksym;
void bpf_task_release(struct task_struct *task) __ksym;

struct {
	__u64 unchecked; /* mixtures that a plain reader sees */
	__u64 wrong;	 /* mixtures that the section takes for one thread's */
	__u64 right;
	__u64 skipped;	  /* the section gave up */
	__u64 wrong_copy; /* a checked copy of the record that is a mixture */
	__u64 right_copy;
	__u64 skipped_copy;
} counts;

struct record {
	__u32 sequence; /* which the thread never changes */
	__u32 first;
	__u64 words[WORDS - 1];
};

struct reader {
	struct bpf_task_local_data tld;
	struct record *record;
	__u64 *number;
};

/* Reads backwards, since the words are exchanged in their order. */
static __always_inline bool is_mixed(struct reader *reader)
{
	__u64 number = TLD_READ_ONCE(*reader->number), different = 0;

	for (int i = WORDS - 2; i >= 0; i--)
		different |= TLD_READ_ONCE(reader->record->words[i]) ^ number;
	return different;
}

static long read_once(__u64 i, struct reader *reader)
{
	struct record copy;
	__u32 begun, try;
	bool mixed = true;

	if (is_mixed(reader))
		counts.unchecked++;

	for (try = 0; try < TLD_READ_TRIES; try++) {
		begun = bpf_tld_read_begin(&reader->tld);
		mixed = is_mixed(reader);
		if (!bpf_tld_read_retry(&reader->tld, begun))
			break;
	}
	if (try == TLD_READ_TRIES)
		counts.skipped++;
	else if (mixed)
		counts.wrong++;
	else
		counts.right++;

	if (bpf_tld_read_checked(&reader->tld, record, &copy, sizeof(copy))) {
		counts.skipped_copy++;
	} else {
		__u64 different = 0;

		for (int j = 1; j < WORDS - 1; j++)
			different |= copy.words[j] ^ copy.words[0];
		if (different)
			counts.wrong_copy++;
		else
			counts.right_copy++;
	}
	return 0;
}

struct question {
	__s32 tid;
	__u32 times;
};

static __always_inline int read_many(struct task_struct *task, __u32 times)
{
	struct reader reader = {};

	if (bpf_tld_init(task, &reader.tld))
		return NO_VALUES;
	reader.record = bpf_tld_lookup(&reader.tld, record, sizeof(struct record));
	reader.number = bpf_tld_lookup(&reader.tld, number, sizeof(__u64));
	if (!reader.record || !reader.number)
		return NO_VALUES;
	bpf_loop(times, read_once, &reader, 0);
	return 0;
}

SEC("syscall")
int read_task(struct question *question)
{
	struct question copy = *question;
	struct task_struct *task = bpf_task_from_pid(copy.tid);
	int result;

	if (!task)
		return NO_TASK;
	result = read_many(task, copy.times);
	bpf_task_release(task);
	return result;
}

/* What a program gets while an exchange is under way, or was when it was stopped. */
int looked_up;
int checked;
__u32 begun;
int retry;

SEC("syscall")
int read_current(void)
{
	struct bpf_task_local_data tld;
	struct record copy;

	if (bpf_tld_init(bpf_get_current_task_btf(), &tld))
		return NO_VALUES;
	looked_up = bpf_tld_lookup(&tld, number, sizeof(__u64)) ? 1 : 0;
	checked = bpf_tld_read_checked(&tld, record, &copy, sizeof(copy));
	begun = bpf_tld_read_begin(&tld);
	retry = bpf_tld_read_retry(&tld, begun);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
