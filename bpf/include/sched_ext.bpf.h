/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef TASKLOCAL_SCHED_EXT_BPF_H
#define TASKLOCAL_SCHED_EXT_BPF_H

/*
 * The parts of sched_ext that scx_tasklocal.bpf.c uses, for Linux 6.13 and
 * newer, without a generated vmlinux.h: types with only the members that are
 * used, constants, and kernel functions, with the differences between kernel
 * versions hidden. Extend it from the kernel's BTF as you need. A function that
 * only some kernels have is __weak, and is tested before it is called.
 */

#include "kernel_types.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define SCX_DSQ_LOCAL ((1ULL << 63) | 2) /* of this CPU, or of the one just selected */
#define SCX_ENQ_WAKEUP 1ULL
#define SCX_ENQ_PREEMPT (1ULL << 32)
#define SCX_KICK_IDLE 1
#define SCX_KICK_PREEMPT 2
#define PF_KTHREAD 0x00200000

/* A callback of a scheduler; one of the second kind may sleep. */
#define SCX_OP(name, args...) SEC("struct_ops/" #name) BPF_PROG(name, ##args)
#define SCX_OP_SLEEPABLE(name, args...) SEC("struct_ops.s/" #name) BPF_PROG(name, ##args)

struct scx_init_task_args;

enum scx_ent_flags {
	SCX_TASK_QUEUED = 1,
};

