/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
// wires: a b c
/*
 * Every thread that has an entry in the map, with its page of values and, once
 * for all threads that share it, the page of keys. What is in the pages is not
 * looked at here: it may be garbage, and who reads this is to check it.
 */
#include "kernel_types.bpf.h"

struct task_local_data_offsets {
	short unused;
};

#include "key_walk.bpf.h"
#include "pid_namespace.bpf.h"

#define PAGE_WORDS (TLD_PAGE_SIZE / 8)
#define WORDS (TLD_PAGES * PAGE_WORDS)
#define TRIES 6

/* Of a map that another program has made, the page of keys may end with the last key. */
#define KEYS_SIZE (offsetof(struct tld_key_page, keys) + TLD_MAX_KEYS * sizeof(struct tld_key))

/* In struct record. */
#define HAS_DATA 1
#define HAS_MORE 2  /* a second page of values, on wire A */
#define HAS_KEYS 4  /* the page of keys comes after the values */
#define EXCHANGED 8 /* the process was exchanging the values: they may be of two threads */

/* A process's id, here or in its own pid namespace; 0: all processes. */
const volatile int wanted;

struct record {
	__u32 size; /* of all that belongs to it, in bytes */
	__u32 flags;
	__u32 tgid;
	__u32 tid;
	__u32 keys_tid;	 /* the thread whose record has the page of keys */
	__s32 cnt;	 /* wire A: how many keys to look at */
	__s32 start;	 /* where the values start */
	__u32 from;	 /* the address of the first word */
	__u32 words;	 /* those after the last that is not 0 are left out */
	__u32 end;	 /* the address after the last byte that was looked at */
	__s32 home_tgid; /* the process's id in the pid namespace of who reads this */
	__s32 own_tgid;	 /* this and own_tid: in the process's own */
	__s32 own_tid;
	__u32 unused;
	char comm[16];
	char leader[16];	    /* the comm of the process's first thread */
	__u64 changing[WORDS / 64]; /* a bit for each word that was never twice the same */
};

/* One iteration at a time. */
struct record record;
__u64 words[WORDS];
__u64 changes; /* in one copy */

struct key_page {
	__u64 address;
	__u32 tgid;
	__u32 unused;
};

struct shown {
	__u64 session;
	__u32 tid;
	__u32 unused;
};

/*
 * Which thread's record has a page of keys. The thread is kept, not a flag, as a
 * run that finds the buffer full is made again, and has to decide the same.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct key_page);
	__type(value, struct shown);
} key_pages SEC(".maps");

struct copy {
	const tld_data_page_t *page;
	const tld_data_page_t *more; /* wire A: the second, or null */
	__u64 first;		     /* the word where it begins */
};

static long copy_word(__u64 i, struct copy *copy)
{
	const tld_data_page_t *page = copy->page;
	__u64 at = copy->first + i, word;

	if (at >= WORDS || i >= WORDS)
		return 1;
#if TLD_PAGES > 1
	if (at >= PAGE_WORDS)
		page = copy->more;
#endif
	if (!page)
		return 1;
	/* For the verifier: the very registers that are added to pointers are limited. */
	barrier_var(at);
	at &= PAGE_WORDS - 1;
	barrier_var(i);
	i &= WORDS - 1;
	barrier_var(i);
	word = ((const volatile __u64 *)page)[at];
	if (word)
		record.words = i + 1;
	if (word != words[i]) {
		words[i] = word;
		record.changing[i / 64] |= 1ULL << (i % 64);
		changes++;
	}
	return 0;
}

/*
 * Copies until two copies in a row are the same: then all words stood there at
 * one moment. A thread that runs may not let that happen; its words of which the
 * last two copies differ are marked, and the others belong together. All are
 * marked if the process was exchanging them.
 */
static __always_inline void copy_words(struct bpf_task_local_data *tld, struct copy *copy,
				       __u64 count)
{
	__u32 sequence = 0;
	int try;

	/* Linux 6.1 refuses the loop as clang 14 arranges it. */
#pragma clang loop unroll(full)
	for (try = 0; try < TRIES; try++) {
		__builtin_memset(record.changing, 0, sizeof(record.changing));
		changes = 0;
		record.words = 0;
		sequence = tld_sequence(tld);
		tld_barrier();
		bpf_loop(count, copy_word, copy, 0);
		tld_barrier();
		if (try && !changes)
			break;
	}
	if (sequence & 1 || tld_sequence(tld) != sequence) {
		record.flags |= EXCHANGED;
		__builtin_memset(record.changing, -1, sizeof(record.changing));
	}
}

