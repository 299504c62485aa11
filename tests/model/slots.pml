/* SPDX-License-Identifier: MIT */
/*
 * slots.pml - taking a slot, settling its last owner's business, leaving it
 *
 * map_and_lock(), start_new_boot() and enter() of lib/port.c, mms_peer_enter() and
 * mms_peer_leave() of lib/peer.c, and lib/lock.c for one end.  More participants than
 * slots, so that slots change hands; each attaches, holds the end, leaves, and comes
 * again; each may die at every step.
 *
 * A byte knows the description that holds it: byte_of[slot] is its participant + 1.
 * The lock word's count is a flag for each participant, as in ring.pml.
 *
 * NEW_BOOT begins with the rows of an earlier boot.  THREADS has two threads on one
 * handle, who are not allowed to be; the lock must stand it all the same.
 */
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef PEOPLE
#define PEOPLE 3
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef CRASHES
#define CRASHES 2
#endif
#define BIT (1 << me)

byte byte_of[SLOTS];
bool role[SLOTS];
byte generation[SLOTS];
byte owner; /* of the lock: slot + 1 */
byte changed;
bool half_done; /* what a dead owner leaves to be repaired */
bool old_boot;
byte crashes = CRASHES;

/* Ghosts. */
bool inside;
byte wrote[SLOTS]; /* who lives with this row, + 1 */
byte deaths, buried;

#define MAYDIE                                                                 \
	if                                                                     \
	:: crashes > 0 -> crashes--; goto died                                 \
	:: true                                                                \
	fi

inline enter_end()
{
	assert(!inside);
	inside = true;
	owner = slot + 1;
	changed = 255
}

#ifdef MUTANT_NO_COUNT
#define unchanged (owner == seen)
#else
#define unchanged !(changed & BIT)
#endif

/* F_OFD_GETLK through the asker; through the own description the own byte is free. */
#ifdef MUTANT_CERTIFIES_HIMSELF
#define dead(s)   (byte_of[s] == 0 || byte_of[s] == description + 1)
#define myself(s) false
#else
#define dead(s)   (byte_of[s] == 0)
#define myself(s) ((s) == slot)
#endif

inline mms_ring_repair_send()
{
	atomic { half_done = false; MAYDIE }
}

/* refused: -EBADMSG, the word names ourselves.  stolen: repair comes first. */
inline mms_lock_take()
{
	do
	:: atomic { owner == 0 -> enter_end(); MAYDIE; break }
	:: atomic { owner != 0 && myself(owner - 1) -> refused = true; break }
	:: atomic { owner != 0 && !myself(owner - 1) && dead(owner - 1) ->
		seen = owner;
		changed = changed & ~BIT;
		MAYDIE
	}
		atomic {
			if
			:: unchanged -> enter_end(); stolen = true; MAYDIE
			:: else
			fi;
			seen = 0;
			changed = changed | BIT
		}
		if
		:: stolen -> stolen = false; mms_ring_repair_send(); break
		:: else
		fi
	od
}

inline mms_lock_give()
{
	atomic {
		assert(owner == slot + 1 && inside);
		inside = false;
		owner = 0;
		changed = 255;
		MAYDIE
	}
}

/* The slot whose byte is free; without one -EUSERS. */
inline take_slot()
{
	slot = 0;
	do
	:: atomic { slot < SLOTS &&
#ifdef MUTANT_FREE_BY_ITS_ROW
		    !role[slot]
#else
		    byte_of[slot] == 0
#endif
		    -> byte_of[slot] = me + 1; description = me; MAYDIE; break }
	:: atomic { slot < SLOTS &&
#ifdef MUTANT_FREE_BY_ITS_ROW
		    role[slot]
#else
		    byte_of[slot] != 0
#endif
		    -> slot++ }
	:: slot == SLOTS -> break
	od
}

/* Rows of an earlier boot are emptied, each under its byte. */
inline start_new_boot()
{
	atomic { first = old_boot; MAYDIE }
	if
	:: first ->
		first = false;
		atomic { role[slot] = false; wrote[slot] = 0; MAYDIE }
		s = 0;
		do
		:: s < SLOTS && s != slot ->
			if
			:: atomic { byte_of[s] == 0 ->
#ifndef MUTANT_BOOT_ASKS_ONLY
				byte_of[s] = me + 1;
#endif
				MAYDIE
			}
				atomic { role[s] = false; MAYDIE }
				atomic {
					byte_of[s] = (byte_of[s] == me + 1 ->
						0 : byte_of[s]);
					MAYDIE
				}
			:: atomic { byte_of[s] != 0 -> skip }
			fi;
			s++
		:: s == slot -> s++
		:: s == SLOTS -> break
		od;
		s = 0;
		atomic { old_boot = false; MAYDIE }
	:: else
	fi
}

