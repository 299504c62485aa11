/* SPDX-License-Identifier: MIT */
/*
 * ring.c - a ring of records whose headers commit them
 *
 * Positions grow for ever; T is the true end: the position of the first header
 * that is zero.  H is head, the position of the oldest message.  The one store
 * that makes a message, or a whole run of messages, true is the release store
 * of its first header; the one store that makes a receipt true is that of head.
 * Whoever dies before the store has done nothing, whoever dies after it has done
 * everything, and there is no third case to repair.
 *
 *	sender, lock held               receiver, lock held
 *	-----------------               -------------------
 *	writes the payload at T + 8
 *	writes 0 at T + size
 *	header at T        [R1]  ---->  header at H        [A1]
 *	at = T + size      [R2]  ---->  at, for a bulk     [A2]
 *	                                copies the payload out
 *	head, when short   [A3]  <----  head = H + size    [R3]
 *
 * Rules that the code below must not lose:
 *
 *  1 The terminator needs room of its own: T + need + 8 <= H + N.  In a ring that
 *    is filled to the brim the zero for the next header would fall on the oldest
 *    message.  What is zeroed ahead obeys the same bound.
 *  2 A sender who dies between the header and `at` leaves `at` behind T.  Whoever
 *    takes the end over walks from the later of at and head to the first zero
 *    header and stores that in `at` before he writes anything.  If he wrote first
 *    and died, the next one would walk from the old `at` into payload:
 *
 *	A: header at 0, dies    at = 0, T = 64
 *	B: writes a lap over 0, dies
 *	C: at = 0: takes B's payload for a header
 *
 *    Everything behind T is unknown then, so `zeroed` is set back to the
 *    terminator at T.
 *  3 A run is copied from its byte 8 on; then its terminator is zeroed; then,
 *    behind a store fence if stores bypassed the cache, its first header is
 *    written.  Any other order can show half a run or old bytes as messages.
 *  4 Headers are reached through the first of the two views only; a copy that
 *    crosses the end of the ring is split where it may contain headers.  The
 *    second view is for one record's payload, which so is contiguous anywhere.
 *  5 What comes out of shared memory is loaded once, checked against private
 *    bounds, then used.  A peer who scribbles gets us to return -EBADMSG or to
 *    see wrong messages; never to leave the ring, and never into a loop.
 *
 * Zeroing ahead.  A header of zero must stand behind every record before it is
 * committed.  Writing one with each record costs the transfer of one more cache
 * line on the path of each message; zeroing a stretch of free ring every few
 * records takes that off the path, and the lines that will be written next are
 * then already the sender's own.  Measured with 64-byte messages: round trip 220
 * -> 140 ns, 17 -> 30 million messages a second; no gain from 128 bytes on, and
 * 10-20 % loss, so there only the next header is zeroed.  The stretch is zeroed
 * after a commit, when the receiver is already at work, and not before it, where
 * each line that must first be fetched from the receiver's cache delays him.
 *
 * The header's cache line last.  A waiting receiver polls that line, so whatever
 * is written to it early, he takes it back before the header follows, and the
 * sender fetches it a second time.  The payload that shares the header's line is
 * therefore copied right before the header, and what lies in other lines first.
 * Measured with 64-byte messages between CPUs far apart: round trip 830 -> 520 ns,
 * together with fetching both lines at once (wait.c) and not looking at a header
 * that can only be zero (mms_ring_reserve).
 *
 * This file is the sending end, and who only looks; ring_recv.c the receiving one.
 *
 * Labels of this file: R1 with A1, A4; R2 and R4 with A2, A7, A9; A3, A6, A8 with R3;
 * and some of them with W3 of wait.c and I2 of inspect.c.
 */
#include "ring.h"

#include <errno.h>
#include <string.h>

#include "atomic.h"
#include "copy.h"

#define ZERO_AHEAD   UINT64_C(512)
#define FETCH_AHEAD  UINT64_C(1024)
#define SMALL_RECORD UINT64_C(128)

/* Does a copy of this length go past the cache? */
static bool bypasses(struct mms_ring *ring, size_t length)
{
	if (length < MMS_STREAM_FROM)
		return false;
	if (mms_distance_is_due(&ring->reader))
		(void)mms_distance_load(&ring->reader, &ring->recv->at,
					ring->head_seen);
	return !mms_is_near(&ring->reader);
}

