/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Slots for kernels without uptrs: which page of which array is a thread's. A
 * thread registers itself by a prctl that this answers, or is registered by the
 * serving side. docs/serving.md has the protocol.
 */
#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>
#include "pid_namespace.bpf.h"
#include "serve_tables.bpf.h"

#define REGISTER 0x746c6473 /* the prctl: token, array, page << 16 | start */
#define PAGE 4096
#define PAGES 64

#define EPERM 1
#define ENOENT 2
#define ESRCH 3
#define ENOMEM 12
#define EBUSY 16
#define EINVAL 22

/* As in task_local_data.bpf.h, by whose name kernels that are too old are told; the first 8 bytes
 * change in one store.
 */
struct tld_slot {
	__u32 array;
	__u16 page;
	__u16 start;
	__u32 keys_array;
	__u32 stamp;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tld_slot);
} tld_slot_map SEC(".maps");

/* Without types: before Linux 6.2, a map with BTF is not like one without. */
struct array {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PAGES);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, PAGE);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ARRAYS);
	__uint(key_size, sizeof(__u32));
	__array(values, struct array);
} tld_arrays SEC(".maps");

/* What a walk over the tasks is to do, and has done. */
struct {
	int tgid;
	int tid; /* in the pid namespace of the process */
	__u64 token;
	__u32 array;
	__u32 page;
	__u32 start;
	int result;
} order;

/* Entries that a sweep could not take out, as the processor was at some task's storage. */
__u64 missed;

/* The grant of a token, if a task's process has it; otherwise null, and why. */
static __always_inline struct grant *grant_of(struct task_struct *task, __u64 token, int *error)
{
	struct grant *grant = bpf_map_lookup_elem(&tld_grants, &token);

	*error = -ESRCH;
	if (!grant)
		return NULL;
	*error = -EPERM;
	if (grant->tgid != (__u32)task->tgid || grant->exec != exec_of(task) ||
	    grant->started != BPF_CORE_READ(task, group_leader, start_boottime))
		return NULL;
	return grant;
}

/* Whether an array is a token's; 0 is nobody's. */
static __always_inline bool owns(__u64 token, __u32 array)
{
	__u64 *owner = bpf_map_lookup_elem(&tld_owners, &array);

	return owner && token && *owner == token;
}

/* Notes where a task's values are. An entry that is there is replaced in one store: slot.litmus. */
static __always_inline int put(struct task_struct *task, __u64 token, __u32 array, __u32 page,
			       __u32 start)
{
	struct tld_slot slot = {.array = array, .page = page, .start = start, .stamp = token};
	struct grant *grant;
	struct tld_slot *there;
	int error;

	grant = grant_of(task, token, &error);
	if (!grant)
		return error;
	if (!owns(token, array) || page >= PAGES || (array == grant->array && page < 2) ||
	    start < 16 || start > PAGE - 8 || start % 8)
		return -EINVAL;
	slot.keys_array = grant->array;
	there = bpf_task_storage_get(&tld_slot_map, task, &slot, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!there)
		return -ENOMEM;
	if (there->stamp != slot.stamp || there->keys_array != slot.keys_array) {
		/* Of the same process's earlier grant, which is on its way out. */
		there->keys_array = slot.keys_array;
		there->stamp = slot.stamp;
	}
	*(volatile __u64 *)there = *(__u64 *)&slot;
	return 0;
}

/* Tells the thread, in its page: the result of the call may be a filter's. */
static __always_inline void acknowledge(__u64 token, __u32 array, __u32 page, __u32 start)
{
	void *pages = bpf_map_lookup_elem(&tld_arrays, &array);
	char *bytes = pages ? bpf_map_lookup_elem(pages, &page) : NULL;
	__u64 at = start - 16;

	if (!bytes)
		return;
	barrier_var(at);
	at &= PAGE - 8;
	barrier_var(at);
	*(volatile __u64 *)(bytes + at) = token;
}

static __always_inline int answer(__u64 token, __u32 array, __u64 place)
{
	__u32 page = place >> 16 & 0xffff;
	__u32 start = place & 0xffff;
	int error =
		place >> 32 ? -EINVAL : put(bpf_get_current_task_btf(), token, array, page, start);

	if (error)
		return error;
	acknowledge(token, array, page, start);
	return 1;
}

SEC("fmod_ret/security_task_prctl")
int register_modify(__u64 *ctx)
{
	return (int)ctx[0] == REGISTER ? answer(ctx[1], ctx[2], ctx[3]) : 0;
}

/* The registers of both kinds of machines, so that one object suits them. */
struct pt_regs___x86 {
	unsigned long di, si, dx, cx;
} __attribute__((preserve_access_index));

struct pt_regs___arm64 {
	__u64 regs[31];
} __attribute__((preserve_access_index));

/* Where programs cannot be attached to a function's beginning. The call's result stays as it is. */
SEC("kprobe/security_task_prctl")
int register_probe(struct pt_regs *ctx)
{
	struct pt_regs___x86 *x86 = (void *)ctx;
	struct pt_regs___arm64 *arm64 = (void *)ctx;

	if (bpf_core_field_exists(x86->di)) {
		if ((int)x86->di == REGISTER)
			answer(x86->si, x86->dx, x86->cx);
	} else if ((int)arm64->regs[0] == REGISTER) {
		answer(arm64->regs[1], arm64->regs[2], arm64->regs[3]);
	}
	return 0;
}

static __always_inline bool is_ordered(struct task_struct *task)
{
	return task && task->tgid == order.tgid && own_id(task) == order.tid;
}

SEC("iter/task")
int place(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (is_ordered(task))
		order.result = put(task, order.token, order.array, order.page, order.start);
	return 0;
}

SEC("iter/task")
int take_out(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (is_ordered(task)) {
		int error = bpf_task_storage_delete(&tld_slot_map, task);

		order.result = error == -ENOENT ? 0 : error;
	}
	return 0;
}

/* Takes out what is in an array that the task's process has not, or no longer. */
SEC("iter/task")
int sweep(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct tld_slot *slot = task ? bpf_task_storage_get(&tld_slot_map, task, 0, 0) : NULL;
	__u64 *token;
	__u32 array;
	int error;

	if (!slot)
		return 0;
	array = slot->array;
	token = bpf_map_lookup_elem(&tld_owners, &array);
	if (token && *token && grant_of(task, *token, &error))
		return 0;
	if (bpf_task_storage_delete(&tld_slot_map, task) == -EBUSY)
		__sync_fetch_and_add(&missed, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
