/* SPDX-License-Identifier: MIT */
/*
 * rpc.pml - a service: who has a request, and what its caller is told
 *
 * lib/lane.c, caller.c (gather, fate, waiting), call.c, serve.c, service.c, and of
 * peer.c who comes and goes.  Clients have a slot each, come again when they have died
 * or left, and call one after the other; servers share SLOTS slots, so that newcomers
 * come to those of the dead.  Each may die at every step, the others may leave.
 *
 * Rings and locks are what ring.pml, slots.pml and wait.pml say that they are: a
 * commit is one step, an end is taken where it is free or its owner certified, and
 * who looks again after he has announced and before he sleeps misses no wake.  The
 * re-check happens only behind the death of a server, of which nobody is told.
 *
 * WINDOW numbers have a bit each, in the code 64.  The order of a store and a later
 * load is exchanged by mutants.
 */
#ifndef CLIENTS
#define CLIENTS 1
#endif
#ifndef SERVERS
#define SERVERS 2
#endif
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef CALLS
#define CALLS 2
#endif
#ifndef WINDOW
#define WINDOW 1
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef LEAVES
#define LEAVES 1
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 1
#endif
#define REQUESTS (CLIENTS * CALLS)

#define BIT(number)         (1 << ((number) % WINDOW))
#define NOTE(client, number) ((number) * CLIENTS + (client) + 1)
#define REFUSED             64
#define TAKEN               128

/* The ring. */
byte ring_client[REQUESTS], ring_number[REQUESTS];
byte head, tail;
byte recv_owner; /* slot + 1 */

/* Of each client. */
bool client_byte[CLIENTS];
byte floor[CLIENTS];
byte withdrawn[CLIENTS];
byte doubted[CLIENTS];
byte lane_owner[CLIENTS];
byte lane_head[CLIENTS], lane_tail[CLIENTS];
bool asleep[CLIENTS];
bool told[CLIENTS]; /* servers has changed since he read it */

typedef lane {
	byte number[REQUESTS];
	byte at[REQUESTS] /* ghost: the request that it answers */
}
lane lanes[CLIENTS];

/* Of each server's slot. */
byte server_byte[SLOTS];
bool server_role[SLOTS];
byte note[SLOTS];

byte crashes = CRASHES;
byte leaves = LEAVES;
byte timeouts = TIMEOUTS;

/* Ghosts: what has become of a request, and what was said of it. */
mtype = { WAITING, IN_HANDS, ANSWERED, DROPPED, LOST };
mtype fate_of[REQUESTS] = WAITING;
bool executed[REQUESTS], refused[REQUESTS];
bool excused[CLIENTS]; /* a server has died: the re-check may be needed */
byte done;

#define MAYDIE                                                                 \
	if                                                                     \
	:: crashes > 0 -> crashes--; goto died                                 \
	:: true                                                                \
	fi

inline refuse()
{
	assert(!executed[at]);
	refused[at] = true
}

/* Client. */

inline mms_lane_begin()
{
	if
	:: next - lowest >= WINDOW -> lowest = next
	:: else
	fi;
#ifdef MUTANT_BIT_BEFORE_FLOOR
	atomic { withdrawn[me] = withdrawn[me] & ~BIT(next); MAYDIE }
	atomic { floor[me] = lowest; MAYDIE }
#else
	atomic { floor[me] = lowest; MAYDIE }
	atomic { withdrawn[me] = withdrawn[me] & ~BIT(next); MAYDIE }
#endif
}

/* mms_service_inherit(), of a client */
inline come()
{
	atomic {
		assert(!client_byte[me]);
		client_byte[me] = true;
		MAYDIE
	}
	atomic {
#ifdef MUTANT_FLOOR_NOT_RAISED
		next = floor[me];
#else
		next = floor[me] + WINDOW;
#endif
		floor[me] = next;
		lowest = next;
		MAYDIE
	}
	atomic { withdrawn[me] = 0; MAYDIE }
	atomic { doubted[me] = 0; MAYDIE }
	do
	:: atomic { lane_head[me] < lane_tail[me] -> lane_head[me]++; MAYDIE }
	:: atomic { lane_head[me] == lane_tail[me] -> break }
	od
}

/* The reply to this call: found.  Others are dropped. */
inline gather()
{
	found = false;
	do
	:: atomic { lane_head[me] == lane_tail[me] -> break }
	:: atomic { lane_head[me] < lane_tail[me] ->
		if
		:: lanes[me].number[lane_head[me]] == number ->
			assert(lanes[me].at[lane_head[me]] == at);
			assert(executed[at]);
			found = true
		:: else
		fi;
		lane_head[me]++;
		MAYDIE
	}
		if
		:: found -> break
		:: else
		fi
	od
}

