/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A program that the verifier accepts after long work, or refuses then. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

long total;

SEC("syscall")
int lengthy(void *ctx)
{
	__u64 sum = 0;

	for (int i = 0; i < ROUNDS; i++)
		sum += bpf_get_prandom_u32() & i;
#ifdef WRONG
	sum += *(volatile __u64 *)sum;
#endif
	total = sum;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
