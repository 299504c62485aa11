/* SPDX-License-Identifier: MIT */
/*
 * talk.h - requests from arguments or standard input to a service, replies to
 * standard output
 */
#ifndef TALK_H
#define TALK_H

#include <stddef.h>

#include "stream.h"

struct talk_config {
	const struct stream_config *stream;
	char *const *requests; /* arguments, each a request */
	size_t request_count;  /* 0: they come from standard input */
	unsigned inflight;     /* most requests at a time, from 1 on */
};

/*
 * talk_run - attach, send each request, write each reply, detach; exit status
 *
 * Replies are written in the order of the requests.
 */
int talk_run(const struct talk_config *config);

#endif
