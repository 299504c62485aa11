/* SPDX-License-Identifier: MIT */
/*
 * zmq.c - ZeroMQ over ipc, where its library was there at build time
 *
 * A pair of sockets for round trips, push and pull for streams: each producer
 * listens, each consumer connects to all of them.  Request and reply for calls.
 */
#include "transport.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#ifdef HAVE_ZMQ
#include <zmq.h>

struct own {
	void *context;
	void *socket;
};

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

static int join(const struct link *link, const struct own *own)
{
	char address[sizeof(struct sockaddr_un) + 16];
	unsigned count = link->producer ? 1 : link->shape->producers;
	int r = 0;

	for (unsigned i = 0; i < count && r == 0; i++) {
		(void)snprintf(address, sizeof(address), "ipc://%s/zmq.%u",
			       link->shape->dir,
			       link->producer ? link->index : i);
		r = link->producer ? zmq_bind(own->socket, address)
				   : zmq_connect(own->socket, address);
	}
	return r < 0 ? -errno : 0;
}

/* The context waits until all that was sent has left. */
static void detach(struct link *link)
{
	struct own *own = link->own;

	if (own->socket)
		zmq_close(own->socket);
	if (own->context)
		zmq_ctx_term(own->context);
	free(own);
}

static int open_socket(struct link *link, int type)
{
	struct own *own = calloc(1, sizeof(*own));

	if (!own)
		return -ENOMEM;
	link->own = own;
	own->context = zmq_ctx_new();
	if (own->context)
		own->socket = zmq_socket(own->context, type);
	if (own->socket)
		return 0;
	detach(link);
	return -ENOMEM;
}

static int attach(struct link *link)
{
	int type = link->producer ? ZMQ_PUSH : ZMQ_PULL;
	int patience = TRANSPORT_PATIENCE_MS;
	const struct own *own;
	int r = open_socket(link, link->shape->answers ? ZMQ_PAIR : type);

	if (r < 0)
		return r;
	own = link->own;
	if (link->shape->answers || !link->producer)
		zmq_setsockopt(own->socket, ZMQ_RCVTIMEO, &patience,
			       sizeof(patience));
	r = join(link, own);
	if (r < 0)
		detach(link);
	return r;
}

/* The server listens; who calls waits for his reply, as the library has it. */
static int attach_calls(struct link *link)
{
	char address[sizeof(struct sockaddr_un) + 16];
	const struct own *own;
	int r = open_socket(link, link->producer ? ZMQ_REQ : ZMQ_REP);

	if (r < 0)
		return r;
	own = link->own;
	(void)snprintf(address, sizeof(address), "ipc://%s/zmq.calls",
		       link->shape->dir);
	r = link->producer ? zmq_connect(own->socket, address)
			   : zmq_bind(own->socket, address);
	if (r == 0)
		return 0;
	r = -errno;
	detach(link);
	return r;
}

static int put(struct link *link, const char *messages, size_t count)
{
	const struct own *own = link->own;
	size_t size = link->shape->size;

	for (size_t i = 0; i < count; i++) {
		if (zmq_send(own->socket, messages + i * size, size, 0) < 0)
			return -errno;
	}
	return 0;
}

static ssize_t receive(struct link *link, struct iovec *messages)
{
	const struct own *own = link->own;
	size_t size = link->shape->size;
	int got = zmq_recv(own->socket, link->buffer, size, 0);

	if (got < 0)
		return -errno;
	messages[0] = (struct iovec){link->buffer, (size_t)got};
	return 1;
}

const struct transport transport_zmq = {
	.name = "zmq",
	.help = "ZeroMQ, ipc: pair, push and pull, req and rep",
	.can = TRANSPORT_ANSWER | TRANSPORT_STREAM | TRANSPORT_MANY,
	.make = make,
	.drop = drop,
	.attach = attach,
	.detach = detach,
	.send = put,
	.receive = receive,
	.calls = &transport_zmq_calls,
};

const struct transport transport_zmq_calls = {
	.name = "zmq",
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
	return transport_refuse(ret_reason,
				"not built in (libzmq was not there)");
}

const struct transport transport_zmq = {
	.name = "zmq",
	.help = "ZeroMQ (not built in)",
	.can = TRANSPORT_ANSWER | TRANSPORT_STREAM | TRANSPORT_MANY,
	.check = not_here,
	.calls = &transport_zmq,
};

#endif
