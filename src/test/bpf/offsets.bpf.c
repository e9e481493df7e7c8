/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Compiles only if the offsets that Java uses, given as macros, are those of the header. */
#include "kernel_types.bpf.h"

struct task_local_data_offsets {
	short any;
};

#include "task_local_data.bpf.h"

#define SAME(what, java, c) _Static_assert((java) == (c), what)

SAME("page", JAVA_PAGE_SIZE, sizeof(struct tld_data_page));
SAME("value size", JAVA_VALUE_SIZE, sizeof(struct TLD_MAP_VALUE));
SAME("data", JAVA_DATA, __builtin_offsetof(struct TLD_MAP_VALUE, data));
SAME("keys", JAVA_META, __builtin_offsetof(struct TLD_MAP_VALUE, keys));
SAME("entry size", JAVA_ENTRY_SIZE, sizeof(struct tld_key));
SAME("name", JAVA_NAME, __builtin_offsetof(struct tld_key, name));
SAME("name size", JAVA_NAME_SIZE, sizeof(((struct tld_key *)0)->name));
SAME("first entry", JAVA_ENTRIES, __builtin_offsetof(struct tld_key_page, keys));
SAME("entries", JAVA_MAX_KEYS, sizeof(((struct tld_key_page *)0)->keys) / sizeof(struct tld_key));
SAME("metadata page", JAVA_META_SIZE, sizeof(struct tld_key_page));

#if TLD_WIRE == TLD_WIRE_A
SAME("off", JAVA_OFF, __builtin_offsetof(struct tld_key, off));
SAME("cnt", JAVA_CNT, __builtin_offsetof(struct TLD_MAP_VALUE, cnt));
#else
SAME("size", JAVA_SIZE, __builtin_offsetof(struct tld_key, size));
SAME("cnt", JAVA_CNT, __builtin_offsetof(struct tld_key_page, cnt));
SAME("reserved", JAVA_RESERVED, __builtin_offsetof(struct tld_key_page, size));
#endif
#if TLD_WIRE == TLD_WIRE_B
SAME("start", JAVA_START, __builtin_offsetof(struct tld_data_page, start));
#elif TLD_WIRE == TLD_WIRE_C
SAME("start", JAVA_START, __builtin_offsetof(struct TLD_MAP_VALUE, start));
#endif

char LICENSE[] SEC("license") = "Dual BSD/GPL";