#define is_taken (head > at)

inline mms_is_served()
{
	s = 0;
	served = false;
	do
	:: s < SLOTS && !served ->
		atomic { yes = server_role[s]; MAYDIE }
		if
		:: yes -> atomic { served = (server_byte[s] != 0); MAYDIE }
		:: else
		fi;
		s++
	:: else -> break
	od;
	yes = false;
	s = 0
}

inline is_on_a_living_desk()
{
	s = 0;
	living = false;
	do
	:: s < SLOTS && !living ->
		atomic { yes = (note[s] == NOTE(me, number)); MAYDIE }
		if
#ifdef MUTANT_DEAD_DESKS_COUNT
		:: yes -> living = true
#else
		:: yes -> atomic { living = (server_byte[s] != 0); MAYDIE }
#endif
		:: else
		fi;
		s++
	:: else -> break
	od;
	yes = false;
	s = 0
}

/* over: nobody will ever take it */
inline is_withdrawn()
{
	over = false;
#ifdef MUTANT_WITHDRAWN_AND_BACK
	atomic { withdrawn[me] = withdrawn[me] | BIT(number); MAYDIE }
	atomic { over = !is_taken; MAYDIE }
	if
	:: over
	:: else -> atomic { withdrawn[me] = withdrawn[me] & ~BIT(number); MAYDIE }
	fi
#else
#ifdef MUTANT_NO_FENCE_IN_DOUBT
	atomic { over = !is_taken; MAYDIE }
	atomic { doubted[me] = number; MAYDIE }
#else
	atomic { doubted[me] = number; MAYDIE }
	atomic { over = !is_taken; MAYDIE }
#endif
	if
	:: over ->
		/* mms_lane_refuse() */
		atomic {
			over = (doubted[me] == number);
#ifdef MUTANT_NO_SWAP
			over = true;
#endif
			if
			:: over -> doubted[me] = number | REFUSED
			:: else
			fi;
			MAYDIE
		}
#ifndef MUTANT_DOUBT_ENDS_FIRST
		if
		:: over ->
			atomic {
				withdrawn[me] = withdrawn[me] | BIT(number);
				MAYDIE
			}
		:: else
		fi;
#endif
	:: else
	fi;
	atomic { doubted[me] = 0; MAYDIE }
#ifdef MUTANT_DOUBT_ENDS_FIRST
	if
	:: over ->
		atomic { withdrawn[me] = withdrawn[me] | BIT(number); MAYDIE }
	:: else
	fi
#endif
#endif
}

/* mms_call_give_up() */
inline give_up()
{
#ifdef MUTANT_NO_FENCE_IN_WITHDRAW
	atomic { over = !is_taken; MAYDIE }
	atomic { withdrawn[me] = withdrawn[me] | BIT(number); MAYDIE }
#else
	atomic { withdrawn[me] = withdrawn[me] | BIT(number); MAYDIE }
	atomic { over = !is_taken; MAYDIE }
#endif
}

