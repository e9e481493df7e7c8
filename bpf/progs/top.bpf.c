/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
// wires: a b c
/* Processor time by the value of a key. */
#define KEYS 1
#include "top.bpf.h"
