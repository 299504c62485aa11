/* SPDX-License-Identifier: MIT */
/*
 * run.h - messages on their way into or out of a ring
 *
 * A run holds records exactly as they lie in the ring, so that it goes in and
 * comes out in one copy.
 */
#ifndef MMS_RUN_H
#define MMS_RUN_H

#include <stddef.h>
#include <stdint.h>

#include "ring.h"

struct mmsock_run {
	unsigned char *image;
	size_t capacity;
	size_t target; /* capacity asked for; larger only for one message */
	size_t next;   /* first record not yet sent or read */
	size_t end;
	size_t count;   /* records from next to end */
	size_t payload; /* bytes of messages in them */
	size_t largest; /* no message is longer; of those that were in it */
	unsigned slot;  /* in the headers of all records, or MMS_SLOT_MIXED */
};

/* A run that was received: each record names its own sender. */
#define MMS_SLOT_MIXED UINT32_MAX

/* Make room for @bytes; only for an empty run. */
int mms_run_grow(struct mmsock_run *run, size_t bytes);

/* Find the largest of the messages that are left. */
void mms_run_measure(struct mmsock_run *run);

/* Ring space that the next record takes. */
size_t mms_run_first(const struct mmsock_run *run);

/* Write @slot into the header of every record. */
void mms_run_stamp(struct mmsock_run *run, unsigned slot);

/*
 * The longest part, from the next record on, of whole records that take at most
 * @room bytes.
 */
struct mms_part mms_run_part(const struct mmsock_run *run, uint64_t room);

/* These records have been received into the image of an empty run. */
void mms_run_hold(struct mmsock_run *run, const struct mms_part *part);

/* A part from the next record on is gone. */
void mms_run_consume(struct mmsock_run *run, const struct mms_part *part);

#endif
