/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A congestion control that does nothing: struct_ops that every kernel with BPF and TCP takes. */
#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>

struct sock;

struct tcp_congestion_ops {
	__u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	__u32 (*undo_cwnd)(struct sock *sk);
	char name[16];
} __attribute__((preserve_access_index));

SEC("struct_ops/ssthresh")
__u32 ssthresh(void *ctx)
{
	return 2;
}

SEC("struct_ops/cong_avoid")
int cong_avoid(void *ctx)
{
	return 0;
}

SEC("struct_ops/undo_cwnd")
__u32 undo_cwnd(void *ctx)
{
	return 2;
}

SEC(".struct_ops")
struct tcp_congestion_ops control = {
	.ssthresh = (void *)ssthresh,
	.cong_avoid = (void *)cong_avoid,
	.undo_cwnd = (void *)undo_cwnd,
	.name = "tasklocal_it",
};

char LICENSE[] SEC("license") = "Dual BSD/GPL";
