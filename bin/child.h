/* SPDX-License-Identifier: MIT */
/*
 * child.h - processes that a thread starts, watches and kills
 *
 * For tools with threads that run commands at the same time; command.h is for one
 * that becomes, so to speak, its command.
 */
#ifndef CHILD_H
#define CHILD_H

#include <signal.h>
#include <sys/types.h>

/* What is started, the same each time. */
struct child_program {
	const char *name;  /* as it was given */
	char *path;        /* where it is; NULL: not yet found */
	char *const *argv; /* its first is the name */
	sigset_t mask;     /* signals that it begins with blocked */
};

/* child_find - look for a program; 0, or 126 or 127 after a report */
int child_find(struct child_program *program);

struct child {
	pid_t pid; /* and its process group; 0: none */
	int ended; /* descriptor that can be read once it has ended */
};

/*
 * child_start - run it, with these descriptors as its first three
 *
 * It leads a process group of its own, so that no key of a terminal reaches it,
 * and is killed when the thread that starts it ends.  A descriptor of -1 is left
 * as it is here.  0 or -errno; a program that cannot be executed is told by the
 * child itself, with status 126 or 127 and a line on its standard error.
 */
int child_start(const struct child_program *program, char *const *environment,
		const int *descriptors, struct child *ret_child);

/* child_kill - kill its whole process group */
void child_kill(const struct child *child);

/*
 * child_wait - wait for its end and forget it
 *
 * Its exit status, or 128 + n where signal n killed it.
 */
int child_wait(struct child *child);

#endif
