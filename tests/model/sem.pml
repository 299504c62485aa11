/* SPDX-License-Identifier: MIT */
/*
 * sem.pml - who waits for units, and who has to be woken
 *
 * lib/sem.c, and of lib/peer.c whom a giver wakes, the first owner, and who looks for
 * dead ones.  WAITERS take in plain mode what POSTERS post; OWNERS come while others
 * may be asleep, take, and give back or die.  NEEDS_n is how many units participant n
 * waits for, 1 unless set.  A change of the units is one step, and so is giving back
 * for the dead, as units.pml says.  The event is that of wait.pml, and as there
 * stores are delayed, that of the units too: on some machines a load behind a
 * compare-and-swap does not wait until others see what it has stored.
 *
 * There is no periodic re-check but for what only time can tell, that an owner has
 * died: whoever sees that there are owners wakes to look where one is dead.  With
 * FOREVER all who have units give them back and begin again, and there is one, too,
 * for who sleeps beside a unit whose wake died with somebody.
 *
 * Counts are flags, as in wait.pml: "not what p has loaded".
 */
#ifndef WAITERS
#define WAITERS 2
#endif
#ifndef OWNERS
#define OWNERS 0
#endif
#ifndef POSTERS
#define POSTERS 1
#endif
#ifndef UNITS
#define UNITS 0 /* to begin with */
#endif
#ifndef ROUNDS
#define ROUNDS 1 /* posts, or takes */
#endif
#ifndef MOST
#define MOST 1 /* units a post */
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef SIGNALS
#define SIGNALS 0 /* sleeps that end by a deadline or a signal */
#endif
#ifndef NEEDS_0
#define NEEDS_0 1
#endif
#ifndef NEEDS_1
#define NEEDS_1 1
#endif
#ifndef NEEDS_2
#define NEEDS_2 1
#endif

#define TAKERS    (WAITERS + OWNERS)
#define PEOPLE    (TAKERS + POSTERS)
#define EVERYBODY 15
#define BIT       (1 << me)

#define needs(p) ((p) == 0 -> NEEDS_0 : ((p) == 1 -> NEEDS_1 : NEEDS_2))

/* The pool. */
byte value = UNITS;
bool owners;
bool wide;

/* The event. */
bool asked_bit;
byte asked_changed;
byte turn_changed;
byte asleep; /* bit p: p is in the kernel's queue */

/* Store buffers. */
byte late_units[PEOPLE];
bool late_asked[PEOPLE];
bool late_owners[PEOPLE];
bool late_wide[PEOPLE];

byte owed_by_dead; /* units */
byte crashes = CRASHES;
byte signals = SIGNALS;

/* Ghosts. */
byte woken_for;     /* bit p: one of so many, and has not looked yet */
byte excused;       /* units whose wake died with somebody */
bool comer_excused; /* an owner died before he had told that he is there */

#define mortal (me != 0)

#ifdef FOREVER
#define may_die (crashes > 0 && mortal)
#else
#define may_die (crashes > 0)
#endif

#define MAYDIE                                                                 \
	if                                                                     \
	:: may_die -> crashes--; goto died                                     \
	:: true                                                                \
	fi

/* A buffered store becomes visible. */
inline drain(p)
{
	if
	:: late_units[p] -> value = value + late_units[p]; late_units[p] = 0
	:: late_asked[p] ->
		asked_bit = true;
		asked_changed = 255;
		late_asked[p] = false
	:: late_owners[p] -> owners = true; late_owners[p] = false
	:: late_wide[p] -> wide = true; late_wide[p] = false
	fi
}

#define is_late(p)                                                             \
	(late_units[p] || late_asked[p] || late_owners[p] || late_wide[p])

proctype memory(byte p)
{
end:
	do
	:: atomic { is_late(p) -> drain(p) }
	od
}

inline mms_fence()
{
	!is_late(me)
}

/* FUTEX_WAKE, in whatever order. */
inline wake_sleeper(p)
{
	asleep = asleep & ~(1 << p);
	woken++;
	if
	:: most < EVERYBODY -> woken_for = woken_for | 1 << p
	:: else
	fi
}

inline mms_futex_wake()
{
	woken = 0;
	do
	:: asleep & 1 && woken < most -> wake_sleeper(0)
	:: asleep & 2 && woken < most -> wake_sleeper(1)
	:: asleep & 4 && woken < most -> wake_sleeper(2)
	:: woken == most || !asleep -> break
	od
}

