/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef TASKLOCAL_KERNEL_HEADER_BPF_H
#define TASKLOCAL_KERNEL_HEADER_BPF_H

/*
 * What a program has that was compiled with the kernel's own header on a machine
 * with pages of KERNEL_PAGE bytes: structs of that size, and a search that knows
 * no more of the wire than that header does. Wires B and C.
 */
#include "kernel_types.bpf.h"

#include <bpf/bpf_helpers.h>

#define __uptr __attribute__((btf_type_tag("uptr")))
#define MAX_KEYS (KERNEL_PAGE / 64 - 1)

#define NO_ENTRY -1
#define NO_KEY -2

typedef struct own_data {
	__u64 start; /* wire B's */
	char values[KERNEL_PAGE - sizeof(__u64)];
} own_data_t;

struct own_key {
	char name[62];
	__u16 size;
};

typedef struct own_keys {
	__u8 cnt;
	__u16 size;
	struct own_key keys[MAX_KEYS];
} own_keys_t;

struct tld_map_value {
	own_data_t __uptr *data;
	own_keys_t __uptr *keys;
#if TLD_WIRE == 3
	__u16 start;
#endif
};

_Static_assert(sizeof(own_data_t) == KERNEL_PAGE, "a page of values");
_Static_assert(__builtin_offsetof(own_keys_t, keys) == 4, "the first key");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tld_map_value);
} tld_data_map SEC(".maps");

/* With arrays of no size: with these, BTF has the full page types. */
struct {
	__u64 unused;
	own_data_t data[0];
	own_keys_t keys[0];
} own_types;

/* "own_header" and NULs, as words of the machine. */
static const char wanted[12] = "own_header";

static __always_inline int is_wanted(const volatile __u32 *name)
{
	const __u32 *words = (const __u32 *)wanted;

	return name[0] == words[0] && name[1] == words[1] && name[2] == words[2];
}

/* The int of the calling thread, or why there is none. */
SEC("syscall")
int look_up(void)
{
	struct tld_map_value *value =
		bpf_task_storage_get(&tld_data_map, bpf_get_current_task_btf(), 0, 0);
	own_keys_t *keys;
	own_data_t *data;
	__u64 at, i;

	if (!value)
		return NO_ENTRY;
	keys = value->keys;
	data = value->data;
	if (!keys || !data)
		return NO_ENTRY;
#if TLD_WIRE == 3
	at = value->start;
#else
	at = data->start;
#endif
#pragma clang loop unroll(disable)
	for (i = 0; i < MAX_KEYS; i++) {
		barrier_var(i);
		if (i >= MAX_KEYS || i >= keys->cnt)
			break;
		if (is_wanted((const volatile __u32 *)keys->keys[i].name)) {
			at &= KERNEL_PAGE - 1;
			barrier_var(at);
			if (at >= KERNEL_PAGE - sizeof(int))
				return NO_KEY;
			return *(volatile int *)((char *)data + at);
		}
		at += (keys->keys[i].size + 7) / 8 * 8;
		barrier_var(at);
		at &= 0xffff;
	}
	return NO_KEY;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#endif
