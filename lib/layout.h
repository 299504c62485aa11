/* SPDX-License-Identifier: MIT */
/*
 * layout.h - the bytes of a port file
 *
 * Everything that two programs must agree on to share a port, and nothing else:
 * no functions, no pointers, no type of any libc.  A change of anything here is
 * a new MMS_LAYOUT_VERSION, a new row in mmsock-port(5) and a new expectation
 * in tests/abi/layout.txt.  Two things need no version: what is used by a new type
 * only, where others have zeroes, since who does not know the type refuses the
 * file; and a count for people to look at, where older files have zeroes, since
 * nobody goes by it.  A freed offset is never used again.
 *
 *   offset   size     what               written by
 *        0   4096     struct mms_header  the creator, before the port has a name
 *     4096    512     struct mms_control groups of 128 bytes, see below
 *     4608    128     struct mms_pool    of a semaphore: everybody
 *     4736   3456     zero               nobody (room for other engines)
 *     8192   128 * S  struct mms_row     row i: the participant in slot i
 *     ...    512 * C  struct mms_lane    of a service: lane i, of the client in
 *                                        slot i
 *     ...    256 * (S - C)  struct mms_desk  of a service: desk i, of the server
 *                                        in slot C + i
 *     ...             zero up to a page
 *        R   N        the ring           senders; N a power of two >= 4096
 *      R+N   L * C    reply rings        of a service: servers; L as N
 *
 * A semaphore is such a file without a ring: N is 0, and of the control block
 * only the signals and the census are used.
 *
 * All integers are in the byte order of the machine, which the header names.
 *
 * The groups of the control block are 128 bytes apart, two cache lines and not
 * one, because the adjacent-line prefetcher of common x86 CPUs fetches lines in
 * pairs: with 64 bytes a sender and a receiver would still pull each other's
 * words back and forth.
 *
 * Positions (tail, head, next_*) count bytes from the port's creation, never
 * wrap and are compared by unsigned difference only; the place of position p in
 * the ring is p mod N.  They are always multiples of 8.
 */
#ifndef MMS_LAYOUT_H
#define MMS_LAYOUT_H

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define MMS_MAGIC          UINT64_C(0x6b636f736d6d0a89) /* "\x89\nmmsock" */
#define MMS_LAYOUT_VERSION 1U
#define MMS_BYTE_ORDER     UINT32_C(0x01020304)

/*
 * Engines: how what is shared is worked.  1 is the byte ring with header commit,
 * 2 the counted word with journals of its owners.
 */
#define MMS_ENGINE_RING  1U
#define MMS_ENGINE_UNITS 2U

/* Types; 2 is kept for broadcast.  A semaphore is no port. */
#define MMS_TYPE_QUEUE     1U
#define MMS_TYPE_RPC       3U
#define MMS_TYPE_SEMAPHORE 4U

#define MMS_PAGE           4096U
#define MMS_GROUP          128U
#define MMS_CONTROL_OFFSET 4096U
#define MMS_POOL_OFFSET    4608U
#define MMS_ROWS_OFFSET    8192U
#define MMS_RECORD_ALIGN   8U
#define MMS_HEADER_SIZE    8U

/*
 * Locks of bytes of the port file, far beyond its end so that they never cover
 * data: one for whoever renames, unlinks or marks the port; one that is shared by
 * all who are taking a slot, and held alone by who removes a port because nobody
 * has one; and one a slot.
 */
#define MMS_ADMIN_BYTE (INT64_C(1) << 60)
#define MMS_ENTRY_BYTE (MMS_ADMIN_BYTE + 1)
#define MMS_SLOT_BYTE  (MMS_ADMIN_BYTE + 64)