/* Up to most; saw: there may have been somebody. */
inline mms_wake()
{
	atomic {
		saw = asked_bit;
		if
		:: saw -> asked_changed = asked_changed & ~BIT
		:: else -> owed = 0
		fi;
		MAYDIE
	}
	if
	:: saw ->
		atomic { turn_changed = 255; MAYDIE }
		atomic { mms_futex_wake(); MAYDIE }
		atomic {
			if
			:: woken < most && !(asked_changed & BIT) ->
				asked_bit = false;
				asked_changed = 255;
				assert(!asleep)
			:: else
			fi;
			asked_changed = asked_changed | BIT;
			woken = 0;
			MAYDIE
		}
	:: else
	fi
}

/* [F7]; owed: for the audit, units that nobody has been woken for. */
inline mms_peer_wake_units(count)
{
#ifndef MUTANT_NO_FENCE_IN_GIVER
	mms_fence();
#endif
	atomic { saw = asked_bit; MAYDIE }
	if
	:: saw ->
#ifdef MUTANT_WIDE_NOT_LOOKED_AT
		most = count;
#else
		atomic { most = (wide -> EVERYBODY : count); MAYDIE }
#endif
#ifdef MUTANT_WAKES_ONE
		most = 1;
#endif
		if
		:: most < EVERYBODY ->
			mms_wake();
#if !defined(MUTANT_WIDE_NOT_LOOKED_AT_AGAIN) &&                               \
	!defined(MUTANT_WIDE_NOT_LOOKED_AT)
			atomic { most = (wide -> EVERYBODY : 0); MAYDIE }
#endif
		:: else
		fi;
		if
		:: most == EVERYBODY -> mms_wake()
		:: else
		fi
	:: else
	fi;
	atomic { most = 0; saw = false; owed = 0 }
}

inline give(count)
{
#ifdef MUTANT_WOKEN_BEFORE
	owed = count;
	mms_peer_wake_units(owed);
#endif
	atomic {
		late_units[me] = late_units[me] + count;
		has = 0;
		owed = count;
		MAYDIE
	}
#if !defined(MUTANT_WOKEN_BEFORE) && !defined(MUTANT_NOBODY_WOKEN)
	mms_peer_wake_units(owed)
#endif
}

/* [F8] */
inline become_owner()
{
	atomic { first = !owners; MAYDIE }
	atomic { late_owners[me] = true; comes = true; MAYDIE }
#ifndef MUTANT_NO_FENCE_IN_COMER
	mms_fence();
#endif
#ifndef MUTANT_COMER_WAKES_NOBODY
	if
	:: first -> most = EVERYBODY; mms_wake()
	:: else
	fi;
#endif
	atomic { first = false; most = 0; saw = false; comes = false }
}

/* mms_peer_bury_owners(): true if there was any. */
inline bury()
{
	atomic {
		late_units[me] = late_units[me] + owed_by_dead;
		owed = owed_by_dead;
		owed_by_dead = 0;
		MAYDIE
	}
#ifndef MUTANT_BURIAL_WAKES_NOBODY
	if
	:: owed -> mms_peer_wake_units(owed)
	:: else
	fi;
#endif
	owed = 0
}

/* units_are_there() */
#ifdef MUTANT_NO_SECOND_LOOK
#define units_are_there (false)
#elif defined(MUTANT_OWNERS_NOT_LOOKED_AT)
#define units_are_there (value >= need)
#else
#define units_are_there (value >= need || (!sees_owners && owners))
#endif

inline say_wide()
{
	if
	:: need > 1 -> atomic { late_wide[me] = true; MAYDIE }
	:: else
	fi
}

