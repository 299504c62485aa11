/* SPDX-License-Identifier: MIT */
/*
 * stream.c - pipe, buffered pipe, FIFO, Unix and TCP stream
 *
 * Streams of bytes are given messages of one size and no length in front, which
 * favours them.  A pipe may have several users, as long as what they write is
 * small enough to be atomic.
 */
#include "transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool.h"

static bool many_need_atomic(const struct shape *shape,
			     struct reason *ret_reason)
{
	if (shape->producers + shape->consumers == 2 ||
	    shape->size * shape->batch <= PIPE_BUF)
		return true;
	return transport_refuse(ret_reason,
				"with several users, no more than %d bytes are "
				"written as one",
				PIPE_BUF);
}

static int make_pipe(const struct shape *shape, void **ret_channel)
{
	struct descriptors *all = descriptors_new();
	int r;

	if (!all)
		return -ENOMEM;
	if (pipe2(all->there, O_CLOEXEC) == 0 &&
	    (!shape->answers || pipe2(all->back, O_CLOEXEC) == 0)) {
		*ret_channel = all;
		return 0;
	}
	r = -errno;
	descriptors_drop(all);
	return r;
}

const struct transport transport_pipe = {
	.name = "pipe",
	.help = "pipe(2), a write and a read a message",
	.can = TRANSPORT_ANSWER | TRANSPORT_STREAM | TRANSPORT_MANY |
	       TRANSPORT_BATCH,
	.ends = true,
	.check = many_need_atomic,
	.make = make_pipe,
	.drop = descriptors_drop,
	.attach = descriptors_attach,
	.detach = descriptors_detach,
	.send = stream_write,
	.receive = stream_read,
};

/*
 * The buffered pipe: what stdio does to a stream, a copy into a buffer of 64 KiB
 * for each message and a system call for each buffer, at both ends.
 */
#define STDIO_BYTES ((size_t)64 << 10)

struct stdio {
	size_t used; /* bytes in the buffer */
	size_t done; /* ... that were handed out */
	size_t room;
	char bytes[];
};

static int attach_buffered(struct link *link)
{
	size_t room = STDIO_BYTES;
	struct stdio *stdio;

	if (room < link->shape->size)
		room = link->shape->size;
	stdio = malloc(sizeof(*stdio) + room);
	if (!stdio)
		return -ENOMEM;
	memset(stdio, 0, sizeof(*stdio) + room);
	stdio->room = room;
	link->own = stdio;
	return descriptors_attach(link);
}

static int flush(struct link *link)
{
	struct stdio *stdio = link->own;
	int r = tool_write(link->out, stdio->bytes, stdio->used);

	stdio->used = 0;
	return r;
}

/* What could not be written is missed by the receivers, who say so. */
static void detach_buffered(struct link *link)
{
	if (link->producer)
		(void)flush(link);
	free(link->own);
	descriptors_detach(link);
}

static int send_buffered(struct link *link, const char *messages, size_t count)
{
	struct stdio *stdio = link->own;
	size_t size = link->shape->size;

	for (size_t i = 0; i < count; i++) {
		int r = 0;

		if (stdio->used + size > stdio->room)
			r = flush(link);
		if (r < 0)
			return r;
		memcpy(stdio->bytes + stdio->used, messages + i * size, size);
		stdio->used += size;
	}
	return 0;
}

/* 1, or 0 at the end, or a negative errno. */
static int refill(struct link *link)
{
	struct stdio *stdio = link->own;
	ssize_t got;

	memmove(stdio->bytes, stdio->bytes + stdio->done,
		stdio->used - stdio->done);
	stdio->used -= stdio->done;
	stdio->done = 0;
	got = tool_read(link->in, stdio->bytes + stdio->used,
			stdio->room - stdio->used);
	if (got == 0)
		return stdio->used ? -EPIPE : 0;
	if (got < 0)
		return (int)got;
	stdio->used += (size_t)got;
	return 1;
}

static ssize_t receive_buffered(struct link *link, struct iovec *messages)
{
	struct stdio *stdio = link->own;
	size_t size = link->shape->size;

	while (stdio->used - stdio->done < size) {
		int r = refill(link);

		if (r <= 0)
			return r;
	}
	memcpy(link->buffer, stdio->bytes + stdio->done, size);
	stdio->done += size;
	messages[0] = (struct iovec){link->buffer, size};
	return 1;
}

const struct transport transport_pipe_buffered = {
	.name = "pipe-buffered",
	.help = "pipe(2), with 64 KiB of buffer at both ends, as stdio has",
	.can = TRANSPORT_STREAM,
	.ends = true,
	.make = make_pipe,
	.drop = descriptors_drop,
	.attach = attach_buffered,
	.detach = detach_buffered,
	.send = send_buffered,
	.receive = receive_buffered,
};

