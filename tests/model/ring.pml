/* SPDX-License-Identifier: MIT */
/*
 * ring.pml - records, the lock of each end, taking over from the dead
 *
 * lib/ring.c, lib/lock.c, inherit_ends() of lib/peer.c, and as much of send.c and
 * recv.c as joins them.  A cell is 8 bytes: a header or a word of payload.  Waiting
 * is a condition here; wait.pml is about waiting.
 *
 * A step is an atomic block.  It has at most one access that others can see while
 * its owner lives; words that belong to the owner of a lock are seen by others only
 * after his death, so they share a step, with a chance to die after each (MAYDIE).
 *
 * A lock word's count never comes back, so all that a compare-and-swap can learn
 * from it is whether the word has changed since it was loaded: one bit for each
 * participant (changed) that any store to the word sets.
 *
 * What nobody but the model knows is called ghost: the true end T, what has been
 * committed, who is inside.
 */
#ifndef SENDERS
#define SENDERS 2
#endif
#ifndef RECEIVERS
#define RECEIVERS 2
#endif
#ifndef SENDS
#define SENDS 1 /* calls of a sender */
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#define SLOTS (SENDERS + RECEIVERS)
#define N     4 /* cells of the ring */

/*
 * A header holds who sent the record, and which, and its size in cells, itself
 * included; zero is "nothing here yet".  Payload looks like the header of a record
 * of two cells, so that whoever walks into it is led astray.
 */
#define mms_record_header(id, size) ((id) << 2 | (size))
#define mms_record_size(header)     ((header) & 3)
#define ID(word)                    ((word) >> 2)
#define PAYLOAD(id)                 ((id) << 2 | 2)
#define at_cell(position)           cell[(position) % N]

typedef mms_end {
	byte owner;   /* slot + 1, or 0 */
	byte changed; /* bit p: the word is not what p loaded */
	byte at;
	byte count;
	byte next_at;
	byte next_count;
	byte zeroed;
};

mms_end send, recv;
byte cell[N];
bool byte_held[SLOTS];
byte crashes = CRASHES;

/* Ghosts. */
byte T;              /* the true end */
byte committed;      /* messages */
byte received;
byte sent_id[N];     /* what the record at this place is, once committed */
bool inside_send, inside_recv; /* somebody alive holds the lock */
byte was_empty;      /* bit p: nothing at some moment since p began to look */
byte finished;       /* senders that have sent all and live */
byte lost_receivers;

#define BIT (1 << me)
#define MAYDIE                                                                 \
	if                                                                     \
	:: crashes > 0 -> crashes--; goto died                                 \
	:: true                                                                \
	fi

/* The lock of an end. */

#define set_word(end, who) end.owner = who; end.changed = 255

inline enter(end, inside)
{
	assert(!inside);
	inside = true;
	set_word(end, me + 1)
}

/*
 * Certified death: the byte is free.  The word is loaded before and compared
 * after; a certificate for somebody who no longer holds the lock is worth nothing
 * because the word has changed.
 */
#ifdef MUTANT_STEAL_FROM_LIVING
#define certified(slot) true
#else
#define certified(slot) !byte_held[slot]
#endif

#ifdef MUTANT_NO_COUNT
#define unchanged(end) end.owner == seen
#else
#define unchanged(end) !(end.changed & BIT)
#endif

inline mms_lock_take(end, inside)
{
	do
	:: atomic { end.owner == 0 ->
		enter(end, inside);
		inherited = false;
		break
	}
	:: atomic { end.owner != 0 && end.owner != me + 1 &&
		    certified(end.owner - 1) ->
		seen = end.owner;
		end.changed = end.changed & ~BIT;
		MAYDIE
	}
	atomic {
		if
		:: unchanged(end) ->
			seen = 0;
			enter(end, inside);
			inherited = true;
			break
		:: else ->
			seen = 0
		fi
	}
	od
}

/* Our own word is compared too: being robbed would show here. */
inline mms_lock_give(end, inside)
{
	assert(end.owner == me + 1);
	inside = false;
	set_word(end, 0)
}

/* The sending end. */

inline mms_ring_walk()
{
	steps = 0;
	do
	:: at - head <= N - 1 && at_cell(at) != 0 ->
		at = at + mms_record_size(at_cell(at));
		steps++;
		assert(steps <= N)
	:: else ->
		break
	od
}

