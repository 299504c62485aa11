/* SPDX-License-Identifier: MIT */
/*
 * scratch.h - a directory of our own that is gone when we are
 *
 * What a run needs by name lies there: ports, FIFOs, sockets.  A small process
 * of its own waits until nobody has the benchmark's end of a pipe any more and
 * removes the directory then, so that nothing stays behind even if the
 * benchmark is killed.
 */
#ifndef BENCH_SCRATCH_H
#define BENCH_SCRATCH_H

#include <sys/types.h>

struct scratch {
	char path[64];
	pid_t keeper;
	int fd; /* while it is open, the directory stays */
};

/* scratch_make - in shared memory if there is any; 0, or a negative errno */
int scratch_make(struct scratch *scratch);

/* scratch_remove - with all that is in it; returns when it is gone */
void scratch_remove(struct scratch *scratch);

#endif