/* Copy in; each part lies in the first view.  Returns true if it bypassed. */
static bool copy_in(struct mms_ring *ring, uint64_t position,
		    const unsigned char *from, size_t length)
{
	uint64_t to_end = ring->bytes - (position & (ring->bytes - 1));
	size_t first = length < to_end ? length : (size_t)to_end;

	if (!bypasses(ring, length)) {
		memcpy(mms_ring_place(ring, position), from, first);
		memcpy(ring->data, from + first, length - first);
		return false;
	}
	mms_copy_stream(mms_ring_place(ring, position), from, first);
	mms_copy_stream(ring->data, from + first, length - first);
	return true;
}

static void zero(const struct mms_ring *ring, uint64_t position,
		 uint64_t length)
{
	uint64_t to_end = ring->bytes - (position & (ring->bytes - 1));
	size_t first = (size_t)(length < to_end ? length : to_end);

	memset(mms_ring_place(ring, position), 0, first);
	memset(ring->data, 0, (size_t)length - first);
}

/* How much from @end on is known to be zero. */
static uint64_t known_zero(const struct mms_ring *ring, uint64_t end)
{
	uint64_t known = mms_load(&ring->send->zeroed) - end;

	return known <= ring->bytes ? known : 0;
}

/*
 * Make the header at @end zero before the commit of a record that ends there.
 * @end + 8 is free, by rule 1.
 */
static void terminate(struct mms_ring *ring, uint64_t end)
{
	if (known_zero(ring, end) >= MMS_HEADER_SIZE)
		return;
	mms_store(mms_ring_header_at(ring, end), 0);
	mms_store(&ring->send->zeroed, end + MMS_HEADER_SIZE);
}

/* All up to head_seen + N is free. */
static void zero_ahead(struct mms_ring *ring, uint64_t end)
{
	uint64_t known = known_zero(ring, end);
	uint64_t free = ring->head_seen + ring->bytes - end;
	uint64_t stretch = ZERO_AHEAD < free ? ZERO_AHEAD : free;

	if (stretch <= known)
		return;
	zero(ring, end + known, stretch - known);
	mms_store(&ring->send->zeroed, end + stretch);
}

/* After a commit of @size that ends at @end: the next is likely to be like it. */
static inline void make_ready(struct mms_ring *ring, uint64_t end,
			      uint64_t size)
{
	uint64_t ahead = end + FETCH_AHEAD;

	if (size >= SMALL_RECORD)
		return;
	if (ahead + size <= ring->head_seen + ring->bytes) {
		mms_fetch_to_write(mms_ring_place(ring, ahead));
		mms_fetch_to_write(mms_ring_place(ring, ahead + MMS_LINE));
	}
	if (known_zero(ring, end) < SMALL_RECORD)
		zero_ahead(ring, end);
}

/* What a take-over needs to know whether a commit has happened. */
static uint64_t prepare(struct mms_ring *ring, uint64_t end, uint64_t count)
{
	uint64_t total = mms_load(&ring->send->count) + count;

	mms_store(&ring->send->next_at, end);
	mms_store(&ring->send->next_count, total);
	return total;
}

/* The commit of what lies from @at to @end; @total as prepare() gave it. */
static void publish(struct mms_ring *ring, uint64_t at, uint64_t header,
		    uint64_t end, uint64_t total)
{
	/* [R1] pairs with [A1], [A4], [W3]: payload, later headers, terminator. */
	mms_store_release(mms_ring_header_at(ring, at), header);
	mms_store(&ring->send->count, total);
	/* [R2] pairs with [A2], [A7], [A9], [I2]: no `at` without the headers below it. */
	mms_store_release(&ring->send->at, end);
	ring->left_at = end;
}

/*
 * From @at, a true or once true end, to the first zero header.  Stops early, at
 * something else than a zero, where what it meets cannot be.
 */
uint64_t mms_ring_walk(const struct mms_ring *ring, uint64_t head, uint64_t at)
{
	uint64_t most = ring->bytes - MMS_HEADER_SIZE;
	uint64_t header;

	while (at - head <= most) {
		/* Relaxed: whoever holds the end runs alone; others only look. */
		header = mms_load(mms_ring_header_at(ring, at));
		if (!mms_record_valid(ring, header))
			break;
		at += mms_record_size(mms_record_length(header));
	}
	return at;
}

