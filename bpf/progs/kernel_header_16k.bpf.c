/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
// wires: b c
/* A program with the kernel's own header, from a machine with pages of 16 KiB. */
#define KERNEL_PAGE 16384
#include "kernel_header.bpf.h"