/* Why a scheduler ended. The kernel has more kinds; errors start at SCX_EXIT_ERROR. */
enum scx_exit_kind {
	SCX_EXIT_NONE,
	SCX_EXIT_UNREG = 64, /* its link was closed */
	SCX_EXIT_ERROR = 1024,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct scx_exit_info {
	enum scx_exit_kind kind;
	__s64 exit_code;
	const char *reason;
	char *msg;
};

#pragma clang attribute pop

/* Why a scheduler ended, for the process that loaded it; kind is 0 while it runs. */
struct scx_exited {
	__s32 kind; /* an enum scx_exit_kind */
	__s64 code;
	char reason[64];
	char message[128];
};

static __always_inline void scx_note_exit(struct scx_exited *exited, struct scx_exit_info *info)
{
	bpf_probe_read_kernel_str(exited->reason, sizeof(exited->reason), info->reason);
	bpf_probe_read_kernel_str(exited->message, sizeof(exited->message), info->msg);
	exited->code = info->exit_code;
	exited->kind = info->kind;
}

/* Arguments of __scx_bpf_dsq_insert_vtime(), Linux 6.19 and newer. */
struct scx_bpf_dsq_insert_vtime_args {
	__u64 dsq_id;
	__u64 slice;
	__u64 vtime;
	__u64 enq_flags;
};

/* A scheduler. libbpf finds the members by name. */
struct sched_ext_ops {
	__s32 (*select_cpu)(struct task_struct *p, __s32 prev_cpu, __u64 wake_flags);
	void (*enqueue)(struct task_struct *p, __u64 enq_flags);
	void (*dispatch)(__s32 cpu, struct task_struct *prev);
	void (*running)(struct task_struct *p);
	void (*stopping)(struct task_struct *p, bool runnable);
	__s32 (*init_task)(struct task_struct *p, struct scx_init_task_args *args);
	void (*cpu_online)(__s32 cpu);
	void (*cpu_offline)(__s32 cpu);
	__s32 (*init)(void);
	void (*exit)(struct scx_exit_info *info);
	char name[128];
};

/* The same in all versions. */
__s32 scx_bpf_create_dsq(__u64 dsq_id, __s32 node) __ksym;
__s32 scx_bpf_dsq_nr_queued(__u64 dsq_id) __ksym;
__u32 scx_bpf_nr_cpu_ids(void) __ksym;
__s32 scx_bpf_task_cpu(const struct task_struct *p) __ksym;
__s32 scx_bpf_select_cpu_dfl(struct task_struct *p, __s32 prev_cpu, __u64 wake_flags,
			     bool *is_idle) __ksym;
__s32 scx_bpf_pick_idle_cpu(const struct cpumask *cpus_allowed, __u64 flags) __ksym;
void scx_bpf_kick_cpu(__s32 cpu, __u64 flags) __ksym;
struct task_struct *bpf_task_from_pid(__s32 pid) __ksym;
void bpf_task_release(struct task_struct *p) __ksym;
bool bpf_cpumask_test_cpu(__u32 cpu, const struct cpumask *mask) __ksym;

struct bpf_iter_scx_dsq {
	__u64 opaque[6];
} __attribute__((aligned(8)));

int bpf_iter_scx_dsq_new(struct bpf_iter_scx_dsq *it, __u64 dsq_id, __u64 flags) __ksym;
struct task_struct *bpf_iter_scx_dsq_next(struct bpf_iter_scx_dsq *it) __ksym;
void bpf_iter_scx_dsq_destroy(struct bpf_iter_scx_dsq *it) __ksym;

/* Variants, of which a kernel has only some. libbpf ignores what follows the last "___". */
void scx_bpf_dsq_insert___void(struct task_struct *p, __u64 dsq_id, __u64 slice,
			       __u64 enq_flags) __ksym __weak;
bool scx_bpf_dsq_insert___v2___bool(struct task_struct *p, __u64 dsq_id, __u64 slice,
				    __u64 enq_flags) __ksym __weak;
void scx_bpf_dsq_insert_vtime___void(struct task_struct *p, __u64 dsq_id, __u64 slice, __u64 vtime,
				     __u64 enq_flags) __ksym __weak;
bool __scx_bpf_dsq_insert_vtime(struct task_struct *p,
				struct scx_bpf_dsq_insert_vtime_args *args) __ksym __weak;
bool scx_bpf_dsq_move_to_local___v1(__u64 dsq_id) __ksym __weak;
bool scx_bpf_dsq_move_to_local___v2___flags(__u64 dsq_id, __u64 enq_flags) __ksym __weak;
bool scx_bpf_task_set_slice(struct task_struct *p, __u64 slice) __ksym __weak;

static __always_inline void scx_insert(struct task_struct *p, __u64 dsq, __u64 slice,
				       __u64 enq_flags)
{
	if (scx_bpf_dsq_insert___v2___bool) /* 6.19 */
		scx_bpf_dsq_insert___v2___bool(p, dsq, slice, enq_flags);
	else
		scx_bpf_dsq_insert___void(p, dsq, slice, enq_flags);
}

static __always_inline void scx_insert_in_order(struct task_struct *p, __u64 dsq, __u64 slice,
						__u64 key, __u64 enq_flags)
{
	struct scx_bpf_dsq_insert_vtime_args args = {dsq, slice, key, enq_flags};

	if (__scx_bpf_dsq_insert_vtime) /* 6.19 */
		__scx_bpf_dsq_insert_vtime(p, &args);
	else
		scx_bpf_dsq_insert_vtime___void(p, dsq, slice, key, enq_flags);
}

static __always_inline bool scx_move_to_local(__u64 dsq)
{
	if (scx_bpf_dsq_move_to_local___v2___flags) /* 7.1 */
		return scx_bpf_dsq_move_to_local___v2___flags(dsq, 0);
	return scx_bpf_dsq_move_to_local___v1(dsq);
}

static __always_inline void scx_set_slice(struct task_struct *p, __u64 slice)
{
	if (scx_bpf_task_set_slice) /* 6.19 */
		scx_bpf_task_set_slice(p, slice);
	else
		p->scx.slice = slice;
}

/* Whether a task is runnable: dispatch() is also called for one that has just gone to sleep. */
static __always_inline bool scx_is_queued(struct task_struct *p)
{
	return p->scx.flags & bpf_core_enum_value(enum scx_ent_flags, SCX_TASK_QUEUED);
}

/* Larger than any key that a scheduler gives. */
#define SCX_NO_KEY (~0ULL >> 1)

/* The key of the first task in a queue, or SCX_NO_KEY if there is none. */
static __always_inline __u64 scx_first_key(__u64 dsq)
{
	struct bpf_iter_scx_dsq it;
	struct task_struct *p = NULL;
	__u64 key = SCX_NO_KEY;

	if (!scx_bpf_dsq_nr_queued(dsq))
		return key;
	if (!bpf_iter_scx_dsq_new(&it, dsq, 0))
		p = bpf_iter_scx_dsq_next(&it);
	if (p)
		key = p->scx.dsq_vtime;
	bpf_iter_scx_dsq_destroy(&it);
	return key;
}

#endif /* TASKLOCAL_SCHED_EXT_BPF_H */