static __always_inline __u32 keys_tid(struct task_struct *task, struct tld_key_page *keys,
				      __u64 session)
{
	struct key_page page = {.address = (__u64)keys, .tgid = task->tgid};
	struct shown *known = bpf_map_lookup_elem(&key_pages, &page);
	struct shown this = {.session = session, .tid = task->pid};

	if (known && known->session == session)
		return known->tid;
	bpf_map_update_elem(&key_pages, &page, &this, BPF_ANY);
	return this.tid; /* with no room in the map each thread brings its own */
}

#if TLD_WIRE == TLD_WIRE_A

static __always_inline __s32 keys_counted(struct bpf_task_local_data *tld)
{
#ifndef TLD_NO_SLOTS
	if (!TLD_UPTR)
		return TLD_SLOT_KEYS;
#endif
	return tld->data_map->cnt;
}

static __always_inline const tld_data_page_t *second_page(struct bpf_task_local_data *tld)
{
#ifndef TLD_NO_SLOTS
	if (!TLD_UPTR)
		return (void *)0;
#endif
	return tld->data_map->more_data;
}

#else

/* Where the values end by the keys' sizes: other threads' may follow in the page. */
static __noinline __u64 values_end(struct bpf_task_local_data *tld, __u64 start)
{
	struct key_walk walk = {.address = NO_ADDRESS, .end = start};

	walk.keys = tld_keys(tld);
	if (walk.keys)
		walk_keys(&walk);
	return walk.end;
}
#endif

SEC("iter/task")
int dump(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct seq_file *seq = ctx->meta->seq;
	struct bpf_task_local_data tld;
	struct tld_key_page *keys;
	struct copy copy = {};
	__u64 bytes, end = TLD_PAGES * TLD_PAGE_SIZE;

	if (!task)
		return 0;
	if (tld_find_entry(task, &tld))
		return 0;
	note_home();
	record.home_tgid = home_id(task->group_leader);
	record.own_tgid = own_id(task->group_leader);
	if (wanted && record.home_tgid != wanted && record.own_tgid != wanted)
		return 0;
	record.own_tid = own_id(task);
	copy.page = tld_page(&tld, 0);
	keys = tld_keys(&tld);

	record.flags = 0;
	record.tgid = task->tgid;
	record.tid = task->pid;
	record.keys_tid = 0;
	record.cnt = 0;
	record.start = 0;
	record.from = 0;
	record.end = 0;
	record.words = 0;
	bpf_probe_read_kernel(record.comm, sizeof(record.comm), task->comm);
	bpf_probe_read_kernel(record.leader, sizeof(record.leader), task->group_leader->comm);

	if (keys) {
		record.keys_tid = keys_tid(task, keys, ctx->meta->session_id);
		if (record.keys_tid == record.tid)
			record.flags |= HAS_KEYS;
	}
#if TLD_WIRE == TLD_WIRE_A
	record.cnt = keys_counted(&tld);
#endif
	if (copy.page) {
		record.flags |= HAS_DATA;
		record.start = values_start(&tld);
#if TLD_WIRE == TLD_WIRE_A
		copy.more = second_page(&tld);
		if (copy.more)
			record.flags |= HAS_MORE;
#else
		end = values_end(&tld, record.start);
#endif
		copy.first = record.start > 0 ? (__u64)record.start / 8 : 0;
		record.from = copy.first * 8;
		if (end > TLD_PAGES * TLD_PAGE_SIZE)
			end = TLD_PAGES * TLD_PAGE_SIZE;
		record.end = end;
		if (end > record.from)
			copy_words(&tld, &copy, (end - record.from + 7) / 8);
	}
	bytes = (__u64)record.words * 8;
	if (bytes > sizeof(words))
		return 0;
	record.size = sizeof(record) + bytes;
	if (record.flags & HAS_KEYS)
		record.size += KEYS_SIZE;
	bpf_seq_write(seq, &record, sizeof(record));
	bpf_seq_write(seq, words, bytes);
	if (keys && record.flags & HAS_KEYS)
		bpf_seq_write(seq, keys, KEYS_SIZE);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
