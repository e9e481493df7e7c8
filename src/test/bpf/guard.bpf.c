/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A security module that lets one user load no program. */
#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>

#define BPF_PROG_LOAD 5
#define EPERM 1

const volatile __u32 user;

SEC("lsm/bpf")
int refuse(__u64 *ctx)
{
	return ctx[0] == BPF_PROG_LOAD && (__u32)bpf_get_current_uid_gid() == user ? -EPERM : 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
