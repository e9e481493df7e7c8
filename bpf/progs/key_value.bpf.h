/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef TASKLOCAL_KEY_VALUE_BPF_H
#define TASKLOCAL_KEY_VALUE_BPF_H

/*
 * The values of one key, or of KEYS keys, for programs that learn their names when
 * they are loaded: up to 64 bytes each, in a form in which equal values are equal
 * bytes.
 */
#include "kernel_types.bpf.h"

#ifndef KEYS
#define KEYS 1 /* or 2 */
#endif

struct task_local_data_offsets {
	short key;
#if KEYS > 1
	short second;
#endif
};

#include "key_walk.bpf.h"

const volatile char key_name[KEYS][TLD_NAME_SIZE];
const volatile __u32 key_size[KEYS] = {8}; /* where the wire does not say: up to 64 */
const volatile bool key_text[KEYS];	   /* what follows a NUL is no part of the value */

#define VALUE_WORDS 8
#define VALUE_SIZE (VALUE_WORDS * 8)

/* Sizes that are none. */
#define VALUE_NO_KEY 0	    /* the process has not made the key, so far */
#define VALUE_NO_ENTRY (-1) /* the thread has not registered with the map */
#define VALUE_UNSEEN (-2)
#define VALUE_OUTSIDE (-3) /* it would lie outside of the thread's pages */

__u64 skipped; /* values that were not read, as the process was exchanging them */

struct value {
	__s32 size; /* as the process has it, if the wire tells; 64 bytes at most are here */
	__u32 unused;
	__u64 words[VALUE_WORDS]; /* zero after the value's end */
};

/*
 * Where a task's value is, and how large: what the header keeps for each task,
 * too, but beside what the includer keeps of it, which saves a look-up.
 */
struct place {
	__u16 after; /* 1 + the address; 0: not known */
	__u16 size;
	__u16 keys; /* how many there were when the size was found */
};

/* Finds the size that the directory gives it; on wire A at most up to the next value. */
static __noinline int find_size(struct bpf_task_local_data *tld, struct place *place, int which)
{
	struct key_walk walk = {};

	place->size = 0;
	walk.keys = tld_keys(tld);
	walk.address = place->after - 1;
	walk.size = key_size[which];
	if (!walk.keys || !tld_page(tld, 0))
		return 0;
	walk.start = walk.end = values_start(tld);
#if TLD_WIRE == TLD_WIRE_A
	/* Of a type of any size, what there can be of it. */
	if (key_size[which] > 8 && walk.size > TLD_PAGE_SIZE - (walk.address & (TLD_PAGE_SIZE - 1)))
		walk.size = TLD_PAGE_SIZE - (walk.address & (TLD_PAGE_SIZE - 1));
#endif
	walk_keys(&walk);
	place->keys = walk.count;
	place->size = walk.size;
	return 0;
}

/* The 8 bytes around an address. */
static __always_inline __u64 word_at(const void *page, __u64 address)
{
	barrier_var(address);
	address &= TLD_PAGE_SIZE - sizeof(__u64);
	barrier_var(address);
	return *(volatile __u64 *)((char *)page + address);
}

/* The 8 bytes from an address on; those that one word has, in one load. */
static __always_inline __u64 bytes_at(const void *page, __u64 address)
{
	__u64 shift = 8 * (address & 7), bytes = word_at(page, address) >> shift;

	return shift ? bytes | word_at(page, address + 8) << (64 - shift) : bytes;
}

/* Zeroes what follows the first byte that is zero; true if there is one. */
static __always_inline bool cut_text(__u64 *word)
{
	/* The high bit of each byte that is zero, the lowest of them for certain. */
	__u64 zeros = (*word - 0x0101010101010101) & ~*word & 0x8080808080808080;

	if (zeros)
		*word &= ((zeros & -zeros) >> 7) - 1;
	return zeros;
}

