/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Each call of the header, on the thread that runs it; loads on every wire. */
#include "kernel_types.bpf.h"

struct task_local_data_offsets {
	short number;
	short record;
	short late;
	short longest;
	short last;
};

#include "task_local_data.bpf.h"

#define LONGEST "a.name.of.61.bytes.which.is.as.long.as.a.key.can.be.123456789"

struct record {
	__u32 sequence;
	__u32 kind;
	__u64 words[3];
};

int init;
int number; /* this and the next: -1 where there is none */
int late;
int longest;
int last; /* of a value that ends with its page */
int checked;
struct record copy;
__u32 begun;
int retry;
int found; /* by bpf_tld_init_var() */
int next;  /* to be written as "number", if it is not 0 */

static __always_inline int read_int(const int *value)
{
	return value ? *(const volatile int *)value : -1;
}

SEC("syscall")
int look(void)
{
	struct bpf_task_local_data tld;
	struct record mine = {};
	int *value;

	init = bpf_tld_init(bpf_get_current_task_btf(), &tld);
	if (init)
		return 1;
	value = bpf_tld_lookup(&tld, number, sizeof(*value));
	number = read_int(value);
	if (value && next)
		*value = next;
	late = read_int(bpf_tld_lookup_named(&tld, late, "made.late", sizeof(int)));
	longest = read_int(bpf_tld_lookup_named(&tld, longest, LONGEST, sizeof(int)));
	last = read_int(bpf_tld_lookup(&tld, last, sizeof(int)));
	begun = bpf_tld_read_begin(&tld);
	checked = bpf_tld_read_checked(&tld, record, &mine, sizeof(mine));
	copy = mine;
	retry = bpf_tld_read_retry(&tld, begun);
	return 0;
}

SEC("syscall")
int learn(void)
{
	struct bpf_task_local_data tld;

	if (bpf_tld_init(bpf_get_current_task_btf(), &tld))
		return 1;
	found = bpf_tld_init_var(&tld, number);
	return 0;
}

SEC("syscall")
int forget(void)
{
	bpf_tld_forget(bpf_get_current_task_btf());
	return 0;
}

struct tld_slot entry;

/* Gives the thread the entry, as a serving side does. */
SEC("syscall")
int enter(void)
{
	struct tld_slot *slot = bpf_task_storage_get(&tld_slot_map, bpf_get_current_task_btf(), 0,
						     BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!slot)
		return 1;
	slot->keys_array = entry.keys_array;
	slot->stamp = entry.stamp;
	*(volatile __u64 *)slot = *(__u64 *)&entry;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
