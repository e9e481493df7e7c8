/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* An object with a bit of everything: globals of each kind, maps, a declared pin, programs. */
#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>

#ifndef COUNTS_FLAGS
#define COUNTS_FLAGS 0
#endif

const volatile int factor = 1;
const volatile char greeting[16] = "hello";
int in_data = 5;
long in_bss;
int seen;
__u64 events;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, __u64);
	__uint(map_flags, COUNTS_FLAGS);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, int);
	__type(value, int);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} declared_pin SEC(".maps");

SEC("syscall")
int multiply(void *ctx)
{
	int key = 0;
	__u64 *count = bpf_map_lookup_elem(&counts, &key);

	if (count)
		__sync_fetch_and_add(count, 1);
	seen = in_data * factor;
	in_bss++;
	return seen;
}

struct arguments {
	__u32 given;
	__u32 doubled;
};

SEC("syscall")
int twice(struct arguments *arguments)
{
	arguments->doubled = 2 * arguments->given;
	return 0;
}

SEC("syscall")
int count_of(void *ctx)
{
	int key = 0;
	__u64 *count = bpf_map_lookup_elem(&counts, &key);

	return count ? (int)*count : -1;
}

SEC("?syscall")
int off(void *ctx)
{
	return 42;
}

SEC("raw_tp/sys_enter")
int on_raw(void *ctx)
{
	return 7;
}

SEC("tp_btf/sys_enter")
int on_enter(void *ctx)
{
	__sync_fetch_and_add(&events, 1);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_getpgid")
int on_tracepoint(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
