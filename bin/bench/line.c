/* SPDX-License-Identifier: MIT */
/*
 * line.c - the bare cache line: what a hand-off costs at the least
 *
 * One process stores a word, the other polls it.  No queue, no sleep, no data
 * but the word: the floor under every transport that is made of shared memory.
 * Round trips use line.h directly; the functions here are for whoever does not
 * know that it is a line.
 */
#include "line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "slots.h"
#include "transport.h"

bool line_is(const struct transport *transport)
{
	return transport == &transport_line ||
	       transport == &transport_line_shared;
}

static int attach(struct link *link)
{
	struct slots *slots = link->channel;
	struct line_end *end = calloc(1, sizeof(*end));

	if (!end)
		return -ENOMEM;
	end->out = link->producer ? &slots->there.word : &slots->back.word;
	end->in = link->producer ? &slots->back.word : &slots->there.word;
	end->looks = link->shape->one_cpu ? LINE_LOOKS_ONE_CPU : LINE_LOOKS_TWO;
	link->own = end;
	return 0;
}

static int attach_shared(struct link *link)
{
	struct slots *slots = link->channel;
	struct line_end *end;
	int r = attach(link);

	if (r < 0)
		return r;
	end = link->own;
	end->out = &slots->there.word;
	end->in = &slots->there.word;
	end->mark = link->producer ? 0 : LINE_ANSWER;
	end->others = link->producer ? LINE_ANSWER : 0;
	return 0;
}

static void detach(struct link *link)
{
	free(link->own);
}

static int put(struct link *link, const char *messages, size_t count)
{
	uint64_t word;

	(void)count;
	memcpy(&word, messages, sizeof(word));
	line_put(link->own, word);
	return 0;
}

static ssize_t receive(struct link *link, struct iovec *messages)
{
	uint64_t word = line_get(link->own);

	memcpy(link->buffer, &word, sizeof(word));
	messages[0] = (struct iovec){link->buffer, sizeof(word)};
	return 1;
}

const struct transport transport_line = {
	.name = "line",
	.help = "bare cache line, one each way, 8 bytes: the floor",
	.can = TRANSPORT_ANSWER,
	.carries = sizeof(uint64_t),
	.make = slots_make,
	.drop = slots_drop,
	.attach = attach,
	.detach = detach,
	.send = put,
	.receive = receive,
};

const struct transport transport_line_shared = {
	.name = "line-shared",
	.help = "bare cache line, the same both ways, 8 bytes",
	.can = TRANSPORT_ANSWER,
	.on_request = true,
	.carries = sizeof(uint64_t),
	.make = slots_make,
	.drop = slots_drop,
	.attach = attach_shared,
	.detach = detach,
	.send = put,
	.receive = receive,
};
