/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef TASKLOCAL_TASK_LOCAL_DATA_BPF_H
#define TASKLOCAL_TASK_LOCAL_DATA_BPF_H

/*
 * Task local data: named values that threads of a process keep in pages of
 * their own, read and written here, in BPF, without a syscall per value.
 *
 * A complete program. The process has made two keys, "priority" (an int) and
 * "http.span" (a struct); this prints their values whenever a thread of the
 * process is put on a CPU:
 *
 *	#include "kernel_types.bpf.h"		// or "vmlinux.h"
 *	#include "task_local_data.bpf.h"
 *
 *	struct task_local_data_offsets {	// one short for every key you use
 *		short priority;
 *		short span;
 *	};
 *
 *	struct span {
 *		__u32 sequence;			// odd while the thread is writing
 *		__u32 depth;
 *		__u64 id;
 *	};
 *
 *	SEC("tp_btf/sched_switch")
 *	int switched(__u64 *ctx)
 *	{
 *		struct task_struct *next = (struct task_struct *)ctx[2];
 *		struct bpf_task_local_data tld;
 *		struct span span;
 *		int *priority;
 *
 *		if (bpf_tld_init(next, &tld))
 *			return 0;		// a thread without such data
 *
 *		priority = bpf_tld_lookup(&tld, priority, sizeof(*priority));
 *		if (priority)
 *			bpf_printk("priority %d", *priority);
 *
 *		if (!bpf_tld_read_checked_named(&tld, span, "http.span", &span, sizeof(span)))
 *			bpf_printk("span %llu", span.id);
 *		return 0;
 *	}
 *
 *	char LICENSE[] SEC("license") = "Dual BSD/GPL";
 *
 * The API:
 *
 *	int   bpf_tld_init(task, &tld)                  call first, for each task
 *	int   bpf_tld_init_var(&tld, field)             find a key ahead of time
 *	void *bpf_tld_lookup(&tld, field, size)         a pointer to the value, or null
 *	int   bpf_tld_read_checked(&tld, field, dst, size)   a whole copy of a large value
 *	__u32 bpf_tld_read_begin(&tld)                  values that belong together: begin
 *	int   bpf_tld_read_retry(&tld, begun)           ... and see whether they do
 *	void  bpf_tld_forget(task)                      delete a task's entries
 *
 * The key's name is the name of the field. For names that are not C
 * identifiers, bpf_tld_init_var_named(), bpf_tld_lookup_named() and
 * bpf_tld_read_checked_named() take a string literal as one more argument
 * after the field.
 *
 * Options, to be defined before this file is included:
 *
 *	TLD_WIRE		the layout of the shared memory: TLD_WIRE_A (the
 *				default), _B or _C, see below. The API is the same.
 *	TLD_PIN_BY_NAME		libbpf pins the data map as /sys/fs/bpf/<its name> when
 *				the object is loaded. Off by default, because a pin
 *				outlives the loader, which had better pin what it shares.
 *	TLD_NO_SLOTS		no slots, see below: the program needs Linux 6.13, makes no
 *				map but the two it always had, and needs no bpffs.
 *
 * Where the kernel has no uptrs (before 6.13), values lie in slots: in arrays
 * that a serving side (tasklocal-tools.jar serve) has given to the process. One
 * object reads both: libbpf asks the kernel when it loads it. The slots' two maps
 * belong to all programs of a machine: libbpf takes them over from
 * /sys/fs/bpf/tld_arrays and /sys/fs/bpf/tld_slot_map, or makes and pins them.
 *
 * Needs Linux 5.15, clang 14, libbpf 1.1, or newer. Call it from programs that
 * hold a trusted task: tp_btf, fentry, LSM, iterator, syscall and struct_ops
 * programs, or any with bpf_get_current_task_btf().
 *
 * Objects that are linked into one share the maps; they have to declare the
 * same struct task_local_data_offsets, in a header of yours.
 */

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define TLD_WIRE_A 1 /* the RFC of April 2025, map task_local_data_map */
#define TLD_WIRE_B 2 /* Linux 6.18 to about 7.0 and sched_ext/scx, map tld_data_map */
#define TLD_WIRE_C 3 /* newer Linux, map tld_data_map */

