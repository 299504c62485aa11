/* SPDX-License-Identifier: MIT */
/*
 * lane.h - what a service adds to a ring, in memory: lanes, calls, notes
 *
 * Gets memory, not a name: no system call, no clock, no waiting.
 */
#ifndef MMS_LANE_H
#define MMS_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"
#include "ring.h"

/* A participant's private view of a service; all bounds come from here. */
struct mms_service {
	struct mms_lane *lanes;
	struct mms_desk *desks; /* of the slots from clients on */
	struct mms_ring
		*rings; /* reply rings: a client's own, a server's all */
	unsigned clients;
	unsigned slots;
};

/* Where the parts of a service lie in its file. */
static inline uint64_t mms_lanes_offset(const struct mms_header *header)
{
	return MMS_ROWS_OFFSET +
	       (uint64_t)header->slots * sizeof(struct mms_row);
}

static inline uint64_t mms_desks_offset(const struct mms_header *header)
{
	return mms_lanes_offset(header) +
	       (uint64_t)header->clients * sizeof(struct mms_lane);
}

static inline uint64_t mms_desks_end(const struct mms_header *header)
{
	return mms_desks_offset(header) +
	       (uint64_t)(header->slots - header->clients) *
		       sizeof(struct mms_desk);
}

/* The word that a record of a service begins with. */
#define MMS_CALL_WORD ((uint64_t)sizeof(uint64_t))

/*
 * What a lane keeps free for refusals: one for each call that can be in flight, so
 * that every call gets an answer.
 */
#define MMS_REFUSAL_SIZE                                                       \
	(MMS_HEADER_SIZE + MMS_CALL_WORD + (uint64_t)sizeof(uint64_t))
#define MMS_LANE_MARGIN (MMS_CALLS * MMS_REFUSAL_SIZE)

/* The text of a handler's error is not longer. */
#define MMS_FAILURE_TEXT 1000

/* Calls. */

/* Is this call of the lane's client still wanted? */
bool mms_lane_wants(const struct mms_lane *lane, uint64_t number);

/* Say that it is not.  Then a full fence, before head is looked at. */
void mms_lane_withdraw(struct mms_lane *lane, uint64_t number);

/*
 * Say that we are in doubt whether anybody serves.  Then a full fence, before head is
 * looked at.  Where it is past the request, take the doubt back; else refuse, which is
 * false where a server has claimed it meanwhile.
 */
void mms_lane_doubt(struct mms_lane *lane, uint64_t number);
void mms_lane_trust(struct mms_lane *lane);
bool mms_lane_refuse(struct mms_lane *lane, uint64_t number);

/* A server who has moved head past this call: is it his? */
bool mms_lane_claim(struct mms_lane *lane, uint64_t number);

/* Call @number is next: it is wanted, and those below @floor have ended. */
void mms_lane_begin(struct mms_lane *lane, uint64_t number, uint64_t floor);

/*
 * A new client: what its predecessors asked for is not wanted.  Returns the number
 * of its first call.
 */
uint64_t mms_lane_renew(struct mms_lane *lane);

/* A client leaves, whose next call would have been @number. */
void mms_lane_close(struct mms_lane *lane, uint64_t number);

/* Notes. */

static inline uint64_t mms_note_of(unsigned client, uint64_t number)
{
	return number << MMS_NOTE_NUMBER_SHIFT | (client + 1);
}

/* Before the request is taken off the ring: it is @server's now. */
void mms_note_write(const struct mms_service *service, unsigned server,
		    unsigned place, uint64_t note);

/* Since when, for those who look. */
void mms_note_stamp(const struct mms_service *service, unsigned server,
		    unsigned place, int64_t now_ns);

/* After its reply is committed, or dropped. */
void mms_note_clear(const struct mms_service *service, unsigned server,
		    unsigned place);

/* What stands there; 0: nothing. */
uint64_t mms_note_read(const struct mms_service *service, unsigned server,
		       unsigned place);

/* Does @server have this request on his desk? */
bool mms_desk_has(const struct mms_service *service, unsigned server,
		  uint64_t note);

/* Clear a whole desk; true if there was anything. */
bool mms_desk_clear(const struct mms_service *service, unsigned server);

#endif
