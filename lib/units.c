/* SPDX-License-Identifier: MIT */
/*
 * units.c - units that move between a word and the rows of their owners
 *
 * In plain mode a unit is a number in one word, and a change is one
 * compare-and-swap.  In owned mode it also stands in a row, and there are two
 * words that must agree, whoever dies where.  With the row written after the
 * word, a death in between loses the unit; with the row first, it doubles it:
 *
 *	owner in slot 3                 whoever buries him
 *	---------------                 ------------------
 *	units 5 -> 4
 *	dies
 *	                                row: holds 0; the unit is lost
 *
 * So the owner writes into a journal what his row will be, and as which version
 * of the word; and the word names who made its last change:
 *
 *	owner in slot 3                 whoever buries him
 *	---------------                 ------------------
 *	journal: 1 held, as version 8
 *	units 5|-|7 -> 4|3|8
 *	held = 1
 *
 * With the word at 4|3|8 the change has happened and the journal holds; with any
 * other word it has not ... unless somebody has changed the word since:
 *
 *	owner in slot 3                 another          whoever buries him
 *	---------------                 -------          ------------------
 *	journal: 1 held, as version 8
 *	units 5|-|7 -> 4|3|8
 *	dies
 *	                                4|3|8 -> 3|-|9
 *	                                                 reads 3|-|9: did it
 *	                                                 happen?
 *
 * Therefore nobody replaces a word that names an owner without noting its version
 * in that owner's row first (confirmed).  Who buries reads the word first and the
 * note then: a word that is replaced in between was noted before.
 *
 *	another                         whoever buries slot 3
 *	-------                         ---------------------
 *	reads 4|3|8                     reads the word: 4|3|8, happened; or
 *	notes 8 in row 3       [U2]     reads a later one       [U3]
 *	4|3|8 -> 3|-|9         [U1]     reads the note: 8, happened; or
 *	                                another number: not happened
 *
 * A note that comes late must not take the place of a newer one.  Its writer looks
 * at the old note, then at the word, and swaps the note only from what he saw: with
 * the word still the same, no newer note can have been due before he looked.  A
 * note counts its changes, so that its old value cannot come back.
 *
 * held and the journal are written by who holds the slot's byte only: the owner,
 * or after his certified death one at a time in his place.  Who buries resolves
 * the last change and then gives the units back as the owner himself would, by the
 * same journal, and may die at it like the owner.
 *
 * What is left to chance: a version has 29 bits.  Somebody who is stopped between
 * his look at the word and his swap, while exactly 2^29 changes or a multiple of it
 * are made and the value is the same again, swaps a word that is another one.  That
 * does harm only if that word's owner dies at the same moment, within the few
 * instructions between his swap and his row.
 *
 * Labels of this file: U1 with U3, U4; U2 with U3, U5; U3 with U4; U6 with itself.
 * The waker's fence is in sem.c.
 */
#include "units.h"

#include <errno.h>

#include "atomic.h"

static bool same_version(uint64_t a, uint64_t b)
{
	return !((a ^ b) & MMS_UNITS_VERSION);
}

/* The word after @word, with another value and the one who changed it. */
static uint64_t next_word(uint64_t word, uint64_t value, unsigned owner)
{
	return ((word & MMS_UNITS_VERSION) + MMS_UNITS_VERSION_STEP) |
	       (uint64_t)owner << MMS_UNITS_OWNER_SHIFT | value;
}

static uint64_t next_note(uint64_t note, uint64_t version)
{
	return ((note + 1) & ~MMS_UNITS_VERSION) |
	       (version & MMS_UNITS_VERSION);
}

bool mms_units_are_plausible(const struct mms_units *units, uint64_t word)
{
	return mms_units_value(word) <= units->maximum &&
	       mms_units_owner(word) <= units->slots;
}

/* Note for the owner of the last change that it happened; see above. */
static void confirm(const struct mms_units *units, uint64_t word)
{
	struct mms_row *row = &units->rows[mms_units_owner(word) - 1];
	uint64_t note;

	do {
		/* [U5] pairs with [U2]: the word is looked at after the note. */
		note = mms_load_acquire(&row->confirmed);
		if (same_version(note, word) ||
		    mms_load(&units->pool->units) != word)
			return;
		/* [U2] pairs with [U3], [U5]: noted before it is replaced. */
	} while (
		!mms_cas_release(&row->confirmed, note, next_note(note, word)));
}

/*
 * A note of an earlier round of versions that happens to be the one of the change
 * to come would say that it has happened.  What it is replaced by may be the version
 * of a change that was tried in vain, and the journal still says what that would
 * have made of the row; so the journal is made to agree with the row first.
 */
