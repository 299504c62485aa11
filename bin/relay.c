/* SPDX-License-Identifier: MIT */
/*
 * relay.c - messages from one or several ports to where they are wanted
 *
 * One thread for each source, since a thread can wait for one port only.  Waiting
 * for a message is done alone, without taking it; taking and putting is done
 * under one lock, so that -c counts exactly and the sinks are used by one thread
 * at a time.  With a single source the tool has no other thread.
 *
 * No end of a port is held during a wait: not for the lock above, not for room in
 * another port, not for whoever reads standard output.  What cannot be passed on
 * yet stays on its port.
 */
#include "relay.h"

#include <errno.h>
#include <stdbool.h>
#include <time.h>

#include <mmsock.h>

#include "framing.h"
#include "outlet.h"
#include "team.h"
#include "tool.h"

/*
 * From this length on a message is written straight from the ring.  Shorter ones
 * are gathered: a copy costs less than a system call for each.
 */
#define STRAIGHT_BYTES ((size_t)16 << 10)

#define SECOND_NS INT64_C(1000000000)

/* Of a source: it is over, and what ended it has been reported. */
#define OVER (-ECANCELED)

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* -- with the lock held -------------------------------------------------- */

bool relay_is_over(const struct relay *relay)
{
	return relay->left == 0 || relay->status || tool_signal() != 0;
}

static int stop(struct relay *relay, int status)
{
	relay->status = status;
	return OVER;
}

static int put(struct source *source, struct mmsock_run *run)
{
	struct relay *relay = source->relay;
	uint64_t before = relay->sinks->bytes;
	int status = sinks_put(relay->sinks, run);

	source->bytes += relay->sinks->bytes - before;
	return status ? stop(relay, status) : 0;
}

static void count(struct source *source, size_t messages)
{
	source->relay->left -= messages;
	source->messages += messages;
}

static int move_run(struct source *source, uint64_t most)
{
	int r = taker_take(&source->taker, most);

	if (r < 0)
		return r;
	count(source, (size_t)r);
	return put(source, source->taker.run);
}

/*
 * Room first, so that a message waits where others can see and take it.  Where
 * there is none for a whole run, the next message goes alone.
 */
static int move_on(struct source *source)
{
	struct relay *relay = source->relay;
	ssize_t length = taker_look(&source->taker, 0);
	int status;

	if (length < 0)
		return (int)length;
	if ((size_t)length <= relay->run_bytes &&
	    sinks_have_room(relay->sinks, relay->run_bytes))
		return move_run(source, relay->left);
	if ((size_t)length <= source->taker.largest) {
		status = sinks_wait_room(relay->sinks, (size_t)length);
		if (status)
			return stop(relay, status);
	}
	return move_run(source, 1);
}

static int output_failed(struct source *source, int error)
{
	struct relay *relay = source->relay;

	return stop(relay, outlet_failed(relay->sinks->outlet, error, 0));
}

/* The message is lent no more; what is not written of it is in the run. */
static int keep_rest(struct source *source, const char *rest, size_t length)
{
	struct mmsock_run *run = source->taker.run;
	int r;

	mmsock_run_clear(run);
	r = length ? mmsock_run_add(run, rest, length) : 0;
	if (r == 0)
		return mmsock_release(source->taker.handle);
	mmsock_cancel(source->taker.handle);
	return r;
}

static int write_straight(struct source *source, const char *message,
			  size_t length)
{
	struct sinks *sinks = source->relay->sinks;
	ssize_t written = outlet_pass(sinks->outlet, message, length);
	size_t done;
	int r;

	if (written < 0) {
		mmsock_cancel(source->taker.handle);
		if (written == -EOPNOTSUPP)
			return move_run(source, source->relay->left);
		r = written == -EAGAIN ? outlet_wait(sinks->outlet)
				       : (int)written;
		return r < 0 ? output_failed(source, r) : 0;
	}
	done = (size_t)written;
	r = keep_rest(source, message + done, length - done);
	if (r < 0)
		return r;
	count(source, 1);
	source->bytes += done;
	sinks->bytes += done;
	progress_add(sinks->progress, done);
	return done < length ? put(source, source->taker.run) : 0;
}

static int move_straight(struct source *source)
{
	const void *message;
	ssize_t length = mmsock_peek(source->taker.handle, &message, 0);

	if (length < 0)
		return (int)length;
	if (length > 0 &&
	    (source->config.unbuffered || (size_t)length >= STRAIGHT_BYTES))
		return write_straight(source, message, (size_t)length);
	mmsock_cancel(source->taker.handle);
	return move_run(source, source->relay->left);
}

