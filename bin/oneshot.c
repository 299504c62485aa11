/* SPDX-License-Identifier: MIT */
/*
 * oneshot.c - a run of a command for each request
 *
 * The request is a file in memory on its standard input, so that nobody waits for
 * it to be read.  What it writes by the time it has ended is the reply, also
 * where something that it left behind still could write.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "handler.h"
#include "tool.h"

/* Of the buffer for replies, to begin with: what a pipe holds. */
#define REPLY_BYTES ((size_t)64 << 10)

/* Read in one go of what it says: more than a pipe holds. */
#define ERRORS_MOST ((size_t)1 << 20)

struct run {
	struct handler *handler;
	struct child child;
	int output; /* what it writes; -1: the end has come */
	int errors;
};

/* -- to the command ------------------------------------------------------ */

static int make_input(const struct handler_request *request)
{
	int fd = memfd_create("request", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = tool_write(fd, request->bytes, request->length);
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

/* Ours, the one that is read, never waits. */
static int make_pipe(int *ret_ours, int *ret_its)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) {
		int error = errno;

		close(ends[0]);
		close(ends[1]);
		return -error;
	}
	*ret_ours = ends[0];
	*ret_its = ends[1];
	return 0;
}

static int start(struct run *run, const struct handler_request *request)
{
	struct handler *handler = run->handler;
	int its[] = {-1, -1, -1};
	int r;

	its[0] = make_input(request);
	r = its[0] < 0 ? its[0] : make_pipe(&run->output, &its[1]);
	if (r == 0)
		r = make_pipe(&run->errors, &its[2]);
	if (r == 0)
		r = child_start(&handler->config->program, handler->environment,
				its, &run->child);
	for (size_t i = 0; i < ARRAY_SIZE(its); i++)
		handler_close(&its[i]);
	return r;
}

/* -- from the command ---------------------------------------------------- */

/* How much, 0 at the end, or -errno; -EAGAIN: nothing at the moment. */
static ssize_t read_some(int *fd, char *buffer, size_t size)
{
	ssize_t got;

	do {
		got = read(*fd, buffer, size);
	} while (got < 0 && errno == EINTR);
	if (got == 0)
		handler_close(fd);
	return got < 0 ? -errno : got;
}

/* All that is there.  One byte more than a reply may have tells that it does. */
static int read_reply(struct run *run)
{
	struct handler *handler = run->handler;
	uint64_t most = handler->config->max_reply;
	ssize_t got = 1;

	while (got > 0) {
		size_t size = handler->reply_size;

		if (handler->reply_length == size &&
		    handler_room(handler, size ? size * 2 : REPLY_BYTES) < 0)
			return -ENOMEM;
		got = read_some(&run->output,
				handler->reply + handler->reply_length,
				handler->reply_size - handler->reply_length);
		if (got > 0)
			handler->reply_length += (size_t)got;
		if (handler->reply_length > most)
			return -EMSGSIZE;
	}
	return got == -EAGAIN ? 0 : (int)got;
}

static void note_line(struct handler_line *line, const char *text,
		      size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '\n') {
			line->ended = true;
			continue;
		}
		if (line->ended)
			line->length = 0;
		line->ended = false;
		if (line->length < HANDLER_TEXT_MAX)
			line->text[line->length++] = text[i];
	}
}

/*
 * All that is there, passed on; who reads ours does not matter.  One who never
 * stops writing must not keep us from looking at the time.
 */
static int read_errors(struct run *run)
{
	char text[4096];
	ssize_t got = 1;

	for (size_t all = 0; got > 0 && all < ERRORS_MOST;
	     all += sizeof(text)) {
		got = read_some(&run->errors, text, sizeof(text));
		if (got <= 0)
			break;
		note_line(&run->handler->line, text, (size_t)got);
		(void)tool_write(STDERR_FILENO, text, (size_t)got);
	}
	return got < 0 && got != -EAGAIN ? (int)got : 0;
}

static int read_both(struct run *run)
{
	int r = run->output >= 0 ? read_reply(run) : 0;

	return r == 0 && run->errors >= 0 ? read_errors(run) : r;
}

/* Until it has ended: 0, or why it has to. */
static int attend(struct run *run)
{
	bool ended = false;
	int r = 0;

	while (r == 0 && !ended) {
		struct pollfd fds[] = {
			{.fd = -1},
			{.fd = run->output, .events = POLLIN},
			{.fd = run->errors, .events = POLLIN},
			{.fd = run->child.ended, .events = POLLIN},
		};

		r = handler_poll(run->handler, fds, ARRAY_SIZE(fds));
		ended = fds[3].revents != 0;
		if (r == -ECANCELED && ended)
			r = 0;
		if (r == 0)
			r = read_both(run);
	}
	return r;
}

void oneshot_answer(struct handler *handler,
		    const struct handler_request *request,
		    struct handler_answer *ret_answer)
{
	struct run run = {.handler = handler, .output = -1, .errors = -1};
	int r = start(&run, request);
	int status;

	if (r == 0) {
		r = attend(&run);
		if (r < 0)
			child_kill(&run.child);
		status = child_wait(&run.child);
		handler_ended(handler, status, ret_answer);
	}
	if (r < 0)
		handler_failed(handler, r, ret_answer);
	handler_close(&run.output);
	handler_close(&run.errors);
}
