/* SPDX-License-Identifier: MIT */
/*
 * echo.c - sockets in rpc: each client has a connection, and the server waits
 * with epoll(7) for a request on any of them
 *
 * In a stream the length stands before each message.  What has come of a request
 * is kept with its connection, so that no client waits for the rest of another's;
 * a reply is written as a whole, for its client reads.
 */
#include "transport.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "roles.h"

/* Before a message of a stream. */
#define LENGTH_BYTES sizeof(uint32_t)

/* Made by the transport of one connection, as often as there are clients. */
struct connections {
	const struct transport *base;
	unsigned count;
	void *channels[ROLES_MAX];
};

struct connection {
	int fd;
	size_t got; /* bytes of the frame that are here */
	char *frame;
};

struct own {
	size_t prefix; /* bytes before a message */
	int epoll;
	int next, ready; /* of the events that epoll(7) gave */
	struct epoll_event events[ROLES_MAX];
	struct connection *current; /* whom the reply is for */
	unsigned count;
	struct connection connections[ROLES_MAX];
};

static void drop(void *channel)
{
	struct connections *all = channel;

	for (unsigned i = 0; i < all->count; i++)
		all->base->drop(all->channels[i]);
	free(all);
}

static int make(const struct transport *base, const struct shape *shape,
		void **ret_channel)
{
	struct connections *all = calloc(1, sizeof(*all));
	int r = 0;

	if (!all)
		return -ENOMEM;
	all->base = base;
	while (all->count < shape->producers && r == 0) {
		r = base->make(shape, &all->channels[all->count]);
		all->count += r == 0;
	}
	if (r < 0)
		drop(all);
	else
		*ret_channel = all;
	return r;
}

static void detach(struct link *link)
{
	struct own *own = link->own;

	for (unsigned i = 0; i < own->count; i++) {
		if (own->connections[i].fd >= 0)
			close(own->connections[i].fd);
		free(own->connections[i].frame);
	}
	if (own->epoll >= 0)
		close(own->epoll);
	free(own);
}

/* The end of this process; the other one is closed. */
static int take_end(const struct link *link, void *channel)
{
	struct link end = *link;
	struct connection *connection;
	struct own *own = link->own;

	end.channel = channel;
	descriptors_attach(&end);
	connection = &own->connections[own->count++];
	*connection = (struct connection){
		.fd = end.in,
		.frame = calloc(1, own->prefix + link->shape->size),
	};
	return connection->frame ? 0 : -ENOMEM;
}

static int watch(struct own *own)
{
	own->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (own->epoll < 0)
		return -errno;
	for (unsigned i = 0; i < own->count; i++) {
		struct epoll_event event = {
			.events = EPOLLIN,
			.data.ptr = &own->connections[i],
		};

		if (epoll_ctl(own->epoll, EPOLL_CTL_ADD, own->connections[i].fd,
			      &event) < 0)
			return -errno;
	}
	return 0;
}

/* A client has one connection, the server all of them. */
static int attach(struct link *link)
{
	const struct connections *all = link->channel;
	struct own *own = calloc(1, sizeof(*own));
	int r = 0;

	if (!own)
		return -ENOMEM;
	link->own = own;
	own->epoll = -1;
	own->current = &own->connections[0];
	own->prefix = all->base == &transport_seqpacket ? 0 : LENGTH_BYTES;
	for (unsigned i = 0; i < all->count && r == 0; i++) {
		if (!link->producer || i == link->index)
			r = take_end(link, all->channels[i]);
		else
			descriptors_drop(all->channels[i]);
	}
	if (r == 0 && !link->producer)
		r = watch(own);
	if (r < 0)
		detach(link);
	return r;
}

static void leave_out(struct iovec *parts, size_t sent)
{
	for (int i = 0; i < 2; i++) {
		size_t part = sent < parts[i].iov_len ? sent : parts[i].iov_len;

		parts[i].iov_base = (char *)parts[i].iov_base + part;
		parts[i].iov_len -= part;
		sent -= part;
	}
}

