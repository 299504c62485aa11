/* SPDX-License-Identifier: MIT */
/*
 * fake_futex.h - a scripted kernel
 *
 * Stands in for futex.c where wait and lock are tested.  One thread plays all
 * parties: a script says what others do at the moment when somebody goes to
 * sleep, sleeps, yields or wakes, so that every interleaving that matters is
 * driven on purpose and gives the same result each time.
 *
 * The fake keeps the kernel's promises by itself: a sleep on a word that has
 * another value is refused, a sleeper who was woken returns 0, a wake finds no
 * more sleepers than there are.  What it has no script for ends the test.
 */
#ifndef FAKE_FUTEX_H
#define FAKE_FUTEX_H

#include <stdatomic.h>
#include <stdint.h>

/* What another party does meanwhile. */
struct fake_deed {
	void (*act)(void *context);
	void *context;
};

/* One sleep. */
struct fake_sleep {
	struct fake_deed before; /* the kernel has not yet looked at the word */
	struct fake_deed asleep; /* the sleeper sleeps */
	int result;              /* how it ends if nobody wakes the sleeper */
};

/* What has been asked of the kernel. */
struct fake_calls {
	unsigned waits;
	unsigned refused; /* waits on a word of another value */
	unsigned wakes;
	unsigned yields;
	_Atomic uint32_t *word; /* of the last wait or wake */
	int64_t deadline_ns;    /* of the last wait */
	unsigned most;          /* of the last wake */
	unsigned woken;         /* sleepers found by all wakes */
};

/* Append a sleep to the script. */
void fake_futex_sleep(struct fake_sleep sleep);

/* This many others sleep on the word. */
void fake_futex_add_sleepers(const _Atomic uint32_t *word, unsigned count);

/* Once, in the next wake: before it finds anybody, and before it returns. */
void fake_futex_at_wake(struct fake_deed before, struct fake_deed after);

/* Once, when yield has been called @after more times. */
void fake_futex_at_yield(unsigned after, struct fake_deed deed);

const struct fake_calls *fake_futex_calls(void);

#endif
