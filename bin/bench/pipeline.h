/* SPDX-License-Identifier: MIT */
/*
 * pipeline.h - the tools as a shell user has them, against what else there is
 */
#ifndef BENCH_PIPELINE_H
#define BENCH_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport.h"

struct settings;

/* How the sending part of a pipeline reaches the receiving part. */
enum pipeline_joint {
	PIPELINE_PIPE,
	PIPELINE_FIFO,
	PIPELINE_PORT,
	PIPELINE_SERVICE, /* whose replies the senders write out */
	PIPELINE_SOCKET
};

#define PIPELINE_STAGES 2

/*
 * A row of the table.  Commands are words with a blank in between; in them, '@'
 * stands for the directory of the run and '#' for the count.
 */
struct pipeline {
	const char *task; /* "lines", "stream", "command" or "calls" */
	const char *transport;
	const char *senders[PIPELINE_STAGES];
	const char *receivers[PIPELINE_STAGES];
	enum pipeline_joint joint;
	unsigned size;  /* of a message, or of what is written at a time */
	unsigned lines; /* of the count that one such stands for */
};

extern const struct pipeline pipelines[];
extern const size_t pipeline_count;

/* pipeline_check - whether its programs are there; else the reason */
bool pipeline_check(const struct pipeline *pipeline, struct reason *ret_reason);

#endif
