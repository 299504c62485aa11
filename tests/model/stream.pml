/* SPDX-License-Identifier: MIT */
/*
 * stream.pml - the end of a stream: who looks for what first, and who is told
 *
 * over(), wait_for_data() and data_is_there() of lib/recv.c, mms_peer_enter() and
 * mms_peer_leave() of lib/peer.c, and the event of lib/wait.c, without runs and
 * without any lock.  Senders attach, send, leave; they may die at every step.
 *
 * The store with which a leaver clears his row is delayed, as stores in wait.pml are.
 * senders_left is raised behind it by an addition with release (P5), and senders_joined
 * behind the row of who comes (P7): the two RELAXED mutants have the order that a
 * machine other than x86 may show without.
 *
 * There is no re-check but CERTIFY_NS, and that only for a receiver who saw a sender
 * when he went to sleep: he looks again, and asks the kernel, where somebody died.
 *
 * LATE lets receivers come before senders.
 */
#ifndef SENDERS
#define SENDERS 2
#endif
#ifndef RECEIVERS
#define RECEIVERS 2
#endif
#ifndef SENDS
#define SENDS 1
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#define PEOPLE (SENDERS + RECEIVERS)
#define BIT    (1 << me)

bool role[SENDERS];
bool alive[SENDERS]; /* the byte is held */
byte left;           /* senders_left */
byte joined;         /* senders_joined */
byte messages;
bool asked;
byte asked_changed, turn_changed, asleep;
bool late_role[SENDERS];
byte crashes = CRASHES;

/* Ghosts. */
byte parting;    /* senders that have begun to leave, or died */
byte gone;       /* senders that have ended, one way or the other */
byte ended;      /* receivers that were told the end */
byte deaths;
byte came;       /* senders that have joined, or died before */
byte excused;

#define MAYDIE                                                                 \
	if                                                                     \
	:: crashes > 0 -> crashes--; goto died                                 \
	:: true                                                                \
	fi

proctype memory(byte p)
{
end:
	do
	:: atomic { late_role[p] ->
		late_role[p] = false;
		role[p] = false
	}
	od
}

inline mms_futex_wake(most)
{
	woken = 0;
	do
	:: asleep & 1 && woken < most -> asleep = asleep & ~1; woken++
	:: asleep & 2 && woken < most -> asleep = asleep & ~2; woken++
	:: asleep & 4 && woken < most -> asleep = asleep & ~4; woken++
	:: asleep & 8 && woken < most -> asleep = asleep & ~8; woken++
	:: woken == most || !asleep -> break
	od
}

inline mms_wake(most)
{
	atomic {
		saw = asked;
		asked_changed = asked_changed & ~BIT;
		owed = owed && saw;
		MAYDIE
	}
	if
	:: saw ->
		atomic { turn_changed = 255; MAYDIE }
		atomic { mms_futex_wake(most); owed = false; MAYDIE }
		atomic {
			if
			:: woken < most && !(asked_changed & BIT) ->
				asked = false;
				asked_changed = 255
			:: else
			fi;
			MAYDIE
		}
	:: else
	fi;
	saw = false;
	woken = 0
}

proctype sender(byte me)
{
	byte sends, woken, i;
	bool saw, others, owed, counted;

	/* mms_peer_enter(); F3 */
	atomic { alive[me] = true; MAYDIE }
#ifndef MUTANT_RELAXED_JOINED
	atomic { role[me] = true; MAYDIE }
#endif
	atomic { joined++; came++; counted = true; owed = true; MAYDIE }
#ifdef MUTANT_RELAXED_JOINED
	atomic { role[me] = true; MAYDIE }
#endif
#ifndef MUTANT_COMER_WAKES_NOBODY
	/* Whoever waits for messages learns that there is somebody to ask about. */
	mms_wake(PEOPLE);
#endif
	atomic { owed = false; MAYDIE }
	do
	:: sends < SENDS ->
		sends++;
		atomic { messages++; owed = true; MAYDIE }
		mms_wake(1)
	:: break
	od;
	/* mms_peer_leave() */
	atomic { late_role[me] = true; parting++; owed = true; MAYDIE }
#if !defined(MUTANT_RELAXED_LEFT) && !defined(MUTANT_NO_FENCE_IN_LEAVER)
	!late_role[me];
#endif
	atomic { left++; MAYDIE }
#ifndef MUTANT_NO_FENCE_IN_LEAVER
	!late_role[me]; /* F4 */
#endif
	/* mms_peer_count(): there is one other row at most */
	atomic {
		others = false;
		for (i : 0 .. SENDERS - 1) {
			others = others || (i != me && role[i])
		}
		i = 0;
		MAYDIE
	}
#ifndef MUTANT_LEAVER_WAKES_NOBODY
	if
	:: !others ->
#ifdef MUTANT_LEAVER_WAKES_ONE
		mms_wake(1)
#else
		mms_wake(PEOPLE)
#endif
	:: else
	fi;
#endif
	atomic { alive[me] = false; gone++ }
	goto end;
died:	/* what was stored is seen before the kernel certifies the death */
	!late_role[me];
	atomic {
		alive[me] = false;
		parting++;
		gone++;
		deaths++;
		came = came + (counted -> 0 : 1);
		excused = excused + owed;
		sends = 0; woken = 0; i = 0;
		saw = false; others = false; owed = false
	}
end:
	skip
}

