/* SPDX-License-Identifier: MIT */
/*
 * nng.c - NNG over ipc, where its library was there at build time
 *
 * A pair of sockets for round trips, push and pull for streams: each producer
 * listens, each consumer connects to all of them.  Request and reply for calls.
 */
#include "transport.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#ifdef HAVE_NNG
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>

static int make(const struct shape *shape, void **ret_channel)
{
	(void)shape;
	*ret_channel = NULL;
	return 0;
}

static void drop(void *channel)
{
	(void)channel;
}

/* The library has numbers of its own beside those of the system. */
static int errno_of(int error)
{
	if (error == NNG_ETIMEDOUT)
		return -EAGAIN;
	if (error == NNG_ENOMEM)
		return -ENOMEM;
	if ((error & (int)NNG_ESYSERR) != 0)
		return -(error & ~(int)NNG_ESYSERR);
	return error ? -EIO : 0;
}

static int join(const struct link *link, nng_socket socket)
{
	char address[sizeof(struct sockaddr_un) + 16];
	unsigned count = link->producer ? 1 : link->shape->producers;
	int r = 0;

	for (unsigned i = 0; i < count && r == 0; i++) {
		(void)snprintf(address, sizeof(address), "ipc://%s/nng.%u",
			       link->shape->dir,
			       link->producer ? link->index : i);
		r = link->producer ? nng_listen(socket, address, NULL, 0)
				   : nng_dial(socket, address, NULL, 0);
	}
	return r;
}

static int open_socket(const struct link *link, nng_socket *socket)
{
	if (link->shape->answers)
		return nng_pair0_open(socket);
	return link->producer ? nng_push0_open(socket) : nng_pull0_open(socket);
}

static void detach(struct link *link)
{
	nng_socket *socket = link->own;

	nng_close(*socket);
	free(socket);
}

static int attach(struct link *link)
{
	nng_socket *socket = calloc(1, sizeof(*socket));
	int r;

	if (!socket)
		return -ENOMEM;
	link->own = socket;
	r = open_socket(link, socket);
	if (r == 0 && (link->shape->answers || !link->producer))
		r = nng_socket_set_ms(*socket, NNG_OPT_RECVTIMEO,
				      TRANSPORT_PATIENCE_MS);
	if (r == 0)
		r = nng_socket_set_size(*socket, NNG_OPT_RECVMAXSZ, 0);
	if (r == 0)
		r = join(link, *socket);
	if (r != 0)
		detach(link);
	return errno_of(r);
}

static int open_caller(const struct link *link, nng_socket *socket)
{
	char address[sizeof(struct sockaddr_un) + 16];
	int r = link->producer ? nng_req0_open(socket) : nng_rep0_open(socket);

	if (r == 0)
		r = nng_socket_set_size(*socket, NNG_OPT_RECVMAXSZ, 0);
	if (r != 0)
		return r;
	(void)snprintf(address, sizeof(address), "ipc://%s/nng.calls",
		       link->shape->dir);
	return link->producer ? nng_dial(*socket, address, NULL, 0)
			      : nng_listen(*socket, address, NULL, 0);
}

/* The server listens; who calls waits for his reply. */
static int attach_calls(struct link *link)
{
	nng_socket *socket = calloc(1, sizeof(*socket));
	int r;

	if (!socket)
		return -ENOMEM;
	link->own = socket;
	r = open_caller(link, socket);
	if (r != 0)
		detach(link);
	return errno_of(r);
}

/* Without NNG_FLAG_ALLOC the bytes are copied and only looked at. */
static int put(struct link *link, const char *messages, size_t count)
{
	const nng_socket *socket = link->own;
	size_t size = link->shape->size;

	for (size_t i = 0; i < count; i++) {
		union {
			const char *from;
			void *to;
		} message = {.from = messages + i * size};
		int r = nng_send(*socket, message.to, size, 0);

		if (r != 0)
			return errno_of(r);
	}
	return 0;
}

static ssize_t receive(struct link *link, struct iovec *messages)
{
	const nng_socket *socket = link->own;
	size_t got = link->shape->size;
	int r = nng_recv(*socket, link->buffer, &got, 0);

	if (r != 0)
		return errno_of(r);
	messages[0] = (struct iovec){link->buffer, got};
	return 1;
}

const struct transport transport_nng = {
	.name = "nng",
	.help = "NNG, ipc: pair, push and pull, req and rep",
	.can = TRANSPORT_ANSWER | TRANSPORT_STREAM | TRANSPORT_MANY,
	.make = make,
	.drop = drop,
	.attach = attach,
	.detach = detach,
	.send = put,
	.receive = receive,
	.calls = &transport_nng_calls,
};

const struct transport transport_nng_calls = {
	.name = "nng",
	.can = TRANSPORT_ANSWER | TRANSPORT_MANY,
	.make = make,
	.drop = drop,
	.attach = attach_calls,
	.detach = detach,
	.send = put,
	.receive = receive,
};

#else

static bool not_here(const struct shape *shape, struct reason *ret_reason)
{
	(void)shape;
	return transport_refuse(ret_reason, "not built in (nng was not there)");
}

const struct transport transport_nng = {
	.name = "nng",
	.help = "NNG (not built in)",
	.can = TRANSPORT_ANSWER | TRANSPORT_STREAM | TRANSPORT_MANY,
	.check = not_here,
	.calls = &transport_nng,
};

#endif
