// SPDX-License-Identifier: Apache-2.0
// Prints what it takes to set a value of a thread's in C, in nanoseconds: a pointer of the thread's
// own, which its first use fills, and a key's offset, which is not known before the program runs.
// The fastest of some long loops, since other work on the machine only adds to it.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 7, SETS = 50000000, PAGE = 4096 };

static __thread char *values;
static size_t offset;

static __attribute__((noinline)) char *first(void)
{
	values = aligned_alloc(PAGE, PAGE);
	if (!values)
		abort();
	return values;
}

static inline void set(int value)
{
	char *page = values ? values : first();

	__atomic_store_n((int *)(page + offset), value, __ATOMIC_RELAXED);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return 1e9 * time.tv_sec + time.tv_nsec;
}

int main(int count, char **arguments)
{
	double fastest = 1e18;

	offset = count > 1 ? atoi(arguments[1]) : 8;
	for (int round = 0; round < ROUNDS; round++) {
		double start = now();
		for (int i = 0; i < SETS; i++)
			set(i);
		double each = (now() - start) / SETS;
		if (each < fastest)
			fastest = each;
	}
	printf("%.4f\n", fastest);
	return 0;
}
