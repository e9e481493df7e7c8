/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
// wires: a b c
/* As many keys as a process can have, with names that are not C identifiers. */
#include "kernel_types.bpf.h"

/* clang-format off */
#define TEN(DO, t)                                                                                 \
	DO(t##0) DO(t##1) DO(t##2) DO(t##3) DO(t##4) DO(t##5) DO(t##6) DO(t##7) DO(t##8) DO(t##9)
#define EACH_KEY(DO)                                                                               \
	TEN(DO, 0) TEN(DO, 1) TEN(DO, 2) TEN(DO, 3) TEN(DO, 4) TEN(DO, 5)                          \
	DO(60) DO(61) DO(62) DO(63)
/* clang-format on */

#define OFFSET(i) short key_##i;

struct task_local_data_offsets {
	EACH_KEY(OFFSET)
};

#include "task_local_data.bpf.h"

#define LAST_SIZE 552

int seen[64];

/* 08 and 09 would be bad octal numbers. */
#define INDEX(i) (1##i - 100)

#define READ(i)                                                                                    \
	value = bpf_tld_lookup_named(&tld, key_##i, "key." #i, sizeof(*value));                    \
	seen[INDEX(i)] = value ? *value : -1;                                                      \
	found += !!value;

/* Reads the first four bytes of each value; returns how many keys it found. */
SEC("syscall")
int read_all(void)
{
	struct bpf_task_local_data tld;
	int *value, found = 0;

	if (bpf_tld_init(bpf_get_current_task_btf(), &tld))
		return -1;
	EACH_KEY(READ)
	return found;
}

/* Returns the last byte of the last value, or -2 if this wire does not have the key. */
SEC("syscall")
int read_last(void)
{
	struct bpf_task_local_data tld;
	unsigned char *value;

	if (bpf_tld_init(bpf_get_current_task_btf(), &tld))
		return -1;
	value = bpf_tld_lookup_named(&tld, key_63, "key.63", LAST_SIZE);
	return value ? value[LAST_SIZE - 1] : -2;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
