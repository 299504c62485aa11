/* SPDX-License-Identifier: MIT */
/*
 * plumbing.h - the processes of a pipeline
 *
 * Starts programs with their ends where they belong, waits for all of them,
 * and adds up what they took.  What a pipeline consists of is for pipeline.c.
 */
#ifndef BENCH_PLUMBING_H
#define BENCH_PLUMBING_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>
#include <sys/types.h>

#include "pipeline.h"

struct bench;

struct process {
	pid_t pid;
	int pidfd;
	const char *command; /* its first word is the program */
};

/* One run of a pipeline. */
struct plumbing {
	struct bench *bench;
	const struct pipeline *pipeline;
	uint64_t count; /* of messages */
	char fifo[PATH_MAX];
	struct process processes[2 * PIPELINE_STAGES + 1];
	size_t process_count;
	const struct process *last; /* who writes to /dev/null */
	uint64_t written;           /* by that one */
	double cpu_seconds;
	uint64_t memory;
};

/*
 * plumbing_find - where the program is that a command begins with
 *
 * Ours are those beside this very program, before any other on the PATH.
 */
bool plumbing_find(const char *command, char path[PATH_MAX]);

/*
 * plumbing_become - be that program, with these ends; in a child
 *
 * @in and @out of -1 are the null device.
 */
noreturn void plumbing_become(const struct plumbing *plumbing,
			      const char *command, int in, int out);

/*
 * plumbing_note - add a process that was started; its pid may be negative, after
 * a fork(2) that failed
 */
int plumbing_note(struct plumbing *plumbing, pid_t pid, const char *command);

/*
 * plumbing_spawn - start the commands of one part, with pipes in between
 *
 * Takes over @in and @out.
 */
int plumbing_spawn(struct plumbing *plumbing, const char *const *commands,
		   int in, int out);

/*
 * plumbing_await_last - wait for the process that was started last, and forget
 * it; plumbing_await_all - wait for all
 *
 * -EINTR if a signal came; -ECHILD, with the reason noted, if one failed.
 */
int plumbing_await_last(struct plumbing *plumbing);
int plumbing_await_all(struct plumbing *plumbing);

/* plumbing_kill - whoever is left */
void plumbing_kill(struct plumbing *plumbing);

#endif
