// SPDX-License-Identifier: Apache-2.0
// Prints what a call of getpid and one of prctl(PR_GET_NAME) take, in nanoseconds: the fastest of
// many rounds, since other work on the machine only adds to it.
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 200, CALLS = 2000 };

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return 1e9 * time.tv_sec + time.tv_nsec;
}

int main(void)
{
	double fastest[] = {1e18, 1e18};
	char name[16];

	for (int round = 0; round < ROUNDS; round++) {
		for (int kind = 0; kind < 2; kind++) {
			double start = now();
			for (int call = 0; call < CALLS; call++) {
				if (kind)
					prctl(PR_GET_NAME, name);
				else
					syscall(SYS_getpid);
			}
			double each = (now() - start) / CALLS;
			if (each < fastest[kind])
				fastest[kind] = each;
		}
	}
	printf("%.1f %.1f\n", fastest[0], fastest[1]);
	return 0;
}