#ifndef TLD_WIRE
#define TLD_WIRE TLD_WIRE_A
#endif

#if TLD_WIRE != TLD_WIRE_A && TLD_WIRE != TLD_WIRE_B && TLD_WIRE != TLD_WIRE_C
#error "TLD_WIRE has to be TLD_WIRE_A, TLD_WIRE_B or TLD_WIRE_C"
#endif

#ifndef __uptr
#define __uptr __attribute__((btf_type_tag("uptr")))
#endif

#ifndef ENOENT
#define ENOENT 2
#endif
#ifndef EAGAIN
#define EAGAIN 11
#endif
#ifndef ENOMEM
#define ENOMEM 12
#endif

#define TLD_PAGE_SIZE 4096
#define TLD_NAME_SIZE 62
#define TLD_READ_TRIES 3
#define TLD_MARK 0x6b72616d /* "mark": a sequence follows */

/*
 * ---- The memory that is shared with the process ----
 *
 * The uptrs point to typedefs of the pages, because clang 14 loses the type tag
 * of a pointer that is declared with "struct NAME".
 */

#if TLD_WIRE == TLD_WIRE_A

#define TLD_DATA_MAP task_local_data_map
#define TLD_MAP_VALUE task_local_data_map_value
#define TLD_MAX_KEYS 64
#define TLD_PAGES 2

typedef struct tld_data_page {
	char bytes[TLD_PAGE_SIZE];
} tld_data_page_t;

struct tld_key {
	char name[TLD_NAME_SIZE];
	__s16 off; /* of the value, from start */
};

typedef struct tld_key_page {
	struct tld_key keys[TLD_MAX_KEYS];
} tld_key_page_t;

struct TLD_MAP_VALUE {
	tld_data_page_t __uptr *data;
	tld_data_page_t __uptr *more_data; /* addresses of 4096 and up, or null */
	tld_key_page_t __uptr *keys;	   /* one for all threads of the process */
	__s16 cnt;			   /* how many keys to look at */
	__s16 start;			   /* where the thread's values start in data */
};

_Static_assert(sizeof(struct TLD_MAP_VALUE) == 32, "wire A: map value");
_Static_assert(__builtin_offsetof(struct TLD_MAP_VALUE, data) == 0, "wire A: data");
_Static_assert(__builtin_offsetof(struct TLD_MAP_VALUE, more_data) == 8, "wire A: more_data");
_Static_assert(__builtin_offsetof(struct TLD_MAP_VALUE, keys) == 16, "wire A: keys");
_Static_assert(__builtin_offsetof(struct TLD_MAP_VALUE, cnt) == 24, "wire A: cnt");
_Static_assert(__builtin_offsetof(struct TLD_MAP_VALUE, start) == 26, "wire A: start");
_Static_assert(__builtin_offsetof(struct tld_key, off) == 62, "wire A: off");
_Static_assert(__builtin_offsetof(struct tld_key_page, keys) == 0, "wire A: first key");

#else

#define TLD_DATA_MAP tld_data_map
#define TLD_MAP_VALUE tld_map_value
#define TLD_MAX_KEYS 63
#define TLD_PAGES 1

typedef struct tld_data_page {
	__u64 start; /* wire B: where the thread's values start in this page */
	char values[TLD_PAGE_SIZE - sizeof(__u64)];
} tld_data_page_t;

struct tld_key {
	char name[TLD_NAME_SIZE];
	__u16 size; /* of the value; 0 until the name is complete */
};

typedef struct tld_key_page {
	__u16 cnt;
	__u16 size; /* bytes that the process reserved for values; unused here */
	struct tld_key keys[TLD_MAX_KEYS];
	char unused[60];
} tld_key_page_t;

struct TLD_MAP_VALUE {
	tld_data_page_t __uptr *data;
	tld_key_page_t __uptr *keys; /* one for all threads of the process */
#if TLD_WIRE == TLD_WIRE_C
	__u16 start;		     /* where the thread's values start in data */
#endif
};

