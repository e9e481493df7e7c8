/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What is decided before or at the load: programs that are off, sizes, the kernel's options. */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

extern int LINUX_KERNEL_VERSION __kconfig;
extern int CONFIG_HZ __kconfig __weak;
extern bool CONFIG_NO_SUCH_OPTION __kconfig __weak;

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(key_size, sizeof(__u32));
	__uint(max_entries, 16);
} stacks SEC(".maps");

long kept;

SEC("syscall")
int on(void *ctx)
{
	kept = LINUX_KERNEL_VERSION;
	return CONFIG_NO_SUCH_OPTION ? -1 : CONFIG_HZ;
}

SEC("?syscall")
int off(void *ctx)
{
	return 42;
}

/* The verifier refuses it. */
SEC("?syscall")
int refused(int *ctx)
{
	return *(int *)(long)ctx[1];
}

SEC("?tp_btf/sys_enter")
int stack(void *ctx)
{
	return bpf_get_stackid(ctx, &stacks, 0);
}

SEC("?iter/task")
int walk(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
