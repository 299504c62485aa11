/* SPDX-License-Identifier: MIT */
/*
 * wait.pml - announce, fence, look again, sleep; raise turn, wake, clear
 *
 * lib/wait.c, and what send.c, recv.c, lock.c and mmsock.c say of whom to wake.
 * One event at a time: DATA (receivers wait for messages), SPACE (senders of
 * different needs wait for room) or LOCK (somebody waits for an end).  There is no
 * periodic re-check here: who is not woken sleeps for ever.
 *
 * Stores are delayed.  What a participant stores goes to a buffer of his own and
 * becomes visible to the others at any later time, at the latest when he fences;
 * he himself goes on and loads meanwhile.  That is what x86 does, and as the
 * announcement too may be late, also what weaker machines do with a
 * compare-and-swap and a load behind it.
 *
 * Counts that never come back are flags, "not what p has loaded": asked_changed
 * for the count of announcements, turn_changed for the futex word, word_changed for
 * the lock.
 *
 * Being stopped for ever is the same as dying here, but for a sleeper: see below.
 */
#if !defined(DATA) && !defined(SPACE) && !defined(LOCK)
#define DATA
#endif
#ifndef WAITERS
#define WAITERS 2
#endif
#ifndef WAKERS
#define WAKERS 2
#endif
#ifndef ROUNDS
#define ROUNDS 2 /* commits of a waker, or takes of a lock */
#endif
#ifndef CRASHES
#define CRASHES 1
#endif

#ifndef SIGNALS
#define SIGNALS 1 /* sleeps that end by a deadline or a signal */
#endif

#define PEOPLE (WAITERS + WAKERS)
#define BIT    (1 << me)
#define EVERYBODY PEOPLE

/* The event. */
bool asked_bit;
byte asked_changed;
byte turn_changed;
byte asleep; /* bit p: p is in the kernel's queue */

/* What is waited for. */
#ifdef DATA
byte messages;
#endif
#ifdef SPACE
byte room;
byte queued; /* what can still be received */
#endif
#ifdef LOCK
byte owner; /* slot + 1 */
byte word_changed;
#endif

/* Store buffers: a commit (or an unlock) and an announcement. */
byte late_commit[PEOPLE];
bool late_asked[PEOPLE];

byte crashes = CRASHES;
byte signals = SIGNALS;

/* Ghosts. */
byte excused;      /* wakes that died with their waker or on a dead sleeper */
bool holder_died;
byte needs[PEOPLE];

#define MAYDIE                                                                 \
	if                                                                     \
	:: crashes > 0 -> crashes--; goto died                                 \
	:: true                                                                \
	fi

/* A buffered store becomes visible. */
inline drain(p)
{
	if
	:: late_commit[p] ->
#ifdef DATA
		messages = messages + late_commit[p];
#endif
#ifdef SPACE
		room = room + late_commit[p];
#endif
#ifdef LOCK
		assert(owner == p + 1);
		owner = 0;
		word_changed = 255;
#endif
		late_commit[p] = 0
	:: late_asked[p] ->
		asked_bit = true;
		asked_changed = 255;
		late_asked[p] = false
	fi
}

proctype memory(byte p)
{
end:
	do
	:: atomic { late_commit[p] || late_asked[p] -> drain(p) }
	od
}

/* Until the buffer is empty.  memory sees to it. */
inline mms_fence()
{
	!late_commit[me] && !late_asked[me]
}

inline announce()
{
	late_asked[me] = true
}

/*
 * FUTEX_WAKE: any of those in the queue, one by one.  (The kernel keeps an order,
 * which nobody may rely on.)
 */
inline mms_futex_wake(most)
{
	woken = 0;
	do
	:: asleep & 1 && woken < most -> asleep = asleep & ~1; woken++
	:: asleep & 2 && woken < most -> asleep = asleep & ~2; woken++
	:: asleep & 4 && woken < most -> asleep = asleep & ~4; woken++
	:: asleep & 8 && woken < most -> asleep = asleep & ~8; woken++
	:: asleep & 16 && woken < most -> asleep = asleep & ~16; woken++
	:: woken == most || !asleep -> break
	od
}

