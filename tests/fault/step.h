/* SPDX-License-Identifier: MIT */
/*
 * step.h - stop a process after any number of its machine instructions
 *
 * A program under test runs in a child and is stepped by ptrace(2), so that it can
 * be killed, or overtaken by others, between any two instructions.
 */
#ifndef STEP_H
#define STEP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct step {
	pid_t pid;
	bool ended; /* by itself */
};

/*
 * In a child, call @prepare, and stop before @operation, after which the child
 * exits.  Where this machine does not allow it, the case is skipped.
 */
void step_start(struct step *step, void (*prepare)(void *context),
		void (*operation)(void *context), void *context);

/*
 * Let the child make so many instructions more.  False where it has ended before
 * that; it has then ended well.  A call that sleeps counts as one instruction.
 */
bool step_forward(struct step *step, unsigned long count);

/* Kill the child where it is, and wait until nothing of it is left. */
void step_kill(struct step *step);

/* Let the child go on to its end, and see that it ends well. */
void step_finish(struct step *step);

/*
 * After how many instructions the child has changed *word, or ULONG_MAX where it
 * never does: where every single place is worth to be looked at.
 */
unsigned long step_until_changed(struct step *step,
				 const _Atomic uint64_t *word);

/* The next place after @at; close to @hot they are one apart. */
unsigned long step_next(unsigned long at, unsigned long stride,
			unsigned long hot);

/*
 * The distance between two places where a child is stopped: @usual, or less as
 * STRESS in the environment says, down to each instruction.
 */
unsigned long step_stride(unsigned long usual);

#endif
