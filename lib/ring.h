/* SPDX-License-Identifier: MIT */
/*
 * ring.h - records in memory
 *
 * Gets memory, not a name: no system call, no clock, no lock, no waiting.  The
 * caller holds the lock of the end that a function belongs to.
 */
#ifndef MMS_RING_H
#define MMS_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "distance.h"
#include "layout.h"

/* A participant's private view of a ring; all bounds come from here. */
struct mms_ring {
	unsigned char *data; /* bytes, mapped twice in a row */
	uint64_t bytes;      /* a power of two */
	uint64_t max_message;
	struct mms_end *send;
	struct mms_end *recv;
	uint64_t head_seen; /* head is at least here; the sending end's cache */
	struct mms_distance reader; /* of our last large copies */
	uint64_t left_at;  /* where our last commit ended, or MMS_NOWHERE */
	uint64_t at_seen;  /* committed up to here; the receiving end's cache */
	unsigned streak;   /* looks in a row that found messages */
	bool found_little; /* the last look at send->at */
	unsigned vain;     /* pauses in a row that brought little, times 2 */
	unsigned slot;     /* for the headers of what we send */
	unsigned slots;
};

/* No position: they are multiples of 8. */
#define MMS_NOWHERE UINT64_MAX

/* Some whole records in a row. */
struct mms_part {
	size_t bytes; /* headers and padding included */
	size_t count;
	size_t payload; /* bytes of messages */
	size_t largest; /* the longest message */
};

/* Ring space that a message of this length takes. */
static inline uint64_t mms_record_size(uint64_t length)
{
	return MMS_HEADER_SIZE + ((length + (MMS_RECORD_ALIGN - 1)) &
				  ~(uint64_t)(MMS_RECORD_ALIGN - 1));
}

static inline uint64_t mms_record_header(uint64_t length, unsigned slot)
{
	return MMS_RECORD_MARK | (uint64_t)slot << MMS_RECORD_SLOT_SHIFT |
	       length;
}

static inline uint64_t mms_record_length(uint64_t header)
{
	return header & MMS_RECORD_LENGTH;
}

static inline unsigned mms_record_slot(uint64_t header)
{
	return (unsigned)(header >> MMS_RECORD_SLOT_SHIFT) & MMS_SLOT_MASK;
}

/* May this header stand in this ring? */
static inline bool mms_record_valid(const struct mms_ring *ring,
				    uint64_t header)
{
	return (header & MMS_RECORD_FIXED) == MMS_RECORD_MARK &&
	       mms_record_length(header) <= ring->max_message &&
	       mms_record_slot(header) < ring->slots;
}

/* Who sent the record with this payload, in place; to be checked. */
static inline unsigned mms_record_sender(const unsigned char *payload)
{
	const _Atomic uint64_t *header =
		(const void *)(payload - MMS_HEADER_SIZE);

	return mms_record_slot(
		atomic_load_explicit(header, memory_order_relaxed));
}

static inline unsigned char *mms_ring_place(const struct mms_ring *ring,
					    uint64_t position)
{
	return ring->data + (position & (ring->bytes - 1));
}

/* Always aligned and in the first view, whatever the position. */
static inline _Atomic uint64_t *mms_ring_header_at(const struct mms_ring *ring,
						   uint64_t position)
{
	uint64_t aligned = position & ~(uint64_t)(MMS_RECORD_ALIGN - 1);

	return (_Atomic uint64_t *)(void *)mms_ring_place(ring, aligned);
}

/* A header in private memory, which may not be aligned. */
static inline uint64_t mms_load_image(const unsigned char *at)
{
	uint64_t header;

	memcpy(&header, at, sizeof(header));
	return header;
}

/* Largest message that a ring of this size can be told to take. */
static inline uint64_t mms_ring_max_message(uint64_t ring_bytes)
{
	return ring_bytes - MMS_HEADER_SIZE - MMS_HEADER_SIZE;
}

/* The sending end. */

/*
 * Find the true end and make sure that @need bytes of records and a terminator
 * fit behind it.  0, -EAGAIN or -EBADMSG.
 */
int mms_ring_reserve(struct mms_ring *ring, uint64_t need, uint64_t *ret_at);

/* Free bytes for records behind @at, as far as known; refreshed if < @need. */
int mms_ring_room(struct mms_ring *ring, uint64_t at, uint64_t need,
		  uint64_t *ret_room);

/* Where the payload of a record at @at goes. */
unsigned char *mms_ring_payload(const struct mms_ring *ring, uint64_t at);

/* Commit one record at @at whose payload is written.  @dirty: see ring.c. */
void mms_ring_commit(struct mms_ring *ring, uint64_t at, uint64_t length,
		     uint64_t dirty);

/* Copy a payload to the reserved @at and commit it. */
void mms_ring_send(struct mms_ring *ring, uint64_t at, const void *payload,
		   size_t length);

/* Copy finished records to @at and commit them as one. */
void mms_ring_send_run(struct mms_ring *ring, uint64_t at,
		       const unsigned char *image, const struct mms_part *part);

/* The same for a record of a service: @word, and then the payload. */
void mms_ring_send_call(struct mms_ring *ring, uint64_t at, uint64_t word,
			const void *payload, size_t length);

/* Commit such a record, of whose payload @lent bytes were to be written. */
void mms_ring_commit_call(struct mms_ring *ring, uint64_t at, uint64_t word,
			  uint64_t length, uint64_t lent);

/* Forget what a reservation at @at may have written. */
void mms_ring_abandon(struct mms_ring *ring, uint64_t at);

/* After a take-over: find the true end and finish what the dead one began. */
int mms_ring_repair_send(struct mms_ring *ring);

/* The receiving end. */

/*
 * Before the receiving end is taken.  False if the ring is empty.  To a receiver
 * that streams it may give more time than it takes to look; see ring.c.
 */
bool mms_ring_await_more(struct mms_ring *ring);

/* The oldest record: its payload and length.  0, -EAGAIN or -EBADMSG. */
int mms_ring_peek(const struct mms_ring *ring,
		  const unsigned char **ret_payload, size_t *ret_length);

/*
 * Copy whole records, at most @most of them (0: no limit) and @capacity bytes,
 * into @image, checked.  0, -EAGAIN, -EBADMSG, or -ENOBUFS when the first one
 * alone is larger than @capacity; ret_part->bytes is its size then.
 */
int mms_ring_take(const struct mms_ring *ring, unsigned char *image,
		  size_t capacity, size_t most, struct mms_part *ret_part);

/* Commit the receipt of @count records of @bytes in all. */
void mms_ring_release(struct mms_ring *ring, uint64_t bytes, uint64_t count);

/* After a take-over: finish what the dead one began. */
void mms_ring_repair_recv(struct mms_ring *ring);

/* Without any lock. */

/* True if the ring was empty at one moment during the call. */
bool mms_ring_is_empty(const struct mms_ring *ring);

/* The word to poll for the next message; it holds 0 until there is one. */
const _Atomic uint64_t *mms_ring_next_header(const struct mms_ring *ring);

/* The cache line behind that word's. */
const void *mms_ring_next_line(const struct mms_ring *ring);

/*
 * From @at, a true or once true end at or behind @head, over all records to the
 * true end.
 */
uint64_t mms_ring_walk(const struct mms_ring *ring, uint64_t head, uint64_t at);

/* Can the positions be those of a ring that only our kind has touched? */
bool mms_ring_is_plausible(const struct mms_ring *ring);

/* True if @need bytes of records seem to fit. */
bool mms_ring_has_room(const struct mms_ring *ring, uint64_t need);

#endif