/* What the slot's last owner held: nobody else can certify him from here on. */
inline inherit_ends()
{
	atomic {
		seen = owner;
		changed = changed & ~BIT;
		MAYDIE
	}
	atomic {
		if
		:: seen == slot + 1 && unchanged -> enter_end(); stolen = true
		:: else
		fi;
		seen = 0;
		changed = changed | BIT
	}
	if
	:: stolen ->
		stolen = false;
		mms_ring_repair_send();
		mms_lock_give()
	:: else
	fi
}

inline write_row()
{
	atomic {
		assert(byte_of[slot] == me + 1);
		assert(owner != slot + 1); /* no business is left */
		assert(!wrote[slot]);      /* nobody else lives here */
		generation[slot] = (generation[slot] + 1) & 7;
		g = generation[slot];
		MAYDIE
	}
	atomic {
		role[slot] = true;
		wrote[slot] = me + 1;
		MAYDIE
	}
}

inline mms_peer_enter()
{
#if defined(MUTANT_ROW_FIRST)
	write_row();
	inherit_ends();
#else
#ifndef MUTANT_NOT_SETTLED
	inherit_ends();
#endif
	/* bury() */
	atomic {
		if
		:: role[slot] -> buried++; role[slot] = false
		:: else
		fi;
		MAYDIE
	}
	write_row();
#endif
}

inline mms_peer_leave()
{
	atomic {
		assert(role[slot] && generation[slot] == g);
		assert(wrote[slot] == me + 1);
		role[slot] = false;
		wrote[slot] = 0;
		MAYDIE
	}
	/* munmap(): with the mapping goes the byte */
	atomic { byte_of[slot] = 0; MAYDIE }
}

proctype participant(byte me)
{
	byte slot, description, s, seen, g, rounds;
	bool stolen, refused, first;

again:
	if
	:: rounds == ROUNDS -> goto end
	:: else -> rounds++
	fi;
#ifdef THREADS
	if
	:: me == 1 -> role[0]; slot = 0; description = 0; goto use
	:: else
	fi;
#endif
	take_slot();
	if
	:: slot == SLOTS -> goto end /* -EUSERS */
	:: else
	fi;
#ifdef NEW_BOOT
	start_new_boot();
#endif
	mms_peer_enter();
	/* closefrom(3), as any program may call it */
#ifdef MUTANT_BYTE_ON_DESCRIPTOR
	atomic { byte_of[slot] = 0; MAYDIE }
#endif
use:
	mms_lock_take();
	if
	:: refused -> goto end
	:: else
	fi;
	atomic { assert(!half_done); half_done = true; MAYDIE }
	atomic { half_done = false; MAYDIE }
	mms_lock_give();
#ifdef THREADS
	goto end;
#endif
	mms_peer_leave();
	goto again;

died:	/* the kernel gives back all that this process holds */
	atomic {
		if
		:: slot < SLOTS && owner == slot + 1 && byte_of[slot] == me + 1 ->
			inside = false
		:: else
		fi;
		changed = changed | BIT;
		s = 0;
		do
		:: s < SLOTS ->
			wrote[s] = (wrote[s] == me + 1 -> 0 : wrote[s]);
			byte_of[s] = (byte_of[s] == me + 1 -> 0 : byte_of[s]);
			s++
		:: else -> break
		od;
		s = 0; slot = 0; description = 0; seen = 0; g = 0;
		stolen = false; refused = false; first = false;
		deaths++;
		if
		:: goto again
		:: true
		fi
	}
end:
	skip
}

/* When nothing moves any more: nobody waits for an end that nobody holds. */
active proctype audit()
{
	byte s;

	timeout ->
	assert(_nr_pr == 1);
	for (s : 0 .. SLOTS - 1) {
#ifndef THREADS
		assert(!byte_of[s]);
		/* what is left in the name of a slot is that of a dead one */
		assert(!role[s] || deaths > 0 || old_boot);
#endif
		skip
	}
	assert(!owner || deaths > 0);
	assert(buried <= deaths + SLOTS)
}

init
{
	atomic {
		byte i;
#ifdef NEW_BOOT
		old_boot = true;
		for (i : 0 .. SLOTS - 1) {
			role[i] = true
		}
		owner = SLOTS; /* the last one died with the end */
		half_done = true;
#endif
		for (i : 0 .. PEOPLE - 1) {
			run participant(i)
		}
	}
}
