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
 * Labels of this file: R1 with A1, A4; R2 and R4 with A2, A7, A9; R3 with A3, A5,
 * A6; and some of them with W3 of wait.c, I1, I2 of inspect.c and A10 of caller.c.
 */
#include "ring.h"

#include <errno.h>
#include <string.h>

#include "atomic.h"
#include "copy.h"

#define ZERO_AHEAD   UINT64_C(512)
#define FETCH_AHEAD  UINT64_C(1024)
#define SMALL_RECORD UINT64_C(128)

#define STREAM_AFTER    4U
#define LITTLE          UINT64_C(2048)
#define WORTH_A_PAUSE   UINT64_C(512)
#define COURTESY_PAUSES 64U
#define VAIN_MOST       10U /* 4096 looks */

/* Up to this many messages a bulk is measured before it is copied. */
#define MEASURE_UP_TO 64

static unsigned char *place(const struct mms_ring *ring, uint64_t position)
{
	return ring->data + (position & (ring->bytes - 1));
}

/* Always aligned and in the first view, whatever the position. */
static _Atomic uint64_t *header_at(const struct mms_ring *ring,
				   uint64_t position)
{
	uint64_t aligned = position & ~(uint64_t)(MMS_RECORD_ALIGN - 1);

	return (_Atomic uint64_t *)(void *)place(ring, aligned);
}

static uint64_t load_image(const unsigned char *at)
{
	uint64_t header;

	memcpy(&header, at, sizeof(header));
	return header;
}

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
		memcpy(place(ring, position), from, first);
		memcpy(ring->data, from + first, length - first);
		return false;
	}
	mms_copy_stream(place(ring, position), from, first);
	mms_copy_stream(ring->data, from + first, length - first);
	return true;
}

static void copy_out(const struct mms_ring *ring, uint64_t position,
		     unsigned char *to, size_t length)
{
	uint64_t to_end = ring->bytes - (position & (ring->bytes - 1));
	size_t first = length < to_end ? length : (size_t)to_end;

	memcpy(to, place(ring, position), first);
	memcpy(to + first, ring->data, length - first);
}

static void zero(const struct mms_ring *ring, uint64_t position,
		 uint64_t length)
{
	uint64_t to_end = ring->bytes - (position & (ring->bytes - 1));
	size_t first = (size_t)(length < to_end ? length : to_end);

	memset(place(ring, position), 0, first);
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
	mms_store(header_at(ring, end), 0);
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
		mms_fetch_to_write(place(ring, ahead));
		mms_fetch_to_write(place(ring, ahead + MMS_LINE));
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
	mms_store_release(header_at(ring, at), header);
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
		header = mms_load(header_at(ring, at));
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
	    mms_load(header_at(ring, at)))
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
	if (at != ring->left_at && mms_load(header_at(ring, at))) {
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
	return place(ring, at) + MMS_HEADER_SIZE;
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
	publish(ring, at, load_image(image), end, total);
	make_ready(ring, end, part->bytes);
}

void mms_ring_abandon(struct mms_ring *ring, uint64_t at)
{
	mms_store(&ring->send->zeroed, at + MMS_HEADER_SIZE);
}

int mms_ring_peek(const struct mms_ring *ring,
		  const unsigned char **ret_payload, size_t *ret_length)
{
	uint64_t head = mms_load(&ring->recv->at);
	/* [A1] pairs with [R1]: the payload that the header commits. */
	uint64_t header = mms_load_acquire(header_at(ring, head));

	if (!header)
		return -EAGAIN;
	if (!mms_record_valid(ring, header))
		return -EBADMSG;
	*ret_payload = mms_ring_payload(ring, head);
	*ret_length = (size_t)mms_record_length(header);
	return 0;
}

/*
 * How much from head on is committed, for a bulk.  `at` may lag, so that a
 * record is there although it says that nothing is: then it is that one.
 */
static int committed(const struct mms_ring *ring, uint64_t head,
		     uint64_t *ret_bytes)
{
	/* [A2] pairs with [R2], [R4]: every header and payload below it. */
	uint64_t there = mms_load_acquire(&ring->send->at) - head;
	const unsigned char *payload;
	size_t length;
	int r;

	if (there > 0 && there <= ring->bytes) {
		*ret_bytes = there;
		return 0;
	}
	r = mms_ring_peek(ring, &payload, &length);
	if (r)
		return r;
	*ret_bytes = mms_record_size(length);
	return 0;
}

/*
 * Whole records at the beginning of @image, at most @most.  Sizes are those of
 * the private copy.  -ENOBUFS if not even the first is whole.
 */
static int measure(const struct mms_ring *ring, const unsigned char *image,
		   size_t bytes, size_t most, struct mms_part *ret_part)
{
	struct mms_part part = {0};
	uint64_t header;
	size_t length;
	size_t size;

	while (bytes - part.bytes >= MMS_HEADER_SIZE && part.count < most) {
		header = load_image(image + part.bytes);
		if (!mms_record_valid(ring, header))
			return -EBADMSG;
		length = (size_t)mms_record_length(header);
		size = (size_t)mms_record_size(length);
		if (size > bytes - part.bytes)
			break;
		part.bytes += size;
		part.payload += length;
		part.count++;
		if (length > part.largest)
			part.largest = length;
	}
	*ret_part = part;
	return part.count ? 0 : -ENOBUFS;
}

