/* SPDX-License-Identifier: MIT */
/*
 * sem.c - the semaphore of the library, one each way
 *
 * It tells that there is a message and carries none: the word lies beside it.
 * Names last as long as the run, in a directory of our own.  A process that posts
 * what another waits for can do so in plain mode only; owned mode is for who takes
 * and gives alone.
 */
#include "transport.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <mmsock.h>

#include "slots.h"

#define THERE "there"
#define BACK  "back"

struct own {
	struct mmsock_sem *in;
	struct mmsock_sem *out;
	struct slot *from;
	struct slot *to;
};

static int create(const struct shape *shape, const char *name, uint64_t value)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;
	int r;

	options.dir = shape->dir;
	options.mode = MMSOCK_CREATE_NEW_EXCLUSIVE;
	options.value = value;
	r = mmsock_sem_create(name, &options);
	return r < 0 ? r : 0;
}

static void unmake(const struct shape *shape)
{
	(void)mmsock_sem_remove(THERE, shape->dir, MMSOCK_REMOVE_ALWAYS);
	if (shape->answers)
		(void)mmsock_sem_remove(BACK, shape->dir, MMSOCK_REMOVE_ALWAYS);
}

static int make(const struct shape *shape, void **ret_channel)
{
	int r = create(shape, THERE, shape->consumers == 0);

	if (r == 0 && shape->answers)
		r = create(shape, BACK, 0);
	if (r == 0)
		r = slots_make(shape, ret_channel);
	if (r < 0)
		unmake(shape);
	return r;
}

static int open_one(const struct shape *shape, const char *name, unsigned flags,
		    struct mmsock_sem **ret_sem)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;

	options.dir = shape->dir;
	options.mode = MMSOCK_CONNECT_TO_EXISTING;
	options.flags = flags;
	options.spin_ns = shape->spin_ns;
	return mmsock_sem_open(name, &options, ret_sem);
}

static void detach(struct link *link)
{
	struct own *own = link->own;

	mmsock_sem_close(own->out);
	mmsock_sem_close(own->in);
	free(own);
}

static int attach_in(struct link *link, unsigned flags)
{
	const struct shape *shape = link->shape;
	struct slots *slots = link->channel;
	struct own *own = calloc(1, sizeof(*own));
	int r;

	if (!own)
		return -ENOMEM;
	link->own = own;
	own->from = link->producer ? &slots->back : &slots->there;
	own->to = link->producer ? &slots->there : &slots->back;
	r = open_one(shape, link->producer ? THERE : BACK, flags, &own->out);
	if (r == 0 && shape->answers)
		r = open_one(shape, link->producer ? BACK : THERE, flags,
			     &own->in);
	if (r < 0)
		detach(link);
	return r;
}

static int attach(struct link *link)
{
	return attach_in(link, 0);
}

static int attach_owned(struct link *link)
{
	return attach_in(link, MMSOCK_SEM_OWNED);
}

/* What comes before a post is seen after the wait: the word needs no more. */
static int put(struct link *link, const char *messages, size_t count)
{
	const struct own *own = link->own;
	uint64_t word;

	(void)count;
	memcpy(&word, messages, sizeof(word));
	atomic_store_explicit(&own->to->word, word, memory_order_relaxed);
	return mmsock_sem_post(own->out, 1);
}

static ssize_t receive(struct link *link, struct iovec *messages)
{
	const struct own *own = link->own;
	int r = mmsock_sem_wait(own->in, 1, MMSOCK_FOREVER);
	uint64_t word;

	if (r < 0)
		return r;
	word = atomic_load_explicit(&own->from->word, memory_order_relaxed);
	memcpy(link->buffer, &word, sizeof(word));
	messages[0] = (struct iovec){link->buffer, sizeof(word)};
	return 1;
}

static int pairs(struct link *link, size_t count)
{
	const struct own *own = link->own;
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		r = mmsock_sem_wait(own->out, 1, MMSOCK_FOREVER);
		if (r == 0)
			r = mmsock_sem_post(own->out, 1);
	}
	return r;
}

const struct transport transport_sem = {
	.name = "sem",
	.help = "mmsock_sem_wait(3) and mmsock_sem_post(3), 8 bytes",
	.can = TRANSPORT_ANSWER | TRANSPORT_PAIR,
	.on_request = true,
	.carries = sizeof(uint64_t),
	.make = make,
	.drop = slots_drop,
	.unmake = unmake,
	.attach = attach,
	.detach = detach,
	.send = put,
	.receive = receive,
	.pairs = pairs,
};

const struct transport transport_sem_owned = {
	.name = "sem-owned",
	.help = "the same in owned mode; uncontended only",
	.can = TRANSPORT_PAIR,
	.on_request = true,
	.carries = sizeof(uint64_t),
	.make = make,
	.drop = slots_drop,
	.unmake = unmake,
	.attach = attach_owned,
	.detach = detach,
	.pairs = pairs,
};
