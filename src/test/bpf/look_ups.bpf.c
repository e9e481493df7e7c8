/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* 24 look-ups in one program, for the verifier to walk through. */
#include "kernel_types.bpf.h"

/* clang-format off */
#define EIGHT(DO, t) DO(t##0) DO(t##1) DO(t##2) DO(t##3) DO(t##4) DO(t##5) DO(t##6) DO(t##7)
#define EACH_KEY(DO) EIGHT(DO, 1) EIGHT(DO, 2) EIGHT(DO, 3)
/* clang-format on */

#define OFFSET(i) short key_##i;

struct task_local_data_offsets {
	EACH_KEY(OFFSET)
};

#include "task_local_data.bpf.h"

__u64 sum;

#define LOOK_UP(i)                                                                                 \
	value = bpf_tld_lookup(&tld, key_##i, sizeof(*value));                                     \
	if (value)                                                                                 \
		sum += *value;

SEC("tp_btf/sched_switch")
int switched(__u64 *ctx)
{
	struct bpf_task_local_data tld;
	int *value;

	if (bpf_tld_init((struct task_struct *)ctx[2], &tld))
		return 0;
	EACH_KEY(LOOK_UP)
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
