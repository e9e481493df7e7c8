/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
// wires: a b c
/*
 * What a lookup costs beside the two kernel calls that it contains. Each program
 * does one thing many times in one run, so that the cost of timing the run hardly
 * counts, and returns how many times it did it.
 */
#include "kernel_types.bpf.h"

struct task_local_data_offsets {
	short cached;
	short last;
};

#include "task_local_data.bpf.h"

/* The last key that this wire can have, after all the others. */
#if TLD_WIRE == TLD_WIRE_A
#define LAST_KEY "bench.63"
#define LAST_VALUE 63
#else
#define LAST_KEY "bench.62"
#define LAST_VALUE 62
#endif

/*
 * A callback costs nearly as much as a kernel call, hence the loops in it; the
 * verifier walks them iteration by iteration, hence not one large loop.
 */
#define BATCHES 100
#define BATCH 20
#define FINDS 20

static __always_inline int repeat(__u32 times, long (*step)(__u64, int *))
{
	int done = 0;

	bpf_loop(times, step, &done, 0);
	return done;
}

/* The loop alone. */
static long empty_batch(__u64 unused, int *done)
{
	int i;

#pragma clang loop unroll(disable)
	for (i = 0; i < BATCH; i++)
		barrier_var(i);
	*done += BATCH;
	return 0;
}

/* The baseline: both calls as in bpf_tld_init(), with a null check each. */
static long storage_batch(__u64 unused, int *done)
{
	struct task_struct *task = bpf_get_current_task_btf();
	int i;

#pragma clang loop unroll(disable)
	for (i = 0; i < BATCH; i++) {
		if (!tld_has_entry(task))
			return 1;
		if (!bpf_task_storage_get(&task_local_data_off_map, task, 0,
					  BPF_LOCAL_STORAGE_GET_F_CREATE))
			return 1;
	}
	*done += BATCH;
	return 0;
}

/* All that a program does to reach a value, and the load of the value. */
static long lookup_batch(__u64 unused, int *done)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct bpf_task_local_data tld;
	volatile __u32 *value;
	int i;

#pragma clang loop unroll(disable)
	for (i = 0; i < BATCH; i++) {
		if (bpf_tld_init(task, &tld))
			return 1;
		value = bpf_tld_lookup_named(&tld, cached, "bench.00", sizeof(*value));
		if (!value)
			return 1;
		*value;
	}
	*done += BATCH;
	return 0;
}

/* The same for the last key of all, when its offset is not known yet. */
static long find_one(__u64 unused, int *done)
{
	struct bpf_task_local_data tld;
	volatile __u32 *value;

	if (bpf_tld_init(bpf_get_current_task_btf(), &tld))
		return 1;
	tld.off_map->last = 0;
	value = bpf_tld_lookup_named(&tld, last, LAST_KEY, sizeof(*value));
	if (!value || *value != LAST_VALUE)
		return 1;
	++*done;
	return 0;
}

SEC("syscall")
int empty(void)
{
	return repeat(BATCHES, empty_batch);
}

SEC("syscall")
int storage(void)
{
	return repeat(BATCHES, storage_batch);
}

SEC("syscall")
int lookup(void)
{
	return repeat(BATCHES, lookup_batch);
}

SEC("syscall")
int find(void)
{
	return repeat(FINDS, find_one);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
