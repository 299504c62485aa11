/* SPDX-License-Identifier: MIT */
/*
 * watch.c - waiting for a port that does not exist yet
 *
 * There is no word to sleep on, so the directory is watched: the kernel says
 * when a name appears in it.  The watch is set before the first look; a name
 * that comes in between is an event that the next poll returns at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "deadline.h"
#include "error.h"
#include "mmsock.h"
#include "name.h"

static bool exists(const struct mms_place *place)
{
	struct stat status;

	return !fstatat(place->dir_fd, place->leaf, &status,
			AT_SYMLINK_NOFOLLOW);
}

static int watch_dir(const struct mms_place *place)
{
	char path[40];
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	int r;

	if (fd < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", place->dir_fd);
	if (inotify_add_watch(fd, path, IN_CREATE | IN_MOVED_TO) >= 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

/* Until something happens in the directory. */
static int wait_for_event(int fd, int64_t deadline_ns)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	char events[4096];
	int64_t left = deadline_ns - mms_now_ns();
	struct timespec span;
	int r;

	if (left <= 0)
		return -ETIMEDOUT;
	span.tv_sec = (time_t)(left / MMS_NS_PER_S);
	span.tv_nsec = (long)(left % MMS_NS_PER_S);
	r = ppoll(&poll_fd, 1, deadline_ns == MMS_NEVER ? NULL : &span, NULL);
	if (r < 0)
		return -errno;
	/* What happened does not matter: we look for ourselves. */
	while (read(fd, events, sizeof(events)) > 0)
		;
	return 0;
}

static int wait_for_name(const struct mms_place *place, int64_t timeout_ns)
{
	int64_t deadline;
	int fd;
	int r = 0;

	if (exists(place))
		return 0;
	if (!timeout_ns)
		return -EAGAIN;
	deadline = mms_deadline(mms_now_ns(), timeout_ns);
	fd = watch_dir(place);
	if (fd < 0)
		return fd;
	while (!r && !exists(place))
		r = wait_for_event(fd, deadline);
	/* It may have come as the time went. */
	if (r && exists(place))
		r = 0;
	close(fd);
	return r;
}

int mmsock_wait_port(const char *port, const char *dir, int64_t timeout_ns)
{
	struct mms_place place;
	int r = mms_place_init(&place, port, dir);

	if (r)
		return mms_failed(r);
	r = wait_for_name(&place, timeout_ns);
	mms_place_fini(&place);
	return mms_failed(r);
}
