/* SPDX-License-Identifier: MIT */
/*
 * lasting.c - a command that runs all the time: one record in, one record out
 *
 * A reply must be the one to its request.  So a worker that has written more than
 * it was asked for, or less, is replaced, and a request that would be two records
 * to it, or none, is refused.  One that has ended is replaced when the next request comes,
 * which goes to the new one, so that nothing spins where all end at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <mmsock.h>

#include "handler.h"
#include "tool.h"

/* So long a worker may take to end once its input has. */
#define LEAVE_NS INT64_C(2000000000)

/* -- start and end ------------------------------------------------------- */

/* What it reads and what it writes; ours never wait. */
static int make_pipes(struct handler *handler, int *its)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	its[0] = ends[0];
	handler->input = ends[1];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	its[1] = ends[1];
	handler->output = ends[0];
	if (fcntl(handler->input, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

static int start_reader(struct handler *handler)
{
	const struct stream_config *stream = handler->config->stream;

	framing_reader_fini(&handler->reader);
	return framing_reader_init(&handler->reader, stream->framing,
				   stream->delimiter, stream->delimiter_length,
				   handler->output, handler->config->max_reply);
}

static int start(struct handler *handler)
{
	int its[] = {-1, -1, -1};
	int r = make_pipes(handler, its);

	if (r == 0)
		r = start_reader(handler);
	if (r == 0)
		r = child_start(&handler->config->program, handler->environment,
				its, &handler->child);
	handler_close(&its[0]);
	handler_close(&its[1]);
	handler->in_step = r == 0;
	if (r < 0) {
		handler_close(&handler->input);
		handler_close(&handler->output);
	}
	return r;
}

/* Kills what is left of it, and tells how it ended. */
static int end(struct handler *handler)
{
	handler_close(&handler->input);
	handler_close(&handler->output);
	child_kill(&handler->child);
	return child_wait(&handler->child);
}

static void report(const struct handler *handler, const char *text)
{
	if (!handler->config->stream->quiet)
		tool_warn("port '%s': worker %u %s",
			  handler->config->stream->port, handler->number, text);
}

static void report_end(const struct handler *handler, int status)
{
	if (!handler->config->stream->quiet)
		tool_warn("port '%s': worker %u ended with status %d",
			  handler->config->stream->port, handler->number,
			  status);
}

int lasting_init(struct handler *handler)
{
	const struct stream_config *stream = handler->config->stream;
	int r = mmsock_run_new(STREAM_RUN_BYTES, &handler->record);

	if (r == 0)
		r = framing_writer_init(&handler->writer, stream->framing,
					stream->delimiter,
					stream->delimiter_length, -1);
	return r == 0 ? start(handler) : r;
}

/* It sees the end of its input, and has some time to end itself. */
static void leave(struct handler *handler)
{
	struct pollfd fds[] = {
		{.fd = -1},
		{.fd = handler->child.ended, .events = POLLIN},
	};

	handler_close(&handler->input);
	handler->deadline_ns = handler_deadline(LEAVE_NS);
	while (handler_poll(handler, fds, ARRAY_SIZE(fds)) == 0 &&
	       !fds[1].revents)
		;
}

void lasting_fini(struct handler *handler)
{
	if (handler->child.pid) {
		leave(handler);
		(void)end(handler);
	}
	framing_writer_fini(&handler->writer);
	framing_reader_fini(&handler->reader);
	mmsock_run_free(handler->record);
}

/* -- before a request ---------------------------------------------------- */

/* It has nothing to say before it is asked; its end can be read, too. */
static bool is_silent(const struct handler *handler)
{
	const struct framing_reader *reader = &handler->reader;
	struct pollfd fds[] = {
		{.fd = handler->output, .events = POLLIN},
		{.fd = handler->child.ended, .events = POLLIN},
	};

	return reader->start == reader->end &&
	       poll(fds, ARRAY_SIZE(fds), 0) == 0;
}

static bool has_ended(const struct handler *handler)
{
	struct pollfd ended = {.fd = handler->child.ended, .events = POLLIN};

	return poll(&ended, 1, 0) > 0;
}

/* A worker that is there and waits to be asked: 0 or -errno. */
static int make_ready(struct handler *handler)
{
	bool ended;

	if (handler->child.pid && handler->in_step && is_silent(handler))
		return 0;
	if (handler->child.pid) {
		int status;

		ended = has_ended(handler);
		status = end(handler);
		if (ended)
			report_end(handler, status);
		else
			report(handler, "wrote what it was not asked for, or "
					"closed its output, and was killed");
	}
	return start(handler);
}

/* -- a request ----------------------------------------------------------- */

/*
 * A request that ends with the delimiter is a record with its end, and its reply
 * will have one, too.  Returns the length without, or -EILSEQ where there is
 * another before.
 */
static ssize_t record_length(const struct stream_config *stream,
			     const struct handler_request *request)
{
	size_t length = request->length;
	size_t tail = stream->delimiter_length;
	const char *bytes = request->bytes;

	if (!stream->delimiter)
		return (ssize_t)length;
	if (length >= tail &&
	    memcmp(bytes + length - tail, stream->delimiter, tail) == 0)
		length -= tail;
	return framing_holds(stream->delimiter, tail, bytes, length)
		       ? -EILSEQ
		       : (ssize_t)length;
}

/* What of the request does not yet fit stays for later.  One that does not read
 * is one that has ended, or will not answer. */
static void write_some(struct handler *handler, size_t *at)
{
	struct framing_writer *writer = &handler->writer;
	ssize_t put =
		write(handler->input, writer->buffer + *at, writer->used - *at);

	if (put > 0)
		*at += (size_t)put;
	else if (put < 0 && errno != EAGAIN && errno != EINTR)
		handler_close(&handler->input);
}

/* 1 there is a record, 0 not yet, -EPIPE there will be none, or another error. */
static int read_some(struct handler *handler)
{
	struct framing_reader *reader = &handler->reader;
	int r = framing_fill(reader);

	if (r < 0)
		return r;
	/* What it began and did not finish is no record. */
	if (reader->ended)
		return -EPIPE;
	return framing_cut(reader, handler->record, 1);
}

/* 0 there is a record, or why not. */
static int exchange(struct handler *handler)
{
	size_t at = 0;
	int r = 0;

	mmsock_run_clear(handler->record);
	while (r == 0) {
		bool more = at < handler->writer.used;
		struct pollfd fds[] = {
			{.fd = -1},
			{.fd = handler->output, .events = POLLIN},
			{.fd = handler->child.ended, .events = POLLIN},
			{.fd = more ? handler->input : -1, .events = POLLOUT},
		};

		r = handler_poll(handler, fds, ARRAY_SIZE(fds));
		if (r < 0)
			break;
		if (fds[3].revents)
			write_some(handler, &at);
		if (fds[1].revents)
			r = read_some(handler);
		else if (fds[2].revents)
			r = -EPIPE;
	}
	handler->in_step = r > 0 && at == handler->writer.used;
	return r > 0 ? 0 : r;
}

/* -- its answer ---------------------------------------------------------- */

/* The reply gets the end that the request had. */
static int add_delimiter(struct handler *handler, struct handler_answer *answer)
{
	const struct stream_config *stream = handler->config->stream;
	size_t tail = stream->delimiter_length;

	if (answer->length + tail > handler->config->max_reply)
		return -EMSGSIZE;
	if (handler_room(handler, answer->length + tail) < 0)
		return -ENOMEM;
	memcpy(handler->reply, answer->reply, answer->length);
	memcpy(handler->reply + answer->length, stream->delimiter, tail);
	answer->reply = handler->reply;
	answer->length += tail;
	return 0;
}

static int take_record(struct handler *handler, bool ends,
		       struct handler_answer *ret_answer)
{
	struct handler_answer answer = {0};
	int r = 0;

	(void)mmsock_run_next(handler->record, &answer.reply, &answer.length);
	if (ends)
		r = add_delimiter(handler, &answer);
	if (r == 0)
		*ret_answer = answer;
	return r;
}

/* One that has closed its output, but goes on, is killed. */
static void bury(struct handler *handler, int error,
		 struct handler_answer *ret_answer)
{
	int status;

	if (error == -EPIPE) {
		leave(handler);
		status = end(handler);
		report_end(handler, status);
		handler_ended(handler, status, ret_answer);
		/* Without an answer it has failed, whatever it says. */
		if (status == TOOL_OK)
			handler_failed(handler, error, ret_answer);
		return;
	}
	(void)end(handler);
	handler_failed(handler, error, ret_answer);
	report(handler,
	       ret_answer->too_large
		       ? "wrote a reply that is too large, and was killed"
		       : ret_answer->text);
}

void lasting_answer(struct handler *handler,
		    const struct handler_request *request,
		    struct handler_answer *ret_answer)
{
	ssize_t length = record_length(handler->config->stream, request);
	int r = length < 0 ? (int)length
			   : framing_pack(&handler->writer, request->bytes,
					  (size_t)length);

	/* Of no bytes at all it would never hear. */
	if (r == 0 && handler->writer.used == 0)
		r = -ENOMSG;
	if (r == 0)
		r = make_ready(handler);
	if (r < 0) {
		handler_failed(handler, r, ret_answer);
		return;
	}
	r = exchange(handler);
	if (r < 0) {
		bury(handler, r, ret_answer);
		return;
	}
	r = take_record(handler, (size_t)length < request->length, ret_answer);
	if (r < 0)
		handler_failed(handler, r, ret_answer);
}