/* sleep_on(), mms_wait_sleep() */
inline sleep_on()
{
#if !defined(MUTANT_WIDE_NOT_SAID) && !defined(MUTANT_WIDE_SAID_LATE)
	say_wide();
#endif
	atomic { turn_changed = turn_changed & ~BIT; MAYDIE }
	atomic { late_asked[me] = true; MAYDIE }
#ifndef MUTANT_NO_FENCE_IN_WAITER
	mms_fence();
#endif
	atomic { looked = units_are_there; MAYDIE }
#ifdef MUTANT_WIDE_SAID_LATE
	say_wide();
#endif
	if
	:: looked -> looked = false
	:: else ->
		if
		:: atomic { turn_changed & BIT -> skip } /* EAGAIN */
		:: atomic { !(turn_changed & BIT) -> asleep = asleep | BIT }
end_asleep:
			if
			:: atomic { !(asleep & BIT) -> MAYDIE }
			:: atomic { asleep & BIT && may_die ->
				crashes--;
				asleep = asleep & ~BIT;
				goto died
			}
			:: atomic { asleep & BIT && signals > 0 ->
				signals--;
				asleep = asleep & ~BIT;
				waited = true
			}
			/* woken, and at the same moment a signal comes */
			:: atomic { !(asleep & BIT) && signals > 0 ->
				signals--;
				waited = true
			}
			/* period() */
			:: atomic { asleep & BIT && sees_owners && owed_by_dead ->
				asleep = asleep & ~BIT;
				due = true
			}
#ifdef FOREVER
			:: atomic { asleep & BIT && excused && value >= need ->
				asleep = asleep & ~BIT
			}
#endif
			fi
		fi
	fi;
	turn_changed = turn_changed | BIT
}

#define PRIVATE                                                                \
	byte woken, most, owed, has;                                           \
	bool saw, looked, waited, sees_owners, due, first, comes

/* What was stored is stored; the buffer drains without him. */
inline die()
{
	excused = excused + owed + (woken_for & BIT -> 1 : 0);
	woken_for = woken_for & ~BIT;
	comer_excused = comer_excused || comes;
	owed_by_dead = owed_by_dead + has;
	woken = 0; most = 0; owed = 0; has = 0;
	saw = 0; looked = 0; waited = 0; sees_owners = 0; due = 0;
	first = 0; comes = 0;
	asked_changed = asked_changed | BIT;
	turn_changed = turn_changed | BIT
}

/* mmsock_sem_wait(), again and again */
proctype taker(byte me; bool owned)
{
	PRIVATE;
	byte rounds;
	byte need = needs(me);

	if
	:: owned -> become_owner()
	:: else
	fi;
again:
#ifndef FOREVER
	if
	:: rounds == ROUNDS -> goto end
	:: else -> rounds++
	fi;
#endif
try:
	atomic {
		woken_for = woken_for & ~BIT;
		if
		:: value >= need ->
			value = value - need;
			has = (owned -> need : 0);
			waited = false;
			due = false;
			MAYDIE;
			goto got
		:: value < need && waited -> goto end
		:: value < need && !waited -> MAYDIE
		fi
	}
	/* wait_for_units() */
	atomic { sees_owners = owners; MAYDIE }
	if
	:: sees_owners && owed_by_dead -> bury(); due = false; goto try
	:: !(sees_owners && owed_by_dead && due)
	fi;
	due = false;
	sleep_on();
	sees_owners = false;
#ifdef MUTANT_NO_LAST_TRY
	if
	:: waited -> goto end
	:: else
	fi;
#endif
	goto try;
got:
#ifdef FOREVER
progress:
	give(need);
#else
	if
	:: owned -> give(need)
	:: else
	fi;
#endif
	goto again;
died:
	atomic { die() }
end:
	skip
}

proctype poster(byte me)
{
	PRIVATE;
	byte rounds;
	byte need;

	do
	:: rounds == ROUNDS -> break
	:: rounds < ROUNDS ->
		rounds++;
		if
		:: need = 1
#if MOST > 1
		:: need = MOST
#endif
		fi;
		give(need)
	od;
	goto end;
died:
	atomic { die() }
end:
	skip
}

/*
 * When nothing moves any more nobody sleeps beside his units, nor beside those of a
 * dead owner.
 */
active proctype audit()
{
	byte p;

	timeout ->
	assert(asked_bit || !asleep);
	assert(!asleep || !owed_by_dead || comer_excused);
	for (p : 0 .. TAKERS - 1) {
		assert(!(asleep & 1 << p) || value < needs(p) + excused)
	}
#ifdef FOREVER
	assert(false)
#endif
}

init
{
	atomic {
		byte i;

		asked_changed = 255;
		turn_changed = 255;
		for (i : 0 .. PEOPLE - 1) {
			run memory(i)
		}
		for (i : 0 .. TAKERS - 1) {
			run taker(i, i >= WAITERS)
		}
		for (i : TAKERS .. PEOPLE - 1) {
			run poster(i)
		}
	}
}
