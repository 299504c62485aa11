/* SPDX-License-Identifier: MIT */
/*
 * units.pml - units that move between a word and the rows of their owners
 *
 * lib/units.c, and of lib/peer.c who buries, who comes to a dead one's slot and who
 * leaves.  Owners have a slot each, newcomers those of the dead and of those who
 * left; others take and post in plain mode.  Each may die at every step, also while
 * he buries, comes or leaves, or be stopped there for ever: STOPS.
 *
 * Steps are in one order for all: the swap of the word is a full fence, and what
 * stands before it is seen with it.  The order of a load and another is exchanged by
 * mutants.  Who waits and is woken is in sem.pml.
 *
 * The word's version counts all changes, so that a word comes back in no run.  What
 * is compared of versions in rows is their remainder by ROUND: with a small one they
 * come round.  Who then stood still for a round or more between his look at the word
 * and his swap of a note does not go on (units.c: "left to chance").  A note's count
 * is a flag for each participant: "has changed since I loaded it".
 */
#ifndef OWNERS
#define OWNERS 2
#endif
#ifndef PLAINS
#define PLAINS 1
#endif
#ifndef COMERS
#define COMERS 0
#endif
#ifndef UNITS
#define UNITS 2 /* to begin with */
#endif
#ifndef MAXIMUM
#define MAXIMUM UNITS
#endif
#ifndef OPS
#define OPS 2 /* each takes, gives or buries so often */
#endif
#ifndef MOST
#define MOST 1 /* units at a time */
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef STOPS
#define STOPS 0
#endif
#ifndef ROUND
#define ROUND 255 /* never comes */
#endif

#define PEOPLE (OWNERS + PLAINS + COMERS)
#define SLOTS  OWNERS
#define NOBODY SLOTS /* in the place of a slot */
#define BIT    (1 << me)

#define same_version(a, b) ((a) % ROUND == (b) % ROUND)

/* The word. */
byte value = UNITS;
byte owner; /* slot + 1 */
byte version = 1;

/* The rows. */
typedef row {
	byte held;
	byte journal;         /* what held becomes ... */
	byte journal_version; /* ... with this change */
	byte note;            /* confirmed */
	byte note_changed
}
row rows[SLOTS];
byte byte_of[SLOTS]; /* participant + 1 */

byte crashes = CRASHES;
byte stops = STOPS;

/* Ghosts. */
byte holds[SLOTS];  /* what an owner has, as the word says */
byte whole = UNITS; /* and what was posted, not what was taken, in plain mode */
byte dropped;

#define MAYDIE                                                                 \
	if                                                                     \
	:: crashes > 0 -> crashes--; goto died                                 \
	:: stops > 0 -> stops--; goto stopped                                  \
	:: true                                                                \
	fi

inline check_units()
{
	sum = value;
	for (i : 0 .. SLOTS - 1) {
		sum = sum + holds[i]
	}
	assert(sum + dropped == whole && value <= MAXIMUM);
	sum = 0;
	i = 0
}

inline load_word()
{
	seen_value = value;
	seen_owner = owner;
	seen_version = version
}

#define unchanged                                                              \
	(value == seen_value && owner == seen_owner && version == seen_version)

#ifdef MUTANT_VERSION_NOT_RAISED
#define next_version seen_version
#else
#define next_version (seen_version + 1)
#endif

inline load_note(s)
{
	seen_note = rows[s].note;
	rows[s].note_changed = rows[s].note_changed & ~BIT
}

inline let_note_be(s)
{
	seen_note = 0;
	rows[s].note_changed = rows[s].note_changed | BIT
}

/* swapped: the note is what he wanted. */
inline swap_note(s, to)
{
	if
	:: !(rows[s].note_changed & BIT) ->
		rows[s].note = to;
		rows[s].note_changed = 255;
		swapped = true
	:: else
	fi;
	let_note_be(s)
}

/* [U5], [U2] */
inline confirm()
{
	do
	:: true ->
#ifdef MUTANT_WORD_FIRST
		atomic { same = unchanged; MAYDIE }
#endif
		atomic { load_note(seen_owner - 1); MAYDIE }
		if
		:: same_version(seen_note, seen_version) ->
			atomic { let_note_be(seen_owner - 1); break }
		:: else
		fi;
#if defined(MUTANT_NOT_LOOKED_AGAIN)
		same = true;
#elif !defined(MUTANT_WORD_FIRST)
		atomic { same = unchanged; MAYDIE }
#endif
		if
		:: !same -> atomic { let_note_be(seen_owner - 1); break }
		:: else -> same = false
		fi;
		atomic {
			if
			:: version - seen_version >= ROUND -> goto stopped
			:: else
			fi;
			swap_note(seen_owner - 1, seen_version);
			MAYDIE
		}
		if
		:: swapped -> swapped = false; break
		:: else
		fi
	od;
	same = false
}

