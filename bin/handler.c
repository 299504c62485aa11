/* SPDX-License-Identifier: MIT */
/*
 * handler.c - what the two ways of answering by a command have in common
 *
 * The environment, the time, and the words for what went wrong.
 */
#include "handler.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mmsock.h>

#include "tool.h"

#define MS_NS INT64_C(1000000)

/* -- environment --------------------------------------------------------- */

static bool is_ours(const char *variable, bool has_dir)
{
	static const char *const names[] = {
		"MMSOCK_DIR=",  "MMSOCK_LEN=", "MMSOCK_PEER_PID=",
		"MMSOCK_PORT=", "MMSOCK_SEQ=", "MMSOCK_WORKER=",
	};

	for (size_t i = has_dir ? 0 : 1; i < ARRAY_SIZE(names); i++)
		if (strncmp(variable, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static int make_fixed(struct handler *handler)
{
	const struct stream_config *stream = handler->config->stream;
	char **fixed = handler->fixed;

	if (asprintf(&fixed[0], "MMSOCK_PORT=%s", stream->port) < 0)
		fixed[0] = NULL;
	if (asprintf(&fixed[1], "MMSOCK_WORKER=%u", handler->number) < 0)
		fixed[1] = NULL;
	if (!stream->dir)
		return fixed[0] && fixed[1] ? 0 : -ENOMEM;
	if (asprintf(&fixed[2], "MMSOCK_DIR=%s", stream->dir) < 0)
		fixed[2] = NULL;
	return fixed[0] && fixed[1] && fixed[2] ? 0 : -ENOMEM;
}

static int make_environment(struct handler *handler)
{
	bool has_dir = handler->config->stream->dir != NULL;
	size_t count = 0, used = 0;
	char **all;

	if (make_fixed(handler) < 0)
		return -ENOMEM;
	while (environ[count])
		count++;
	all = calloc(count + HANDLER_FIXED + HANDLER_VARIED + 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		if (!is_ours(environ[i], has_dir))
			all[used++] = environ[i];
	for (size_t i = 0; i < HANDLER_FIXED && handler->fixed[i]; i++)
		all[used++] = handler->fixed[i];
	/* One that lasts has nothing that could change. */
	for (size_t i = 0; i < HANDLER_VARIED && !handler->config->lasting; i++)
		all[used++] = handler->varied[i];
	handler->environment = all;
	return 0;
}

static void describe(struct handler *handler,
		     const struct handler_request *request)
{
	size_t size = sizeof(handler->varied[0]);

	(void)snprintf(handler->varied[0], size, "MMSOCK_SEQ=%" PRIu64,
		       request->number);
	(void)snprintf(handler->varied[1], size, "MMSOCK_LEN=%zu",
		       request->length);
	(void)snprintf(handler->varied[2], size, "MMSOCK_PEER_PID=%d",
		       request->client_pid);
}

/* -- time ---------------------------------------------------------------- */

static int left_ms(int64_t deadline_ns)
{
	int64_t left;

	if (deadline_ns < 0)
		return -1;
	left = (deadline_ns - tool_now() + MS_NS - 1) / MS_NS;
	if (left < 0)
		return 0;
	return left < INT_MAX ? (int)left : INT_MAX;
}

int64_t handler_deadline(int64_t limit_ns)
{
	int64_t start = tool_now();

	return limit_ns < 0 || limit_ns > INT64_MAX - start ? -1
							    : start + limit_ns;
}

int handler_poll(const struct handler *handler, struct pollfd *fds,
		 size_t count)
{
	int r;

	fds[0] = (struct pollfd){.fd = handler->config->stop, .events = POLLIN};
	for (size_t i = 0; i < count; i++)
		fds[i].revents = 0;
	r = poll(fds, (nfds_t)count, left_ms(handler->deadline_ns));
	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	if (r == 0)
		return -ETIMEDOUT;
	return fds[0].revents ? -ECANCELED : 0;
}

/* -- what has become of it ----------------------------------------------- */

static void say(struct handler *handler, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(struct handler *handler, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(handler->line.text, sizeof(handler->line.text), format,
			arguments);
	va_end(arguments);
}

void handler_failed(struct handler *handler, int error,
		    struct handler_answer *ret_answer)
{
	struct handler_answer answer = {.text = handler->line.text};

	switch (error) {
	case -EMSGSIZE:
		answer = (struct handler_answer){.too_large = true};
		break;
	case -ETIMEDOUT:
		answer.status = TOOL_TIMEOUT;
		say(handler, "took longer than --limit allows and was killed");
		break;
	case -ECANCELED:
		answer.status = 128 + SIGKILL;
		say(handler, "was killed, because the server has to stop");
		break;
	case -EILSEQ:
		answer.status = TOOL_DATA;
		say(handler, "it holds the delimiter, and was not executed"
			     " (use mmsock-serve -F lp32be)");
		break;
	case -ENOMSG:
		answer.status = TOOL_DATA;
		say(handler, "it is empty, which is no record, and was not"
			     " executed (use mmsock-serve -F lp32be)");
		break;
	case -EPIPE:
		answer.status = TOOL_NO;
		say(handler, "ended without an answer");
		break;
	default:
		answer.status = TOOL_SYSTEM;
		say(handler, "cannot be run: %s", strerrordesc_np(-error));
	}
	*ret_answer = answer;
}

void handler_ended(struct handler *handler, int status,
		   struct handler_answer *ret_answer)
{
	struct handler_line *line = &handler->line;

	line->text[line->length] = '\0';
	if (line->length == 0 && status > 128 && sigdescr_np(status - 128))
		say(handler, "killed by signal %d (%s)", status - 128,
		    sigdescr_np(status - 128));
	*ret_answer = (struct handler_answer){
		.status = status,
		.text = *line->text ? line->text : NULL,
		.reply = handler->reply,
		.length = handler->reply_length,
	};
}

void handler_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int handler_room(struct handler *handler, size_t size)
{
	char *larger;

	if (size <= handler->reply_size)
		return 0;
	larger = realloc(handler->reply, size);
	if (!larger)
		return -ENOMEM;
	handler->reply = larger;
	handler->reply_size = size;
	return 0;
}

/* -- the whole ----------------------------------------------------------- */

int handler_init(struct handler *handler, const struct handler_config *config,
		 unsigned number)
{
	int r;

	*handler = (struct handler){
		.config = config,
		.number = number,
		.child.ended = -1,
		.input = -1,
		.output = -1,
	};
	r = make_environment(handler);
	return r == 0 && config->lasting ? lasting_init(handler) : r;
}

void handler_fini(struct handler *handler)
{
	if (!handler->config)
		return;
	if (handler->config->lasting)
		lasting_fini(handler);
	for (size_t i = 0; i < HANDLER_FIXED; i++)
		free(handler->fixed[i]);
	free(handler->environment);
	free(handler->reply);
	*handler = (struct handler){0};
}

void handler_answer(struct handler *handler,
		    const struct handler_request *request,
		    struct handler_answer *ret_answer)
{
	handler->deadline_ns = handler_deadline(handler->config->limit_ns);
	handler->reply_length = 0;
	handler->line.length = 0;
	handler->line.ended = false;
	describe(handler, request);
	if (handler->config->lasting)
		lasting_answer(handler, request, ret_answer);
	else
		oneshot_answer(handler, request, ret_answer);
}
