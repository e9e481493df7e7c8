/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* An iterator over the elements of maps, and maps that it can go over or cannot. */
#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>

struct bpf_map;

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1000);
	__type(key, __u32);
	__type(value, __u64);
} squares SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 3);
	__type(key, __u32);
	__type(value, __u64);
} per_cpu SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u16);
	__type(value, __u16);
} narrow SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

struct pair {
	__u64 key;
	__u64 value;
};

/* For a per-CPU map, writes the first CPU's value. */
SEC("iter/bpf_map_elem")
int elements(struct bpf_iter__bpf_map_elem *ctx)
{
	__u32 *key = ctx->key;
	__u64 *value = ctx->value;
	struct pair pair;

	if (!key || !value)
		return 0;
	pair.key = *key;
	pair.value = *value;
	bpf_seq_write(ctx->meta->seq, &pair, sizeof(pair));
	return 0;
}

SEC("syscall")
int fill(void *ctx)
{
	for (__u64 i = 0; i < 1000; i++) {
		__u32 key = i;
		__u64 square = i * i;

		bpf_map_update_elem(&squares, &key, &square, BPF_ANY);
	}
	for (__u32 i = 0; i < 3; i++) {
		__u64 *value = bpf_map_lookup_percpu_elem(&per_cpu, &i, 0);

		if (value)
			*value = 100 + i;
	}
	return 0;
}

SEC("iter/task")
int tasks(struct bpf_iter__task *ctx)
{
	return 0;
}

SEC("syscall")
int no_iterator(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
