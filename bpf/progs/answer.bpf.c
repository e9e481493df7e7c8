/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
// wires: a b c
/* Answers any thread that has a question, at the system call that it makes to ask. */
#include "kernel_types.bpf.h"

struct task_local_data_offsets {
	short question;
	short answer;
};

#include "task_local_data.bpf.h"

const volatile __u64 ask_syscall;

__s64 asked;

SEC("tp_btf/sys_enter")
int answer_question(__u64 *ctx)
{
	struct bpf_task_local_data tld;
	__s64 *question, *answer;

	if (ctx[1] != ask_syscall || bpf_tld_init(bpf_get_current_task_btf(), &tld))
		return 0;
	question = bpf_tld_lookup(&tld, question, sizeof(*question));
	answer = bpf_tld_lookup(&tld, answer, sizeof(*answer));
	if (question && answer) {
		asked = *question;
		*answer = -*question;
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
