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

#include "cancel.h"
#include "deadline.h"
#include "error.h"
#include "mmsock.h"
#include "name.h"

/* 1, 0, or why it cannot be told: then no event may be to come. */
static int exists(const struct mms_place *place)
{
	struct stat status;

	if (!fstatat(place->dir_fd, place->leaf, &status, AT_SYMLINK_NOFOLLOW))
		return 1;
	return errno == ENOENT ? 0 : -errno;
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
	int there = exists(place);
	int fd;
	int r = 0;

	if (there)
		return there < 0 ? there : 0;
	if (!timeout_ns)
		return -EAGAIN;
	deadline = mms_deadline(mms_now_ns(), timeout_ns);
	fd = watch_dir(place);
	if (fd < 0)
		return fd;
	/* A last look, too: it may have come as the time went. */
	for (there = exists(place); !there && !r; there = exists(place))
		r = wait_for_event(fd, deadline);
	close(fd);
	if (there)
		return there < 0 ? there : 0;
	return r;
}

int mmsock_wait_port(const char *port, const char *dir, int64_t timeout_ns)
{
	MMS_HOLD_CANCEL;
	struct mms_place place;
	int r = mms_place_init(&place, port, dir);

	if (r)
		return mms_failed(r);
	r = wait_for_name(&place, timeout_ns);
	mms_place_fini(&place);
	return mms_failed(r);
}
