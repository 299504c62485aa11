/* SPDX-License-Identifier: MIT */
/*
 * run.c - building and reading runs in private memory
 *
 * No shared memory here: what mms_ring_take() has put into a run was checked.
 */
#include "run.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "error.h"
#include "mmsock.h"
#include "ring.h"

#define RUN_MAX ((size_t)1 << 30)
#define RUN_MIN ((size_t)64)

/* Behind the capacity, so that padding is zeroed by one store of fixed size. */
#define SLACK ((size_t)MMS_RECORD_ALIGN)

static uint64_t header_in(const struct mmsock_run *run, size_t at)
{
	uint64_t header;

	memcpy(&header, run->image + at, sizeof(header));
	return header;
}

static size_t length_in(const struct mmsock_run *run, size_t at)
{
	return (size_t)mms_record_length(header_in(run, at));
}

static size_t record_in(const struct mmsock_run *run, size_t at)
{
	return (size_t)mms_record_size(length_in(run, at));
}

int mmsock_run_new(size_t bytes, struct mmsock_run **ret_run)
{
	struct mmsock_run *run;
	int r;

	if (bytes > RUN_MAX)
		return mms_failed(mms_fail(
			-EINVAL, "a run of %zu bytes is above 1 GiB", bytes));
	run = calloc(1, sizeof(*run));
	if (!run)
		return mms_failed(-ENOMEM);
	run->target = bytes < RUN_MIN ? RUN_MIN : bytes;
	r = mms_run_grow(run, run->target);
	if (r) {
		free(run);
		return mms_failed(r);
	}
	*ret_run = run;
	return 0;
}

void mmsock_run_free(struct mmsock_run *run)
{
	if (!run)
		return;
	free(run->image);
	free(run);
}

void mmsock_run_clear(struct mmsock_run *run)
{
	run->next = run->end = run->count = 0;
	run->payload = run->largest = 0;
	if (run->slot == MMS_SLOT_MIXED)
		run->slot = 0;
}

size_t mmsock_run_count(const struct mmsock_run *run)
{
	return run->count;
}

int mms_run_grow(struct mmsock_run *run, size_t bytes)
{
	unsigned char *image;

	if (bytes <= run->capacity)
		return 0;
	image = realloc(run->image, bytes + SLACK);
	if (!image)
		return -ENOMEM;
	run->image = image;
	run->capacity = bytes;
	return 0;
}

static bool fits(const struct mmsock_run *run, size_t size)
{
	return run->end <= run->target && size <= run->target - run->end;
}

/* Room behind the last record; an empty run grows for one large message. */
static int make_room(struct mmsock_run *run, size_t size)
{
	if (!run->count)
		mmsock_run_clear(run);
	if (fits(run, size))
		return 0;
	return run->count ? -ENOBUFS : mms_run_grow(run, size);
}

/* The record at the end of the run, whose payload is in its place. */
static void append(struct mmsock_run *run, size_t length)
{
	unsigned char *record = run->image + run->end;
	size_t size = (size_t)mms_record_size(length);
	uint64_t header = mms_record_header(length, run->slot & MMS_SLOT_MASK);

	/* The padding, and perhaps some of the slack behind the record. */
	memset(record + MMS_HEADER_SIZE + length, 0, SLACK);
	memcpy(record, &header, sizeof(header));
	run->end += size;
	run->count++;
	run->payload += length;
	if (length > run->largest)
		run->largest = length;
}

static int add(struct mmsock_run *run, const void *message, size_t length)
{
	int r;

	if (length > UINT32_MAX)
		return -EMSGSIZE;
	r = make_room(run, (size_t)mms_record_size(length));
	if (r)
		return r;
	if (length)
		memcpy(run->image + run->end + MMS_HEADER_SIZE, message,
		       length);
	append(run, length);
	return 0;
}

/*
 * Copy up to a delimiter, and look for it on the way.  Returns how many bytes
 * stand before it, or @length; may write to all of @length.
 */
static inline size_t copy_until(unsigned char *to, const unsigned char *from,
				size_t length, char delimiter)
{
	const unsigned char *found;
	size_t at = 0;

#if defined(__SSE2__)
	const __m128i wanted = _mm_set1_epi8(delimiter);

	for (; length - at >= sizeof(wanted); at += sizeof(wanted)) {
		__m128i block = _mm_loadu_si128(
			(const __m128i *)(const void *)(from + at));
		int hits = _mm_movemask_epi8(_mm_cmpeq_epi8(block, wanted));

		_mm_storeu_si128((__m128i *)(void *)(to + at), block);
		if (hits)
			return at + (size_t)__builtin_ctz((unsigned)hits);
	}
#endif
	found = memchr(from + at, delimiter, length - at);
	length = found ? (size_t)(found - from) : length;
	memcpy(to + at, from + at, length - at);
	return length;
}