proctype client(byte me)
{
	byte next, lowest, number, at, s, made;
	bool found, served, living, over, yes;

again:
	come();
call:
	if
	:: made == CALLS -> goto leave
	:: atomic { leaves > 0 -> leaves--; goto leave }
	:: made < CALLS -> made++
	fi;
	mms_lane_begin();
	/* mms_check_served() saves calls, and decides nothing */
	atomic {
		ring_client[tail] = me;
		ring_number[tail] = next;
		number = next;
		next++;
		at = tail;
		tail++;
		MAYDIE
	}
look:
	gather();
	if
	:: found -> goto call
	:: else
	fi;
	/* wait_for_reply() */
#ifndef MUTANT_COUNT_READ_LATE
	atomic { told[me] = false; excused[me] = false; MAYDIE }
#endif
	/* fate() */
	atomic { yes = is_taken; MAYDIE }
	if
	:: !yes ->
		mms_is_served();
		if
		:: served -> goto sleep
		:: else
		fi;
		is_withdrawn();
		if
		:: over -> atomic { refuse(); goto call }
		:: else
		fi
	:: else -> yes = false
	fi;
	is_on_a_living_desk();
	if
	:: living -> goto sleep
	:: else
	fi;
#ifndef MUTANT_NO_SECOND_LOOK
	atomic { yes = (lane_head[me] == lane_tail[me]); MAYDIE }
	if
	:: !yes -> goto look
	:: else -> yes = false
	fi;
#endif
	/* -EOWNERDEAD */
	atomic { assert(fate_of[at] == LOST); goto call }
sleep:
	yes = false;
	if
	:: atomic { timeouts > 0 -> timeouts-- }
		give_up();
		atomic {
			if
			:: over -> refuse()
			:: else
			fi;
			goto call
		}
	:: atomic { leaves > 0 -> leaves--; goto leave }
	:: true
	fi;
#ifdef MUTANT_COUNT_READ_LATE
	atomic { told[me] = false; excused[me] = false; MAYDIE }
#endif
	/* reply_is_there() */
	atomic {
		if
		:: lane_head[me] < lane_tail[me] -> goto look
#ifndef MUTANT_COUNT_NOT_LOOKED_AT
		:: told[me] -> goto look
#endif
		:: else -> asleep[me] = true
		fi;
		MAYDIE
	}
	atomic {
		!asleep[me] || excused[me] -> asleep[me] = false;
		MAYDIE
	}
	goto look;

leave:	/* mms_lane_close() */
	atomic { floor[me] = next; MAYDIE }
	atomic {
		client_byte[me] = false;
		if
		:: made < CALLS -> goto again
		:: else -> goto end
		fi
	}
died:
	atomic {
		client_byte[me] = false;
		asleep[me] = false;
		next = 0; lowest = 0; number = 0; at = 0; s = 0;
		found = false; served = false; living = false;
		over = false; yes = false;
		if
		:: made < CALLS -> goto again
		:: goto end
		fi
	}
end:
	done++
}

/* Server. */

/* mms_lane_wants(), with the withdrawn bits as they are now */
inline mms_lane_wants()
{
#ifdef MUTANT_FLOOR_FIRST
	atomic {
		wants = (number >= floor[c] && number - floor[c] < WINDOW);
		MAYDIE
	}
	atomic { wants = wants && !(withdrawn[c] & BIT(number)); MAYDIE }
#else
	atomic { wants = !(withdrawn[c] & BIT(number)); MAYDIE }
	atomic {
		wants = wants && number >= floor[c] &&
			number - floor[c] < WINDOW;
		MAYDIE
	}
#endif
}

inline mms_lane_claim()
{
	atomic { doubt = doubted[c]; MAYDIE }
	if
	:: doubt == number ->
		atomic {
			if
			:: doubted[c] == number -> doubted[c] = number | TAKEN
			:: else -> doubt = doubted[c]
			fi;
			MAYDIE
		}
	:: else
	fi;
	mms_lane_wants();
	wants = wants && doubt != (number | REFUSED);
	doubt = 0
}

/* E1: a count, and then who sleeps */
inline mms_service_tell_clients()
{
	atomic {
		for (i : 0 .. CLIENTS - 1) {
			told[i] = true
		}
		i = 0;
		MAYDIE
	}
	do
	:: i < CLIENTS -> atomic { asleep[i] = false; i++; MAYDIE }
	:: else -> break
	od;
	i = 0
}

inline inherit()
{
	atomic {
		if
		:: recv_owner == slot + 1 -> recv_owner = 0
		:: else
		fi;
		MAYDIE
	}
#ifndef MUTANT_LANES_NOT_SETTLED
	do
	:: i < CLIENTS ->
		atomic {
			if
			:: lane_owner[i] == slot + 1 -> lane_owner[i] = 0
			:: else
			fi;
			i++;
			MAYDIE
		}
	:: else -> break
	od;
	i = 0;
#endif
#ifndef MUTANT_DESK_NOT_CLEARED
	atomic { note[slot] = 0; MAYDIE }
#endif
}

inline mms_peer_enter()
{
	inherit();
	/* bury(), write_row() */
	atomic { server_role[slot] = false; MAYDIE }
	atomic {
		assert(server_byte[slot] == me + 1 && recv_owner != slot + 1);
		for (i : 0 .. CLIENTS - 1) {
			assert(lane_owner[i] != slot + 1)
		}
		i = 0;
		assert(!note[slot]);
		server_role[slot] = true;
		MAYDIE
	}
#ifndef MUTANT_COMER_TELLS_NOBODY
	mms_service_tell_clients();
#endif
}

inline lose()
{
	if
	:: in_hands && fate_of[at] == IN_HANDS -> fate_of[at] = LOST
	:: else
	fi;
	in_hands = false
}

