/* SPDX-License-Identifier: MIT */
/*
 * ring_recv.c - the receiving end of a ring
 *
 * What commits a receipt, and what a receiver may believe, is in ring.c.
 *
 * Labels of this file: A1, A4 with R1; A2, A9 with R2, R4; A5 with R3; R3 with A3,
 * A5, A6, A8; and R3 with W3 of wait.c, I1 of inspect.c and A10 of caller.c.
 */
#include "ring.h"

#include <errno.h>
#include <string.h>

#include "atomic.h"
#include "copy.h"

#define STREAM_AFTER    4U
#define LITTLE          UINT64_C(2048)
#define WORTH_A_PAUSE   UINT64_C(512)
#define COURTESY_PAUSES 64U
#define VAIN_MOST       10U /* 4096 looks */

/* Up to this many messages a bulk is measured before it is copied. */
#define MEASURE_UP_TO 64

static void copy_out(const struct mms_ring *ring, uint64_t position,
		     unsigned char *to, size_t length)
{
	uint64_t to_end = ring->bytes - (position & (ring->bytes - 1));
	size_t first = length < to_end ? length : (size_t)to_end;

	memcpy(to, mms_ring_place(ring, position), first);
	memcpy(to + first, ring->data, length - first);
}

int mms_ring_peek(const struct mms_ring *ring,
		  const unsigned char **ret_payload, size_t *ret_length)
{
	uint64_t head = mms_load(&ring->recv->at);
	/* [A1] pairs with [R1]: the payload that the header commits. */
	uint64_t header = mms_load_acquire(mms_ring_header_at(ring, head));

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
		header = mms_load_image(image + part.bytes);
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
		header = mms_load(mms_ring_header_at(ring, head + bytes));
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
	header = mms_load(mms_ring_header_at(ring, head));
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
	if (mms_glance_acquire(mms_ring_header_at(ring, head)))
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

const _Atomic uint64_t *mms_ring_next_header(const struct mms_ring *ring)
{
	return mms_ring_header_at(ring, mms_load(&ring->recv->at));
}

const void *mms_ring_next_line(const struct mms_ring *ring)
{
	return mms_ring_place(ring, mms_load(&ring->recv->at)) + MMS_LINE;
}
