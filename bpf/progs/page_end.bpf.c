/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
// wires: a b c
/* A value whose last byte is the page's last. */
#include "kernel_types.bpf.h"

struct task_local_data_offsets {
	short tail;
};

#include "task_local_data.bpf.h"

struct tail {
	__u64 word[3];
};

struct tail seen;

SEC("syscall")
int exchange_tail(void)
{
	struct bpf_task_local_data tld;
	struct tail *tail;

	if (bpf_tld_init(bpf_get_current_task_btf(), &tld))
		return -1;
	tail = bpf_tld_lookup(&tld, tail, sizeof(*tail));
	if (!tail)
		return -2;
	seen = *tail;
	tail->word[0] = ~seen.word[0];
	tail->word[1] = ~seen.word[1];
	tail->word[2] = ~seen.word[2];
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
