/* SPDX-License-Identifier: MIT */
/*
 * talk.c - requests to a service and replies from it
 *
 * Sends as long as there is a request at hand and few enough are in flight, and
 * else waits for the reply to the oldest: whoever writes one request and reads
 * its reply before he writes the next is not kept waiting.  The first failure
 * ends it, since a reply that is missing in the middle would shift those behind
 * it, and a report says how far it came.
 */
#include "talk.h"

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mmsock.h>

#include "framing.h"
#include "outlet.h"
#include "tool.h"

/* What a reply takes of a lane beyond its length, at most. */
#define REPLY_OVERHEAD 32

/* A request that was sent. */
struct call {
	uint64_t number; /* the library's */
	int64_t sent_ns;
};

struct talk {
	const struct talk_config *config;
	const struct stream_config *stream;
	struct mmsock *handle;
	struct framing_reader reader; /* where requests are read */
	struct mmsock_run *requests;  /* read and not yet sent */
	struct outlet outlet;
	struct mmsock_run *reply; /* one at a time */
	struct call calls[MMSOCK_CALLS_MAX];
	unsigned oldest; /* of the calls in flight */
	unsigned count;  /* of these */
	size_t argument; /* the next */
	uint64_t left;   /* requests to send */
	uint64_t answered;
	uint64_t dropped;   /* sent, and their replies not waited for */
	uint64_t withdrawn; /* sent, and before anybody took them */
	uint64_t lane;      /* bytes of replies that can wait for us */
	uint64_t largest;   /* reply so far */
	bool is_broken;     /* standard output */
	bool ended;         /* there is none left */
	int status;         /* of the first failure */
	const char *plain;  /* what an error reply says that says nothing */
};

/* -- what goes wrong ----------------------------------------------------- */

/* What a server says may be anything, and a terminal may act on it. */
static void make_visible(char *text)
{
	for (unsigned char *at = (unsigned char *)text; *at; at++) {
		bool c1 = at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0;

		if (*at < ' ' || *at == 0x7f || c1)
			*at = '?';
		if (c1)
			*++at = '?';
	}
}

static int report_handler(const struct talk *talk, const char *said)
{
	int status = mmsock_call_status(talk->handle);
	char *text = strdup(said);

	if (!text)
		err(TOOL_SYSTEM, NULL);
	make_visible(text);
	if (strcmp(text, talk->plain) == 0)
		*text = '\0';
	warnx("port '%s': the request failed with status %d%s%s",
	      talk->stream->port, status, *text ? ": " : "", text);
	free(text);
	return TOOL_NO;
}

static int report_large_reply(const struct talk *talk)
{
	warnx("port '%s': the reply is larger than the %" PRIu64
	      " bytes that the port takes"
	      " (create it with a larger --reply-size)",
	      talk->stream->port, mmsock_max_reply(talk->handle));
	return TOOL_DATA;
}

static int call_failed(const struct talk *talk, int error)
{
	if (error == -EREMOTEIO)
		return report_handler(talk, mmsock_error_text(error));
	if (error == -EMSGSIZE)
		return report_large_reply(talk);
	return stream_error(talk->stream, TOOL_USE, error);
}

static bool is_one_request(const struct talk *talk)
{
	return talk->config->request_count == 1 ||
	       (talk->config->request_count == 0 &&
		talk->stream->framing == framing_find("slurp"));
}

/* Nobody has said then what ended it, which need not be the request's fault. */
static bool was_stopped(const struct talk *talk)
{
	return tool_signal() || talk->stream->nonblock;
}

static void report_sent(const struct talk *talk, uint64_t count,
			const char *fate)
{
	char text[80];

	(void)snprintf(text, sizeof(text), "sent after %s, and %s",
		       was_stopped(talk) ? "these" : "that one", fate);
	if (count > 0)
		stream_report(talk->stream, count, text);
}

/* Of a single request its error has said all. */
static void report_progress(const struct talk *talk)
{
	const char *answered = tool_signal() ? "answered before the signal"
			       : talk->stream->nonblock
				       ? "answered without a wait"
				       : "answered before that";

	if (talk->stream->quiet || is_one_request(talk) ||
	    tool_signal() == SIGPIPE)
		return;
	stream_report(talk->stream, talk->answered, answered);
	report_sent(talk, talk->dropped,
		    talk->dropped == 1 ? "its reply dropped"
				       : "their replies dropped");
	report_sent(talk, talk->withdrawn, "not executed");
}

/* -- requests ------------------------------------------------------------ */

static void fail(struct talk *talk, int status)
{
	talk->ended = true;
	if (talk->status == TOOL_OK)
		talk->status = status;
}