/* Written once, before the port has a name; copied and checked by everybody. */
struct mms_header {
	uint64_t magic;
	uint32_t layout;         /* MMS_LAYOUT_VERSION */
	uint32_t byte_order;     /* MMS_BYTE_ORDER */
	uint32_t type;           /* MMS_TYPE_* */
	uint32_t engine;         /* MMS_ENGINE_* */
	uint32_t header_bytes;   /* MMS_CONTROL_OFFSET */
	uint32_t record_align;   /* MMS_RECORD_ALIGN */
	uint32_t slots;          /* S */
	uint32_t row_bytes;      /* sizeof(struct mms_row) */
	uint64_t ring_offset;    /* R */
	uint64_t ring_bytes;     /* N */
	uint64_t max_message;    /* at most N - 16; of a semaphore: value */
	uint64_t file_bytes;     /* R + N */
	uint64_t creation_id[2]; /* random */
	int64_t created_ns;      /* since 1970 */
	uint64_t boot_id[2];     /* of the boot it was created in */
	uint64_t check; /* of the members above, see mms_header_check() */
	/* Of a service; others have zeroes. */
	uint32_t clients; /* C: slots below are clients, the others servers */
	uint32_t reserved;
	uint64_t lane_bytes; /* L */
	uint64_t max_reply;  /* largest record payload in a lane */
	uint64_t rpc_check;  /* of all members above */
};

static_assert(offsetof(struct mms_header, magic) == 0, "layout");
static_assert(offsetof(struct mms_header, layout) == 8, "layout");
static_assert(offsetof(struct mms_header, byte_order) == 12, "layout");
static_assert(offsetof(struct mms_header, type) == 16, "layout");
static_assert(offsetof(struct mms_header, engine) == 20, "layout");
static_assert(offsetof(struct mms_header, header_bytes) == 24, "layout");
static_assert(offsetof(struct mms_header, record_align) == 28, "layout");
static_assert(offsetof(struct mms_header, slots) == 32, "layout");
static_assert(offsetof(struct mms_header, row_bytes) == 36, "layout");
static_assert(offsetof(struct mms_header, ring_offset) == 40, "layout");
static_assert(offsetof(struct mms_header, ring_bytes) == 48, "layout");
static_assert(offsetof(struct mms_header, max_message) == 56, "layout");
static_assert(offsetof(struct mms_header, file_bytes) == 64, "layout");
static_assert(offsetof(struct mms_header, creation_id) == 72, "layout");
static_assert(offsetof(struct mms_header, created_ns) == 88, "layout");
static_assert(offsetof(struct mms_header, boot_id) == 96, "layout");
static_assert(offsetof(struct mms_header, check) == 112, "layout");
static_assert(offsetof(struct mms_header, clients) == 120, "layout");
static_assert(offsetof(struct mms_header, lane_bytes) == 128, "layout");
static_assert(offsetof(struct mms_header, max_reply) == 136, "layout");
static_assert(offsetof(struct mms_header, rpc_check) == 144, "layout");
static_assert(sizeof(struct mms_header) == 152, "layout");

/*
 * An event: what somebody waits for.  asked: bit 0 says that someone may sleep,
 * the rest counts announcements.  turn: the futex word, changed by wakers only.
 * wait.c tells why there are two.
 */
struct mms_event {
	_Atomic uint32_t asked;
	_Atomic uint32_t turn;
};

/*
 * The lock of an end: bits 0-15 the owner's slot + 1, or 0 when free; bits
 * 16-63 a count that rises with every take and every steal and is kept when the
 * lock is free, so that no value ever comes back.
 */
#define MMS_LOCK_OWNER UINT64_C(0xffff)
#define MMS_LOCK_STEP  UINT64_C(0x10000)

struct mms_lock {
	alignas(8) _Atomic uint64_t word;
	struct mms_event event;
};

/*
 * One end of the ring.  All but lock.event is written by the lock's owner only.
 *
 * at        sending end: the end of what is committed, or an older value of it
 *           (a hint: the truth is the first zero header).  Receiving end: the
 *           position of the oldest message; storing it is the commit.
 * next_at, next_count
 *           what at and count become if the commit under way happens.  Written
 *           before the commit, so that whoever takes the end over from a dead
 *           owner can tell by at alone whether count has to be set.
 * count     messages committed at this end since creation.
 * zeroed    sending end: the ring is zero from the true end up to here.
 * stamp_ns  time of the last commit, coarse.
 */
struct mms_end {
	struct mms_lock lock;
	alignas(8) _Atomic uint64_t at;
	alignas(8) _Atomic uint64_t count;
	alignas(8) _Atomic uint64_t next_at;
	alignas(8) _Atomic uint64_t next_count;
	alignas(8) _Atomic uint64_t zeroed;
	alignas(8) _Atomic uint64_t stamp_ns;
};

