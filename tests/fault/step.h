/* SPDX-License-Identifier: MIT */
/*
 * step.h - stop a process after any number of its machine instructions
 *
 * A program under test runs in a child and is stepped by ptrace(2), so that it can
 * be killed, stopped, or overtaken by others, between any two instructions.
 *
 * A place is the number of instructions that the child has made.  An operation is
 * stepped through once and recorded; to come to a place later, the child runs to
 * the nearest recorded place before it that can be told by its address alone, and
 * makes single steps from there.  So n places cost about n and not n * n / 2 steps.
 */
#ifndef STEP_H
#define STEP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct step {
	pid_t pid;
	bool ended;  /* by itself */
	bool loose;  /* no longer traced */
	bool stray;  /* not where the recorded one was at the same place */
	bool missed; /* it never came to the place that it was to run to */
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

/* The same, but no further than to where *word has changed. */
bool step_forward_to_change(struct step *step, unsigned long count,
			    const _Atomic uint64_t *word);

/* Kill the child where it is, and wait until nothing of it is left. */
void step_kill(struct step *step);

/* Let the child go on to its end, and see that it ends well. */
void step_finish(struct step *step);

/* Stop the child where it is by SIGSTOP and trace it no more. */
void step_stop(struct step *step);

/* Let the child, which is to be told to continue if it was stopped, run freely. */
void step_release(struct step *step);

/* Send the child a signal that it handles, where it is, and let it run freely. */
void step_signal(struct step *step, int number);

/*
 * Let the child run until it is about to make this system call, or, where it is
 * about to, until the call has returned.  False where it ends before that.
 */
bool step_to_call(struct step *step, long number);
bool step_over_call(struct step *step);
/* The same without waiting for it, which step_await() then does. */
void step_begin_call(struct step *step);
bool step_await(struct step *step);

/* What an operation does when nobody disturbs it, instruction by instruction. */
struct step_trace {
	unsigned long count;   /* places: 0 to count - 1 */
	unsigned long changes; /* places at which shared memory changes */
	unsigned long *anchor; /* of each place: the place to run to */
	uint64_t *address;     /* of each place: that of the next instruction */
	bool *changed;         /* by the instruction before the place? */
};

/*
 * Step the child to its end and record what it does; what it changes in the @size
 * bytes at @shared is noted.  The trace is the caller's, for step_forget().
 */
void step_record(struct step *step, const void *shared, size_t size,
		 struct step_trace *ret_trace);
void step_forget(struct step_trace *trace);

/*
 * Bring a child that stands at its beginning to a place; without a trace by single
 * steps alone.  False where it ends before that, which it does behind the last
 * place, or where it takes another way than the recorded one and so is missed.
 */
bool step_to(struct step *step, const struct step_trace *trace,
	     unsigned long place);

/*
 * Bring it at once, without steps, to the nearest place before @place that can be
 * told by its address; where it does not come there it has ended.
 */
bool step_near(struct step *step, const struct step_trace *trace,
	       unsigned long place);

/*
 * The place after @place that is worth to be looked at: all changes of shared
 * memory, what lies right before them, and what lies @stride apart.
 */
unsigned long step_place_after(const struct step_trace *trace,
			       unsigned long place, unsigned long stride);

/* The next place after @place at which shared memory has changed, or ULONG_MAX. */
unsigned long step_change_after(const struct step_trace *trace,
				unsigned long place);

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
