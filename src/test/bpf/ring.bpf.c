/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Puts records into a ring buffer, and discards some. */
#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} array SEC(".maps");

__u32 number; /* of the next record */
char bytes[64];

/* Puts records of 4 to 35 bytes, by their number, until one finds no room; returns how many. */
SEC("syscall")
int put_all(void *ctx)
{
	int count = 0;

	for (int i = 0; i < 1000; i++) {
		__u32 size = 4 + (number & 31);

		*(__u32 *)bytes = number;
		if (bpf_ringbuf_output(&ring, bytes, size, BPF_RB_NO_WAKEUP))
			break;
		number++;
		count++;
	}
	return count;
}

static __always_inline int put(bool discard)
{
	__u32 *record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);

	if (!record)
		return 1;
	*record = number++;
	if (discard)
		bpf_ringbuf_discard(record, 0);
	else
		bpf_ringbuf_submit(record, 0);
	return 0;
}

SEC("syscall")
int put_one(void *ctx)
{
	return put(false);
}

SEC("syscall")
int discard_one(void *ctx)
{
	return put(true);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