#if TLD_WIRE == TLD_WIRE_C
_Static_assert(sizeof(struct TLD_MAP_VALUE) == 24, "wire C: map value");
_Static_assert(__builtin_offsetof(struct TLD_MAP_VALUE, start) == 16, "wire C: start");
#else
_Static_assert(sizeof(struct TLD_MAP_VALUE) == 16, "wire B: map value");
_Static_assert(__builtin_offsetof(struct tld_data_page, start) == 0, "wire B: start");
#endif
_Static_assert(__builtin_offsetof(struct TLD_MAP_VALUE, data) == 0, "wires B and C: data");
_Static_assert(__builtin_offsetof(struct TLD_MAP_VALUE, keys) == 8, "wires B and C: keys");
_Static_assert(__builtin_offsetof(struct tld_key, size) == 62, "wires B and C: size");
_Static_assert(__builtin_offsetof(struct tld_key_page, cnt) == 0, "wires B and C: cnt");
_Static_assert(__builtin_offsetof(struct tld_key_page, keys) == 4, "wires B and C: first key");

#endif

_Static_assert(sizeof(struct tld_data_page) == TLD_PAGE_SIZE, "a page of values");
_Static_assert(sizeof(struct tld_key_page) == TLD_PAGE_SIZE, "a page of keys");
_Static_assert(sizeof(struct tld_key) == 64, "a key");

/* ---- The maps: weak, so that several objects can be linked into one ---- */

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct TLD_MAP_VALUE);
#ifdef TLD_PIN_BY_NAME
	__uint(pinning, LIBBPF_PIN_BY_NAME);
#endif
} TLD_DATA_MAP SEC(".maps") __attribute__((weak));

/*
 * Yours, before or after this file is included: a short for every key, kept
 * for each task. Above 0 it is 1 + the address of the value, 0 to 8191. At 0 or
 * -n, the key is not among the first n keys of the process.
 */
struct task_local_data_offsets;

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_local_data_offsets);
} task_local_data_off_map SEC(".maps") __attribute__((weak));

/*
 * ---- Slots: where the kernel has no uptrs ----
 *
 * A serving side gives each process arrays of pages, and notes for each thread
 * which page is its own. Page 0 of a process's first array has its keys, as on
 * wire A; a slot is the same on each wire.
 */

#ifdef TLD_NO_SLOTS
#define TLD_UPTR 1
#else

/* The kernel's; a name that ends in ___... stands for the type without that. */
enum btf_field_type___tld { BPF_UPTR___tld = 1 };

/* Known to the verifier, which leaves out the other branch. TLD_SLOTS is for tests. */
#ifdef TLD_SLOTS
#define TLD_UPTR 0
#else
#define TLD_UPTR bpf_core_enum_value_exists(enum btf_field_type___tld, BPF_UPTR___tld)
#endif

#define TLD_ARRAYS 16384 /* of all processes together */
#define TLD_ARRAY_PAGES 64
#define TLD_SLOT_KEYS 64
#define TLD_SLOT_HEADER 16 /* what stands before the first value */

struct tld_slot {
	__u32 array;	  /* in tld_arrays; this, page and start change in one store */
	__u16 page;	  /* in that array */
	__u16 start;	  /* where the thread's values start in the page, 16 or more */
	__u32 keys_array; /* the first of the process */
	__u32 stamp;	  /* of the process; unused here */
};

_Static_assert(sizeof(struct tld_slot) == 16, "a slot");
_Static_assert(__builtin_offsetof(struct tld_slot, keys_array) == 8, "a slot's place");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tld_slot);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} tld_slot_map SEC(".maps") __attribute__((weak));

/* Without types: before Linux 6.2, a map with BTF is not like one without. */
struct tld_array {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TLD_ARRAY_PAGES);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, TLD_PAGE_SIZE);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, TLD_ARRAYS);
	__uint(key_size, sizeof(__u32));
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__array(values, struct tld_array);
} tld_arrays SEC(".maps") __attribute__((weak));

static __always_inline void *tld_array_page(__u32 array, __u32 page)
{
	void *pages = bpf_map_lookup_elem(&tld_arrays, &array);

	return pages ? bpf_map_lookup_elem(pages, &page) : (void *)0;
}

#endif