/* Size of the first @most records in the ring, but not more than @limit. */
static uint64_t measure_in_place(const struct mms_ring *ring, uint64_t head,
				 uint64_t limit, size_t most)
{
	uint64_t bytes = 0;
	uint64_t header;

	while (most-- > 0 && bytes < limit) {
		/* Relaxed: committed() has acquired what lies below limit. */
		header = mms_load(header_at(ring, head + bytes));
		bytes += mms_record_size(mms_record_length(header));
	}
	return bytes < limit ? bytes : limit;
}

int mms_ring_take(const struct mms_ring *ring, unsigned char *image,
		  size_t capacity, size_t most, struct mms_part *ret_part)
{
	uint64_t head = mms_load(&ring->recv->at);
	uint64_t header;
	uint64_t there;
	int r;

	r = committed(ring, head, &there);
	if (r)
		return r;
	if (!most)
		most = SIZE_MAX;
	else if (most <= MEASURE_UP_TO)
		there = measure_in_place(ring, head, there, most);
	if (there > capacity)
		there = capacity;
	copy_out(ring, head, image, (size_t)there);
	r = measure(ring, image, (size_t)there, most, ret_part);
	if (r != -ENOBUFS)
		return r;
	/* The first is not whole: too large for the caller, or a lie. */
	header = mms_load(header_at(ring, head));
	if (!mms_record_valid(ring, header) ||
	    mms_record_size(mms_record_length(header)) <= capacity)
		return -EBADMSG;
	ret_part->bytes = (size_t)mms_record_size(mms_record_length(header));
	return -ENOBUFS;
}

void mms_ring_release(struct mms_ring *ring, uint64_t bytes, uint64_t count)
{
	struct mms_end *recv = ring->recv;
	uint64_t head = mms_load(&recv->at) + bytes;
	uint64_t total = mms_load(&recv->count) + count;

	mms_store(&recv->next_at, head);
	mms_store(&recv->next_count, total);
	/* [R3] pairs with [A3], [A5], [A6], [A8], [A10], [I1], [W3]: read first. */
	mms_store_release(&recv->at, head);
	mms_store(&recv->count, total);
}

void mms_ring_repair_recv(struct mms_ring *ring)
{
	struct mms_end *recv = ring->recv;

	if (mms_load(&recv->at) == mms_load(&recv->next_at))
		mms_store(&recv->count, mms_load(&recv->next_count));
}

bool mms_ring_is_empty(const struct mms_ring *ring)
{
	/* [A5] pairs with [R3]: headers as they were when head got there. */
	uint64_t head = mms_load_acquire(&ring->recv->at);

	/* [A4] pairs with [R1]: and head is looked at again after the header. */
	if (mms_glance_acquire(header_at(ring, head)))
		return false;
	return mms_load(&ring->recv->at) == head;
}

/* What lies between head and the last `at` that we saw, if that is ahead. */
static uint64_t seen(const struct mms_ring *ring, uint64_t head)
{
	uint64_t there = ring->at_seen - head;

	return there <= ring->bytes ? there : 0;
}

static void look_again(struct mms_ring *ring, uint64_t head)
{
	/* [A9] pairs with [R2], [R4]: what is below it is committed. */
	ring->at_seen = mms_load_acquire(&ring->send->at);
	ring->found_little = seen(ring, head) < LITTLE;
}

/*
 * Courtesy.  A receiver who is exactly as fast as the sender takes each message
 * out of the cache line that the next one is being written to, and both work at
 * the speed at which that line travels.  One who streams, that is, has found
 * messages at several looks in a row, and found next to nothing at the last one,
 * leaves the ring alone for two to four microseconds, looks once how much has come,
 * and takes that without looking again.  One look, because it takes a line from
 * the sender, too.  Never after an empty ring, where somebody may wait for an
 * answer.  Measured with 64-byte messages: 83 -> 52 ns a message.
 *
 * A receiver who finds one message at each look, because he is as slow as the
 * sender is, gains nothing by that: after a pause in which little came he wants to
 * see four times as many looks before the next one.
 */
static void be_courteous(struct mms_ring *ring, uint64_t head)
{
	bool paused = ring->found_little;

	for (unsigned i = 0; paused && i < COURTESY_PAUSES; i++)
		mms_cpu_relax();
	look_again(ring, head);
	if (!paused)
		return;
	if (seen(ring, head) >= WORTH_A_PAUSE) {
		ring->vain = 0;
		return;
	}
	ring->streak = 0;
	if (ring->vain < VAIN_MOST)
		ring->vain += 2;
}

bool mms_ring_await_more(struct mms_ring *ring)
{
	uint64_t head = mms_load(&ring->recv->at);

	if (seen(ring, head))
		return true;
	if (mms_ring_is_empty(ring)) {
		ring->streak = 0;
		return false;
	}
	if (ring->streak < STREAM_AFTER << ring->vain)
		ring->streak++;
	else
		be_courteous(ring, head);
	return true;
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

const _Atomic uint64_t *mms_ring_next_header(const struct mms_ring *ring)
{
	return header_at(ring, mms_load(&ring->recv->at));
}

const void *mms_ring_next_line(const struct mms_ring *ring)
{
	return place(ring, mms_load(&ring->recv->at)) + MMS_LINE;
}

bool mms_ring_has_room(const struct mms_ring *ring, uint64_t need)
{
	/* [A7] pairs with [R2], [R4]: only a hint, the lock's owner decides. */
	uint64_t at = mms_load_acquire(&ring->send->at);
	uint64_t used = at - mms_load(&ring->recv->at);
	uint64_t most = ring->bytes - MMS_HEADER_SIZE;

	return used > most || most - used >= need;
}