/* Life of a port: from READY to one of the others, never back. */
enum mms_port_state {
	MMS_READY = 1,
	MMS_CLOSED = 2,
	MMS_REPLACED = 3
};

/* Read in every operation, written when somebody sleeps, comes or goes. */
struct mms_signals {
	_Atomic uint32_t state;   /* enum mms_port_state */
	_Atomic uint32_t servers; /* rises when a server comes or goes */
	struct mms_event data;  /* receivers wait for messages, or for units */
	struct mms_event space; /* senders wait for room */
	struct mms_event peers; /* somebody waits for participants */
};

/* Written when somebody comes, goes or is found dead; under the rules of peer.c. */
struct mms_census {
	alignas(8) _Atomic uint64_t senders_joined;   /* ever */
	alignas(8) _Atomic uint64_t receivers_joined; /* ever */
	alignas(8) _Atomic uint64_t senders_left;     /* ever, alive */
	alignas(8) _Atomic uint64_t senders_died; /* rows of dead ones reused */
	alignas(8) _Atomic uint64_t died;         /* the same, any role */
	alignas(8) _Atomic uint64_t takeovers;    /* ends taken from the dead */
	alignas(8) _Atomic uint64_t sleeps;       /* of those who have left */
	alignas(8) _Atomic uint64_t late_wakes;   /* of those who have left */
	alignas(8) _Atomic uint64_t dropped;      /* messages; 0 on a queue */
	alignas(8) _Atomic uint64_t boot_id[2];   /* of the last attach */
	/* Counts that came later; 0 in older files. */
	alignas(8) _Atomic uint64_t replaced; /* handles, with earlier ports */
	alignas(8) _Atomic uint64_t corrupt; /* calls that met what cannot be */
};

struct mms_control {
	alignas(MMS_GROUP) struct mms_end send;
	alignas(MMS_GROUP) struct mms_end recv;
	alignas(MMS_GROUP) struct mms_signals signals;
	alignas(MMS_GROUP) struct mms_census census;
};

static_assert(sizeof(struct mms_event) == 8, "layout");
static_assert(sizeof(struct mms_lock) == 16, "layout");
static_assert(offsetof(struct mms_lock, event) == 8, "layout");
static_assert(offsetof(struct mms_end, at) == 16, "layout");
static_assert(offsetof(struct mms_end, count) == 24, "layout");
static_assert(offsetof(struct mms_end, next_at) == 32, "layout");
static_assert(offsetof(struct mms_end, next_count) == 40, "layout");
static_assert(offsetof(struct mms_end, zeroed) == 48, "layout");
static_assert(offsetof(struct mms_end, stamp_ns) == 56, "layout");
static_assert(sizeof(struct mms_end) == 64, "an end fits one cache line");
static_assert(offsetof(struct mms_signals, data) == 8, "layout");
static_assert(offsetof(struct mms_signals, space) == 16, "layout");
static_assert(offsetof(struct mms_signals, peers) == 24, "layout");
static_assert(offsetof(struct mms_census, boot_id) == 72, "layout");
static_assert(offsetof(struct mms_census, replaced) == 88, "layout");
static_assert(offsetof(struct mms_census, corrupt) == 96, "layout");
static_assert(offsetof(struct mms_control, send) == 0, "layout");
static_assert(offsetof(struct mms_control, recv) == 128, "layout");
static_assert(offsetof(struct mms_control, signals) == 256, "layout");
static_assert(offsetof(struct mms_control, census) == 384, "layout");
static_assert(sizeof(struct mms_control) == 512, "layout");

/*
 * What a semaphore is about: one word that every change replaces by
 * compare-and-swap.
 *
 *   bits  0-23  value: the units that are there to be taken
 *   bits 24-34  the slot + 1 of the owner who made the last change, or 0 where it
 *               was one in plain mode
 *   bits 35-63  version: rises with every change
 *
 * owners  owned handles that ever attached.  0: no unit can be owed by the dead.
 * wide    not 0 once somebody has waited for several units at once.
 */