/* Lives on the stack, for one task and one run of a program. */
struct bpf_task_local_data {
	struct TLD_MAP_VALUE *data_map; /* if the kernel has uptrs */
	struct task_local_data_offsets *off_map;
#ifndef TLD_NO_SLOTS
	void *slot_page; /* if it has not, these three */
	__u32 slot_start;
	__u32 keys_array;
#endif
	/* Of no size: with these, and tld_find() in every object, BTF has the full page types. */
	struct tld_data_page data_page[0];
	struct tld_key_page key_page[0];
};

/* ---- Internals: everything that comes from a page may be garbage ---- */

#define TLD_READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))

/*
 * Keeps the loads before it and those after it in order, on every CPU. It is an
 * atomic fetch-and-add of 0 to a word on the stack, given as bytes because clang
 * has that instruction only from -mcpu=v3 on; the kernel always has it.
 */
static __always_inline void tld_barrier(void)
{
	__u64 word = 0;

	asm volatile("r1 = %[word]\n"
		     "r0 = 0\n"
		     ".8byte 0x00000001000001db" /* r0 = atomic_fetch_add((u64 *)(r1 + 0), r0) */
		     :
		     : [word] "r"(&word)
		     : "r0", "r1", "memory");
}

/* Has the task an entry? Costs less than to look where its page is. */
static __always_inline int tld_has_entry(struct task_struct *task)
{
#ifndef TLD_NO_SLOTS
	if (!TLD_UPTR)
		return bpf_task_storage_get(&tld_slot_map, task, 0, 0) != (void *)0;
#endif
	return bpf_task_storage_get(&TLD_DATA_MAP, task, 0, 0) != (void *)0;
}

/*
 * The task's entry, and with slots its page. A slot may change meanwhile, so its
 * place is read once. All is set, also what this kernel does not need: clang may
 * load it before it tests which that is.
 */
static __always_inline int tld_find_entry(struct task_struct *task, struct bpf_task_local_data *tld)
{
	tld->data_map = (void *)0;
#ifndef TLD_NO_SLOTS
	tld->slot_page = (void *)0;
	tld->slot_start = 0;
	tld->keys_array = 0;
	if (!TLD_UPTR) {
		struct tld_slot *slot = bpf_task_storage_get(&tld_slot_map, task, 0, 0);
		__u64 place;

		if (!slot)
			return -ENOENT;
		place = *(volatile __u64 *)slot;
		tld->slot_page = tld_array_page((__u32)place, place >> 32 & 0xffff);
		tld->slot_start = place >> 48;
		tld->keys_array = slot->keys_array;
		return tld->slot_page ? 0 : -ENOENT;
	}
#endif
	tld->data_map = bpf_task_storage_get(&TLD_DATA_MAP, task, 0, 0);
	return tld->data_map ? 0 : -ENOENT;
}

/* The page that an address lies in, or null: from 4096 on, wire A's second. */
static __always_inline void *tld_page(struct bpf_task_local_data *tld, __u64 address)
{
#ifndef TLD_NO_SLOTS
	if (!TLD_UPTR)
		return tld->slot_page;
#endif
#if TLD_WIRE == TLD_WIRE_A
	if (address >= TLD_PAGE_SIZE)
		return tld->data_map->more_data;
#endif
	return tld->data_map->data;
}

/* The page of the process's keys, or null. */
static __always_inline struct tld_key_page *tld_keys(struct bpf_task_local_data *tld)
{
#ifndef TLD_NO_SLOTS
	if (!TLD_UPTR)
		return tld_array_page(tld->keys_array, 0);
#endif
	return tld->data_map->keys;
}

/* The sequence at an address of a page, if it is one. */
static __always_inline __u32 tld_marked(const void *page, __u64 address)
{
	__u64 mark;

	/* Within the page, wherever that is: what is no mark is not taken for one. */
	barrier_var(address);
	address &= TLD_PAGE_SIZE - 8;
	barrier_var(address);
	mark = *(volatile __u64 *)((char *)page + address);
	return (__u32)mark == TLD_MARK ? mark >> 32 : 0;
}

/*
 * The process's sequence for this thread, odd while it exchanges the thread's
 * values; 0 where it keeps none. It stands before the values.
 */
