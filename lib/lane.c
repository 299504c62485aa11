/* SPDX-License-Identifier: MIT */
/*
 * lane.c - calls: which are wanted, who has taken them, and what became of them
 *
 * A request goes through the port's ring as any message does, and its reply
 * through a ring of the client's own.  What a service adds is the knowledge of
 * where a request is, which the client needs when no reply comes, and which must
 * cost nothing as long as replies do come.
 *
 * The note.  A server writes on his desk which request he is about to take, and
 * then takes it, by the store of head; when the reply is committed he clears the
 * note.  Both lie in lines that are his own.
 *
 *	server                          client, tired of waiting
 *	------                          ------------------------
 *	note = request      [N1]
 *	head = P + size     [R3]  --->  head is past P           [A10]
 *	...                             is it on a living desk?  [N3]
 *	reply's header      [R1]
 *	note = 0            [N2]  --->  no: then look again for a reply
 *
 * So a request that was taken is on a desk or its reply is in the lane, and a
 * client who finds neither, or only the desk of a dead server, knows that nobody
 * will answer.  A note is written before head is stored and not after it: else a
 * server who dies in between has a request that is nowhere.  One who dies before
 * the store leaves a note of a request that the next one takes: the client asks
 * for a living desk, and finds that.
 *
 * Withdrawing.  Who says that nobody serves a port must be sure that nobody will
 * execute the request later; who gives up after a time-out saves the servers
 * work.  Client and server each write one word and then read the other's:
 *
 *	client                          server
 *	------                          ------
 *	withdrawn |= call  [V1]         head = P + size          [R3]
 *	full fence                      full fence, by the unlock
 *	looks at head                   looks at withdrawn       [V2]
 *
 * If the client does not see head past his request, the server sees the
 * withdrawal, and drops the request.
 *
 * That is all where the client has done with the call.  One who has found that nobody
 * serves has not, since a server may come at that moment: a withdrawal that was taken
 * back would have made him drop the request, or the reply, of a call that is waited
 * for.  So the client first says that he is in doubt about this call, and the one
 * compare-and-swap that succeeds decides whose it is:
 *
 *	client                          server
 *	------                          ------
 *	doubted = call     [D1]         head = P + size          [R3]
 *	full fence                      full fence, by the unlock
 *	looks at head                   looks at doubted         [D2]
 *	call -> refused    [D3]  <--->  call -> taken            [D4]
 *	withdrawn |= call
 *	doubted = 0        [D5]
 *
 * If he sees head past his request, he only takes the doubt back: the server finds
 * that he was too late with his swap, or does not swap, and the request is his.
 *
 * Numbers.  A call's number never comes back in its lane: the floor only rises,
 * and a new client begins above all that a dead one can have used.  So a reply
 * that comes late, to a call that has ended or to an earlier client, carries a
 * number that nobody waits for, and no reply can be taken for another's.  There
 * are 2^48 of them, nine years of a million calls a second; who finds a floor
 * beyond half of that begins anew.  The
 * withdrawn bits are for the 64 numbers from the floor on.  A bit is used again
 * only after the floor has passed its old number:
 *
 *	client                          server, with an old request
 *	------                          ---------------------------
 *	floor = above it   [G1]         reads withdrawn          [V2]
 *	clears its bit     [G3]  --->   reads floor              [G2]
 *
 * A server who sees the bit cleared sees the floor that makes the request old.
 *
 * Labels of this file: N1 with A10 (caller.c), N2 with N3; V1, V2, and G1 to G5 with
 * V2 and G2; D1 to D5; R1 and R3 are in ring.c.
 */
#include "lane.h"

#include "atomic.h"

static uint64_t bit_of(uint64_t number)
{
	return UINT64_C(1) << (number % MMS_CALLS);
}

bool mms_lane_wants(const struct mms_lane *lane, uint64_t number)
{
	/* [V2] pairs with [V1], [G3], [G5]: after F1's fence, and before floor. */
	uint64_t withdrawn = mms_load_acquire(&lane->withdrawn);
	/* [G2] pairs with [G1], [G4]: numbers below it are over. */
	uint64_t floor = mms_load_acquire(&lane->floor);

	return number - floor < MMS_CALLS && !(withdrawn & bit_of(number));
}

void mms_lane_withdraw(struct mms_lane *lane, uint64_t number)
{
	uint64_t withdrawn = mms_load(&lane->withdrawn);

	/* [V1] pairs with [V2]: and a full fence, before head is looked at. */
	mms_store(&lane->withdrawn, withdrawn | bit_of(number));
	mms_fence();
}

