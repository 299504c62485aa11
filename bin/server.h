/* SPDX-License-Identifier: MIT */
/*
 * server.h - what mmsock-serve does, once it is known what is asked for
 */
#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "stream.h"
#include "tool.h"

#define SERVER_JOBS_MAX TOOL_HANDLES_MAX

struct server_config {
	struct stream_config stream;
	char *const *command; /* NULL: none */
	const char *reply;    /* where there is no command; NULL: the request */
	unsigned jobs;
	bool lasting;     /* the command runs all the time */
	int64_t limit_ns; /* for its answer to a request; < 0: none */
};

/*
 * server_run - attach, answer requests until it is over, detach; exit status
 *
 * The first signal lets the requests that are taken be answered, the second kills
 * what works at them.
 */
int server_run(const struct server_config *config);

#endif