inline clear()
{
#ifdef MUTANT_NO_COUNT
	asked_bit = false;
#else
	if
	:: !(asked_changed & BIT) ->
		asked_bit = false;
		asked_changed = 255;
		assert(!asleep)
	:: else
	fi;
#endif
	skip
}

/* owed: a wake that has not been given yet, for the audit. */
inline mms_wake(most)
{
	atomic {
		saw = asked_bit;
		asked_changed = asked_changed & ~BIT;
		if
		:: !saw -> owed = 0
		:: else
		fi;
		MAYDIE
	}
	if
	:: saw ->
#ifdef MUTANT_CLEAR_FIRST
		atomic { clear(); MAYDIE }
#endif
#ifndef MUTANT_TURN_NOT_RAISED
		atomic { turn_changed = 255; MAYDIE }
#endif
		atomic {
			mms_futex_wake(most);
			owed = 0;
			MAYDIE
		}
#ifndef MUTANT_CLEAR_FIRST
		atomic {
			if
#ifdef MUTANT_CLEAR_ALWAYS
			:: true -> clear()
#else
			:: woken < most -> clear()
#endif
			:: else
			fi;
			woken = 0;
			MAYDIE
		}
#endif
		saw = false
	:: else
	fi
}

/* Commit (or unlock), fence, wake.  See mms_give_end(). */
inline commit_and_wake(amount, most)
{
	atomic {
		late_commit[me] = late_commit[me] + amount;
		owed = most;
		MAYDIE
	}
#ifndef MUTANT_NO_FENCE_IN_WAKER
	mms_fence();
#endif
	mms_wake(most)
}

/*
 * mms_wait_sleep(): with(ready) the predicate.  slept: woken by somebody, so that
 * what he woke us for is our business until we have looked.  A sleep may also end
 * by a deadline or a signal (waited).  A sleeper who is stopped leaves the queue
 * and is refused by turn when he goes on, as one who was never there: the kernel
 * restarts the call; so he is like one whom a signal wakes, or one who dies.
 */
inline mms_wait_sleep(ready)
{
#ifndef MUTANT_TURN_READ_LATE
	atomic { turn_changed = turn_changed & ~BIT; MAYDIE }
#endif
	atomic { announce(); MAYDIE }
#ifndef MUTANT_NO_FENCE_IN_WAITER
	mms_fence();
#endif
	atomic {
#ifdef MUTANT_NO_SECOND_LOOK
		looked = false;
#else
		looked = ((ready) -> true : false);
#endif
		MAYDIE
	}
#ifdef MUTANT_TURN_READ_LATE
	atomic { turn_changed = turn_changed & ~BIT; MAYDIE }
#endif
	if
	:: looked -> looked = false
	:: else ->
		if
		:: atomic { turn_changed & BIT -> skip } /* EAGAIN */
		:: atomic { !(turn_changed & BIT) ->
			asleep = asleep | BIT
		}
end_asleep:
			if
			:: atomic { !(asleep & BIT) ->
				token = true;
				MAYDIE
			}
			:: atomic { asleep & BIT && crashes > 0 ->
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
				token = true;
				waited = true
			}
			fi
		fi
	fi
}

#define PRIVATE byte woken, owed; bool saw, looked, token, waited

inline bury()
{
	/* What was stored is stored; the buffer drains without him. */
	excused = excused + (token -> 1 : 0) + owed;
	woken = 0; owed = 0; saw = 0; looked = 0; token = 0; waited = 0
}

#ifdef DATA
/* mmsock_send() and mmsock_run_send(): as many to wake as there are records. */
proctype waker(byte me)
{
	PRIVATE;
	byte rounds;

	do
	:: rounds < ROUNDS ->
		rounds++;
		if
		:: commit_and_wake(1, 1)
#ifdef RUNS
		:: commit_and_wake(2, 2)
#endif
		fi
	:: else -> break
	od;
	goto end;
died:
	atomic { bury() }
end:
	skip
}

/*
 * get_message().  Whoever finds a message takes it, or all, or leaves it for a
 * reason of his own (no fit, a signal while he waits for the end) and passes the
 * wake on; and may then never come back.
 */
