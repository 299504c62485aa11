/* SPDX-License-Identifier: MIT */
/*
 * both.pml - the ring and the waiting together: does it always go on?
 *
 * send_one() and recv_one() as they are: hold the end, look, wait for room or for
 * data without the lock, commit, unlock, wake who waits for the lock and who waits
 * for what was committed.  Senders and receivers go on for ever, so a state in which
 * everybody sleeps is an invalid end state, and a cycle in which no message moves
 * is one without progress.
 *
 * The ring counts records of one size.  No store is delayed (wait.pml does that).
 * Events and lock words have flags in the place of counts, as in wait.pml.
 *
 * There is no periodic re-check but where the protocol says that it needs one, and
 * there only for somebody beside what he waits for: where the owner of a lock has
 * died, and where a wake died with the waker or was spent on one who died (excused).
 *
 * The first of each role lives for ever.  Another one may die at any step, or with
 * STOPS be stopped for ever wherever he holds no end.
 */
#ifndef SENDERS
#define SENDERS 1
#endif
#ifndef RECEIVERS
#define RECEIVERS 1
#endif
#ifndef CAPACITY
#define CAPACITY 1
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#define PEOPLE (SENDERS + RECEIVERS)
#define BIT    (1 << me)
#define mortal (me != 0 && me != SENDERS)

/* An event of each, and a lock of the first two. */
#define SEND  0
#define RECV  1
#define DATA  2
#define SPACE 3

bool asked[4];
byte asked_changed[4];
byte turn_changed[4];
byte asleep[4];
bool excused[4];
byte owner[2]; /* slot + 1 */
byte changed[2];
byte records;
byte dead; /* bit p */
byte crashes = CRASHES;

/* STOPS: not dead but stopped, which nobody certifies, and never with an end held. */
#ifdef STOPS
#define may_go (crashes > 0 && mortal && owner[SEND] != me + 1 &&              \
		owner[RECV] != me + 1)
#else
#define may_go (crashes > 0 && mortal)
#endif

#define MAYDIE                                                                 \
	if                                                                     \
	:: may_go -> crashes--; goto died                                      \
	:: true                                                                \
	fi

#define owner_dead(end)                                                        \
	(owner[end] && dead & 1 << (owner[end] - 1))

inline mms_futex_wake(e, most)
{
	woken = 0;
	do
	:: asleep[e] & 1 && woken < most ->
		asleep[e] = asleep[e] & ~1; woken++
	:: asleep[e] & 2 && woken < most ->
		asleep[e] = asleep[e] & ~2; woken++
	:: asleep[e] & 4 && woken < most ->
		asleep[e] = asleep[e] & ~4; woken++
	:: asleep[e] & 8 && woken < most ->
		asleep[e] = asleep[e] & ~8; woken++
	:: woken == most || !asleep[e] -> break
	od
}

inline clear(e)
{
	if
	:: !(asked_changed[e] & BIT) ->
		asked[e] = false;
		asked_changed[e] = 15;
		assert(!asleep[e])
	:: else
	fi
}

/* owes: what to wake, or to look at, is lost with somebody who dies now. */
#define debt(e) (1 << (e))

inline mms_wake(e, most)
{
	atomic {
		saw = asked[e];
		if
		:: saw -> asked_changed[e] = asked_changed[e] & ~BIT
		:: else -> owes = owes & ~debt(e)
		fi;
		MAYDIE
	}
	if
	:: saw ->
		atomic { turn_changed[e] = 15; MAYDIE }
		atomic {
			mms_futex_wake(e, most);
			owes = owes & ~debt(e);
			MAYDIE
		}
		atomic {
			if
			:: woken < most -> clear(e)
			:: else
			fi;
			asked_changed[e] = asked_changed[e] | BIT;
			woken = 0;
			saw = false;
			MAYDIE
		}
	:: else
	fi
}

/*
 * excuse: what the re-check is for.  Where the model takes it, somebody who sleeps
 * beside what he waits for looks for himself.
 */
