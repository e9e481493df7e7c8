/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef TASKLOCAL_KERNEL_TYPES_BPF_H
#define TASKLOCAL_KERNEL_TYPES_BPF_H

/*
 * The few kernel types that programs for task local data need, so that no
 * vmlinux.h has to be generated. Only the members named here exist; their
 * offsets are taken from the running kernel's BTF when the object is loaded
 * (CO-RE), so a struct may list any subset, in any order.
 *
 * Use it instead of a vmlinux.h, not with one. Debian and its derivatives keep
 * headers that <linux/bpf.h> needs in a folder of their own: give clang
 * -I/usr/include/x86_64-linux-gnu (or the triplet of your machine).
 */

#ifndef __VMLINUX_H__

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct cpumask {
};

/* The CPU time that a task has had so far, in nanoseconds. */
struct sched_entity {
	__u64 sum_exec_runtime;
};

/* A task under sched_ext. */
struct sched_ext_entity {
	__u32 flags;
	__u32 weight; /* 1 to 10000, 100 for nice 0 */
	__u64 slice;
	__u64 dsq_vtime;
};

struct task_struct {
	unsigned int flags;
	int prio;
	int static_prio;
	int normal_prio;
	struct sched_entity se;
	struct sched_ext_entity scx;
	int nr_cpus_allowed;
	const struct cpumask *cpus_ptr;
	struct cpumask cpus_mask; /* unused; makes BTF have the full type, which libbpf needs */
	int pid;  /* the thread's id, as gettid() returns it in the first pid namespace */
	int tgid; /* the process's id: the pid of its first thread */
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	__u64 start_boottime;
	char comm[16];
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id;
	__u64 seq_num;
};

/* The context of SEC("iter/task"); task is null in the last call. */
struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

#endif /* __VMLINUX_H__ */
#endif /* TASKLOCAL_KERNEL_TYPES_BPF_H */
