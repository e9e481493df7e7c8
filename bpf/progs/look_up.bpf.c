/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
// wires: a b c
/* Returns one int of the calling thread, or why there is none. */
#include "kernel_types.bpf.h"

struct task_local_data_offsets {
	short looked_up;
	short late;
	short missing;
};

#include "task_local_data.bpf.h"

#define NO_ENTRY -1
#define NO_KEY -2

/* A key that is made stays, so the test of each wire needs one of its own. */
#if TLD_WIRE == TLD_WIRE_A
#define OF_WIRE(name) name ".a"
#elif TLD_WIRE == TLD_WIRE_B
#define OF_WIRE(name) name ".b"
#else
#define OF_WIRE(name) name ".c"
#endif

SEC("syscall")
int look_up(void)
{
	struct bpf_task_local_data tld;
	int *value;

	if (bpf_tld_init(bpf_get_current_task_btf(), &tld))
		return NO_ENTRY;
	value = bpf_tld_lookup(&tld, looked_up, sizeof(*value));
	return value ? *value : NO_KEY;
}

SEC("syscall")
int look_up_late(void)
{
	struct bpf_task_local_data tld;
	int *value;

	if (bpf_tld_init(bpf_get_current_task_btf(), &tld))
		return NO_ENTRY;
	value = bpf_tld_lookup_named(&tld, late, OF_WIRE("late"), sizeof(*value));
	return value ? *value : NO_KEY;
}

SEC("syscall")
int look_up_missing(void)
{
	struct bpf_task_local_data tld;
	int *value;

	if (bpf_tld_init(bpf_get_current_task_btf(), &tld))
		return NO_ENTRY;
	value = bpf_tld_lookup_named(&tld, missing, OF_WIRE("missing"), sizeof(*value));
	return value ? *value : NO_KEY;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
