/* SPDX-License-Identifier: MIT */
/*
 * transports.c - the table of transports, and what those of descriptors share
 */
#include "transport.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

const struct transport *const transports[] = {
	&transport_port,     &transport_line,          &transport_line_shared,
	&transport_pipe,     &transport_pipe_buffered, &transport_fifo,
	&transport_unix,     &transport_seqpacket,     &transport_tcp,
	&transport_mqueue,   &transport_zmq,           &transport_nng,
	&transport_sem,      &transport_sem_owned,     &transport_posix_sem,
	&transport_spin_sem,
};
const size_t transport_count = ARRAY_SIZE(transports);

const struct transport *transport_find(const char *name, size_t length)
{
	for (size_t i = 0; i < transport_count; i++) {
		if (strlen(transports[i]->name) == length &&
		    strncmp(transports[i]->name, name, length) == 0)
			return transports[i];
	}
	return NULL;
}

size_t transport_carried(const struct transport *transport, size_t size)
{
	return transport->carries ? transport->carries : size;
}

bool transport_refuse(struct reason *ret_reason, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(ret_reason->text, sizeof(ret_reason->text), format,
			arguments);
	va_end(arguments);
	return false;
}

struct descriptors *descriptors_new(void)
{
	struct descriptors *all = malloc(sizeof(*all));

	if (all)
		*all = (struct descriptors){{-1, -1}, {-1, -1}};
	return all;
}

static void close_one(int fd)
{
	if (fd >= 0)
		close(fd);
}

void descriptors_drop(void *channel)
{
	struct descriptors *all = channel;

	close_one(all->there[0]);
	close_one(all->there[1]);
	if (all->back[0] != all->there[1])
		close_one(all->back[0]);
	if (all->back[1] != all->there[0])
		close_one(all->back[1]);
	free(all);
}

/* A socket is in and out at once, so what is closed must not be ours. */
int descriptors_attach(struct link *link)
{
	const struct descriptors *all = link->channel;
	int others[2];

	link->in = link->producer ? all->back[0] : all->there[0];
	link->out = link->producer ? all->there[1] : all->back[1];
	others[0] = link->producer ? all->there[0] : all->back[0];
	others[1] = link->producer ? all->back[1] : all->there[1];
	for (int i = 0; i < 2; i++) {
		if (others[i] != link->in && others[i] != link->out)
			close_one(others[i]);
	}
	return 0;
}

void descriptors_detach(struct link *link)
{
	close_one(link->in);
	if (link->out != link->in)
		close_one(link->out);
}

int stream_write(struct link *link, const char *messages, size_t count)
{
	return tool_write(link->out, messages, count * link->shape->size);
}

/* Whatever is there, up to a batch, and then the rest of the last message. */
ssize_t stream_read(struct link *link, struct iovec *messages)
{
	size_t size = link->shape->size, got = 0, count;

	do {
		size_t room = link->shape->batch * size - got;
		ssize_t r = read(link->in, link->buffer + got, room);

		if (r < 0 && errno != EINTR)
			return -errno;
		if (r == 0)
			return got ? -EPIPE : 0;
		got += r < 0 ? 0 : (size_t)r;
	} while (got == 0 || got % size != 0);
	count = got / size;
	for (size_t i = 0; i < count; i++)
		messages[i] = (struct iovec){link->buffer + i * size, size};
	return (ssize_t)count;
}
