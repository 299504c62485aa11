/* SPDX-License-Identifier: MIT */
/*
 * sinks.h - where messages go: ports, standard output, or several of them
 *
 * Everything that is put goes to each, in the same order.  What fails is
 * reported; the functions return the exit status.
 */
#ifndef SINKS_H
#define SINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "outlet.h"
#include "progress.h"
#include "stream.h"

struct sink {
	struct stream_config config; /* with the port's own name */
	struct mmsock *handle;
	struct mmsock_run *run; /* its copy, where there are several */
	uint64_t messages;      /* sent */
	uint64_t bytes;
};

struct sinks {
	struct sink *ports;
	size_t port_count;
	struct outlet *outlet;  /* NULL: not to standard output */
	struct mmsock_run *run; /* the outlet's copy */
	struct progress *progress;
	bool counts;    /* somebody wants to know the bytes */
	bool was_taken; /* what is put is on no port any more */
	bool copies;    /* a run is not sent as it is */
	uint64_t bytes; /* put so far; 0 where nobody wants to know */
};

/*
 * sinks_prepare - once all ports are attached: make what the copies need
 *
 * @run_bytes is the room of the runs that will be put.  0 or -ENOMEM.
 */
int sinks_prepare(struct sinks *sinks, size_t run_bytes);
void sinks_fini(struct sinks *sinks);

/* sinks_largest - the largest message that all ports take */
uint64_t sinks_largest(const struct sinks *sinks);

/*
 * sinks_have_room - has each port room for a message of @length now
 *
 * Then what is put next does not wait, unless others send there too.
 * sinks_wait_room() waits for that.
 */
bool sinks_have_room(const struct sinks *sinks, uint64_t length);
int sinks_wait_room(const struct sinks *sinks, uint64_t length);

/* sinks_put - send the messages of a run to all; it is empty afterwards */
int sinks_put(struct sinks *sinks, struct mmsock_run *run);

/* sinks_flush - hold nothing back that was put */
int sinks_flush(struct sinks *sinks);

/* sinks_check - are all ports still there, does somebody read our output */
int sinks_check(struct sinks *sinks);

#endif
