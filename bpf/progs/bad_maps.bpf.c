/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Maps that do not hold task local data, though some look like it, and other things to pin. */
#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, __u64[4]);
} a_hash SEC(".maps");

struct eight {
	__u64 word;
};

/* The maps differ only in name and value. */
#define TASK_STORAGE(name, type_of_value)                                                          \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_TASK_STORAGE);                                           \
		__uint(map_flags, BPF_F_NO_PREALLOC);                                              \
		__type(key, int);                                                                  \
		__type(value, type_of_value);                                                      \
	} name SEC(".maps")

TASK_STORAGE(small_storage, struct eight);

/* Values as large as wire A's: a scheduler's hints, and the offsets that the header caches. */
struct hint {
	__u64 hint;
	__u64 reserved[3];
};

struct offsets {
	short offset[16];
};

TASK_STORAGE(scx_layered_task_hint_map, struct hint);
TASK_STORAGE(task_local_data_off_map, struct offsets);

/* Wire B's name and size, but another struct. */
struct two_words {
	__u64 word[2];
};

TASK_STORAGE(tld_data_map, struct two_words);

/* Returns a bit for each of the maps in which the thread that runs it has an entry. */
SEC("syscall")
int entries(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	int found = 0;

	if (bpf_task_storage_get(&small_storage, task, 0, 0))
		found |= 1;
	if (bpf_task_storage_get(&scx_layered_task_hint_map, task, 0, 0))
		found |= 2;
	if (bpf_task_storage_get(&task_local_data_off_map, task, 0, 0))
		found |= 4;
	if (bpf_task_storage_get(&tld_data_map, task, 0, 0))
		found |= 8;
	return found;
}

SEC("tp_btf/sys_enter")
int on_enter(void *ctx)
{
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_getpgid")
int on_getpgid(void *ctx)
{
	return 0;
}

/* Loads, but cannot be attached: there is no such event. */
SEC("tracepoint/tasklocal/no_such_event")
int on_nothing(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
