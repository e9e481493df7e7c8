/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
// wires: a b c
/*
 * Walks the page of keys of every thread that has an entry, while keys are being
 * made, and counts what must never be seen. Each name is one letter, 61 times,
 * and the letter determines the size, so that each key can be checked by itself.
 */
#include "kernel_types.bpf.h"

struct task_local_data_offsets {
	short unused;
};

#include "task_local_data.bpf.h"

#define LETTERS (TLD_NAME_SIZE - 1)
#define ALL_KEYS 62
#define SIZE_OF(letter) ((__u64)(letter) % 48 + 1)

__u32 looks; /* walks over each thread's page in each run of the iterator */

__u64 walks;	     /* from the first key to the last */
__u64 during;	     /* of them, those in which a key was made */
__u64 complete;	     /* of them, those that found all keys */
__u64 bad_names;     /* half a name */
__u64 bad_places;    /* an offset, or a size, that is not the key's */
__u64 begun_early;   /* bytes of a key whose predecessor is not there yet */
__u64 counts_beyond; /* counts that no page can have */

/* The first that was wrong, for the report. */
struct wrong {
	int index;
	int letter;
	int seen;
	int expected;
} first_wrong;

struct walk {
	struct tld_key_page *keys;
	__u64 place; /* of the next key's values */
	__u64 there; /* how many keys were there, one after the other */
	__u64 ended;
};

#define READ_BYTE(entry, at) (*(volatile __u8 *)&(entry)->name[at])

static __always_inline int is_there(struct tld_key_page *keys, __u64 i)
{
#if TLD_WIRE == TLD_WIRE_A
	return READ_BYTE(&keys->keys[i], 0) != 0;
#else
	return i < TLD_READ_ONCE(keys->cnt);
#endif
}

static __always_inline __u64 number(struct tld_key *key)
{
#if TLD_WIRE == TLD_WIRE_A
	return TLD_READ_ONCE(key->off);
#else
	return TLD_READ_ONCE(key->size);
#endif
}

static __always_inline void wrong(__u64 *counter, __u64 i, __u64 letter, __u64 seen, __u64 expected)
{
	if (!__sync_fetch_and_add(counter, 1) && !first_wrong.letter) {
		first_wrong.index = i;
		first_wrong.letter = letter;
		first_wrong.seen = seen;
		first_wrong.expected = expected;
	}
}

static long step(__u64 i, struct walk *walk)
{
	struct tld_key *key;
	__u64 letter, seen, expected;
	volatile __u32 *words;
	int whole = 1;

	if (i >= TLD_MAX_KEYS)
		return 1;
	key = &walk->keys->keys[i];

	if (walk->ended || !is_there(walk->keys, i)) {
		walk->ended = 1;
		/* It may be written by now, but only if the one before it is there. */
		seen = number(key);
		tld_barrier();
		if (seen && i && !is_there(walk->keys, i - 1))
			wrong(&begun_early, i, 0, seen, 0);
		return 0;
	}

	tld_barrier();
	letter = READ_BYTE(key, 0);
	words = (volatile __u32 *)key->name;
	for (int word = 0; word < LETTERS / 4; word++)
		whole &= words[word] == (__u32)letter * 0x01010101U;
	if (!letter || !whole || READ_BYTE(key, LETTERS - 1) != letter || READ_BYTE(key, LETTERS))
		wrong(&bad_names, i, letter, READ_BYTE(key, LETTERS - 1), letter);

	seen = number(key);
#if TLD_WIRE == TLD_WIRE_A
	expected = walk->place;
#else
	expected = SIZE_OF(letter);
#endif
	if (seen != expected)
		wrong(&bad_places, i, letter, seen, expected);

	/* Masked, or the verifier would track the growing sum. */
	walk->place = (walk->place + ((SIZE_OF(letter) + 7) & ~7ULL)) & 0xffff;
	walk->there++;
	return 0;
}

static long walk_keys(__u64 i __attribute__((unused)), struct bpf_task_local_data *tld)
{
	struct walk walk = {};

	walk.keys = tld_keys(tld);
	if (!walk.keys)
		return 1;
	walk.place = 16;
#if TLD_WIRE != TLD_WIRE_A
	if (TLD_READ_ONCE(walk.keys->cnt) > TLD_MAX_KEYS)
		__sync_fetch_and_add(&counts_beyond, 1);
#endif
	bpf_loop(TLD_MAX_KEYS, step, &walk, 0);
	__sync_fetch_and_add(&walks, 1);
	if (walk.there == ALL_KEYS)
		__sync_fetch_and_add(&complete, 1);
	else if (walk.there && walk.there < TLD_MAX_KEYS && is_there(walk.keys, walk.there))
		__sync_fetch_and_add(&during, 1);
	return 0;
}

SEC("iter/task")
int look_at_keys(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct bpf_task_local_data tld;

	if (task && !bpf_tld_init(task, &tld))
		bpf_loop(looks, walk_keys, &tld, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
