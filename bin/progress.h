/* SPDX-License-Identifier: MIT */
/*
 * progress.h - a line on standard error that says how much went through
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct progress {
	_Atomic uint64_t bytes;
	bool running;
	bool on_terminal;
	bool shown;         /* a line stands on the terminal */
	int64_t started_ns; /* monotonic, as the others */
	int64_t last_ns;
	uint64_t last_bytes;
	pthread_t thread;
	sem_t stop;
};

/* When a line is wanted. */
enum progress_when {
	/* After a second, where only standard error is a terminal. */
	PROGRESS_AUTO,
	PROGRESS_ALWAYS, /* and at the end, however soon that is */
	PROGRESS_NEVER
};

/* progress_wanted - whether there will be a line, or may be one */
bool progress_wanted(enum progress_when when);

/*
 * progress_start - begin, on a thread of its own, which draws whatever the tool
 * waits for; progress_stop() ends the line and may be called without a start
 *
 * 0 or -errno.  Signals are for other threads.
 */
int progress_start(struct progress *progress, enum progress_when when);
void progress_stop(struct progress *progress);

/* progress_add - so many more bytes; from any thread */
static inline void progress_add(struct progress *progress, uint64_t bytes)
{
	/* Relaxed: a figure for the eye. */
	atomic_fetch_add_explicit(&progress->bytes, bytes,
				  memory_order_relaxed);
}

#endif
