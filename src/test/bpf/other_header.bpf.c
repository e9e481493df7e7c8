/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Reads all eight bytes of wire B's start, as the kernel's header did first and
 * ours did before there was a mark of an exchange.
 */
#define KERNEL_PAGE 4096
#include "../../../bpf/progs/kernel_header.bpf.h"