static uint64_t word_in_doubt(const struct mms_lane *lane)
{
	/* [D2] pairs with [D1], [D5], [D6]: after F1's fence. */
	return mms_load_acquire(&lane->doubted);
}

void mms_lane_doubt(struct mms_lane *lane, uint64_t number)
{
	/* [D1] pairs with [D2]: and a full fence, before head is looked at. */
	mms_store(&lane->doubted, number);
	mms_fence();
}

void mms_lane_trust(struct mms_lane *lane)
{
	/* [D6] pairs with [D2]: nothing goes with it. */
	mms_store_release(&lane->doubted, 0);
}

bool mms_lane_refuse(struct mms_lane *lane, uint64_t number)
{
	uint64_t withdrawn = mms_load(&lane->withdrawn);

	/* [D3] pairs with [D4]: one of the two succeeds. */
	if (!mms_cas_full(&lane->doubted, number, number | MMS_DOUBT_REFUSED)) {
		/* Head and the note, too, are as that server has left them. */
		(void)word_in_doubt(lane);
		mms_lane_trust(lane);
		return false;
	}
	mms_store(&lane->withdrawn, withdrawn | bit_of(number));
	/* [D5] pairs with [D2]: who misses the doubt sees the withdrawal. */
	mms_store_release(&lane->doubted, 0);
	return true;
}

bool mms_lane_claim(struct mms_lane *lane, uint64_t number)
{
	uint64_t doubted = word_in_doubt(lane);

	/* [D4] pairs with [D3]: one of the two succeeds. */
	if (doubted == number &&
	    !mms_cas_full(&lane->doubted, number, number | MMS_DOUBT_TAKEN))
		doubted = word_in_doubt(lane);
	return doubted != (number | MMS_DOUBT_REFUSED) &&
	       mms_lane_wants(lane, number);
}

void mms_lane_begin(struct mms_lane *lane, uint64_t number, uint64_t floor)
{
	uint64_t withdrawn = mms_load(&lane->withdrawn);

	if (mms_load(&lane->floor) != floor)
		/* [G1] pairs with [G2]: before the bit is cleared. */
		mms_store_release(&lane->floor, floor);
	if (withdrawn & bit_of(number))
		/* [G3] pairs with [V2]: the floor comes with it. */
		mms_store_release(&lane->withdrawn,
				  withdrawn & ~bit_of(number));
}

uint64_t mms_lane_renew(struct mms_lane *lane)
{
	uint64_t floor = mms_load(&lane->floor);

	/* Also where a stranger has been: a call has a number, and never 0. */
	if (floor > MMS_CALL_NUMBER / 2)
		floor = 0;
	floor += MMS_CALLS;
	mms_lane_begin(lane, floor, floor);
	/* [G5] pairs with [V2]: as G3, for all of them. */
	mms_store_release(&lane->withdrawn, 0);
	mms_lane_trust(lane);
	return floor;
}

void mms_lane_close(struct mms_lane *lane, uint64_t number)
{
	/* [G4] pairs with [G2]: nothing that was asked for is wanted. */
	mms_store_release(&lane->floor, number);
}

static struct mms_note *note_at(const struct mms_service *service,
				unsigned server, unsigned place)
{
	return &service->desks[server - service->clients].notes[place];
}

void mms_note_write(const struct mms_service *service, unsigned server,
		    unsigned place, uint64_t note)
{
	/* [N1] pairs with [A10]: R3, the store of head, is the release. */
	mms_store(&note_at(service, server, place)->request, note);
}

void mms_note_stamp(const struct mms_service *service, unsigned server,
		    unsigned place, int64_t now_ns)
{
	mms_store(&note_at(service, server, place)->since_ns, (uint64_t)now_ns);
}

void mms_note_clear(const struct mms_service *service, unsigned server,
		    unsigned place)
{
	/* [N2] pairs with [N3]: the reply is in the lane. */
	mms_store_release(&note_at(service, server, place)->request, 0);
}

uint64_t mms_note_read(const struct mms_service *service, unsigned server,
		       unsigned place)
{
	/* [N3] pairs with [N2]: a note that is gone comes with the reply. */
	return mms_load_acquire(&note_at(service, server, place)->request);
}

bool mms_desk_has(const struct mms_service *service, unsigned server,
		  uint64_t note)
{
	unsigned place;

	for (place = 0; place < MMS_NOTES; place++)
		if (mms_note_read(service, server, place) == note)
			return true;
	return false;
}

bool mms_desk_clear(const struct mms_service *service, unsigned server)
{
	bool any = false;
	unsigned place;

	for (place = 0; place < MMS_NOTES; place++) {
		if (!mms_note_read(service, server, place))
			continue;
		mms_note_clear(service, server, place);
		any = true;
	}
	return any;
}
