/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Calls a function that no kernel has. */
#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>

void bpf_tasklocal_no_such(void) __ksym;

SEC("syscall")
int call(void *ctx)
{
	bpf_tasklocal_no_such();
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