inline mms_ring_repair_send()
{
	atomic {
		head = recv.at;
		head_seen = head;
		MAYDIE
	}
	atomic {
		at = send.at;
#ifndef MUTANT_WALK_FROM_AT
		if
		:: head > at -> at = head
		:: else
		fi;
#endif
		mms_ring_walk();
		/* Not -EBADMSG, and the walk met true headers only. */
		assert(at - head <= N - 1 && at_cell(at) == 0);
		assert(at == T);
		steps = 0;
		head = 0;
		if
		:: at == send.next_at -> send.count = send.next_count
		:: else
		fi;
		MAYDIE;
#ifndef MUTANT_REPAIR_KEEPS_ZEROED
		send.zeroed = at + 1;
#endif
		MAYDIE;
#ifndef MUTANT_END_NOT_STORED
		send.at = at;
#endif
		MAYDIE
	}
}

#ifdef MUTANT_NO_ROOM_FOR_TERMINATOR
#define MOST N
#else
#define MOST (N - 1)
#endif

inline mms_ring_room(need)
{
	if
	:: at - head_seen > MOST || MOST - (at - head_seen) < need ->
		assert(at - recv.at <= MOST); /* else -EBADMSG */
		head_seen = recv.at
	:: else
	fi
}

/*
 * The true end, and whether there is room behind it.  Whoever finds a header where
 * none should be repairs first, take-over or not.
 */
inline mms_ring_reserve(need)
{
	if
	:: at_cell(send.at) != 0 -> mms_ring_repair_send()
	:: else
	fi;
	atomic {
		at = send.at;
		mms_ring_room(need);
		got = MOST - (at - head_seen) >= need;
		assert(!got || at == T);
		assert(send.count == committed);
		MAYDIE
	}
}

/* Zero ahead: two cells for records of one, one for others. */
inline terminate(end, size)
{
	atomic {
#ifndef MUTANT_NOT_ZEROED
		if
		:: send.zeroed >= end + 1 && send.zeroed - (end) <= N -> skip
		:: else ->
			stretch = (size == 1 -> 2 : 1);
#ifndef MUTANT_ZERO_TOO_FAR
			if
			:: stretch > head_seen + N - (end) ->
				stretch = head_seen + N - (end)
			:: else
			fi;
#endif
			at_cell(end) = 0;
			MAYDIE;
			if
			:: stretch == 2 -> at_cell(end + 1) = 0
			:: else
			fi;
			MAYDIE;
			send.zeroed = end + stretch;
			stretch = 0
		fi;
#endif
		MAYDIE
	}
}

/* What the commit makes true, for those who check. */
inline ghost_commit()
{
	sent_id[at % N] = id;
	if
	:: size[1] -> sent_id[(at + size[0]) % N] = id + 1
	:: else
	fi;
	T = at + size[0] + size[1];
	committed = committed + count
}

inline publish()
{
	atomic {
#ifndef MUTANT_JOURNAL_AFTER
		send.next_at = at + size[0] + size[1];
		MAYDIE;
		send.next_count = send.count + count;
		MAYDIE;
#endif
#ifdef MUTANT_AT_BEFORE_HEADER
		send.at = at + size[0] + size[1]
	}
	atomic {
#endif
		at_cell(at) = mms_record_header(id, size[0]);
		ghost_commit();
		MAYDIE;
#ifdef MUTANT_JOURNAL_AFTER
		send.next_at = at + size[0] + size[1];
		send.next_count = send.count + count;
		MAYDIE;
#endif
		send.count = send.count + count;
		MAYDIE
	}
	atomic {
		send.at = at + size[0] + size[1];
		MAYDIE
	}
}

/* Byte 8 on, whatever the record or run: payload and later headers. */
inline copy_in()
{
	atomic {
		if
		:: size[0] == 2 -> at_cell(at + 1) = PAYLOAD(id); MAYDIE
		:: else
		fi;
		if
		:: size[1] ->
			at_cell(at + size[0]) =
				mms_record_header(id + 1, size[1]);
			MAYDIE
		:: else
		fi;
		if
		:: size[1] == 2 ->
			at_cell(at + size[0] + 1) = PAYLOAD(id + 1);
			MAYDIE
		:: else
		fi;
		MAYDIE
	}
}

