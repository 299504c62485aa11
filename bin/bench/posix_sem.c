/* SPDX-License-Identifier: MIT */
/*
 * posix_sem.c - POSIX named semaphores, one each way: bare, and behind a byte
 *
 * Behind a byte is the scheme that this project began with.  Who gives opens the
 * byte and posts; who waits spins on it for up to 1 ms, whatever comes of that
 * takes the semaphore, and closes it.  In this order it is also faster than with
 * the post first, though a waiter may come to a semaphore that has nothing yet and
 * sleep.  The byte lies with the word, which spares it a cache line.
 *
 * A semaphore has a name only until it is made; the processes inherit it.
 */
#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "slots.h"

#define SPIN_NS INT64_C(1000000)

/* Looks at the byte for each at the clock. */
#define LOOKS 16

/* How long one wait lasts before the next. */
#define PATIENCE_S 1

struct sems {
	sem_t *there;
	sem_t *back; /* NULL: no way back */
	void *slots;
};

struct own {
	sem_t *in;
	sem_t *out;
	struct slot *from;
	struct slot *to;
	struct timespec deadline;
};

static int open_one(char which, unsigned value, sem_t **ret_sem)
{
	char name[64];
	sem_t *sem;

	(void)snprintf(name, sizeof(name), "/mmsock-bench.%ld.%c",
		       (long)getpid(), which);
	sem = sem_open(name, O_CREAT | O_EXCL, 0600, value);
	if (sem == SEM_FAILED)
		return -errno;
	sem_unlink(name);
	*ret_sem = sem;
	return 0;
}

static void drop(void *channel)
{
	struct sems *sems = channel;

	if (sems->there)
		sem_close(sems->there);
	if (sems->back)
		sem_close(sems->back);
	if (sems->slots)
		slots_drop(sems->slots);
	free(sems);
}

static int make(const struct shape *shape, void **ret_channel)
{
	struct sems *sems = calloc(1, sizeof(*sems));
	int r;

	if (!sems)
		return -ENOMEM;
	r = open_one('t', shape->consumers == 0, &sems->there);
	if (r == 0 && shape->answers)
		r = open_one('b', 0, &sems->back);
	if (r == 0)
		r = slots_make(shape, &sems->slots);
	if (r < 0)
		drop(sems);
	else
		*ret_channel = sems;
	return r;
}

static int attach(struct link *link)
{
	const struct sems *sems = link->channel;
	struct slots *slots = sems->slots;
	struct own *own = calloc(1, sizeof(*own));

	if (!own)
		return -ENOMEM;
	own->in = link->producer ? sems->back : sems->there;
	own->out = link->producer ? sems->there : sems->back;
	own->from = link->producer ? &slots->back : &slots->there;
	own->to = link->producer ? &slots->there : &slots->back;
	link->own = own;
	return 0;
}

static void detach(struct link *link)
{
	drop(link->channel);
	free(link->own);
}

/* A deadline that has passed does no harm while there are units. */
static int take(struct own *own)
{
	while (sem_timedwait(own->in, &own->deadline) < 0) {
		if (errno != ETIMEDOUT)
			return -errno;
		clock_gettime(CLOCK_REALTIME, &own->deadline);
		own->deadline.tv_sec += PATIENCE_S;
	}
	return 0;
}

static ssize_t deliver(struct link *link, struct iovec *messages)
{
	const struct own *own = link->own;
	uint64_t word =
		atomic_load_explicit(&own->from->word, memory_order_relaxed);

	memcpy(link->buffer, &word, sizeof(word));
	messages[0] = (struct iovec){link->buffer, sizeof(word)};
	return 1;
}

static ssize_t receive(struct link *link, struct iovec *messages)
{
	int r = take(link->own);

	return r < 0 ? r : deliver(link, messages);
}

static void set_word(const struct own *own, const char *message)
{
	uint64_t word;

	memcpy(&word, message, sizeof(word));
	atomic_store_explicit(&own->to->word, word, memory_order_relaxed);
}

static int put(struct link *link, const char *messages, size_t count)
{
	const struct own *own = link->own;

	(void)count;
	set_word(own, messages);
	return sem_post(own->out) < 0 ? -errno : 0;
}

/* For 1 ms, or until the byte opens. */
static void spin(const struct slot *slot)
{
	int64_t end = clock_monotonic_ns() + SPIN_NS;
	unsigned looks = 0;

	while (!atomic_load_explicit(&slot->open, memory_order_acquire)) {
		if (++looks % LOOKS == 0 && clock_monotonic_ns() >= end)
			return;
		clock_relax();
	}
}

static ssize_t receive_spinning(struct link *link, struct iovec *messages)
{
	struct own *own = link->own;
	int r;

	spin(own->from);
	r = take(own);
	if (r < 0)
		return r;
	atomic_store_explicit(&own->from->open, 0, memory_order_relaxed);
	return deliver(link, messages);
}

static int put_spinning(struct link *link, const char *messages, size_t count)
{
	const struct own *own = link->own;

	(void)count;
	set_word(own, messages);
	atomic_store_explicit(&own->to->open, 1, memory_order_release);
	return sem_post(own->out) < 0 ? -errno : 0;
}

static int pairs(struct link *link, size_t count)
{
	const struct own *own = link->own;

	for (size_t i = 0; i < count; i++) {
		if (sem_wait(own->out) < 0 || sem_post(own->out) < 0)
			return -errno;
	}
	return 0;
}

const struct transport transport_posix_sem = {
	.name = "posix-sem",
	.help = "POSIX named semaphore, sem_timedwait(3), 8 bytes",
	.can = TRANSPORT_ANSWER | TRANSPORT_PAIR,
	.on_request = true,
	.carries = sizeof(uint64_t),
	.make = make,
	.drop = drop,
	.attach = attach,
	.detach = detach,
	.send = put,
	.receive = receive,
	.pairs = pairs,
};

const struct transport transport_spin_sem = {
	.name = "spin-sem",
	.help = "the same behind 1 ms of spinning on a byte",
	.can = TRANSPORT_ANSWER,
	.on_request = true,
	.carries = sizeof(uint64_t),
	.make = make,
	.drop = drop,
	.attach = attach,
	.detach = detach,
	.send = put_spinning,
	.receive = receive_spinning,
};
