/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Types of many kinds, for a test that goes through them all. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum colour { RED, GREEN };
enum huge { HUGE = 0x100000000ULL };
struct ahead;
typedef int (*callback_t)(struct ahead *, const char *restrict);

struct value {
	enum colour colour;
	enum huge huge;
	union {
		long number;
		float ratio;
	};
	volatile int seen;
	char text[16];
	callback_t call;
	struct ahead *ahead;
	int __attribute__((btf_type_tag("marked"))) * marked;
} __attribute__((btf_decl_tag("declared")));

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, struct value);
} types SEC(".maps");

int variable;

static __attribute__((noinline)) int with_variable(int of)
{
	return of + variable;
}

SEC("syscall")
int program(void *ctx)
{
	return with_variable(1);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