/* [U6], once round. */
inline forget_note(s)
{
#if ROUND < 255 && !defined(MUTANT_NOTE_NOT_FORGOTTEN)
	atomic { load_note(s); MAYDIE }
	if
	:: same_version(seen_note, next_version) ->
#ifndef MUTANT_FORGOTTEN_BEFORE_JOURNAL
		/* Whether it counts as done or not, this is what he holds. */
		atomic {
			rows[s].journal = rows[s].held;
			rows[s].journal_version = 0;
			MAYDIE
		}
#endif
		atomic { swap_note(s, seen_version); MAYDIE }
		swapped = false
	:: else -> atomic { let_note_be(s) }
	fi;
#endif
	skip
}

inline write_journal(s, would_hold)
{
	atomic {
		rows[s].journal = would_hold;
		rows[s].journal_version = next_version;
		MAYDIE
	}
}

/* [U4], [U1].  done, or the word has changed. */
inline change_owned(s, to, would_hold)
{
#if !defined(MUTANT_NOT_NOTED) && !defined(MUTANT_OWNED_NOT_NOTED)
	if
	:: seen_owner && seen_owner != s + 1 -> confirm()
	:: else
	fi;
#endif
	forget_note(s);
#ifdef MUTANT_ROW_FIRST
	atomic { rows[s].held = would_hold; MAYDIE }
#endif
#ifndef MUTANT_JOURNAL_AFTER
	write_journal(s, would_hold);
#endif
	atomic {
		if
		:: unchanged ->
			dropped = dropped + lost;
			value = to;
			holds[s] = would_hold;
			owner = s + 1;
			version = next_version;
			check_units();
			done = true
		:: else
		fi;
		MAYDIE
	}
#ifdef MUTANT_JOURNAL_AFTER
	if
	:: done -> write_journal(s, would_hold)
	:: else
	fi;
#endif
	if
	:: done -> atomic { rows[s].held = would_hold; MAYDIE }
	:: else
	fi
}

inline change_plain(taken, given)
{
#if !defined(MUTANT_NOT_NOTED) && !defined(MUTANT_PLAIN_NOT_NOTED) &&          \
	!defined(MUTANT_NOTED_AFTER)
	if
	:: seen_owner -> confirm()
	:: else
	fi;
#endif
	atomic {
		if
		:: unchanged ->
			value = value - taken + given;
			whole = whole - taken + given;
#ifndef MUTANT_OWNER_STAYS
			owner = 0;
#endif
			version = next_version;
			check_units();
			done = true
		:: else
		fi;
		MAYDIE
	}
#ifdef MUTANT_NOTED_AFTER
	if
	:: done && seen_owner ->
		atomic {
			load_note(seen_owner - 1);
			swap_note(seen_owner - 1, seen_version);
			swapped = false;
			MAYDIE
		}
	:: else
	fi
#endif
	skip
}

/* One of the two is 0.  -EAGAIN and -EOVERFLOW end it as success does. */
inline move(taken, given)
{
	do
	:: atomic { load_word(); MAYDIE }
		if
		:: seen_value < taken || given > MAXIMUM - seen_value -> break
		:: else
		fi;
		if
		:: slot == NOBODY -> change_plain(taken, given)
		:: else ->
			/* held_by_us() */
			assert(rows[slot].held == holds[slot]);
			if
			:: rows[slot].held < given -> break
			:: else
			fi;
			change_owned(slot, seen_value - taken + given,
				     rows[slot].held + taken - given)
		fi;
		if
		:: done -> break
		:: else
		fi
	od;
	done = false;
	seen_value = 0; seen_owner = 0; seen_version = 0
}

/*
 * mms_units_settle(), for one who holds the byte of s: held and the journal are his,
 * and so each step has one look at what others write.  [U3]
 */
inline settle(s)
{
#ifdef MUTANT_NOTE_FIRST
	atomic { seen_note = rows[s].note; MAYDIE }
#endif
	atomic {
		if
#ifndef MUTANT_JOURNAL_IGNORED
		:: owner == s + 1 &&
		   same_version(version, rows[s].journal_version) ->
			held = rows[s].journal;
			found = true
#endif
		:: else -> held = rows[s].held
		fi;
		MAYDIE
	}
#ifndef MUTANT_NOTE_IGNORED
	if
	:: !found ->
		atomic {
			if
#ifdef MUTANT_NOTE_FIRST
			:: same_version(seen_note, rows[s].journal_version) ->
#else
			:: same_version(rows[s].note, rows[s].journal_version) ->
#endif
				held = rows[s].journal
			:: else
			fi;
			MAYDIE
		}
	:: else
	fi;
#endif
	found = false;
	seen_note = 0;
#ifndef MUTANT_ROW_NOT_SETTLED
	atomic { rows[s].held = held; MAYDIE }
#endif
	do
	:: held == 0 -> atomic { rows[s].journal = 0; MAYDIE; break }
	:: held > 0 ->
		atomic {
			load_word();
			assert(held == holds[s]);
#ifndef MUTANT_NOT_DROPPED
			/* what is more than the maximum is dropped */
			lost = (value + held > MAXIMUM ->
				value + held - MAXIMUM : 0);
#endif
			MAYDIE
		}
#ifdef MUTANT_SETTLED_BY_THE_ROW
		atomic { rows[s].journal = 0; rows[s].held = 0; MAYDIE }
		atomic {
			if
			:: unchanged ->
				value = value + held;
				owner = 0;
				version = next_version;
				holds[s] = 0;
				check_units();
				done = true
			:: else
			fi;
			MAYDIE
		}
#else
		change_owned(s, seen_value + held - lost, 0);
#endif
		if
		:: done -> held = 0; done = false; break
		:: else
		fi
	od;
	lost = 0;
	seen_value = 0; seen_owner = 0; seen_version = 0
}

