/* SPDX-License-Identifier: MIT */
/*
 * relay.h - from ports to other ports, or to standard output
 */
#ifndef RELAY_H
#define RELAY_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sinks.h"
#include "stream.h"
#include "taker.h"

struct relay;

/* A port that messages come from. */
struct source {
	struct stream_config config; /* with the port's own name */
	struct taker taker;
	uint64_t messages; /* taken */
	uint64_t bytes;    /* where they are counted */
	struct relay *relay;
	pthread_t thread; /* where there are several sources */
	int status;
};

struct relay {
	const struct stream_config *config;
	struct source *sources;
	size_t source_count;
	struct sinks *sinks;
	size_t run_bytes;
	uint64_t left; /* messages to take, of all sources together */
	int status;    /* of the sinks; nothing more is taken if it is not 0 */
	int64_t moved_ns;     /* when something was last taken */
	pthread_mutex_t lock; /* of all above and the sinks */
	sem_t done;           /* one for each thread that has ended */
};

/*
 * relay_run - take messages until all sources have ended; exit status
 *
 * Several sources are merged in the order in which their messages are there; of
 * several failures the first source's is the exit status.  What was taken is
 * put, or its loss is reported.
 */
int relay_run(struct relay *relay);

/* For the threads of team.c: */

/* relay_serve - take from one source until it ends or all is over */
int relay_serve(struct source *source);

/* relay_is_over - nothing more is to be taken; ask with the lock held */
bool relay_is_over(const struct relay *relay);

#endif
