/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The map of a program that has not been compiled with this project's header:
 * its types have other names, and on wires B and C its page of keys ends with
 * the last key, which is all of it that the kernel lets another program see.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define __uptr __attribute__((btf_type_tag("uptr")))

struct another_key {
	char name[62];
	__u16 number;
};

typedef struct another_data {
	__u64 values[512];
} another_data_t;

typedef struct another_keys {
#if WIRE == 1
	struct another_key keys[64];
#else
	__u16 cnt;
	__u16 size;
	struct another_key keys[63];
#endif
} another_keys_t;

#if WIRE == 1
struct task_local_data_map_value {
	another_data_t __uptr *data;
	another_data_t __uptr *more;
	another_keys_t __uptr *keys;
	short cnt;
	short start;
};
#define VALUE struct task_local_data_map_value
#define MAP task_local_data_map
#else
struct tld_map_value {
	another_data_t __uptr *data;
	another_keys_t __uptr *keys;
#if WIRE == 3
	__u16 start;
#endif
};
#define VALUE struct tld_map_value
#define MAP tld_data_map
#endif

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, VALUE);
} MAP SEC(".maps");

/* A parameter of this type puts the pages in full into the BTF, as the map's uptrs need them. */
struct pages {
	struct another_data data[0];
	struct another_keys keys[0];
	int unused;
};

__attribute__((noinline, used)) static int pages(struct pages *pages)
{
	return pages->unused;
}

SEC("syscall")
int program(void *ctx)
{
	VALUE *value = bpf_task_storage_get(&MAP, bpf_get_current_task_btf(), 0, 0);

	return value && value->data && value->keys
		       ? value->data->values[0] + value->keys->keys[0].number
		       : 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