/* mms_peer_bury_owners() */
inline bury()
{
	b = 0;
	do
	:: b < SLOTS ->
		if
		:: b == slot -> goto next
		:: else
		fi;
		if
		:: atomic { rows[b].held || rows[b].journal -> MAYDIE }
		:: atomic { !rows[b].held && !rows[b].journal ->
			MAYDIE;
			goto next
		}
		fi;
		if
		:: atomic { byte_of[b] -> MAYDIE; goto next }
		:: atomic { !byte_of[b] ->
#ifndef MUTANT_BURIES_WITHOUT_BYTE
			byte_of[b] = me + 1;
#endif
			MAYDIE
		}
		fi;
		settle(b);
		atomic {
			byte_of[b] = (byte_of[b] == me + 1 -> 0 : byte_of[b]);
			MAYDIE
		}
next:
		b++
	:: else -> break
	od;
	b = 0
}

inline reset()
{
	b = 0; held = 0; lost = 0; taken = 0; given = 0;
	seen_value = 0; seen_owner = 0; seen_version = 0; seen_note = 0;
	done = false; found = false; same = false; swapped = false;
	for (i : 0 .. SLOTS - 1) {
		rows[i].note_changed = rows[i].note_changed | BIT
	}
	i = 0
}

inline let_go()
{
	for (i : 0 .. SLOTS - 1) {
		byte_of[i] = (byte_of[i] == me + 1 -> 0 : byte_of[i])
	}
	i = 0
}

inline take_byte(s)
{
	atomic { !byte_of[s] -> byte_of[s] = me + 1; slot = s; MAYDIE }
}

proctype user(byte me)
{
	byte slot = (me < OWNERS -> me : NOBODY);
	byte ops, taken, given, held, lost, b, i, sum;
	byte seen_value, seen_owner, seen_version, seen_note;
	bool done, found, same, swapped;

	if
	:: me >= OWNERS + PLAINS ->
		/* find_slot(), mms_peer_enter() */
		if
		:: true -> goto end
		:: take_byte(0)
#if SLOTS > 1
		:: take_byte(1)
#endif
		fi;
#ifndef MUTANT_NOT_SETTLED
		settle(slot);
#endif
		assert(!holds[slot] && !rows[slot].held)
	:: else
	fi;
again:
	if
	:: ops == OPS -> goto end
	:: ops < OPS ->
		ops++;
		if
		:: taken = 1; move(taken, given)
		:: given = 1; move(taken, given)
#if MOST > 1
		:: taken = 2; move(taken, given)
		:: given = 2; move(taken, given)
#endif
		:: bury()
		:: slot != NOBODY -> goto leave
		fi;
		taken = 0;
		given = 0;
		goto again
	fi;
leave:	/* mms_peer_leave() */
#ifndef MUTANT_LEAVER_KEEPS
	settle(slot);
#endif
	atomic { assert(!holds[slot]); let_go(); reset(); goto end }
died:
	atomic { let_go(); reset(); goto end }
stopped:
	atomic { reset() }
end:
	skip
}

/*
 * When nothing moves any more, everybody has come to his end, whoever was stopped
 * where; and what the dead are found to hold is what they hold.
 */
active proctype audit()
{
	byte i;

	timeout ->
	assert(_nr_pr == 1);
	for (i : 0 .. SLOTS - 1) {
		if
		:: byte_of[i]
		:: !byte_of[i] && owner == i + 1 &&
		   same_version(version, rows[i].journal_version) ->
			assert(rows[i].journal == holds[i])
		:: else ->
			assert(holds[i] ==
			       (same_version(rows[i].note, rows[i].journal_version) ->
				       rows[i].journal : rows[i].held))
		fi
	}
}

init
{
	atomic {
		byte i;

		for (i : 0 .. SLOTS - 1) {
			byte_of[i] = i + 1;
			rows[i].note_changed = 255
		}
		for (i : 0 .. PEOPLE - 1) {
			run user(i)
		}
	}
}