int mms_ring_repair_send(struct mms_ring *ring)
{
	struct mms_end *send = ring->send;
	/* [A6] pairs with [R3]: as [A3]. */
	uint64_t head = mms_load_acquire(&ring->recv->at);
	uint64_t at = mms_load(&send->at);

	if (head - at < UINT64_MAX / 2)
		at = head;
	ring->head_seen = head;
	at = mms_ring_walk(ring, head, at);
	if (at - head > ring->bytes - MMS_HEADER_SIZE ||
	    mms_load(mms_ring_header_at(ring, at)))
		return -EBADMSG;
	if (at == mms_load(&send->next_at))
		mms_store(&send->count, mms_load(&send->next_count));
	mms_store(&send->zeroed, at + MMS_HEADER_SIZE);
	/* [R4] pairs with [A2], [A7], [A9], [I2]: as [R2]. */
	mms_store_release(&send->at, at);
	return 0;
}

int mms_ring_room(struct mms_ring *ring, uint64_t at, uint64_t need,
		  uint64_t *ret_room)
{
	uint64_t most = ring->bytes - MMS_HEADER_SIZE;
	uint64_t used = at - ring->head_seen;
	uint64_t head;

	if (used > most || most - used < need) {
		/* [A3] pairs with [R3]: what we overwrite has been read. */
		head = need < MMS_STREAM_FROM
			       ? mms_load_acquire(&ring->recv->at)
			       : mms_distance_load(&ring->reader,
						   &ring->recv->at,
						   ring->head_seen);
		/* It never goes back, and never beyond the end. */
		if (at - head > most || at - head > used)
			return -EBADMSG;
		ring->head_seen = head;
		used = at - head;
	}
	*ret_room = most - used;
	return 0;
}

int mms_ring_reserve(struct mms_ring *ring, uint64_t need, uint64_t *ret_at)
{
	uint64_t at = mms_load(&ring->send->at);
	uint64_t room;
	int r;

	/*
	 * Relaxed: the lock has made the last sender's stores visible.  Not
	 * looked at where it is as we left it: a receiver polls it, and on
	 * some CPUs his reading takes the line away from us.
	 */
	if (at != ring->left_at && mms_load(mms_ring_header_at(ring, at))) {
		r = mms_ring_repair_send(ring);
		if (r)
			return r;
		at = mms_load(&ring->send->at);
	}
	r = mms_ring_room(ring, at, need, &room);
	if (r)
		return r;
	if (room < need)
		return -EAGAIN;
	*ret_at = at;
	return 0;
}

unsigned char *mms_ring_payload(const struct mms_ring *ring, uint64_t at)
{
	return mms_ring_place(ring, at) + MMS_HEADER_SIZE;
}

/* Padding is zero, so that it tells nothing of what the ring held before. */
static void zero_padding(unsigned char *payload, size_t length)
{
	size_t used = length % MMS_RECORD_ALIGN;

	if (used)
		memset(payload + length, 0, MMS_RECORD_ALIGN - used);
}

/*
 * @dirty: how much ring from @at on the caller may have written to.  More than
 * the record takes, where a reservation was not used up; nothing behind the
 * record is known to be zero then.
 */
void mms_ring_commit(struct mms_ring *ring, uint64_t at, uint64_t length,
		     uint64_t dirty)
{
	uint64_t size = mms_record_size(length);
	uint64_t total;

	zero_padding(mms_ring_payload(ring, at), (size_t)length);
	if (dirty > size)
		mms_ring_abandon(ring, at);
	terminate(ring, at + size);
	total = prepare(ring, at + size, 1);
	publish(ring, at, mms_record_header(length, ring->slot), at + size,
		total);
	make_ready(ring, at + size, size);
}

/* A message that is not worth streaming stores. */
static void send_cached(struct mms_ring *ring, uint64_t at,
			const unsigned char *from, size_t length)
{
	unsigned char *to = mms_ring_payload(ring, at);
	uint64_t end = at + mms_record_size(length);
	size_t beside = MMS_LINE - MMS_HEADER_SIZE - (size_t)(at % MMS_LINE);
	uint64_t total;

	if (beside > length)
		beside = length;
	zero_padding(to, length);
	memcpy(to + beside, from + beside, length - beside);
	terminate(ring, end);
	total = prepare(ring, end, 1);
	/* Now what shares a cache line with the header, and that at once. */
	memcpy(to, from, beside);
	publish(ring, at, mms_record_header(length, ring->slot), end, total);
	make_ready(ring, end, end - at);
}

