/* SPDX-License-Identifier: MIT */
/*
 * packet.c - a Unix socket that keeps messages whole
 *
 * Several processes may share each end: the kernel hands over whole messages.
 */
#include "transport.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the kernel adds to a message when it counts its room. */
#define OVERHEAD 512

/* A message must fit into what may be under way. */
static int grow(int fd, size_t size)
{
	int wanted = (int)size + OVERHEAD, room = 0;
	socklen_t length = sizeof(room);

	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, &length) < 0)
		return -errno;
	if (room >= wanted)
		return 0;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted));
	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, &length) < 0)
		return -errno;
	return room >= wanted ? 0 : -EMSGSIZE;
}

static int make(const struct shape *shape, void **ret_channel)
{
	struct descriptors *all = descriptors_new();
	int ends[2], r = 0;

	if (!all)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		r = -errno;
		goto fail;
	}
	*all = (struct descriptors){{ends[1], ends[0]}, {ends[0], ends[1]}};
	r = grow(ends[0], shape->size);
	if (r == 0)
		r = grow(ends[1], shape->size);
	if (r == 0) {
		*ret_channel = all;
		return 0;
	}
fail:
	descriptors_drop(all);
	return r;
}

static bool check(const struct shape *shape, struct reason *ret_reason)
{
	void *channel = NULL;
	int r = make(shape, &channel);

	if (channel)
		descriptors_drop(channel);
	if (r == -EMSGSIZE)
		return transport_refuse(ret_reason,
					"the message is larger than a socket's "
					"buffer may be (net.core.wmem_max)");
	return true;
}

static int put(struct link *link, const char *messages, size_t count)
{
	size_t size = link->shape->size;

	for (size_t i = 0; i < count; i++) {
		if (send(link->out, messages + i * size, size, MSG_NOSIGNAL) <
		    0)
			return -errno;
	}
	return 0;
}

static ssize_t receive(struct link *link, struct iovec *messages)
{
	ssize_t got = recv(link->in, link->buffer, link->shape->size, 0);

	if (got <= 0)
		return got < 0 ? -errno : 0;
	messages[0] = (struct iovec){link->buffer, (size_t)got};
	return 1;
}

const struct transport transport_seqpacket = {
	.name = "seqpacket",
	.help = "socket of the Unix domain that keeps messages",
	.can = TRANSPORT_ANSWER | TRANSPORT_STREAM | TRANSPORT_MANY,
	.ends = true,
	.check = check,
	.make = make,
	.drop = descriptors_drop,
	.attach = descriptors_attach,
	.detach = descriptors_detach,
	.send = put,
	.receive = receive,
	.calls = &transport_seqpacket_calls,
};
