/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A map of each kind whose elements user space reads and changes, and programs that see them. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct odd {
	__u8 bytes[5];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 3);
	__type(key, struct odd);
	__type(value, __u64);
} table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 3);
	__type(key, __u32);
	__type(value, struct odd);
} array SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 3);
	__type(key, __u32);
	__type(value, __u32);
} per_cpu SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 3);
	__uint(value_size, sizeof(__u32));
} queue SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

/* The kernel adds BPF_F_RDONLY_PROG to its flags. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 3);
	__type(key, __u32);
	__type(value, __u32);
} devices SEC(".maps");

const volatile __u32 constant = 3;

SEC("syscall")
int twice(struct odd *key)
{
	struct odd copy = *key;
	__u64 *value = bpf_map_lookup_elem(&table, &copy);

	if (!value)
		return -1;
	*value *= 2;
	return 0;
}

SEC("syscall")
int sum(void *ctx)
{
	__u32 key = 7, total = 0;

	for (int cpu = 0; cpu < 64; cpu++) {
		__u32 *value = bpf_map_lookup_percpu_elem(&per_cpu, &key, cpu);

		if (value)
			total += *value;
	}
	return total * constant;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
