/* SPDX-License-Identifier: MIT */
/*
 * taker.h - taking messages off a port, as the options of a tool ask for it
 */
#ifndef TAKER_H
#define TAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "stream.h"

struct taker {
	const struct stream_config *config;
	struct mmsock *handle;
	struct mmsock_run *run; /* what was taken last */
	int64_t timeout_ns;     /* of a wait; the config's, to begin with */
	/* Called every second of a wait; what is not 0 ends it. */
	int (*look)(void *context);
	void *context;
	bool exit_on_empty;
	bool one_by_one;   /* messages are looked at before they are taken */
	bool no_delimiter; /* where looked at: not one that holds it */
	uint64_t largest;  /* where looked at: not one that is larger */
	int64_t held_ns;   /* that -e has waited for an end held by somebody */
};

/*
 * taker_look - the length of the oldest message, which stays on the port
 *
 * Errors as mmsock_peek().
 */
ssize_t taker_look(struct taker *taker, int64_t timeout_ns);

/*
 * taker_take - take what is there into the run, at most @most messages
 *
 * Does not wait.  Returns how many; errors as mmsock_run_recv().  Where they
 * are looked at first: -EILSEQ the next holds the delimiter, -EMSGSIZE it is too
 * large; it stays on the port.
 */
int taker_take(struct taker *taker, uint64_t most);

/*
 * taker_later - do what the options say where there was nothing to take
 *
 * @why is what taker_take() returned, -EAGAIN or -EBUSY.  Waits, unless -n or -e
 * forbids it, and takes as taker_take() does; with a @most of 0 it returns 0 when
 * there is something to be taken.  -ENODATA also where -e has found the port
 * empty.
 */
int taker_later(struct taker *taker, int why, uint64_t most);

/*
 * taker_finish - what the end of taking means: the exit status
 *
 * @reason is 0 or what ended it, @taken how many messages were taken.  Reports
 * errors, and with --strict senders that died.
 */
int taker_finish(struct taker *taker, int reason, uint64_t taken);

#endif