static __always_inline __u32 tld_sequence(struct bpf_task_local_data *tld)
{
	struct TLD_MAP_VALUE *value;
	struct tld_data_page *page;
	__u64 address;

#ifndef TLD_NO_SLOTS
	if (!TLD_UPTR)
		return tld_marked(tld->slot_page, tld->slot_start - 8);
#endif
	value = tld->data_map;
	page = value->data;
	if (!page)
		return 0;
#if TLD_WIRE == TLD_WIRE_A
	address = value->start + 8;
#elif TLD_WIRE == TLD_WIRE_B
	address = page->start - 8;
#else
	address = value->start - 8;
#endif
	return tld_marked(page, address);
}

/*
 * Has the process made a key after the first "seen" ones? Costs one load from
 * its page. On wire A the count may include keys that are not made yet: the
 * keys end at the first empty name.
 */
static __always_inline int tld_has_key(struct TLD_MAP_VALUE *value, struct tld_key_page *keys,
				       __u64 seen)
{
	if (seen >= TLD_MAX_KEYS)
		return 0;
#if TLD_WIRE == TLD_WIRE_A
	return (__s64)seen < TLD_READ_ONCE(value->cnt) && TLD_READ_ONCE(keys->keys[seen].name[0]);
#else
	(void)value;
	return seen < TLD_READ_ONCE(keys->cnt);
#endif
}

struct tld_search {
	struct TLD_MAP_VALUE *value;
	struct tld_key_page *keys;
	const char *name;
	__s64 seen;    /* keys that an earlier search has compared */
	__u64 address; /* of the next value on wires B and C; where all of them start on A */
	__s64 result;  /* what to keep in struct task_local_data_offsets */
};

/*
 * Looks at one key; 1 ends the search. Without the barriers, a CPU could see a
 * new name with an old offset, or a new size with an old name. It is a callback
 * because the verifier would walk a loop once for every key and every call. The
 * project's litmus/key-a.litmus and key-bc.litmus are about these barriers.
 */
static long tld_search_step(__u64 i, struct tld_search *search)
{
	struct tld_key *key;

	if (!tld_has_key(search->value, search->keys, i))
		return 1;
	key = &search->keys->keys[i];
#if TLD_WIRE != TLD_WIRE_A
	__u64 size = TLD_READ_ONCE(key->size);

	if (!size) /* counted but not written yet */
		return 1;
#endif
	if ((__s64)i >= search->seen) {
		tld_barrier();
		if (!bpf_strncmp(key->name, TLD_NAME_SIZE, search->name)) {
			tld_barrier();
#if TLD_WIRE == TLD_WIRE_A
			__u64 found = search->address + (__s64)TLD_READ_ONCE(key->off);
#else
			__u64 found = search->address;
#endif
			if (found < TLD_PAGES * TLD_PAGE_SIZE) {
				search->result = found + 1;
				return 1;
			}
		}
	}
#if TLD_WIRE != TLD_WIRE_A
	/* Masked, or the verifier would track the growing sum; a valid one is at most 4096. */
	search->address = (search->address + ((size + 7) & ~7ULL)) & 0xffff;
#endif
	search->result = -(__s64)(i + 1);
	return 0;
}

/*
 * Looks for the key and stores the outcome in *cached. It is "used" because the
 * map's uptrs need the types of its parameter even in an object without a lookup.
 */
static __noinline __attribute__((used)) int tld_find(struct bpf_task_local_data *tld, short *cached,
						     const char *name)
{
	struct TLD_MAP_VALUE *value = tld->data_map;
	struct tld_data_page *data = value->data;
	struct tld_search search = {};
	short known = *cached;

	search.value = value;
	search.keys = value->keys;
	search.name = name;
	if (!data || !search.keys)
		return -ENOENT;
	search.seen = -(__s64)known;
#if TLD_WIRE == TLD_WIRE_B
	search.address = data->start;
#else
	search.address = value->start;
#endif
	bpf_loop(TLD_MAX_KEYS, tld_search_step, &search, 0);
	*cached = search.result;
	return search.result > 0 ? 0 : -ENOENT;
}

#ifndef TLD_NO_SLOTS

