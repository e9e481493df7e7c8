/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Reads and writes one value of the thread that runs it; loads on every wire. */
#include "kernel_types.bpf.h"

struct task_local_data_offsets {
	short it_int;
	short it_span;
	short it_flag;
};

#include "task_local_data.bpf.h"

struct span {
	__u32 sequence;
	__u32 depth;
	__u64 id;
};

int found;
int was;
__u64 span_id;

/* Returns bpf_tld_init()'s error, or 0; "found" says whether the key exists. */
SEC("syscall")
int read_and_add(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct bpf_task_local_data tld;
	struct span span;
	int *value;
	char *flag;
	int error;

	found = 0;
	error = bpf_tld_init(task, &tld);
	if (error)
		return error;
	value = bpf_tld_lookup(&tld, it_int, sizeof(*value));
	if (value) {
		found = 1;
		was = *value;
		*value = was + 1;
	}
	flag = bpf_tld_lookup_named(&tld, it_flag, "it.flag", sizeof(*flag));
	if (flag)
		*flag = 1;
	if (!bpf_tld_read_checked_named(&tld, it_span, "it.span", &span, sizeof(span)))
		span_id = span.id;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
