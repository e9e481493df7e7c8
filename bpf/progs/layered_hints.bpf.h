/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef LAYERED_HINTS_BPF_H
#define LAYERED_HINTS_BPF_H

/* scx_layered's map of hints, as its public source has it. Kernel types are included first. */

#include <bpf/bpf_helpers.h>

struct task_hint {
	__u64 hint; /* a number up to 1024 is one, any other is none */
	__u64 reserved[3];
};

/* Pinned where scx_layered has it: the first of the two makes it, the other opens it. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_hint);
} scx_layered_task_hint_map SEC(".maps");

#endif /* LAYERED_HINTS_BPF_H */