#define TLD_NAME_WORDS 8

struct tld_name {
	char bytes[TLD_NAME_WORDS * 8]; /* filled up with NULs */
};

/*
 * The same for slots. A global function: the verifier looks at it once, whatever
 * the number of calls. Names are compared by words; the last has the offset in
 * its upper two bytes.
 */
__attribute__((weak)) __noinline int tld_find_slot(__u32 keys_array, __u32 start, short *cached,
						   struct tld_name *name)
{
	const volatile __u64 *words;
	__u64 i, n, found, different;
	void *keys;

	if (TLD_UPTR || !cached || !name)
		return -ENOENT;
	keys = tld_array_page(keys_array, 0);
	if (!keys)
		return -ENOENT;
	i = -(__s64)TLD_READ_ONCE(*cached);
#pragma clang loop unroll(disable)
	for (n = 0; n < TLD_SLOT_KEYS; n++, i++) {
		barrier_var(i);
		if (i >= TLD_SLOT_KEYS)
			break;
		words = keys + i * sizeof(struct tld_key);
		if (!(words[0] & 0xff))
			break;
		tld_barrier();
		different = 0;
#pragma clang loop unroll(full)
		for (int word = 0; word < TLD_NAME_WORDS - 1; word++) {
			different |= words[word] ^ ((volatile __u64 *)name->bytes)[word];
			barrier_var(different); /* one after the other: or they take stack */
		}
		found = words[TLD_NAME_WORDS - 1];
		different |= (found ^ ((volatile __u64 *)name->bytes)[TLD_NAME_WORDS - 1]) << 16;
		found = (found >> 48) + start - TLD_SLOT_HEADER;
		/* One branch a key, beside the two above: the verifier walks through each. */
		different |= found & -TLD_PAGE_SIZE;
		barrier_var(different);
		if (!different) {
			*cached = found + 1;
			return 0;
		}
	}
	*cached = -(__s64)i;
	return -ENOENT;
}

/* Not inlined, so that the name does not take the caller's stack. */
static __noinline int tld_find_named_slot(struct bpf_task_local_data *tld, short *cached,
					  const char *name)
{
	struct tld_name copy = {};
	int i;

#pragma clang loop unroll(disable)
	for (i = 0; i < TLD_NAME_SIZE - 1; i++) {
		barrier_var(i);
		if (!name[i])
			break;
		copy.bytes[i] = name[i];
	}
	return tld_find_slot(tld->keys_array, tld->slot_start, cached, &copy);
}

#endif

/* Looks for a key whose address is not known. */
static __always_inline void tld_find_key(struct bpf_task_local_data *tld, short *cached,
					 short known, const char *name)
{
	struct tld_key_page *keys;

#ifndef TLD_NO_SLOTS
	if (!TLD_UPTR) {
		tld_find_named_slot(tld, cached, name);
		return;
	}
#endif
	keys = tld->data_map->keys;
	if (keys && tld_has_key(tld->data_map, keys, -(__s64)known))
		tld_find(tld, cached, name);
}

/*
 * The bytes at a cached address, or null. The checks that satisfy the verifier
 * also keep the program within the thread's page: the last two are on the very
 * register that is added to the page's address.
 */
static __always_inline void *tld_lookup(struct bpf_task_local_data *tld, short *cached,
					const char *name, __u64 size, __u64 align)
{
	short known = TLD_READ_ONCE(*cached);
	const void *page;
	__u64 address;

	if (known <= 0) {
		tld_find_key(tld, cached, known, name);
		known = TLD_READ_ONCE(*cached);
		if (known <= 0)
			return (void *)0;
	}

	address = (__u64)known - 1;
	page = tld_page(tld, address);
	address &= TLD_PAGE_SIZE - 1;
	if (!page || address & (align - 1))
		return (void *)0;
	barrier_var(address); /* or clang would drop the next line as redundant */
	address &= -align;
	barrier_var(address);
	if (address > TLD_PAGE_SIZE - size)
		return (void *)0;
	return (char *)page + address;
}

