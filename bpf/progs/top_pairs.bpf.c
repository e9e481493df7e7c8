/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
// wires: a b c
/* Processor time by the values of two keys. */
#define KEYS 2
#include "top.bpf.h"
