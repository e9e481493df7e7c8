/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Programs whose sections do not say where they are to be attached. */
#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>

struct cgroup {
	int level;
	__u64 unused;
} __attribute__((preserve_access_index));

struct bpf_iter__cgroup {
	struct bpf_iter_meta *meta;
	struct cgroup *cgroup;
} __attribute__((preserve_access_index));

__u32 process; /* whose events count */
__u64 samples;
__u64 calls;
__u64 returns;
__u64 packets;

static bool is_wanted(void)
{
	return bpf_get_current_pid_tgid() >> 32 == process;
}

SEC("perf_event")
int sample(void *ctx)
{
	if (is_wanted())
		__sync_fetch_and_add(&samples, 1);
	return 0;
}

SEC("uprobe")
int called(void *ctx)
{
	if (is_wanted())
		__sync_fetch_and_add(&calls, 1);
	return 0;
}

SEC("uretprobe")
int returned(void *ctx)
{
	if (is_wanted())
		__sync_fetch_and_add(&returns, 1);
	return 0;
}

SEC("tc")
int packet(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&packets, 1);
	return -1; /* TCX_NEXT */
}

SEC("?iter/cgroup")
int groups(struct bpf_iter__cgroup *ctx)
{
	struct cgroup *group = ctx->cgroup;
	__u64 level;

	if (!group)
		return 0;
	level = group->level;
	bpf_seq_write(ctx->meta->seq, &level, sizeof(level));
	return 0;
}

SEC("?usdt")
int marked(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
