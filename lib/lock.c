/* SPDX-License-Identifier: MIT */
/*
 * lock.c - waiting for the lock of an end, and outliving its owner
 *
 * The word names its owner, so that somebody who waits can ask the kernel about
 * exactly that participant: his byte lock on the port file is free if and only
 * if nothing can touch the mapping in his name any more (peer.c).  Nothing is
 * ever taken because time has passed: a stopped process keeps what it holds.
 *
 * Two thieves, and a newcomer in the dead one's slot:
 *
 *	thief A                 thief B                 newcomer in slot 3
 *	-------                 -------                 ------------------
 *	reads 7|3               reads 7|3
 *	certifies 3: dead       certifies 3: dead       takes byte 3
 *	CAS 7|3 -> 8|A  wins    CAS 7|3 -> 8|B  fails   CAS 7|3 -> 8|3  fails
 *
 * One compare-and-swap of the very word that was certified decides, and the
 * count that rises with every take makes sure that the word cannot have come
 * back in between.  A newcomer settles what his slot's last owner left behind
 * before his row is written; until then the word with his slot in it means the
 * dead one, and his byte is held, so nobody else could certify it any more.
 *
 * What a thief inherits is described where it is repaired, in ring.c.
 *
 * Labels of this file: L3, L4, and L1 of lock.h, with L2 of lock.h.
 */
#include "lock.h"

#include <errno.h>

struct sight {
	const struct mms_lock *lock;
	uint64_t word;
};

static bool word_changed(void *context)
{
	const struct sight *sight = context;

	return mms_load(&sight->lock->word) != sight->word;
}

bool mms_lock_inherit(struct mms_lock *lock, unsigned slot, uint64_t *ret_word)
{
	uint64_t word = mms_load(&lock->word);

	if (mms_lock_is_free(word) || mms_lock_owner(word) != slot)
		return false;
	*ret_word = mms_lock_next(word, slot);
	/* [L4] pairs with [L2]: what was written under earlier owners. */
	return mms_cas_acquire(&lock->word, word, *ret_word);
}

/* 1 stolen, 0 the owner lives or another thief was faster, -errno. */
static int steal_from_dead(struct mms_lock *lock,
			   const struct mms_locker *locker, uint64_t word,
			   uint64_t *ret_word)
{
	unsigned owner = mms_lock_owner(word);
	int r;

	/* Nobody certifies himself: the kernel calls one's own byte free. */
	if (owner >= locker->slots || owner == locker->slot)
		return -EBADMSG;
	r = locker->certify(locker->context, owner);
	if (r <= 0)
		return r;
	*ret_word = mms_lock_next(word, locker->slot);
	/*
	 * [L3] pairs with [L2]: what was written under earlier owners.  What
	 * the dead one wrote is visible because the kernel, who told us of his
	 * end, ran after him.
	 */
	return mms_cas_acquire(&lock->word, word, *ret_word);
}

/*
 * The owner of watch->idle has the lock.  Spin, steal if he is dead, or sleep:
 * 1 stolen, 0 look again, or -errno, after which one more look is due.
 */
static int outwait(struct mms_lock *lock, const struct mms_locker *locker,
		   const struct mms_watch *watch, int64_t deadline_ns,
		   uint64_t *ret_word)
{
	int r;

	if (mms_wait_spin(locker->waiter, locker->budget, watch, deadline_ns))
		return mms_wait_changed(deadline_ns);
	r = steal_from_dead(lock, locker, watch->idle, ret_word);
	if (r)
		return r;
	r = mms_wait_sleep(locker->waiter, locker->budget, watch, deadline_ns);
	return r < 0 ? r : 0;
}

int mms_lock_take(struct mms_lock *lock, const struct mms_locker *locker,
		  unsigned object, int64_t deadline_ns, uint64_t *ret_word,
		  unsigned *ret_owner)
{
	struct sight sight = {.lock = lock};
	struct mms_watch watch = {
		.word = &lock->word,
		.event = &lock->event,
		.ready = word_changed,
		.context = &sight,
		.recheck_ns = MMS_RECHECK_NAMED_NS,
		.object = object,
	};
	int r = 0;

	for (;;) {
		if (mms_lock_try(lock, locker->slot, ret_word))
			return MMS_LOCK_TAKEN;
		sight.word = watch.idle = mms_load(&lock->word);
		if (mms_lock_is_free(sight.word))
			continue;
		*ret_owner = mms_lock_owner(sight.word);
		if (r < 0)
			return r;
		r = outwait(lock, locker, &watch, deadline_ns, ret_word);
		if (r > 0)
			return MMS_LOCK_INHERITED;
	}
}
