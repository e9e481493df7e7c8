/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Stacks of processor time by thread, process or control group, which takes no map. */
#include "kernel_types.bpf.h"

struct value {
	__u8 unused[72]; /* as in key_value.bpf.h, so that samples have one form */
};

#include <bpf/bpf_helpers.h>
#include "profile.bpf.h"

static int read_sample(struct task_struct *task, struct value *value)
{
	return 0;
}