/*
 * The reader opens first and does not wait for a writer.  The name is needed no
 * longer than that.
 */
static int open_fifo(const char *dir, int ends[2])
{
	char path[PATH_MAX];
	int r = 0;

	if (snprintf(path, sizeof(path), "%s/fifo", dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	if (mkfifo(path, 0600) < 0)
		return -errno;
	ends[0] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (ends[0] >= 0)
		ends[1] = open(path, O_WRONLY | O_CLOEXEC);
	if (ends[1] < 0 || fcntl(ends[0], F_SETFL, 0) < 0)
		r = -errno;
	unlink(path);
	return r;
}

static int make_fifo(const struct shape *shape, void **ret_channel)
{
	struct descriptors *all = descriptors_new();
	int r;

	if (!all)
		return -ENOMEM;
	r = open_fifo(shape->dir, all->there);
	if (r == 0 && shape->answers)
		r = open_fifo(shape->dir, all->back);
	if (r < 0)
		descriptors_drop(all);
	else
		*ret_channel = all;
	return r;
}

const struct transport transport_fifo = {
	.name = "fifo",
	.help = "mkfifo(3), a write and a read a message",
	.can = TRANSPORT_ANSWER | TRANSPORT_STREAM | TRANSPORT_MANY |
	       TRANSPORT_BATCH,
	.ends = true,
	.check = many_need_atomic,
	.make = make_fifo,
	.drop = descriptors_drop,
	.attach = descriptors_attach,
	.detach = descriptors_detach,
	.send = stream_write,
	.receive = stream_read,
};

/* A socket goes both ways. */
static int take_sockets(struct descriptors *all, int producer, int consumer)
{
	*all = (struct descriptors){{consumer, producer}, {producer, consumer}};
	return 0;
}

static int make_unix(const struct shape *shape, void **ret_channel)
{
	struct descriptors *all = descriptors_new();
	int ends[2], r;

	(void)shape;
	if (!all)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
		r = -errno;
		descriptors_drop(all);
		return r;
	}
	*ret_channel = all;
	return take_sockets(all, ends[0], ends[1]);
}

const struct transport transport_unix = {
	.name = "unix",
	.help = "stream socket of the Unix domain",
	.can = TRANSPORT_ANSWER | TRANSPORT_STREAM | TRANSPORT_BATCH,
	.ends = true,
	.make = make_unix,
	.drop = descriptors_drop,
	.attach = descriptors_attach,
	.detach = descriptors_detach,
	.send = stream_write,
	.receive = stream_read,
	.calls = &transport_unix_calls,
};

static int listen_on_loopback(struct sockaddr_in *ret_address)
{
	socklen_t length = sizeof(*ret_address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	*ret_address = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)ret_address, length) == 0 &&
	    listen(fd, 1) == 0 &&
	    getsockname(fd, (struct sockaddr *)ret_address, &length) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

static void do_not_gather(int fd)
{
	int one = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static int connect_pair(int ends[2])
{
	struct sockaddr_in address;
	int listener = listen_on_loopback(&address), r = 0;

	if (listener < 0)
		return listener;
	ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (ends[0] < 0 || connect(ends[0], (struct sockaddr *)&address,
				   sizeof(address)) < 0) {
		r = -errno;
	} else {
		ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		r = ends[1] < 0 ? -errno : 0;
	}
	close(listener);
	if (r < 0 && ends[0] >= 0)
		close(ends[0]);
	return r;
}

static int make_tcp(const struct shape *shape, void **ret_channel)
{
	struct descriptors *all = descriptors_new();
	int ends[2] = {-1, -1}, r;

	(void)shape;
	if (!all)
		return -ENOMEM;
	r = connect_pair(ends);
	if (r < 0) {
		descriptors_drop(all);
		return r;
	}
	do_not_gather(ends[0]);
	do_not_gather(ends[1]);
	*ret_channel = all;
	return take_sockets(all, ends[0], ends[1]);
}

const struct transport transport_tcp = {
	.name = "tcp",
	.help = "TCP on the loopback interface, without delay",
	.can = TRANSPORT_ANSWER | TRANSPORT_STREAM | TRANSPORT_BATCH,
	.ends = true,
	.make = make_tcp,
	.drop = descriptors_drop,
	.attach = descriptors_attach,
	.detach = descriptors_detach,
	.send = stream_write,
	.receive = stream_read,
	.calls = &transport_tcp_calls,
};