static bool next_argument(struct talk *talk, const void **ret_request,
			  size_t *ret_length)
{
	const struct talk_config *config = talk->config;
	const char *request;

	if (talk->argument == config->request_count) {
		talk->ended = true;
		return false;
	}
	request = config->requests[talk->argument++];
	*ret_request = request;
	*ret_length = strlen(request);
	return true;
}

static int output_failed(struct talk *talk, int error)
{
	talk->is_broken = true;
	return outlet_failed(&talk->outlet, error, 0);
}

static int flush(struct talk *talk)
{
	int r = talk->is_broken ? -EPIPE : outlet_flush(&talk->outlet);

	if (r < 0 && !talk->is_broken)
		fail(talk, output_failed(talk, r));
	return r;
}

static bool input_waits(void)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&input, 1, 0) > 0;
}

/*
 * Reads and cuts; false where there is nothing at the moment or any more.  It is
 * waited for only while nobody waits for a reply.
 */
static bool read_requests(struct talk *talk)
{
	struct framing_reader *reader = &talk->reader;
	int r;

	mmsock_run_clear(talk->requests);
	r = framing_cut(reader, talk->requests, talk->left);
	while (r == 0 && !reader->ended) {
		if (talk->count > 0 && !input_waits())
			return false;
		if (flush(talk) < 0)
			return false;
		r = framing_fill(reader);
		if (r == 0)
			r = framing_cut(reader, talk->requests, talk->left);
	}
	if (r < 0)
		fail(talk, framing_report(reader, r));
	else
		talk->ended = r == 0;
	return r > 0;
}

/* The next request; false where there is none, at the moment or any more. */
static bool next_request(struct talk *talk, const void **ret_request,
			 size_t *ret_length)
{
	if (talk->config->request_count > 0)
		return next_argument(talk, ret_request, ret_length);
	return mmsock_run_next(talk->requests, ret_request, ret_length) > 0 ||
	       (read_requests(talk) &&
		mmsock_run_next(talk->requests, ret_request, ret_length) > 0);
}

static void send_request(struct talk *talk, const void *request, size_t length)
{
	struct call *call = &talk->calls[(talk->oldest + talk->count) %
					 ARRAY_SIZE(talk->calls)];
	int r;

	call->sent_ns = tool_now();
	do {
		r = mmsock_call_send(talk->handle, request, length,
				     &call->number, talk->stream->timeout_ns);
	} while (stream_again(r));
	if (r < 0) {
		fail(talk, stream_error(talk->stream, TOOL_USE, r));
		return;
	}
	talk->count++;
	talk->left--;
}

/*
 * A server waits for nobody: replies for which there is no room are lost.  One that
 * has come tells how large the others may be, so the first goes alone.
 */
static bool may_send(const struct talk *talk)
{
	uint64_t replies = talk->count + 1;

	if (talk->ended || talk->count == talk->config->inflight)
		return false;
	if (talk->count == 0)
		return true;
	return talk->answered > 0 &&
	       replies * (talk->largest + REPLY_OVERHEAD) <= talk->lane;
}

static void send_requests(struct talk *talk)
{
	const void *request;
	size_t length;

	while (may_send(talk)) {
		if (talk->left == 0)
			talk->ended = true;
		else if (next_request(talk, &request, &length))
			send_request(talk, request, length);
		else
			return;
	}
}

/* -- replies ------------------------------------------------------------- */

/* Whoever reads our output gets all there is before we wait. */
static ssize_t peek(struct talk *talk, uint64_t number, const void **ret_reply)
{
	ssize_t length;

	length = mmsock_call_peek(talk->handle, &number, ret_reply, 0);
	if (length != -EAGAIN)
		return length;
	if (flush(talk) < 0)
		return -EINTR;
	do {
		length = mmsock_call_peek(talk->handle, &number, ret_reply,
					  talk->stream->timeout_ns);
	} while (stream_again((int)length));
	return length;
}

static int write_reply(struct talk *talk, const void *reply, size_t length)
{
	const struct stream_config *stream = talk->stream;
	int r;

	if (stream->strict &&
	    framing_holds(stream->delimiter, stream->delimiter_length, reply,
			  length)) {
		warnx("port '%s': reply %" PRIu64
		      " holds the delimiter (use -F lp32be)",
		      stream->port, talk->answered + 1);
		return TOOL_DATA;
	}
	mmsock_run_clear(talk->reply);
	r = mmsock_run_add(talk->reply, reply, length);
	if (r < 0)
		return stream_error(stream, TOOL_USE, r);
	r = outlet_put(&talk->outlet, talk->reply);
	return r < 0 ? output_failed(talk, r) : TOOL_OK;
}