inline mms_ring_send_run()
{
#if defined(MUTANT_HEADER_FIRST)
	publish();
	copy_in();
	terminate(at + size[0] + size[1], size[0]);
#elif defined(MUTANT_ZERO_AFTER)
	copy_in();
	publish();
	terminate(at + size[0] + size[1], size[0]);
#else
	copy_in();
	terminate(at + size[0] + size[1], size[0]);
	publish();
#endif
}

/* Something to send: one record, or a run of two. */
inline choose()
{
	if
	:: size[0] = 1; size[1] = 0
	:: size[0] = 2; size[1] = 0
	:: size[0] = 1; size[1] = 2
#ifdef MORE_SHAPES
	:: size[0] = 2; size[1] = 1
#endif
	fi;
	id = 1 + 2 * (me * SENDS + calls)
}

/* The receiving end. */

/*
 * "Empty" as it is seen without the lock.  Every word that can make it true or
 * false is looked at in a step of its own.
 */
inline mms_ring_is_empty()
{
	atomic {
		was_empty = (recv.at == T -> was_empty | BIT : was_empty & ~BIT);
		head = recv.at
	}
	atomic {
		h = at_cell(head);
		MAYDIE
	}
	atomic {
#ifdef MUTANT_EMPTY_AT_ONE_LOOK
		nothing = h == 0;
#else
		nothing = h == 0 && recv.at == head;
#endif
		assert(!nothing || was_empty & BIT);
		head = 0;
		h = 0;
		MAYDIE
	}
}

/* How much there is, by at, or one record by its header; 0: nothing. */
inline look()
{
	atomic {
		head = recv.at;
		if
		:: true -> /* mms_ring_take() */
			bytes = (send.at > head -> send.at - head : 0)
		:: true -> /* mms_ring_peek() */
			bytes = 0
		fi;
		assert(bytes <= N);
		MAYDIE
	}
	atomic {
		if
		:: bytes == 0 -> bytes = mms_record_size(at_cell(head))
		:: else
		fi;
		MAYDIE
	}
}

/* In one piece, then checked in private memory, record by record. */
inline copy_out()
{
	atomic {
		count = 0;
		h = 0;
		do
		:: h < bytes ->
			assert(head + h < T);
			got = mms_record_size(at_cell(head + h));
			assert(got != 0);
			assert(ID(at_cell(head + h)) == sent_id[(head + h) % N]);
			assert(got == 1 || at_cell(head + h + 1) ==
				PAYLOAD(sent_id[(head + h) % N]));
			h = h + got;
			count++
		:: else ->
			break
		od;
		assert(h == bytes); /* no record is cut in two */
		h = 0;
		got = 0;
		MAYDIE
	}
}

inline mms_ring_release()
{
	atomic {
		recv.next_at = head + bytes;
		MAYDIE;
		recv.next_count = recv.count + count;
		MAYDIE;
		recv.at = head + bytes;
		received = received + count;
		was_empty = (recv.at == T -> 255 : was_empty);
		assert(recv.at <= T);
		MAYDIE;
		recv.count = recv.count + count;
		MAYDIE
	}
}

inline mms_ring_repair_recv()
{
	atomic {
#ifndef MUTANT_RECV_NOT_REPAIRED
		if
		:: recv.at == recv.next_at -> recv.count = recv.next_count
		:: else
		fi;
#endif
		MAYDIE
	}
}

/*
 * Attach: the byte first, then what the slot's last owner left.  Nobody else can
 * certify his death from here on.
 */
inline take_slot()
{
	atomic {
		!byte_held[me] ->
		byte_held[me] = true;
		head_seen = recv.at
	}
}

/* mms_lock_inherit(): only the word that names this slot. */
inline mms_lock_inherit(end, inside)
{
	atomic {
		inherited = false;
#ifndef MUTANT_NOT_SETTLED
		if
		:: end.owner == me + 1 ->
			end.changed = end.changed & ~BIT;
			seen = end.owner
		:: else
		fi;
#endif
		MAYDIE
	}
	atomic {
		if
		:: seen && unchanged(end) ->
			enter(end, inside);
			inherited = true
		:: else
		fi;
		seen = 0
	}
}

