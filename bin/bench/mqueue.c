/* SPDX-License-Identifier: MIT */
/*
 * mqueue.c - POSIX message queues
 *
 * As deep as the system allows without special rights, but no more than 1024.
 * A queue has a name only until both sides have it.  A receiver is not told that
 * there is no sender any more, so it waits for a while at a time.
 */
#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define DEPTH_FILE    "/proc/sys/fs/mqueue/msg_max"
#define DEPTH_MOST    1024
#define DEPTH_DEFAULT 10

struct queues {
	mqd_t there;
	mqd_t back;
};

struct own {
	mqd_t in;
	mqd_t out;
	struct timespec deadline;
};

static long system_depth(void)
{
	FILE *file = fopen(DEPTH_FILE, "re");
	char line[32] = "";
	long depth = 0;

	if (!file)
		return DEPTH_DEFAULT;
	if (fgets(line, sizeof(line), file))
		depth = strtol(line, NULL, 10);
	(void)fclose(file);
	if (depth < 1)
		return DEPTH_DEFAULT;
	return depth < DEPTH_MOST ? depth : DEPTH_MOST;
}

static int open_queue(const struct shape *shape, char which, mqd_t *ret_queue)
{
	struct mq_attr attributes = {
		.mq_maxmsg = system_depth(),
		.mq_msgsize = (long)shape->size,
	};
	char name[64];
	mqd_t queue;

	(void)snprintf(name, sizeof(name), "/mmsock-bench.%ld.%c",
		       (long)getpid(), which);
	queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600,
			&attributes);
	if (queue < 0)
		return -errno;
	mq_unlink(name);
	*ret_queue = queue;
	return 0;
}

static void drop(void *channel)
{
	struct queues *queues = channel;

	if (queues->there >= 0)
		mq_close(queues->there);
	if (queues->back >= 0)
		mq_close(queues->back);
	free(queues);
}

static int make(const struct shape *shape, void **ret_channel)
{
	struct queues *queues = malloc(sizeof(*queues));
	int r;

	if (!queues)
		return -ENOMEM;
	*queues = (struct queues){-1, -1};
	r = open_queue(shape, 't', &queues->there);
	if (r == 0 && shape->answers)
		r = open_queue(shape, 'b', &queues->back);
	if (r < 0)
		drop(queues);
	else
		*ret_channel = queues;
	return r;
}

static bool check(const struct shape *shape, struct reason *ret_reason)
{
	void *channel = NULL;
	int r = make(shape, &channel);

	if (channel)
		drop(channel);
	if (r == -ENOSYS)
		return transport_refuse(ret_reason, "not in this kernel");
	if (r < 0)
		return transport_refuse(
			ret_reason,
			"the system's limits do not allow such a queue "
			"(mq_overview(7))");
	return true;
}

static int attach(struct link *link)
{
	const struct queues *queues = link->channel;
	struct own *own = calloc(1, sizeof(*own));

	if (!own)
		return -ENOMEM;
	own->in = link->producer ? queues->back : queues->there;
	own->out = link->producer ? queues->there : queues->back;
	link->own = own;
	return 0;
}

static void detach(struct link *link)
{
	drop(link->channel);
	free(link->own);
}

static int put(struct link *link, const char *messages, size_t count)
{
	const struct own *own = link->own;
	size_t size = link->shape->size;

	for (size_t i = 0; i < count; i++) {
		if (mq_send(own->out, messages + i * size, size, 0) < 0)
			return -errno;
	}
	return 0;
}

/* One that has passed does no harm while there are messages. */
static void move_deadline(struct timespec *deadline)
{
	clock_gettime(CLOCK_REALTIME, deadline);
	deadline->tv_nsec += TRANSPORT_PATIENCE_MS * 1000000L;
	if (deadline->tv_nsec >= 1000000000) {
		deadline->tv_nsec -= 1000000000;
		deadline->tv_sec++;
	}
}

static ssize_t receive(struct link *link, struct iovec *messages)
{
	struct own *own = link->own;
	ssize_t got = mq_timedreceive(own->in, link->buffer, link->shape->size,
				      NULL, &own->deadline);

	if (got < 0 && errno == ETIMEDOUT) {
		move_deadline(&own->deadline);
		return -EAGAIN;
	}
	if (got < 0)
		return -errno;
	messages[0] = (struct iovec){link->buffer, (size_t)got};
	return 1;
}

const struct transport transport_mqueue = {
	.name = "mqueue",
	.help = "POSIX message queue, mq_send(3)",
	.can = TRANSPORT_ANSWER | TRANSPORT_STREAM | TRANSPORT_MANY,
	.check = check,
	.make = make,
	.drop = drop,
	.attach = attach,
	.detach = detach,
	.send = put,
	.receive = receive,
};