#define MMS_UNITS_VALUE        UINT64_C(0xffffff)
#define MMS_UNITS_OWNER_SHIFT  24
#define MMS_UNITS_OWNER        (UINT64_C(0x7ff) << MMS_UNITS_OWNER_SHIFT)
#define MMS_UNITS_VERSION_STEP (UINT64_C(1) << 35)
#define MMS_UNITS_VERSION      (~(MMS_UNITS_VERSION_STEP - 1))

struct mms_pool {
	alignas(MMS_GROUP) _Atomic uint64_t units;
	alignas(8) _Atomic uint64_t owners;
	alignas(8) _Atomic uint64_t wide;
};

static_assert(offsetof(struct mms_pool, units) == 0, "layout");
static_assert(offsetof(struct mms_pool, owners) == 8, "layout");
static_assert(offsetof(struct mms_pool, wide) == 16, "layout");
static_assert(sizeof(struct mms_pool) == 128, "layout");
static_assert(MMS_POOL_OFFSET ==
		      MMS_CONTROL_OFFSET + sizeof(struct mms_control),
	      "the pool lies behind the control block");

/*
 * The lane of a client: his reply ring, and what he wants to have answered.
 *
 * send      the servers' end; its lock is taken for each reply.
 * recv      the client's end; he alone reads it, without a lock.
 * data      the client waits for a reply.
 * floor     calls of lower numbers are not wanted: those that have ended, and
 *           those of earlier clients.  Never falls, so that no number comes back.
 * withdrawn bit (number mod 64): that call, from floor to floor + 63, is not
 *           wanted any more.
 * doubted   the call whose client has found that nobody serves, and is about to make
 *           sure that nobody has taken it; and what has become of that doubt.
 * unmet     replies that were dropped: nobody wanted them, or there was no room.
 *
 * The last group is read with each call and written rarely.
 */
struct mms_lane {
	alignas(MMS_GROUP) struct mms_end send;
	alignas(MMS_GROUP) struct mms_end recv;
	alignas(MMS_GROUP) struct mms_event data;
	alignas(8) _Atomic uint64_t floor;
	alignas(8) _Atomic uint64_t withdrawn;
	alignas(8) _Atomic uint64_t doubted;
	alignas(MMS_GROUP) _Atomic uint64_t unmet;
};

#define MMS_CALLS 64U

/* In doubted: the client was faster than any server, or a server was. */
#define MMS_DOUBT_REFUSED (UINT64_C(1) << 63)
#define MMS_DOUBT_TAKEN   (UINT64_C(1) << 62)

static_assert(offsetof(struct mms_lane, send) == 0, "layout");
static_assert(offsetof(struct mms_lane, recv) == 128, "layout");
static_assert(offsetof(struct mms_lane, data) == 256, "layout");
static_assert(offsetof(struct mms_lane, floor) == 264, "layout");
static_assert(offsetof(struct mms_lane, withdrawn) == 272, "layout");
static_assert(offsetof(struct mms_lane, doubted) == 280, "layout");
static_assert(offsetof(struct mms_lane, unmet) == 384, "layout");
static_assert(sizeof(struct mms_lane) == 512, "layout");

/*
 * The desk of a server: the requests that he has taken and not yet answered.  A
 * note names a request by the client's slot + 1 (bits 0-15) and the number of the
 * call (bits 16-63), or is 0.  Written before the request is taken off the ring,
 * cleared when its reply is committed; both by the server alone.
 */
struct mms_note {
	alignas(8) _Atomic uint64_t request;
	alignas(8) _Atomic uint64_t since_ns; /* wall clock, coarse */
};

#define MMS_NOTES 16U

struct mms_desk {
	alignas(MMS_GROUP) struct mms_note notes[MMS_NOTES];
};

#define MMS_NOTE_CLIENT       UINT64_C(0xffff)
#define MMS_NOTE_NUMBER_SHIFT 16

static_assert(sizeof(struct mms_note) == 16, "layout");
static_assert(sizeof(struct mms_desk) == 256, "layout");

/*
 * The payload of a record of a service begins with a word: the number of the call
 * (bits 0-47), and what follows it (bits 56-63).
 */