proctype receiver(byte me)
{
	byte seen_left, seen_joined, senders, i;
	bool seen_sender, looked;

again:
	atomic {
		if
		:: messages -> messages--; seen_sender = true; goto again
		:: else
		fi
	}
#ifdef MUTANT_MESSAGES_FIRST
	looked = (messages == 0);
#endif
	/* over(): count_senders(), with certification; P4; messages */
	seen_left = left;
	seen_joined = joined;
	senders = 0;
	i = 0;
	do
	:: i < SENDERS ->
		atomic {
			senders = senders + (role[i] && alive[i]);
			i++
		}
	:: else -> i = 0; break
	od;
#ifdef MUTANT_JOINED_READ_LATE
	seen_joined = joined;
#endif
	seen_sender = seen_sender || senders || seen_joined;
#ifdef MUTANT_MESSAGES_FIRST
	if
	:: !senders && seen_sender && looked -> goto over
	:: else -> looked = false
	fi;
#else
	if
	:: atomic { !senders && seen_sender && messages == 0 -> goto over }
	:: atomic { !(!senders && seen_sender && messages == 0) -> skip }
	fi;
#endif
	/* mms_wait_sleep(): turn, announce, fence, data_is_there() */
	atomic { turn_changed = turn_changed & ~BIT }
	atomic { asked = true; asked_changed = 255 }
	atomic {
#ifdef MUTANT_LEFT_NOT_LOOKED_AT
		looked = messages > 0;
#else
		looked = messages > 0 || left != seen_left;
#endif
#ifndef MUTANT_JOINED_NOT_LOOKED_AT
		looked = looked || joined != seen_joined;
#endif
#ifndef MUTANT_END_NOT_LOOKED_AT
		looked = looked || (!senders && seen_sender);
#endif
		skip
	}
	if
	:: looked -> looked = false
	:: else ->
		if
		:: atomic { turn_changed & BIT -> skip }
		:: atomic { !(turn_changed & BIT) -> asleep = asleep | BIT }
end_asleep:
			if
			:: !(asleep & BIT)
			:: atomic { asleep & BIT && senders && deaths ->
				/* CERTIFY_NS: who was seen may have died */
				asleep = asleep & ~BIT
			}
			:: atomic { asleep & BIT && excused && messages ->
				/* MMS_RECHECK_ANY_NS, for a wake that died */
				excused--;
				asleep = asleep & ~BIT
			}
			fi
		fi
	fi;
	goto again;
over:
	/* Nobody is told the end while all who came are there. */
	assert(parting);
	ended++
}

/* When nothing moves any more. */
active proctype audit()
{
	timeout ->
	/* Nobody sleeps once the last sender is gone, if there ever was one. */
	assert(!asleep || gone < SENDERS || !joined || excused);
	/* Nobody was told the end beside a message. */
#ifndef LATE
	assert(ended < RECEIVERS || messages == 0)
#endif
}

init
{
	byte i;

	atomic {
		for (i : 0 .. SENDERS - 1) {
			run memory(i);
			run sender(i)
		}
		i = 0
	}
#ifndef LATE
	/* All who send are attached, or dead, before anybody receives. */
	came == SENDERS;
#endif
	atomic {
		for (i : SENDERS .. PEOPLE - 1) {
			run receiver(i)
		}
	}
}