static void report_round_trip(const struct talk *talk, int64_t took_ns,
			      ssize_t length)
{
	if (talk->stream->verbose)
		warnx("port '%s': %zd byte%s in %" PRId64 ".%03" PRId64 " ms",
		      talk->stream->port, length, length == 1 ? "" : "s",
		      took_ns / 1000000, took_ns / 1000 % 1000);
}

static void step(struct talk *talk)
{
	talk->oldest = (talk->oldest + 1) % ARRAY_SIZE(talk->calls);
	talk->count--;
}

/* The oldest request has failed, or is in flight, and the others with it. */
static void drop_all(struct talk *talk, int status)
{
	fail(talk, status);
	if (!was_stopped(talk))
		step(talk);
	for (; talk->count > 0; step(talk)) {
		uint64_t number = talk->calls[talk->oldest].number;
		int r = mmsock_call_cancel(talk->handle, number);

		if (r > 0)
			talk->withdrawn++;
		/* The oldest may have got its answer. */
		else if (r != -EINVAL)
			talk->dropped++;
	}
}

/* Waits for the reply to the oldest request and writes it. */
static void take_reply(struct talk *talk)
{
	const struct call *call = &talk->calls[talk->oldest];
	const void *reply;
	ssize_t length = peek(talk, call->number, &reply);
	int64_t took_ns = tool_now() - call->sent_ns;
	int status;

	if (length < 0) {
		drop_all(talk, call_failed(talk, (int)length));
		return;
	}
	status = write_reply(talk, reply, (size_t)length);
	mmsock_call_release(talk->handle);
	if (status) {
		drop_all(talk, status);
		return;
	}
	report_round_trip(talk, took_ns, length);
	if ((uint64_t)length > talk->largest)
		talk->largest = (uint64_t)length;
	talk->answered++;
	step(talk);
}

/* -- the whole ----------------------------------------------------------- */

/* What was sent is waited for, also where no more can be sent. */
static int converse(struct talk *talk)
{
	for (;;) {
		send_requests(talk);
		if (talk->count > 0)
			take_reply(talk);
		else if (talk->ended)
			break;
	}
	(void)flush(talk);
	if (talk->status != TOOL_OK)
		report_progress(talk);
	else if (talk->config->request_count == 0)
		framing_unread(&talk->reader);
	return talk->status;
}

/* None is sent where one of them cannot be. */
static int check_arguments(const struct talk *talk)
{
	const struct talk_config *config = talk->config;
	int status = TOOL_OK;

	for (size_t i = 0; i < config->request_count && !status; i++)
		status = stream_check_length(
			talk->handle, strlen(config->requests[i]), i + 1);
	return status;
}

static int prepare(struct talk *talk)
{
	const struct stream_config *stream = talk->stream;
	struct mmsock_info info = {.size = sizeof(info)};
	int r = 0;

	if (talk->config->inflight > 1)
		r = mmsock_inspect(stream->port, stream->dir, &info);
	if (r < 0)
		return r;
	talk->lane = info.lane_bytes;

	if (talk->config->request_count == 0)
		r = framing_reader_init(&talk->reader, stream->framing,
					stream->delimiter,
					stream->delimiter_length, STDIN_FILENO,
					mmsock_max_message(talk->handle));
	if (r == 0)
		r = mmsock_run_new(STREAM_RUN_BYTES, &talk->requests);
	if (r == 0)
		r = mmsock_run_new(STREAM_RUN_BYTES, &talk->reply);
	if (r == 0)
		r = outlet_init(&talk->outlet, stream);
	return r;
}

static int call_all(struct talk *talk)
{
	int status = check_arguments(talk);
	int r;

	if (status)
		return status;
	r = prepare(talk);
	status = r < 0 ? stream_error(talk->stream, TOOL_USE, r)
		       : converse(talk);
	outlet_fini(&talk->outlet);
	mmsock_run_free(talk->reply);
	mmsock_run_free(talk->requests);
	framing_reader_fini(&talk->reader);
	return status;
}

int talk_run(const struct talk_config *config)
{
	struct talk talk = {
		.config = config,
		.stream = config->stream,
		.left = config->stream->count,
		.plain = mmsock_error_text(-EREMOTEIO),
	};
	int status = outlet_check();

	if (status == TOOL_OK)
		status = stream_open(config->stream, MMSOCK_CLIENT, 0,
				     &talk.handle);
	if (status == TOOL_OK)
		status = call_all(&talk);
	stream_close(talk.handle);
	return status;
}