static int move(struct source *source)
{
	struct relay *relay = source->relay;
	const struct sinks *sinks = relay->sinks;
	int r;

	if (relay_is_over(relay))
		return OVER;
	if (sinks->port_count > 0)
		r = move_on(source);
	else if (relay->config->framing->put == framing_put_raw &&
		 sinks->outlet->pour.way != POUR_NOT)
		r = move_straight(source);
	else
		r = move_run(source, relay->left);
	if (r >= 0)
		relay->moved_ns = now_ns();
	return r;
}

static int flush(struct relay *relay)
{
	int status = relay->status ? TOOL_OK : sinks_flush(relay->sinks);

	return status ? stop(relay, status) : 0;
}

/* -- a source ------------------------------------------------------------ */

/* What came is not held back when nothing more is there. */
static int move_locked(struct source *source)
{
	struct relay *relay = source->relay;
	int r, flushed = 0;

	pthread_mutex_lock(&relay->lock);
	r = move(source);
	if (r < 0)
		flushed = flush(relay);
	pthread_mutex_unlock(&relay->lock);
	return flushed < 0 ? flushed : r;
}

/* The time is up for this source, but not if another one has made progress. */
static int wait_for_others(struct source *source)
{
	struct relay *relay = source->relay;
	int64_t left;

	pthread_mutex_lock(&relay->lock);
	left = relay->moved_ns + source->config.timeout_ns - now_ns();
	pthread_mutex_unlock(&relay->lock);
	if (relay->source_count == 1 || left <= 0)
		return -ETIMEDOUT;
	source->taker.timeout_ns = left;
	return 0;
}

static int move_all(struct source *source)
{
	for (;;) {
		int r = move_locked(source);

		if (r >= 0)
			source->taker.timeout_ns = source->config.timeout_ns;
		if (r == -EAGAIN || r == -EBUSY)
			r = taker_later(&source->taker, r, 0);
		if (r == -ETIMEDOUT)
			r = wait_for_others(source);
		if (r < 0 && !stream_again(r))
			return r;
	}
}

/* While nothing comes: a port or a reader may be gone. */
static int look(void *context)
{
	struct source *source = context;
	struct relay *relay = source->relay;
	int status = TOOL_OK;

	pthread_mutex_lock(&relay->lock);
	if (!relay->status)
		status = sinks_check(relay->sinks);
	if (status)
		stop(relay, status);
	pthread_mutex_unlock(&relay->lock);
	return status ? OVER : 0;
}

/* It is over: because enough was taken, which is no failure, or else why. */
static bool has_enough(struct relay *relay)
{
	bool enough;

	pthread_mutex_lock(&relay->lock);
	enough = relay->left == 0;
	pthread_mutex_unlock(&relay->lock);
	return enough;
}

int relay_serve(struct source *source)
{
	int reason = move_all(source);

	if (reason == OVER && has_enough(source->relay))
		reason = 0;
	/* What else ended it for all has been reported. */
	if (reason == OVER)
		return TOOL_OK;
	return taker_finish(&source->taker, reason, source->messages);
}

/* -- all ----------------------------------------------------------------- */

/*
 * A run is no larger than what every port takes in one message, so that there is
 * room for it where there is room for one of those.
 */
static int prepare(struct relay *relay)
{
	uint64_t most = sinks_largest(relay->sinks);
	int r;

	relay->run_bytes =
		most < STREAM_RUN_BYTES ? (size_t)most : STREAM_RUN_BYTES;
	r = sinks_prepare(relay->sinks, relay->run_bytes);
	for (size_t i = 0; i < relay->source_count && r == 0; i++) {
		struct source *source = &relay->sources[i];
		struct taker *taker = &source->taker;

		source->relay = relay;
		taker->look = look;
		taker->context = source;
		taker->largest = most;
		taker->one_by_one = taker->no_delimiter ||
				    mmsock_max_message(taker->handle) > most;
		r = mmsock_run_new(relay->run_bytes, &taker->run);
	}
	return r;
}

int relay_run(struct relay *relay)
{
	int status = TOOL_OK;
	int r = prepare(relay);

	if (r < 0)
		return stream_error(relay->config, TOOL_USE, r);
	relay->left = relay->config->count;
	relay->moved_ns = now_ns();
	pthread_mutex_init(&relay->lock, NULL);
	if (relay->source_count == 1)
		relay->sources[0].status = relay_serve(&relay->sources[0]);
	else
		team_run(relay);
	pthread_mutex_destroy(&relay->lock);
	for (size_t i = 0; i < relay->source_count && status == TOOL_OK; i++)
		status = relay->sources[i].status;
	return relay->status ? relay->status : status;
}
