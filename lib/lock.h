/* SPDX-License-Identifier: MIT */
/*
 * lock.h - the lock of an end: take, give back, take over from the dead
 */
#ifndef MMS_LOCK_H
#define MMS_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "atomic.h"
#include "layout.h"
#include "wait.h"

/* Who takes locks, and how he finds out about others. */
struct mms_locker {
	const struct mms_waiter *waiter;
	struct mms_budget *budget;
	unsigned slot;
	unsigned slots;
	/* 1 if the kernel certifies that the slot's owner is dead, 0, -errno */
	int (*certify)(void *context, unsigned slot);
	void *context;
};

/* How a lock was got. */
enum mms_lock_result {
	MMS_LOCK_TAKEN = 0,
	MMS_LOCK_INHERITED =
		1 /* from a dead owner: repair before anything else */
};

static inline bool mms_lock_is_free(uint64_t word)
{
	return !(word & MMS_LOCK_OWNER);
}

/* Slot of the owner of a lock that is not free. */
static inline unsigned mms_lock_owner(uint64_t word)
{
	return (unsigned)(word & MMS_LOCK_OWNER) - 1;
}

static inline uint64_t mms_lock_next(uint64_t word, unsigned slot)
{
	return ((word & ~MMS_LOCK_OWNER) + MMS_LOCK_STEP) | (slot + 1);
}

/* Take a free lock; *ret_word is what mms_lock_give() wants back. */
static inline bool mms_lock_try(struct mms_lock *lock, unsigned slot,
				uint64_t *ret_word)
{
	uint64_t word = mms_load(&lock->word);

	if (!mms_lock_is_free(word))
		return false;
	*ret_word = mms_lock_next(word, slot);
	/* [L1] pairs with [L2]: all that the last owner wrote at this end. */
	return mms_cas_acquire(&lock->word, word, *ret_word);
}

/*
 * Give a lock back.  False if it was no longer ours, which only a stranger who
 * scribbles over the port can bring about.  The caller wakes lock->event after
 * its next mms_fence().
 */
static inline bool mms_lock_give(struct mms_lock *lock, uint64_t word)
{
	/* [L2] pairs with [L1], [L3], [L4], [W3]: our writes, then the lock. */
	return mms_cas_release(&lock->word, word, word & ~MMS_LOCK_OWNER);
}

/*
 * Take a lock, wait for it, or take it over from a dead owner.  MMS_LOCK_*,
 * -ETIMEDOUT, -EINTR, or -EBADMSG for an owner that cannot be.  *ret_owner is
 * set to the slot that holds the lock when the time is up.
 */
int mms_lock_take(struct mms_lock *lock, const struct mms_locker *locker,
		  unsigned object, int64_t deadline_ns, uint64_t *ret_word,
		  unsigned *ret_owner);

/*
 * Take the lock if exactly @slot owns it.  For the newcomer who holds that
 * slot's byte, and thereby knows that the owner is gone.
 */
bool mms_lock_inherit(struct mms_lock *lock, unsigned slot, uint64_t *ret_word);

#endif