#define MMS_CALL_NUMBER UINT64_C(0xffffffffffff)
#define MMS_CALL_KIND   UINT64_C(0xff00000000000000)
#define MMS_CALL_ANSWER UINT64_C(0) /* a request's bytes, or a reply's */
/* The handler's status (32 bits, 32 zero) and its text. */
#define MMS_CALL_FAILED (UINT64_C(1) << 56)
/* A positive errno (32 bits, 32 zero): there will be no reply. */
#define MMS_CALL_REFUSED (UINT64_C(2) << 56)

/*
 * A participant's row, written by the process that holds the slot's byte.  role
 * is stored last when it comes and first (as 0) when it goes: a row with a role
 * whose byte is free belongs to someone who died attached.
 *
 * Of a semaphore's owners, units.c tells how the three go together:
 *
 * held       units that this owner holds.
 * journal    bits 0-23: what held becomes if the change under way happens; bits
 *            35-63: the version which that change is.
 * confirmed  bits 35-63: version of a change of this owner's that others have
 *            seen and replaced; the rest counts such notes.  Written by others.
 *
 * Of a service's participants:
 *
 * held       calls of a client in flight.
 * journal    since when the oldest of them, wall clock, coarse.
 */
struct mms_row {
	alignas(MMS_GROUP) _Atomic uint32_t
		role;              /* enum mmsock_role | ATTACHED */
	_Atomic uint32_t activity; /* enum mmsock_activity | object << 8 */
	_Atomic int32_t pid;
	_Atomic uint32_t generation; /* rises with every participant */
	alignas(8) _Atomic uint64_t confirmed;
	alignas(8) _Atomic uint64_t since_ns; /* wall clock of the attach */
	alignas(8) _Atomic uint64_t
		program[2]; /* name, up to 15 bytes and a 0 */
	alignas(8) _Atomic uint64_t sent;
	alignas(8) _Atomic uint64_t sent_bytes;
	alignas(8) _Atomic uint64_t received;
	alignas(8) _Atomic uint64_t received_bytes;
	alignas(8) _Atomic uint64_t sleeps;
	alignas(8) _Atomic uint64_t blocked_ns;
	alignas(8) _Atomic uint64_t late_wakes; /* waits the re-check ended */
	alignas(8) _Atomic uint64_t robbed; /* ends found taken while held */
	alignas(8) _Atomic uint64_t held;
	alignas(8) _Atomic uint64_t journal;
};

/* Set in every row in use, so that a participant of no role shows too. */
#define MMS_ATTACHED 0x8000U

static_assert(offsetof(struct mms_row, activity) == 4, "layout");
static_assert(offsetof(struct mms_row, pid) == 8, "layout");
static_assert(offsetof(struct mms_row, generation) == 12, "layout");
static_assert(offsetof(struct mms_row, confirmed) == 16, "layout");
static_assert(offsetof(struct mms_row, since_ns) == 24, "layout");
static_assert(offsetof(struct mms_row, program) == 32, "layout");
static_assert(offsetof(struct mms_row, sent) == 48, "layout");
static_assert(offsetof(struct mms_row, sleeps) == 80, "layout");
static_assert(offsetof(struct mms_row, robbed) == 104, "layout");
static_assert(offsetof(struct mms_row, held) == 112, "layout");
static_assert(offsetof(struct mms_row, journal) == 120, "layout");
static_assert(sizeof(struct mms_row) == 128, "layout");

/*
 * A record in the ring: an 8-byte header, the payload, zeroes up to a multiple
 * of 8.  The header is one atomic word, and a zero word means "nothing here
 * yet":
 *
 *   bits  0-31  length of the payload
 *   bits 32-47  slot of the sender
 *   bits 48-55  flags, 0 for now (one is kept for a send time, one for a lease)
 *   bits 56-63  MMS_RECORD_MARK, never zero, so that an empty message from slot
 *               0 is not mistaken for nothing
 */
#define MMS_RECORD_MARK       (UINT64_C(0xa5) << 56)
#define MMS_RECORD_FIXED      UINT64_C(0xffff000000000000)
#define MMS_RECORD_LENGTH     UINT64_C(0xffffffff)
#define MMS_RECORD_SLOT_SHIFT 32
#define MMS_SLOT_MASK         0xffffU

static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2,
	      "atomics must be lock-free to work between processes");
static_assert(sizeof(_Atomic uint64_t) == 8 && sizeof(_Atomic uint32_t) == 4,
	      "atomics must have the size of what they hold");

#endif
