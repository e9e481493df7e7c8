/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A program that the verifier refuses: it uses the result of a lookup without a null check. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, int);
} kept SEC(".maps");

SEC("syscall")
int careless(void *ctx)
{
	int key = 0;
	int *value = bpf_map_lookup_elem(&kept, &key);

	return *value;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
