/* SPDX-License-Identifier: MIT */
/*
 * outlet.h - standard output, where messages go that were taken off a port
 *
 * A framing_writer that reports: what it says of the messages is said of
 * @config->port.
 */
#ifndef OUTLET_H
#define OUTLET_H

#include <stdbool.h>
#include <stdint.h>

#include "framing.h"
#include "pour.h"
#include "stream.h"

struct outlet {
	const struct stream_config *config;
	struct framing_writer writer;
	struct pour pour; /* set up by whoever uses outlet_pass() */
	bool warned;
};

/*
 * outlet_check - can standard output be written at all; exit status
 *
 * To be asked before a message is taken that could not be written.
 */
int outlet_check(void);

/*
 * outlet_check_reader - 0, or -EPIPE where nobody reads standard output any more
 *
 * With the signal that belongs to it.
 */
int outlet_check_reader(void);

/* 0 or -ENOMEM; outlet_fini() may also be given an outlet that is all zero. */
int outlet_init(struct outlet *outlet, const struct stream_config *config);
void outlet_fini(struct outlet *outlet);

/*
 * outlet_put - write the messages of a run; with -u at once
 *
 * 0 or the error of write(2).
 */
int outlet_put(struct outlet *outlet, struct mmsock_run *run);

/*
 * outlet_pass - write a message from where it is, as much as goes without waiting
 *
 * Returns how much, at least a byte; the rest is to be put.  -EAGAIN: nothing at
 * the moment, outlet_wait() tells when; -EOPNOTSUPP: never, so put it; or the
 * error of write(2).
 */
ssize_t outlet_pass(struct outlet *outlet, const void *message, size_t length);

/* outlet_wait - until nothing is held back and there is room: 0 or -errno */
int outlet_wait(struct outlet *outlet);

/* outlet_flush - write out what is in the buffer; warns of delimiters */
int outlet_flush(struct outlet *outlet);

/*
 * outlet_failed - report that writing failed; exit status
 *
 * @unput messages were taken and not even put.
 */
int outlet_failed(const struct outlet *outlet, int error, uint64_t unput);

#endif