/* What can lie behind the header of the next record, in an empty run too. */
static size_t payload_room(const struct mmsock_run *run)
{
	return fits(run, MMS_HEADER_SIZE)
		       ? (run->target - run->end - MMS_HEADER_SIZE) &
				 ~(size_t)(MMS_RECORD_ALIGN - 1)
		       : 0;
}

size_t mmsock_run_split(struct mmsock_run *run, const void *text, size_t length,
			char delimiter, size_t longest, size_t most,
			size_t *ret_taken)
{
	const unsigned char *from = text;
	size_t taken = 0;
	size_t count;

	if (!run->count)
		mmsock_run_clear(run);
	/* An empty text may come without a place. */
	for (count = 0; count < most && taken < length; count++) {
		size_t room = payload_room(run);
		size_t part = length - taken < room ? length - taken : room;
		size_t line =
			copy_until(run->image + run->end + MMS_HEADER_SIZE,
				   from + taken, part, delimiter);

		if (line == part || line > longest)
			break;
		append(run, line);
		taken += line + 1;
	}
	*ret_taken = taken;
	return count;
}

int mmsock_run_add(struct mmsock_run *run, const void *message, size_t length)
{
	int r = add(run, message, length);

	return r ? mms_failed(r) : 0;
}

int mmsock_run_addv(struct mmsock_run *run, const struct iovec *messages,
		    size_t count)
{
	size_t added;
	int r = 0;

	if (count > INT_MAX)
		count = INT_MAX;
	for (added = 0; added < count && !r; added++)
		r = add(run, messages[added].iov_base, messages[added].iov_len);
	if (r)
		added--;
	return added || !r || r == -ENOBUFS ? (int)added : mms_failed(r);
}

/* Lend the next record, which there is. */
static void lend(struct mmsock_run *run, const unsigned char **ret_message,
		 size_t *ret_length)
{
	size_t length = length_in(run, run->next);

	*ret_message = run->image + run->next + MMS_HEADER_SIZE;
	*ret_length = length;
	run->next += (size_t)mms_record_size(length);
	run->payload -= length;
	run->count--;
}

int mmsock_run_next(struct mmsock_run *run, const void **ret_message,
		    size_t *ret_length)
{
	const unsigned char *message;

	if (!run->count)
		return 0;
	lend(run, &message, ret_length);
	*ret_message = message;
	return 1;
}

size_t mmsock_run_nextv(struct mmsock_run *run, struct iovec *messages,
			size_t most)
{
	const unsigned char *message;
	size_t count;

	for (count = 0; count < most && run->count; count++) {
		lend(run, &message, &messages[count].iov_len);
		/* struct iovec has no const; the message is only read. */
		messages[count].iov_base = run->image + (message - run->image);
	}
	return count;
}

void mms_run_measure(struct mmsock_run *run)
{
	size_t at;

	run->largest = 0;
	for (at = run->next; at < run->end; at += record_in(run, at)) {
		if (length_in(run, at) > run->largest)
			run->largest = length_in(run, at);
	}
}

size_t mms_run_first(const struct mmsock_run *run)
{
	return record_in(run, run->next);
}

void mms_run_stamp(struct mmsock_run *run, unsigned slot)
{
	size_t at;
	uint64_t header;

	if (run->slot == slot)
		return;
	for (at = run->next; at < run->end; at += record_in(run, at)) {
		header = mms_record_header(length_in(run, at), slot);
		memcpy(run->image + at, &header, sizeof(header));
	}
	run->slot = slot;
}

struct mms_part mms_run_part(const struct mmsock_run *run, uint64_t room)
{
	struct mms_part part = {0};
	size_t length;
	size_t size;

	if (run->end - run->next <= room)
		return (struct mms_part){
			.bytes = run->end - run->next,
			.count = run->count,
			.payload = run->payload,
		};
	while (part.count < run->count) {
		length = length_in(run, run->next + part.bytes);
		size = (size_t)mms_record_size(length);
		if (part.bytes + size > room)
			break;
		part.bytes += size;
		part.payload += length;
		part.count++;
	}
	return part;
}

void mms_run_hold(struct mmsock_run *run, const struct mms_part *part)
{
	run->end = part->bytes;
	run->count = part->count;
	run->payload = part->payload;
	run->largest = part->largest;
	run->slot = MMS_SLOT_MIXED;
}

void mms_run_consume(struct mmsock_run *run, const struct mms_part *part)
{
	run->next += part->bytes;
	run->count -= part->count;
	run->payload -= part->payload;
}