inline mms_wait_sleep(e, ready, excuse)
{
	atomic { turn_changed[e] = turn_changed[e] & ~BIT; MAYDIE }
#ifdef MUTANT_NOT_ANNOUNCED
	skip;
#else
	atomic { asked[e] = true; asked_changed[e] = 15; MAYDIE }
#endif
	atomic {
#ifdef MUTANT_NO_SECOND_LOOK
		looked = false;
#else
		looked = ((ready) -> true : false);
#endif
		MAYDIE
	}
	if
	:: looked -> looked = false
	:: else ->
		if
		:: atomic { turn_changed[e] & BIT -> skip }
		:: atomic { !(turn_changed[e] & BIT) ->
			asleep[e] = asleep[e] | BIT
		}
			if
			:: atomic { !(asleep[e] & BIT) ->
				owes = owes | debt(e);
				MAYDIE
			}
			:: atomic { asleep[e] & BIT && crashes > 0 && mortal ->
				crashes--;
				asleep[e] = asleep[e] & ~BIT;
				goto died
			}
			:: atomic { asleep[e] & BIT && (excuse) ->
				excused[e] = false;
				asleep[e] = asleep[e] & ~BIT
			}
			fi
		fi;
		atomic { turn_changed[e] = turn_changed[e] | BIT }
	fi
}

/* Taken, or taken over from one whose death is certified; repair is in ring.pml. */
inline mms_lock_take(end)
{
	do
	:: atomic { owner[end] == 0 || owner_dead(end) ->
		owner[end] = me + 1;
		changed[end] = 15;
		owes = owes & ~debt(end);
		MAYDIE;
		break
	}
	:: atomic { owner[end] != 0 && !owner_dead(end) ->
		changed[end] = changed[end] & ~BIT;
		owes = owes & ~debt(end);
		MAYDIE
	}
		mms_wait_sleep(end, changed[end] & BIT,
			owner_dead(end) || (excused[end] && !owner[end]));
		atomic { changed[end] = changed[end] | BIT }
	od
}

/* mms_give_end(), with both wakes behind one fence. */
inline mms_give_end(end)
{
	atomic {
		assert(owner[end] == me + 1);
		owner[end] = 0;
		changed[end] = 15;
		owes = owes | debt(end);
		MAYDIE
	}
#ifdef MUTANT_LOCK_NOT_WOKEN
	owes = owes & ~debt(end)
#else
	mms_wake(end, 1)
#endif
}

#define PRIVATE byte woken, owes; bool saw, looked

inline bury()
{
#ifndef STOPS
	dead = dead | BIT;
#endif
	for (woken : 0 .. 3) {
		excused[woken] = excused[woken] ||
			(owes & debt(woken))
	}
	woken = 0; owes = 0; saw = false; looked = false
}

#ifdef MUTANT_WAITS_WITH_LOCK
#define HELD true
#else
#define HELD false
#endif

proctype sender(byte me)
{
	PRIVATE;

again:
	if
	:: owner[SEND] != me + 1 -> mms_lock_take(SEND)
	:: else
	fi;
	if
	:: atomic { records < CAPACITY ->
		records++;
		owes = (owes & ~debt(SPACE)) | debt(DATA);
		MAYDIE
	}
progress_sent:
		mms_give_end(SEND);
#ifndef MUTANT_DATA_NOT_WOKEN
		mms_wake(DATA, 1)
#endif
	:: atomic { records == CAPACITY -> owes = owes & ~debt(SPACE); MAYDIE }
		if
		:: HELD
		:: else -> mms_give_end(SEND)
		fi;
		/* wait_for_room(): the lock is not held. */
		mms_wait_sleep(SPACE, records < CAPACITY,
			excused[SPACE] && records < CAPACITY)
	fi;
	goto again;
died:
	atomic { bury() }
}

proctype receiver(byte me)
{
	PRIVATE;

again:
	if
	:: atomic { records > 0 -> MAYDIE }
		mms_lock_take(RECV);
		if
		:: atomic { records > 0 ->
			records--;
			owes = (owes & ~debt(DATA)) | debt(SPACE);
			MAYDIE
		}
progress_received:
			mms_give_end(RECV);
			mms_wake(SPACE, PEOPLE)
		:: atomic { records == 0 -> owes = owes & ~debt(DATA) }
			/* somebody was faster: leave_message() */
			mms_give_end(RECV);
			mms_wake(DATA, 1);
			goto wait
		fi
	:: atomic { records == 0 -> owes = owes & ~debt(DATA); MAYDIE }
wait:
		mms_wait_sleep(DATA, records > 0,
			excused[DATA] && records > 0)
	fi;
	goto again;
died:
	atomic { bury() }
}

init
{
	atomic {
		byte i;
		for (i : 0 .. SENDERS - 1) {
			run sender(i)
		}
		for (i : SENDERS .. PEOPLE - 1) {
			run receiver(i)
		}
	}
}
