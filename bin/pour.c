/* SPDX-License-Identifier: MIT */
/*
 * pour.c - reads and writes that never wait, on descriptors shared with others
 *
 * The memory is that of a port; nothing else here knows of ports.  Three ways, from the best down; which one serves
 * is found out by trying:
 *
 * - RWF_NOWAIT, for pipes of Linux 6.4 and later, sockets, files in the page
 *   cache, /dev/null;
 * - for other pipes and for FIFOs, a description of our own.  It is used for
 *   reading and writing only: poll(2) on it would not tell that the last writer
 *   had left before it was opened;
 * - none: terminals, most files that are written to.
 */
#include "pour.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tool.h"

#define PIPE_MAX_FILE "/proc/sys/fs/pipe-max-size"

/* Where that file cannot be read: what Linux has there by itself. */
#define PIPE_MAX_USUAL 1048576

static int largest_pipe(void)
{
	char text[24] = "";
	uint64_t size = 0;
	int fd = open(PIPE_MAX_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return PIPE_MAX_USUAL;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (got > 0)
		text[got - 1] = '\0'; /* a newline */
	if (tool_parse_count(text, &size) < 0 || size > 1 << 30)
		return PIPE_MAX_USUAL;
	return (int)size;
}

/* Half of it where a user who has many pipes may not have so much more. */
static void grow(int fd)
{
	int size = fcntl(fd, F_GETPIPE_SZ);
	int wanted = size < 0 ? 0 : largest_pipe();

	while (wanted > size && fcntl(fd, F_SETPIPE_SZ, wanted) < 0)
		wanted /= 2;
}

void pour_init(struct pour *pour, int fd)
{
	struct stat status;

	*pour = (struct pour){.fd = fd, .own = -1, .way = POUR_FLAG};
	if (fstat(fd, &status) < 0)
		return;
	pour->polls = S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode);
	if (S_ISFIFO(status.st_mode))
		grow(fd);
}

void pour_fini(struct pour *pour)
{
	if (pour->own >= 0)
		close(pour->own);
	pour->own = -1;
}

/* A second description of the same pipe; -1 where it is none of ours. */
static int open_again(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat status;
	char path[32];

	if (flags < 0 || fstat(fd, &status) < 0 || !S_ISFIFO(status.st_mode))
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, (flags & (O_ACCMODE | O_DIRECT)) | O_NONBLOCK |
				  O_CLOEXEC | O_NOCTTY);
}

static void step_down(struct pour *pour)
{
	if (pour->way == POUR_FLAG)
		pour->own = open_again(pour->fd);
	else
		pour_fini(pour);
	pour->way = pour->own >= 0 ? POUR_OWN : POUR_NOT;
}

static ssize_t try_once(const struct pour *pour, const struct iovec *memory,
			bool writes)
{
	if (pour->way == POUR_FLAG && writes)
		return pwritev2(pour->fd, memory, 1, -1, RWF_NOWAIT);
	if (pour->way == POUR_FLAG)
		return preadv2(pour->fd, memory, 1, -1, RWF_NOWAIT);
	return writes ? writev(pour->own, memory, 1)
		      : readv(pour->own, memory, 1);
}

static ssize_t transfer(struct pour *pour, void *memory, size_t size,
			bool writes)
{
	struct iovec vector = {memory, size};

	while (pour->way != POUR_NOT) {
		ssize_t done = try_once(pour, &vector, writes);
		int error = errno;

		if (done >= 0)
			return done;
		/* What is not in memory yet comes by reading, not by waiting. */
		if (error == EAGAIN && !pour->polls)
			return -EOPNOTSUPP;
		/* The port file was cut short: what we would have met here. */
		if (error == EFAULT)
			raise(SIGBUS);
		if (error != EOPNOTSUPP && error != ENOSYS)
			return -error;
		step_down(pour);
	}
	return -EOPNOTSUPP;
}

ssize_t pour_read(struct pour *pour, void *buffer, size_t size)
{
	return transfer(pour, buffer, size, false);
}

ssize_t pour_write(struct pour *pour, const void *data, size_t length)
{
	/* struct iovec serves both directions and thus has no const. */
	return transfer(pour, (void *)(uintptr_t)data, length, true);
}

size_t pour_there(const struct pour *pour)
{
	int there = 0;

	if (ioctl(pour->fd, FIONREAD, &there) < 0)
		return 0;
	/* Of a file it is what is left, in an int. */
	return there < 0 ? (size_t)1 << 31 : (size_t)there;
}

int pour_wait(const struct pour *pour, short events, int timeout_ms)
{
	struct pollfd wait = {.fd = pour->fd, .events = events};
	int r = poll(&wait, 1, timeout_ms);

	return r < 0 ? -errno : r;
}