/* The dead: the kernel gives the byte back; nothing of the process goes on. */
inline bury()
{
	byte_held[me] = false;
	inside_send = inside_send && send.owner != me + 1;
	inside_recv = inside_recv && recv.owner != me + 1;
	send.changed = send.changed | BIT;
	recv.changed = recv.changed | BIT;
	at = 0; head = 0; head_seen = 0; h = 0; bytes = 0; count = 0;
	size[0] = 0; size[1] = 0; rest = 0; id = 0; steps = 0; stretch = 0;
	seen = 0; got = 0; inherited = false; nothing = false
}

#define PRIVATE                                                                \
	byte at, head, head_seen, h, bytes, count, size[2], rest, id, steps,   \
		stretch, seen, got, calls;                                     \
	bool inherited, nothing

inline mms_peer_enter()
{
	take_slot();
	mms_lock_inherit(send, inside_send);
	if
	:: inherited ->
		mms_ring_repair_send();
		atomic { mms_lock_give(send, inside_send) }
	:: else
	fi;
	mms_lock_inherit(recv, inside_recv);
	if
	:: inherited ->
		mms_ring_repair_recv();
		atomic { mms_lock_give(recv, inside_recv) }
	:: else
	fi
}

proctype sender(byte me)
{
	PRIVATE;

attach:
	mms_peer_enter();
next_call:
	atomic {
		if
		:: calls == SENDS -> finished++; goto end
		:: else
		fi;
		choose();
		calls++
	}
hold_room:
	mms_lock_take(send, inside_send);
#ifndef MUTANT_NOT_REPAIRED
	if
	:: inherited -> mms_ring_repair_send()
	:: else
	fi;
#endif
	mms_ring_reserve(size[0]);
	if
	:: !got ->
		atomic { mms_lock_give(send, inside_send); MAYDIE }
		if
		:: atomic { N - 1 - (send.at - recv.at) >= size[0] ->
			goto hold_room
		}
		:: goto next_call /* time-out: whoever stole has given up */
		fi
	:: else
	fi;
	atomic {
		mms_ring_room(size[0] + size[1]);
		if
		:: MOST - (at - head_seen) < size[0] + size[1] ->
			rest = size[1];
			size[1] = 0
		:: else
		fi;
		count = (size[1] -> 2 : 1);
		MAYDIE
	}
	mms_ring_send_run();
	atomic {
		mms_lock_give(send, inside_send);
		at = 0;
		count = 0;
		got = 0;
		inherited = false;
		size[0] = rest;
		size[1] = 0;
		rest = 0;
		MAYDIE
	}
	if
	:: size[0] -> id++; goto hold_room
	:: else -> id = 0; goto next_call
	fi;
died:
	atomic {
		bury();
		if
		:: goto attach
		:: finished++
		fi
	}
end:
	skip
}

proctype receiver(byte me)
{
	PRIVATE;

attach:
	mms_peer_enter();
hold_data:
#ifdef GLANCE
	mms_ring_is_empty();
	if
	:: nothing -> goto hold_data
	:: else
	fi;
#else
end_wait:
	at_cell(recv.at) != 0;
#endif
	mms_lock_take(recv, inside_recv);
	if
	:: inherited -> mms_ring_repair_recv()
	:: else
	fi;
	look();
	if
	:: bytes ->
		copy_out();
		mms_ring_release()
	:: else
	fi;
	atomic {
		mms_lock_give(recv, inside_recv);
		head = 0;
		bytes = 0;
		count = 0;
		inherited = false;
		MAYDIE
	}
	goto hold_data;
died:
	atomic {
		bury();
		if
		:: goto attach
		:: lost_receivers++
		fi
	}
}

/* When nothing moves any more. */
active proctype audit()
{
	timeout ->
	assert(lost_receivers == RECEIVERS || recv.at == T);
	assert(lost_receivers == RECEIVERS || finished == SENDERS);
	assert(send.owner || send.count == committed);
	assert(recv.owner || recv.count == received);
	assert(lost_receivers == RECEIVERS || received == committed)
}

/* A ring that has been once around: full of what looks like headers. */
init
{
	atomic {
		T = N;
		send.at = N;
		send.next_at = N;
		send.zeroed = N + 1;
		recv.at = N;
		recv.next_at = N;
		cell[1] = 2;
		cell[2] = 2;
		cell[3] = 1;
		byte i;
		for (i : 0 .. SENDERS - 1) {
			run sender(i)
		}
		for (i : 0 .. RECEIVERS - 1) {
			run receiver(SENDERS + i)
		}
	}
}
