/* SPDX-License-Identifier: MIT */
/*
 * scribble.h - somebody who writes into a port, semaphore or service and keeps no
 * rule
 *
 * What he writes, where and when comes from the input.  When: at once; or in the
 * middle of a call, after so many steps of the library, which is compiled so that
 * it tells of each beginning and end of a function, inlined ones included; or all
 * the time, from a thread, which cannot be repeated, but finds him in places
 * where no function begins.
 */
#ifndef SCRIBBLE_H
#define SCRIBBLE_H

#include <stdbool.h>

#include "fuzz.h"
#include "layout.h"

#define SCRIBBLE_SLOTS 4
#define SCRIBBLE_RING  MMSOCK_RING_MIN

/* A file that is in use; its first bytes are what an input begins with. */
void scribble_init(const char *path);

/* Nobody is attached: make all of the file as it was, and forget what is due. */
void scribble_reset(void);

/* The file, to damage it in other ways. */
unsigned char *scribble_file(void);

/* Something has been taken to be written since the reset. */
bool scribble_due(void);

/* Take one thing to write from the input, and write it when it is due. */
void scribble_take(struct fuzz_input *input);

/* Write all that was taken again and again, until scribble_stop(). */
void scribble_start(void);
void scribble_stop(void);

/* What nobody has a reason to write to is as it was. */
void scribble_check(void);

#endif
