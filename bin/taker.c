/* SPDX-License-Identifier: MIT */
/*
 * taker.c - taking messages off a port: at once, later, or not at all
 *
 * What becomes of the messages is the owner's business.  Nothing here holds the
 * receiving end while it waits.
 */
#include "taker.h"

#include <err.h>
#include <errno.h>
#include <inttypes.h>

#include <mmsock.h>

#include "framing.h"
#include "tool.h"

/* Between two looks at what else may end a wait. */
#define LOOK_NS ((int64_t)1000000000)

/* How long -e waits for an end that somebody holds before it looks again. */
#define HELD_NS ((int64_t)50000000)

ssize_t taker_look(struct taker *taker, int64_t timeout_ns)
{
	const void *message;
	ssize_t length = mmsock_peek(taker->handle, &message, timeout_ns);

	if (length >= 0)
		mmsock_cancel(taker->handle);
	return length;
}

static int check(const struct taker *taker, const void *message, size_t length)
{
	const struct stream_config *config = taker->config;

	if (length > taker->largest)
		return -EMSGSIZE;
	if (taker->no_delimiter &&
	    framing_holds(config->delimiter, config->delimiter_length, message,
			  length))
		return -EILSEQ;
	return 0;
}

static int take_checked(struct taker *taker, int64_t timeout_ns)
{
	const void *message;
	ssize_t length = mmsock_peek(taker->handle, &message, timeout_ns);
	int r;

	if (length < 0)
		return (int)length;
	mmsock_run_clear(taker->run);
	r = check(taker, message, (size_t)length);
	if (r == 0)
		r = mmsock_run_add(taker->run, message, (size_t)length);
	if (r == 0)
		r = mmsock_release(taker->handle);
	else
		mmsock_cancel(taker->handle);
	if (r < 0)
		mmsock_run_clear(taker->run);
	return r < 0 ? r : 1;
}

static int take(struct taker *taker, uint64_t most, int64_t timeout_ns)
{
	ssize_t length;

	if (most == 0) {
		length = taker_look(taker, timeout_ns);
		return length < 0 ? (int)length : 0;
	}
	if (taker->one_by_one)
		return take_checked(taker, timeout_ns);
	if (taker->config->unbuffered)
		most = 1;
	/* For the library 0 is without limit. */
	return mmsock_run_recv(taker->handle, taker->run,
			       most < SIZE_MAX ? (size_t)most : 0, timeout_ns);
}

int taker_take(struct taker *taker, uint64_t most)
{
	return take(taker, most, 0);
}

static int wait_for_message(struct taker *taker, uint64_t most)
{
	int64_t left = taker->timeout_ns;
	int r;

	for (;;) {
		bool last = left >= 0 && left <= LOOK_NS;

		r = take(taker, most, last ? left : LOOK_NS);
		if (r != -ETIMEDOUT || last)
			return r;
		left -= left < 0 ? 0 : LOOK_NS;
		r = taker->look(taker->context);
		if (r < 0)
			return r;
	}
}

/* With -e: the port is not empty, but somebody holds the receiving end. */
static int wait_for_end(struct taker *taker, uint64_t most)
{
	int64_t limit = taker->timeout_ns;
	int r;

	if (limit >= 0 && taker->held_ns >= limit)
		return -ETIMEDOUT;
	r = take(taker, most, HELD_NS);
	taker->held_ns = r == -ETIMEDOUT ? taker->held_ns + HELD_NS : 0;
	/* Look again: the port may have been emptied in the meantime. */
	return r == -ETIMEDOUT ? -EINTR : r;
}

int taker_later(struct taker *taker, int why, uint64_t most)
{
	if (taker->exit_on_empty && why == -EAGAIN)
		return -ENODATA;
	if (taker->config->nonblock)
		return why;
	return taker->exit_on_empty ? wait_for_end(taker, most)
				    : wait_for_message(taker, most);
}

static int check_died(const struct taker *taker)
{
	int64_t died = mmsock_senders_died(taker->handle);

	if (died < 0)
		return stream_error(taker->config, TOOL_USE, (int)died);
	if (!died)
		return TOOL_OK;
	warnx("port '%s': %" PRId64 " sender%s died while attached",
	      taker->config->port, died, died == 1 ? "" : "s");
	return TOOL_PROTOCOL;
}

int taker_finish(struct taker *taker, int reason, uint64_t taken)
{
	const struct stream_config *config = taker->config;

	if (reason == -EILSEQ) {
		warnx("port '%s': message %" PRIu64
		      " holds the delimiter (use -F lp32be); it was left there",
		      config->port, taken + 1);
		return TOOL_DATA;
	}
	if (reason == -EMSGSIZE) {
		warnx("port '%s': message %" PRIu64
		      " is larger than the %" PRIu64
		      " bytes that the next port takes; it was left there",
		      config->port, taken + 1, taker->largest);
		return TOOL_DATA;
	}
	if (reason < 0 && reason != -ENODATA)
		return stream_error(config, TOOL_USE, reason);
	return config->strict ? check_died(taker) : TOOL_OK;
}
