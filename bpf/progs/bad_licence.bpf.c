/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A program that calls a helper for GPL-compatible programs, and names another licence. */
#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>

SEC("tp_btf/sys_enter")
int without_licence(void *ctx)
{
	bpf_printk("%d", 1);
	return 0;
}

char LICENSE[] SEC("license") = "BSD";