/* Looks for the key. Returns 0, be it there or not; -ENOMEM if that cannot be known right now. */
static __noinline int find_place(struct task_struct *task, struct place *place, int which)
{
	struct bpf_task_local_data tld;
	__u16 after;

	if (bpf_tld_init(task, &tld))
		return -ENOMEM;
#if KEYS > 1
	if (which) {
		if (!bpf_tld_lookup_named(&tld, second, (const char *)key_name[1], 1))
			return 0;
		after = TLD_READ_ONCE(tld.off_map->second);
	} else
#endif
	{
		if (!bpf_tld_lookup_named(&tld, key, (const char *)key_name[0], 1))
			return 0;
		after = TLD_READ_ONCE(tld.off_map->key);
	}
	place->after = after;
	find_size(&tld, place, which);
	return 0;
}

/* Is the place known, and can no key that was made since have changed it? */
static __always_inline bool place_stands(struct bpf_task_local_data *tld, struct place *place)
{
#if TLD_WIRE == TLD_WIRE_A
	struct tld_key_page *keys = tld_keys(tld);
	__u64 count = place->keys;

	/* A value ends where the next begins, which may not have been there before. */
	if (keys && count < TLD_MAX_KEYS && TLD_READ_ONCE(keys->keys[count].name[0]))
		return false;
#endif
	return place->after;
}

/*
 * Reads a task's value of a key, whole if it has up to 8 bytes. Of a larger one half can
 * be new, if the thread was interrupted while it wrote. Returns 0, or -ENOMEM
 * if it cannot be known right now; -EAGAIN if it was being exchanged. Then
 * another try would not help: the task runs here, and was interrupted.
 */
static __noinline int read_value(struct task_struct *task, struct place *place, struct value *to,
				 int which)
{
	struct bpf_task_local_data tld;
	__u64 address, size, used = 8;
	const void *page;
	__u32 sequence;

	to->size = VALUE_NO_ENTRY;
	to->unused = 0;
	for (int i = 0; i < VALUE_WORDS; i++)
		to->words[i] = 0;
	if (tld_find_entry(task, &tld))
		return 0;
	if (!place_stands(&tld, place) && find_place(task, place, which))
		return -ENOMEM;
	to->size = place->after ? place->size : VALUE_NO_KEY;
	size = place->size;
	if (!place->after || !size)
		return 0;

	address = (__u64)place->after - 1;
	page = tld_page(&tld, address);
	address &= TLD_PAGE_SIZE - 1;
	if (!page || address + size > TLD_PAGE_SIZE) {
		to->size = VALUE_OUTSIDE;
		return 0;
	}
	sequence = tld_sequence(&tld);
	tld_barrier();
#pragma clang loop unroll(disable)
	for (__u64 i = 0; i < VALUE_WORDS; i++) {
		__u64 word;

		if (8 * i >= size)
			break;
		word = bytes_at(page, address + 8 * i);
		if (size - 8 * i < 8)
			word &= ~0ULL >> (64 - 8 * (size - 8 * i));
		if (key_text[which] && cut_text(&word)) {
			to->words[i] = word;
			break;
		}
		to->words[i] = word;
		used = word ? 8 * (i + 1) : used;
	}
	tld_barrier();
	if (size > 8 && (sequence & 1 || tld_sequence(&tld) != sequence)) {
		__sync_fetch_and_add(&skipped, 1);
		return -EAGAIN;
	}
#if TLD_WIRE == TLD_WIRE_A
	/* So that a value stays the same when the next key is made, which ends it earlier. */
	if (key_size[which] > 8)
		to->size = key_text[which] ? VALUE_SIZE : used < size ? used : size;
#endif
	return 0;
}

static __always_inline bool same_value(const struct value *a, const struct value *b)
{
	__u64 different = a->size ^ b->size;

	for (int i = 0; i < VALUE_WORDS; i++)
		different |= a->words[i] ^ b->words[i];
	return !different;
}

#endif /* TASKLOCAL_KEY_VALUE_BPF_H */
