/* SPDX-License-Identifier: MIT */
/*
 * pour.h - reads and writes that never wait
 *
 * For memory that must not be held for long, as a record in a ring: read(2) and
 * write(2) may sleep whatever poll(2) has said, since a write may be larger than
 * the room in a pipe and another process may have emptied it in between.  The
 * descriptor itself is left in the mode in which others share it.
 */
#ifndef POUR_H
#define POUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* How a descriptor is asked not to wait. */
enum pour_way {
	POUR_FLAG, /* by a flag of each call */
	POUR_OWN,  /* by opening the pipe once more, for ourselves */
	POUR_NOT   /* it cannot be asked: the caller has to copy */
};

struct pour {
	int fd;
	int own; /* the same pipe, non-blocking; or -1 */
	enum pour_way way;
	bool polls; /* poll(2) tells when it can be read or written */
};

/*
 * pour_init - look at @fd, and make it as large as may be where it is a pipe
 *
 * A pipe of 64 KiB ends every fill in a wake of the other side, which is most
 * of what a large stream through it costs.  It is never made smaller.
 */
void pour_init(struct pour *pour, int fd);
void pour_fini(struct pour *pour);

/*
 * pour_read, pour_write - as read(2), write(2), but without waiting
 *
 * -EAGAIN: nothing to read, no room; pour_wait() tells when.  -EOPNOTSUPP: not
 * without waiting, so copy, at least this time.
 */
ssize_t pour_read(struct pour *pour, void *buffer, size_t size);
ssize_t pour_write(struct pour *pour, const void *data, size_t length);

/* pour_there - bytes that wait to be read; 0 also where nobody can tell */
size_t pour_there(const struct pour *pour);

/*
 * pour_wait - wait until it can be read (POLLIN) or written (POLLOUT)
 *
 * 1, or 0 after @timeout_ms (-1: never), or -errno.  The end of the input and an
 * error are for the next read or write to tell.
 */
int pour_wait(const struct pour *pour, short events, int timeout_ms);

#endif
