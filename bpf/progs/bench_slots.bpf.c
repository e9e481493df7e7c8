/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The programs of bench_lookups.bpf.c through slots, whatever the kernel has. */
#define TLD_SLOTS
#include "bench_lookups.bpf.c"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TLD_ARRAY_PAGES);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, TLD_PAGE_SIZE);
} pages SEC(".maps");

/* Gives the thread that runs it page 1 of array 0. */
SEC("syscall")
int enter(void)
{
	struct tld_slot place = {.page = 1, .start = TLD_SLOT_HEADER};
	struct tld_slot *slot = bpf_task_storage_get(&tld_slot_map, bpf_get_current_task_btf(), 0,
						     BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!slot)
		return 1;
	*slot = place;
	return 0;
}