#define TLD_SLOT(tld, field)                                                                       \
	({                                                                                         \
		_Static_assert(sizeof((tld)->off_map->field) == sizeof(short),                     \
			       "a field of struct task_local_data_offsets is a short");            \
		(short *)&(tld)->off_map->field;                                                   \
	})

/* The most that C aligns a value of this size to, within the 8 that a page gives. */
#define TLD_ALIGN(size) (((size) | 8) & -((size) | 8))

/* ---- The API ---- */

/**
 * bpf_tld_init() - begin with a task
 * @task: a trusted pointer to the task
 * @tld: on the stack; filled in, and valid for this run of the program
 *
 * Returns 0; -ENOENT if the thread has no task local data (do not call the other
 * functions then); -ENOMEM if there is no memory, or the task's storage is in
 * use on this CPU right now: try again at the next event.
 */
static __always_inline int bpf_tld_init(struct task_struct *task, struct bpf_task_local_data *tld)
{
	if (tld_find_entry(task, tld))
		return -ENOENT;
	tld->off_map = bpf_task_storage_get(&task_local_data_off_map, task, 0,
					    BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!tld->off_map)
		return -ENOMEM;
	return 0;
}

/**
 * bpf_tld_forget() - delete a task's entries: the data and the known offsets
 * @task: a trusted pointer to the task
 *
 * The keys of a process never move, so a known offset stays valid as long as
 * the thread's entry comes from the same library. Two things end that: an
 * execve(), which keeps the task but ends the program that its entry belongs to
 * (call this from tp_btf/sched_process_exec if that matters to you), and an
 * entry that is replaced by one with other keys (bpf_tld_init_var() searches
 * anew). Until one of these is called, a lookup may give a wrong value, always
 * from the thread's own pages (which it may share with other threads of its
 * process).
 */
static __always_inline void bpf_tld_forget(struct task_struct *task)
{
#ifndef TLD_NO_SLOTS
	if (!TLD_UPTR)
		bpf_task_storage_delete(&tld_slot_map, task);
	else
#endif
		bpf_task_storage_delete(&TLD_DATA_MAP, task);
	bpf_task_storage_delete(&task_local_data_off_map, task);
}

/**
 * bpf_tld_init_var() - find a key now, rather than in the first lookup
 * @tld: from bpf_tld_init()
 * @field: of struct task_local_data_offsets
 * @key: a string literal of up to 61 bytes
 *
 * Never necessary, as a lookup searches for a key that is not known; use it to
 * move that search, about a microsecond, out of a busy path. What was known of
 * the key is forgotten first. Returns 0, or -ENOENT if the process has no such
 * key yet.
 */
#define bpf_tld_init_var(tld, field) bpf_tld_init_var_named(tld, field, #field)
#define bpf_tld_init_var_named(tld, field, key)                                                    \
	({                                                                                         \
		short *_tld_slot = TLD_SLOT(tld, field);                                           \
		*_tld_slot = 0;                                                                    \
		tld_find_key(tld, _tld_slot, 0, key);                                              \
		*_tld_slot > 0 ? 0 : -ENOENT;                                                      \
	})

/**
 * bpf_tld_lookup() - where a value is
 * @tld: from bpf_tld_init()
 * @field: of struct task_local_data_offsets
 * @key: a string literal of up to 61 bytes
 * @size: of the value, a constant; nothing checks that it is the size that the
 *	process gave the key
 *
 * Returns a pointer to @size bytes, for reading, writing and, at 4 and 8 bytes,
 * atomic operations; or null if the process has no such key or the bytes do not
 * lie in one page at a multiple of their natural alignment. A key that is made
 * later is found by later lookups; until the process makes another key, a
 * lookup costs one load. The thread may write at any time: load a value once,
 * and take a value of more than 8 bytes with bpf_tld_read_checked().
 */
#define bpf_tld_lookup(tld, field, size) bpf_tld_lookup_named(tld, field, #field, size)
#define bpf_tld_lookup_named(tld, field, key, size)                                                \
	({                                                                                         \
		_Static_assert((size) > 0 && (size) <= TLD_PAGE_SIZE, "1 byte to a page");         \
		tld_lookup(tld, TLD_SLOT(tld, field), key, size, TLD_ALIGN(size));                 \
	})