static void forget_note(struct mms_row *row, uint64_t next)
{
	uint64_t note = mms_load(&row->confirmed);

	if (!same_version(note, next))
		return;
	mms_store(&row->journal, mms_load(&row->held) & MMS_UNITS_VALUE);
	/* [U6] pairs with [U6]: nobody notes a version that is yet to come. */
	mms_cas_release(&row->confirmed, note,
			next_note(note, next - MMS_UNITS_VERSION_STEP));
}

/*
 * Replace the word by one with @value, as the owner in @slot, who then holds
 * @held.  False where it has changed meanwhile.
 */
static bool change_owned(const struct mms_units *units, unsigned slot,
			 uint64_t word, uint64_t value, uint64_t held)
{
	struct mms_row *row = &units->rows[slot];
	uint64_t next = next_word(word, value, slot + 1);

	if (mms_units_owner(word) && mms_units_owner(word) != slot + 1)
		confirm(units, word);
	forget_note(row, next);
	/* [U4] pairs with [U1], [U3]: held of the last change, the journal, the word. */
	mms_store_release(&row->journal, (next & MMS_UNITS_VERSION) | held);
	if (!mms_cas_full(&units->pool->units, word, next))
		return false;
	mms_store(&row->held, held);
	return true;
}

static bool change_plain(const struct mms_units *units, uint64_t word,
			 uint64_t value)
{
	if (mms_units_owner(word))
		confirm(units, word);
	/* [U1] pairs with [U3], [U4]: what a giver did, for who takes. */
	return mms_cas_full(&units->pool->units, word,
			    next_word(word, value, 0));
}

static uint64_t held_by_us(const struct mms_units *units)
{
	return mms_load(&units->rows[units->slot].held) & MMS_UNITS_VALUE;
}

/* 1 done, 0 the word has changed meanwhile, -errno. */
static inline int change(const struct mms_units *units, uint64_t word,
			 uint64_t taken, uint64_t given)
{
	uint64_t value = mms_units_value(word) - taken + given;
	uint64_t held;

	if (!units->owned)
		return change_plain(units, word, value);
	held = held_by_us(units);
	if (held < given)
		return -EPERM;
	held += taken - given;
	if (held > MMS_UNITS_VALUE)
		return -EOVERFLOW;
	return change_owned(units, units->slot, word, value, held);
}

/* One of the two is 0. */
static inline int move(const struct mms_units *units, uint64_t taken,
		       uint64_t given)
{
	uint64_t word;
	int done;

	do {
		word = mms_load(&units->pool->units);
		if (!mms_units_are_plausible(units, word))
			return -EBADMSG;
		if (mms_units_value(word) < taken)
			return -EAGAIN;
		if (given > units->maximum - mms_units_value(word))
			return -EOVERFLOW;
		done = change(units, word, taken, given);
	} while (!done);
	return done < 0 ? done : 0;
}

int mms_units_take(const struct mms_units *units, uint64_t count)
{
	return move(units, count, 0);
}

int mms_units_give(const struct mms_units *units, uint64_t count)
{
	return move(units, 0, count);
}

uint64_t mms_units_held(const struct mms_units *units, unsigned slot)
{
	const struct mms_row *row = &units->rows[slot];
	uint64_t held = mms_load(&row->held) & MMS_UNITS_VALUE;
	uint64_t journal = mms_load(&row->journal);
	/* [U3] pairs with [U1], [U2], [U4]: the word first, then the note of it. */
	uint64_t word = mms_load_acquire(&units->pool->units);

	if (mms_units_owner(word) == slot + 1 && same_version(word, journal))
		return journal & MMS_UNITS_VALUE;
	if (same_version(mms_load(&row->confirmed), journal))
		return journal & MMS_UNITS_VALUE;
	return held;
}

bool mms_units_may_hold(const struct mms_units *units, unsigned slot)
{
	const struct mms_row *row = &units->rows[slot];

	return (mms_load(&row->held) | mms_load(&row->journal)) &
	       MMS_UNITS_VALUE;
}

uint64_t mms_units_settle(const struct mms_units *units, unsigned slot)
{
	struct mms_row *row = &units->rows[slot];
	uint64_t held = mms_units_held(units, slot);
	uint64_t value;
	uint64_t word;

	mms_store(&row->held, held);
	do {
		word = mms_load(&units->pool->units);
		if (!mms_units_are_plausible(units, word))
			return 0;
		value = mms_units_value(word) + held;
		if (value > units->maximum)
			value = units->maximum;
	} while (held && !change_owned(units, slot, word, value, 0));
	if (!held)
		mms_store(&row->journal, 0);
	return held;
}