proctype waiter(byte me)
{
	PRIVATE;

again:
	atomic {
		if
		:: messages ->
			token = false;
			if
			:: messages--; goto again
			:: messages--; goto end
#ifdef RUNS
			:: messages = 0; goto again
#endif
#ifdef LEAVERS
			:: goto leave
#endif
			fi
		:: else ->
			token = false;
			if
			:: waited -> goto end
			:: else
			fi
		fi
	}
	mms_wait_sleep(messages);
#ifdef MUTANT_NO_LAST_TRY
	if
	:: waited -> goto end
	:: else
	fi;
#endif
	goto again;
leave:	/* leave_message(), pass_on() */
#ifndef MUTANT_NOT_PASSED_ON
	atomic { owed = 1; MAYDIE }
	mms_fence();
	mms_wake(1);
#endif
	goto end;
died:
	atomic { bury() }
end:
	skip
}
#endif

#ifdef SPACE
#ifdef MUTANT_WAKE_ONE
#define HOW_MANY 1
#else
#define HOW_MANY EVERYBODY
#endif

/* finish(): a receiver frees a cell, or two at once. */
proctype waker(byte me)
{
	PRIVATE;

	do
	:: atomic { queued >= 1 -> queued-- }
		commit_and_wake(1, HOW_MANY)
	:: atomic { queued >= 2 -> queued = queued - 2 }
		commit_and_wake(2, HOW_MANY)
	:: queued == 0 -> break
	od;
	goto end;
died:
	atomic { bury(); owed = 0 }
end:
	skip
}

/* get_room() */
proctype waiter(byte me)
{
	PRIVATE;
	byte need = needs[me];

again:
	atomic {
		token = false;
		if
		:: room >= need -> room = room - need; goto end
		:: room < need && waited -> goto end
		:: room < need && !waited
		fi
	}
	mms_wait_sleep(room >= need);
#ifdef MUTANT_NO_LAST_TRY
	if
	:: waited -> goto end
	:: else
	fi;
#endif
	goto again;
died:
	atomic { bury() }
end:
	skip
}
#endif

#ifdef LOCK
/* mms_hold_end() ... mms_give_end(), several times */
proctype waiter(byte me)
{
	PRIVATE;
	byte rounds;

again:
	if
	:: rounds == ROUNDS -> goto end
	:: else
	fi;
	atomic {
		token = false;
		if
		:: owner == 0 ->
			owner = me + 1;
			word_changed = 255;
			waited = false;
			MAYDIE
		:: owner != 0 && waited -> goto end
		:: owner != 0 && !waited ->
			word_changed = word_changed & ~BIT;
			MAYDIE;
			goto sleep
		fi
	}
	rounds++;
	commit_and_wake(1, 1);
	goto again;
sleep:
	mms_wait_sleep(word_changed & BIT);
#ifdef MUTANT_NO_LAST_TRY
	if
	:: waited -> goto end
	:: else
	fi;
#endif
	goto again;
died:
	atomic {
		bury();
		holder_died = holder_died ||
			(owner == me + 1 && !late_commit[me])
	}
end:
	skip
}
#endif

/* When nothing moves any more, nobody sleeps beside what he waits for. */
active proctype audit()
{
	timeout ->
	assert(asked_bit || !asleep);
#ifdef DATA
	assert(!asleep || messages <= excused);
#endif
#ifdef SPACE
	byte p;
	for (p : 0 .. WAITERS - 1) {
		assert(!(asleep & 1 << p) || room < needs[p] || excused)
	}
#endif
#ifdef LOCK
	assert(!asleep || excused || holder_died)
#endif
}

init
{
	atomic {
		byte i;
#ifdef SPACE
		needs[0] = 3;
		needs[1] = 1;
#if WAITERS > 2
		needs[2] = 2;
#endif
		queued = 4;
#endif
		for (i : 0 .. PEOPLE - 1) {
			run memory(i)
		}
		for (i : 0 .. WAITERS - 1) {
			run waiter(i)
		}
#ifndef LOCK
		for (i : WAITERS .. PEOPLE - 1) {
			run waker(i)
		}
#endif
	}
}