/* One message, to the server or to whom a request has come from. */
static int put(struct link *link, const char *messages, size_t count)
{
	const struct own *own = link->own;
	uint32_t length = (uint32_t)link->shape->size;
	union {
		const char *from;
		void *to;
	} message = {.from = messages};
	struct iovec parts[] = {{&length, own->prefix},
				{message.to, link->shape->size}};

	(void)count;
	while (parts[0].iov_len + parts[1].iov_len > 0) {
		ssize_t sent = writev(own->current->fd, parts, 2);

		if (sent < 0 && errno != EINTR)
			return -errno;
		leave_out(parts, sent < 0 ? 0 : (size_t)sent);
	}
	return 0;
}

/* 1: all of a message is here. */
static int look_at_length(const struct link *link,
			  const struct connection *connection)
{
	uint32_t length;

	if (connection->got < LENGTH_BYTES)
		return 0;
	memcpy(&length, connection->frame, sizeof(length));
	if (length > link->shape->size)
		return -EPROTO;
	return connection->got >= LENGTH_BYTES + length;
}

/* 1: all of a message is here; 0: not yet; -ENODATA: the other side has left. */
static int read_some(const struct link *link, struct connection *connection,
		     int flags)
{
	const struct own *own = link->own;
	size_t room = own->prefix + link->shape->size - connection->got;
	ssize_t got = recv(connection->fd, connection->frame + connection->got,
			   room, flags);

	if (got < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	if (got == 0)
		return -ENODATA;
	connection->got += (size_t)got;
	return own->prefix ? look_at_length(link, connection) : 1;
}

static ssize_t hand_out(const struct own *own, struct connection *connection,
			struct iovec *messages)
{
	messages[0] = (struct iovec){connection->frame + own->prefix,
				     connection->got - own->prefix};
	connection->got = 0;
	return 1;
}

/* The next connection with something to read. */
static int await_next(struct own *own, struct connection **ret_connection)
{
	while (own->next >= own->ready) {
		own->next = 0;
		own->ready = epoll_wait(own->epoll, own->events, ROLES_MAX, -1);
		if (own->ready < 0 && errno != EINTR)
			return -errno;
	}
	*ret_connection = own->events[own->next++].data.ptr;
	return 0;
}

static ssize_t serve(struct link *link, struct iovec *messages)
{
	struct own *own = link->own;
	int r;

	do {
		r = await_next(own, &own->current);
		if (r == 0)
			r = read_some(link, own->current, MSG_DONTWAIT);
		if (r == -ENODATA) {
			close(own->current->fd);
			own->current->fd = -1;
			r = 0;
		}
	} while (r == 0);
	return r < 0 ? r : hand_out(own, own->current, messages);
}

static ssize_t receive(struct link *link, struct iovec *messages)
{
	const struct own *own = link->own;
	int r;

	if (!link->producer)
		return serve(link, messages);
	do
		r = read_some(link, own->current, 0);
	while (r == 0);
	if (r == -ENODATA)
		return 0;
	return r < 0 ? r : hand_out(own, own->current, messages);
}

static int make_unix(const struct shape *shape, void **ret_channel)
{
	return make(&transport_unix, shape, ret_channel);
}

static int make_seqpacket(const struct shape *shape, void **ret_channel)
{
	return make(&transport_seqpacket, shape, ret_channel);
}

static int make_tcp(const struct shape *shape, void **ret_channel)
{
	return make(&transport_tcp, shape, ret_channel);
}

static bool check_seqpacket(const struct shape *shape,
			    struct reason *ret_reason)
{
	return transport_seqpacket.check(shape, ret_reason);
}

const struct transport transport_unix_calls = {
	.name = "unix",
	.can = TRANSPORT_ANSWER | TRANSPORT_MANY,
	.make = make_unix,
	.drop = drop,
	.attach = attach,
	.detach = detach,
	.send = put,
	.receive = receive,
};

const struct transport transport_seqpacket_calls = {
	.name = "seqpacket",
	.can = TRANSPORT_ANSWER | TRANSPORT_MANY,
	.check = check_seqpacket,
	.make = make_seqpacket,
	.drop = drop,
	.attach = attach,
	.detach = detach,
	.send = put,
	.receive = receive,
};

const struct transport transport_tcp_calls = {
	.name = "tcp",
	.can = TRANSPORT_ANSWER | TRANSPORT_MANY,
	.make = make_tcp,
	.drop = drop,
	.attach = attach,
	.detach = detach,
	.send = put,
	.receive = receive,
};
