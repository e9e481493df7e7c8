/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The calling thread's id, as BPF programs see it. */
#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>

SEC("syscall")
int thread_id(void)
{
	return (int)bpf_get_current_pid_tgid();
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