/**
 * bpf_tld_read_begin() - begin to read values that belong together
 * @tld: from bpf_tld_init()
 *
 * A Java process brings the values of a virtual thread to the task that it is
 * mounted on, word by word. A word is always one thread's; two words, of one value
 * or of two, may be two threads', if the program has interrupted an exchange or
 * runs beside one. Read them like this:
 *
 *	for (i = 0; i < TLD_READ_TRIES; i++) {
 *		begun = bpf_tld_read_begin(&tld);
 *		... copy the values ...
 *		if (!bpf_tld_read_retry(&tld, begun))
 *			break;		// all of one thread
 *	}
 *	if (i == TLD_READ_TRIES)
 *		return 0;		// count it, and do without
 *
 * Returns what bpf_tld_read_retry() asks for. Costs a load and a barrier.
 */
static __always_inline __u32 bpf_tld_read_begin(struct bpf_task_local_data *tld)
{
	__u32 begun = tld_sequence(tld);

	tld_barrier();
	return begun;
}

/**
 * bpf_tld_read_retry() - did an exchange overlap what was read?
 * @tld: from bpf_tld_init()
 * @begun: from bpf_tld_read_begin()
 *
 * Returns 0 if all that was read in between was there at one moment as far as
 * exchanges go: it belongs to one thread. Else try again, a few times only: a
 * thread that this program interrupted cannot go on before the program returns.
 * It does not tell that the thread itself has written meanwhile: a value of more
 * than 8 bytes needs bpf_tld_read_checked() for that, which does both.
 */
static __always_inline int bpf_tld_read_retry(struct bpf_task_local_data *tld, __u32 begun)
{
	tld_barrier();
	return begun & 1 || tld_sequence(tld) != begun;
}

/* A word of the caller's struct, which clang must not take for other memory. */
typedef __u32 __attribute__((may_alias)) tld_word_t;

/* Copies words of 4 bytes, as dst need not be aligned to more: checked.litmus. */
static __always_inline int tld_read_checked(struct bpf_task_local_data *tld,
					    const volatile __u32 *src, tld_word_t *dst, __u64 words)
{
	__u64 try, i;

	if (!src)
		return -ENOENT;
#pragma clang loop unroll(disable)
	for (try = 0; try < TLD_READ_TRIES; try++) {
		__u32 begun = bpf_tld_read_begin(tld), sequence = src[0];

		if (sequence & 1)
			continue;
		tld_barrier();
#pragma clang loop unroll(disable)
		for (i = 0; i < words; i++) {
			dst[i] = src[i];
			barrier_var(i);
		}
		tld_barrier();
		if (src[0] == sequence && !bpf_tld_read_retry(tld, begun))
			return 0;
	}
	return -EAGAIN;
}

/**
 * bpf_tld_read_checked() - copy a value that is larger than 8 bytes, as a whole
 * @tld: from bpf_tld_init()
 * @field: of struct task_local_data_offsets
 * @key: a string literal of up to 61 bytes
 * @dst: where to copy it, on the stack or in a map, aligned to 4 bytes
 * @size: of the value, a constant, a multiple of 4
 *
 * The value begins with a __u32 sequence, which the writer makes odd before it
 * changes the rest and even, by adding 1 again, after that. Returns 0 if no
 * write overlapped the copy, and no exchange (see bpf_tld_read_begin()); -ENOENT
 * if the process has no such key; -EAGAIN if one did at each of three tries: then
 * @dst is garbage. If the writer is the thread that this program interrupted, it cannot go on
 * before the program returns: accept -EAGAIN, do not loop.
 */
#define bpf_tld_read_checked(tld, field, dst, size)                                                \
	bpf_tld_read_checked_named(tld, field, #field, dst, size)
#define bpf_tld_read_checked_named(tld, field, key, dst, size)                                     \
	({                                                                                         \
		_Static_assert((size) % 4 == 0, "a sequence word, and whole words after it");      \
		tld_read_checked(tld, bpf_tld_lookup_named(tld, field, key, size),                 \
				 (tld_word_t *)(dst), (size) / 4);                                 \
	})

#endif /* TASKLOCAL_TASK_LOCAL_DATA_BPF_H */