void mms_ring_send(struct mms_ring *ring, uint64_t at, const void *payload,
		   size_t length)
{
	/* An empty message may come without a place. */
	if (!length) {
		mms_ring_commit(ring, at, 0, 0);
	} else if (!bypasses(ring, length)) {
		send_cached(ring, at, payload, length);
	} else {
		mms_copy_stream(mms_ring_payload(ring, at), payload, length);
		mms_copy_drain();
		mms_ring_commit(ring, at, length, 0);
	}
}

/* As send_cached(), with a word before the message. */
static void send_call_cached(struct mms_ring *ring, uint64_t at, uint64_t word,
			     const unsigned char *from, size_t length)
{
	unsigned char *to = mms_ring_payload(ring, at);
	uint64_t end = at + mms_record_size(sizeof(word) + length);
	size_t in_line = MMS_LINE - MMS_HEADER_SIZE - (size_t)(at % MMS_LINE);
	size_t beside = in_line > sizeof(word) ? in_line - sizeof(word) : 0;
	uint64_t total;

	if (beside > length)
		beside = length;
	zero_padding(to, sizeof(word) + length);
	memcpy(to + sizeof(word) + beside, from + beside, length - beside);
	terminate(ring, end);
	total = prepare(ring, end, 1);
	memcpy(to, &word, sizeof(word));
	memcpy(to + sizeof(word), from, beside);
	publish(ring, at, mms_record_header(sizeof(word) + length, ring->slot),
		end, total);
	make_ready(ring, end, end - at);
}

void mms_ring_send_call(struct mms_ring *ring, uint64_t at, uint64_t word,
			const void *payload, size_t length)
{
	unsigned char *to = mms_ring_payload(ring, at);

	if (!bypasses(ring, length)) {
		send_call_cached(ring, at, word, length ? payload : &word,
				 length);
	} else {
		mms_copy_stream(to + sizeof(word), payload, length);
		mms_copy_drain();
		mms_ring_commit_call(ring, at, word, length, 0);
	}
}

void mms_ring_commit_call(struct mms_ring *ring, uint64_t at, uint64_t word,
			  uint64_t length, uint64_t lent)
{
	memcpy(mms_ring_payload(ring, at), &word, sizeof(word));
	mms_ring_commit(ring, at, sizeof(word) + length,
			mms_record_size(sizeof(word) + lent));
}

void mms_ring_send_run(struct mms_ring *ring, uint64_t at,
		       const unsigned char *image, const struct mms_part *part)
{
	uint64_t end = at + part->bytes;
	uint64_t total;

	if (copy_in(ring, at + MMS_HEADER_SIZE, image + MMS_HEADER_SIZE,
		    part->bytes - MMS_HEADER_SIZE))
		mms_copy_drain();
	terminate(ring, end);
	total = prepare(ring, end, part->count);
	publish(ring, at, mms_load_image(image), end, total);
	make_ready(ring, end, part->bytes);
}

void mms_ring_abandon(struct mms_ring *ring, uint64_t at)
{
	mms_store(&ring->send->zeroed, at + MMS_HEADER_SIZE);
}

/*
 * `at` may be behind head, by what a dead sender committed and others have
 * received since; both never lie more than a ring apart.  Read while others
 * work, so only distances are looked at that hold at any moment: head first.
 */
bool mms_ring_is_plausible(const struct mms_ring *ring)
{
	/* [A8] pairs with [R3]: `at` below is not older than this head. */
	uint64_t head = mms_load_acquire(&ring->recv->at);
	uint64_t at = mms_load(&ring->send->at);

	return head % MMS_RECORD_ALIGN == 0 && at % MMS_RECORD_ALIGN == 0 &&
	       (at - head < UINT64_MAX / 2 || head - at <= ring->bytes);
}

bool mms_ring_has_room(const struct mms_ring *ring, uint64_t need)
{
	/* [A7] pairs with [R2], [R4]: only a hint, the lock's owner decides. */
	uint64_t at = mms_load_acquire(&ring->send->at);
	uint64_t used = at - mms_load(&ring->recv->at);
	uint64_t most = ring->bytes - MMS_HEADER_SIZE;

	return used > most || most - used >= need;
}
