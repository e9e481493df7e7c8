/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef TASKLOCAL_KEY_WALK_BPF_H
#define TASKLOCAL_KEY_WALK_BPF_H

/*
 * The walk over the keys of a process, which tells how far values reach: for
 * programs that look at processes they know nothing of. What the pages say may
 * be garbage; the numbers found are then, too, within their limits.
 *
 * To be included after struct task_local_data_offsets.
 */
#include "kernel_types.bpf.h"

/* Slots are the same on each wire: the tools read them by their programs for wire A. */
#if defined(TLD_WIRE) && TLD_WIRE != 1
#define TLD_NO_SLOTS
#endif

#include "task_local_data.bpf.h"

#define NO_ADDRESS (~0ULL)

struct key_walk {
	struct tld_key_page *keys;
	__s64 start;   /* wire A: what offsets are counted from */
	__u64 address; /* of the value whose size is asked for, or NO_ADDRESS */
	__u64 size;    /* of that value, cut to the next on wire A; as before if it is not found */
	__u64 end;     /* wires B and C: of the values before; begins with where they start */
	__u64 count;   /* keys looked at */
};

/* Where the thread's values start; on wire B, which reads it in the page, in the page. */
static __always_inline __s64 values_start(struct bpf_task_local_data *tld)
{
#ifndef TLD_NO_SLOTS
	if (!TLD_UPTR)
		return (__s64)tld->slot_start - TLD_SLOT_HEADER;
#endif
#if TLD_WIRE == TLD_WIRE_B
	struct tld_data_page *data = tld->data_map->data;
	__u64 start = data ? TLD_READ_ONCE(data->start) : 0;

	return start < TLD_PAGE_SIZE ? start : TLD_PAGE_SIZE;
#else
	return tld->data_map->start;
#endif
}

static long key_walk_step(__u64 i, struct key_walk *walk)
{
	struct tld_key *key;

#if TLD_WIRE == TLD_WIRE_A
	/* Also those that other threads have made and this one does not count. */
	if (i >= TLD_MAX_KEYS || !TLD_READ_ONCE(walk->keys->keys[i].name[0]))
		return 1;
	key = &walk->keys->keys[i];
	walk->count = i + 1;
	__u64 distance = walk->start + (__s64)TLD_READ_ONCE(key->off) - walk->address;

	/* "Negative" ones are large. */
	if (distance && distance < walk->size)
		walk->size = distance;
#else
	__u64 size;

	if (!tld_has_key((void *)0, walk->keys, i))
		return 1;
	key = &walk->keys->keys[i];
	walk->count = i + 1;
	size = TLD_READ_ONCE(key->size);
	if (!size || walk->end >= TLD_PAGE_SIZE)
		return 1;
	if (walk->end == walk->address) {
		walk->size = size;
		return 1;
	}
	/* Cut for the verifier, which follows the sum as it grows. */
	walk->end = (walk->end + ((size + 7) & ~7ULL)) & 0x1ffff;
#endif
	return 0;
}

/* Ends at the value whose size is asked for, on wires B and C, or at the last key. */
static __always_inline void walk_keys(struct key_walk *walk)
{
	bpf_loop(TLD_MAX_KEYS, key_walk_step, walk, 0);
}

#endif /* TASKLOCAL_KEY_WALK_BPF_H */
