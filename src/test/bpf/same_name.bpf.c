/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* One of several sources of an object, whose static variables have the same names in each. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#ifndef READER
#define READER read_debug
#define OWN own
#define INITIAL 1
#endif

static volatile int debug = INITIAL;
static volatile int unset;
volatile int OWN = INITIAL;

SEC("syscall")
int READER(void *ctx)
{
	return 100 * debug + unset;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
