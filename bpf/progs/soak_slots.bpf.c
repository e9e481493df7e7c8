/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
// wires: a
/* The programs of soak_tasks.bpf.c through slots, whatever the kernel has. */
#define TLD_SLOTS
#include "soak_tasks.bpf.c"
