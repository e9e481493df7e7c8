/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
// wires: a b c
/* A value of each type, copied from the thread to globals, or back. */
#include "kernel_types.bpf.h"

struct task_local_data_offsets {
	short value_boolean;
	short value_byte;
	short value_short;
	short value_char;
	short value_int;
	short value_long;
	short value_float;
	short value_double;
	short value_padded;
	short value_numbers;
	short value_text;
	short value_union;
};

#include "task_local_data.bpf.h"

struct padded {
	__s8 a;
	__s32 b;
	__s16 c;
	__s64 d;
	__s8 e;
};

struct numbers {
	__s32 number[5];
};

struct text {
	char byte[32];
};

union either {
	__u64 whole;
	__u16 parts[4];
};

/* Floating-point values are bits here: BPF has no arithmetic for them. */
#define EACH_TYPE(DO)                                                                              \
	DO(boolean, __u8)                                                                          \
	DO(byte, __u8)                                                                             \
	DO(short, __u16)                                                                           \
	DO(char, __u16)                                                                            \
	DO(int, __u32)                                                                             \
	DO(long, __u64)                                                                            \
	DO(float, __u32)                                                                           \
	DO(double, __u64)                                                                          \
	DO(padded, struct padded)                                                                  \
	DO(numbers, struct numbers)                                                                \
	DO(text, struct text)                                                                      \
	DO(union, union either)

#define DECLARE(name, type)                                                                        \
	type seen_##name;                                                                          \
	type given_##name;

EACH_TYPE(DECLARE)

#define READ(name, type)                                                                           \
	{                                                                                          \
		type *value = bpf_tld_lookup(&tld, value_##name, sizeof(type));                    \
                                                                                                   \
		if (value) {                                                                       \
			seen_##name = *value;                                                      \
			found++;                                                                   \
		}                                                                                  \
	}

#define WRITE(name, type)                                                                          \
	{                                                                                          \
		type *value = bpf_tld_lookup(&tld, value_##name, sizeof(type));                    \
                                                                                                   \
		if (value) {                                                                       \
			*value = given_##name;                                                     \
			found++;                                                                   \
		}                                                                                  \
	}

/* Both return how many of the keys they found. */
SEC("syscall")
int read_values(void)
{
	struct bpf_task_local_data tld;
	int found = 0;

	if (bpf_tld_init(bpf_get_current_task_btf(), &tld))
		return -1;
	EACH_TYPE(READ)
	return found;
}

SEC("syscall")
int write_values(void)
{
	struct bpf_task_local_data tld;
	int found = 0;

	if (bpf_tld_init(bpf_get_current_task_btf(), &tld))
		return -1;
	EACH_TYPE(WRITE)
	return found;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
