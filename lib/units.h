/* SPDX-License-Identifier: MIT */
/*
 * units.h - the units of a semaphore in memory: take, give, give back for the dead
 *
 * Gets memory, not a name: no system call, no clock, no waiting.
 */
#ifndef MMS_UNITS_H
#define MMS_UNITS_H

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"

/* A participant's private view; all bounds come from here. */
struct mms_units {
	struct mms_pool *pool;
	struct mms_row *rows;
	unsigned slots;
	uint64_t maximum;
	unsigned slot; /* ours */
	bool owned;    /* what we take is noted as ours */
};

/* What a semaphore's word says. */
static inline uint64_t mms_units_value(uint64_t word)
{
	return word & MMS_UNITS_VALUE;
}

/* The slot + 1 of the owner who made the last change, or 0. */
static inline unsigned mms_units_owner(uint64_t word)
{
	return (unsigned)((word & MMS_UNITS_OWNER) >> MMS_UNITS_OWNER_SHIFT);
}

/* Does the word make sense?  Anybody who may write the file can write it. */
bool mms_units_are_plausible(const struct mms_units *units, uint64_t word);

/*
 * Take @count units at once: 0, -EAGAIN where there are not so many, -EBADMSG;
 * -EOVERFLOW where an owner would hold more than can be counted.
 */
int mms_units_take(const struct mms_units *units, uint64_t count);

/*
 * Give @count units: 0, -EOVERFLOW where the value would be more than its maximum,
 * -EBADMSG; -EPERM where an owner does not hold so many.
 */
int mms_units_give(const struct mms_units *units, uint64_t count);

/* What @slot holds, as far as can be seen; exact where its owner is dead. */
uint64_t mms_units_held(const struct mms_units *units, unsigned slot);

/* May @slot hold anything?  For those who look for the dead. */
bool mms_units_may_hold(const struct mms_units *units, unsigned slot);

/*
 * Give back all that @slot holds, and return how much that was.  For its owner
 * who leaves, and for whoever holds the byte of a dead one; what is more than the
 * maximum is dropped.
 */
uint64_t mms_units_settle(const struct mms_units *units, unsigned slot);

#endif