inline mms_peer_leave()
{
#ifdef MUTANT_TOLD_BEFORE
	mms_service_tell_clients();
#endif
	atomic { lose(); note[slot] = 0; MAYDIE }
	atomic { server_role[slot] = false; MAYDIE }
#if !defined(MUTANT_LEAVER_TELLS_NOBODY) && !defined(MUTANT_TOLD_BEFORE)
	mms_service_tell_clients();
#endif
	atomic { server_byte[slot] = 0; slot = SLOTS }
}

proctype server(byte me)
{
	byte slot = SLOTS;
	byte at, c, number, doubt, i;
	bool wants, in_hands;

again:
	i = 0;
end_without_slot:
	atomic {
		do
		:: i < SLOTS && !server_byte[i] ->
			server_byte[i] = me + 1;
			slot = i;
			break
		:: i < SLOTS - 1 && server_byte[i] -> i++
		od;
		i = 0;
		MAYDIE
	}
	mms_peer_enter();
serve:
	if
	:: atomic { leaves > 0 -> leaves--; goto leave }
	:: true
	fi;
	/* find_request() */
end_without_work:
	atomic {
		head < tail && (!recv_owner || !server_byte[recv_owner - 1]) ->
		recv_owner = slot + 1;
		MAYDIE
	}
	atomic {
		at = head;
		c = ring_client[head];
		number = ring_number[head];
		MAYDIE
	}
	mms_lane_wants();
	if
	:: !wants ->
		atomic { head++; fate_of[at] = DROPPED; MAYDIE }
		atomic { recv_owner = 0; MAYDIE }
		goto serve
	:: else
	fi;
	/* open_request() */
#ifndef MUTANT_NOTE_AFTER_HEAD
	atomic { note[slot] = NOTE(c, number); MAYDIE }
#endif
#ifdef MUTANT_NO_FENCE_IN_SERVER
	mms_lane_claim();
#endif
	atomic { head++; fate_of[at] = IN_HANDS; in_hands = true; MAYDIE }
#ifdef MUTANT_NOTE_AFTER_HEAD
	atomic { note[slot] = NOTE(c, number); MAYDIE }
#endif
	atomic { recv_owner = 0; MAYDIE }
#if !defined(MUTANT_NO_FENCE_IN_SERVER) && !defined(MUTANT_NOT_LOOKED_AGAIN)
	mms_lane_claim();
#endif
	if
	:: !wants ->
		atomic {
			fate_of[at] = DROPPED;
			in_hands = false;
			note[slot] = 0;
			MAYDIE
		}
		goto serve
	:: else
	fi;
	atomic {
		assert(!executed[at] && !refused[at]);
		executed[at] = true;
		MAYDIE
	}
	/* The handler's work: he may leave, or answer. */
	if
	:: atomic { leaves > 0 -> leaves--; goto leave }
	:: true
	fi;
	/* hold_lane() */
	atomic {
		!lane_owner[c] || !server_byte[lane_owner[c] - 1] ->
		lane_owner[c] = slot + 1;
		MAYDIE
	}
	mms_lane_wants();
#ifdef MUTANT_CLEARED_BEFORE_REPLY
	atomic { note[slot] = 0; MAYDIE }
#endif
	atomic {
		if
		:: wants ->
			lanes[c].number[lane_tail[c]] = number;
			lanes[c].at[lane_tail[c]] = at;
			lane_tail[c]++;
			fate_of[at] = ANSWERED
		:: else -> fate_of[at] = DROPPED
		fi;
		in_hands = false;
		MAYDIE
	}
	/* finish(), drop_answer() */
	atomic { note[slot] = 0; MAYDIE }
	atomic { lane_owner[c] = 0; MAYDIE }
#ifndef MUTANT_REPLY_WAKES_NOBODY
	atomic { asleep[c] = false; MAYDIE }
#endif
	goto serve;

leave:
	mms_peer_leave();
	goto end;

died:
	atomic {
		lose();
		if
		:: slot < SLOTS -> server_byte[slot] = 0
		:: else
		fi;
		for (i : 0 .. CLIENTS - 1) {
			excused[i] = true
		}
		slot = SLOTS; at = 0; c = 0; number = 0; doubt = 0; i = 0;
		wants = false;
		if
		:: goto again
		:: true
		fi
	}
end:
	skip
}

/* When nothing moves any more nobody waits. */
active proctype audit()
{
	timeout ->
	assert(done == CLIENTS)
}

init
{
	atomic {
		byte i;

		for (i : 0 .. CLIENTS - 1) {
			run client(i)
		}
		for (i : 0 .. SERVERS - 1) {
			run server(i)
		}
	}
}
