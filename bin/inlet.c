/* SPDX-License-Identifier: MIT */
/*
 * inlet.c - standard input into ports
 *
 * The straight way: wait until there is something to read, with nothing held;
 * reserve just as much room in the ring, which may be a wait, too; read into it
 * without waiting; commit.  Whoever stops or starves us at any moment finds the
 * sending end free, or gets it back after one copy.
 *
 * While it waits for input it looks now and then whether the ports still are
 * there: a pipe's reader would get a signal, and we have nobody to send us one.
 */
#include "inlet.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include <mmsock.h>

#include "framing.h"
#include "pour.h"
#include "tool.h"

/*
 * The most of one read: what one write of most tools is, or several.  A larger
 * one leaves the second-level cache between the two copies.
 */
#define RECORD_BYTES ((size_t)128 << 10)

/* Between two looks at the ports. */
#define LOOK_MS 1000

struct inlet {
	const struct stream_config *config;
	struct sinks *sinks;
	struct pour pour;
	uint64_t left; /* messages to send */
	bool ended;
	size_t record;                /* straight: the most of one read */
	void *buffer;                 /* of what cannot be read straight */
	struct framing_reader reader; /* otherwise */
	struct mmsock_run *run;
};

static int input_failed(int error)
{
	/* The tool is about to die of a signal, and that says it. */
	return error == -EINTR ? TOOL_NO
			       : tool_io_error("standard input", error);
}

/* *@ret_there is 0 where nobody can tell, which is also so at the end. */
static int wait_for_input(struct inlet *inlet, size_t *ret_there)
{
	int status, r = 0;

	*ret_there = pour_there(&inlet->pour);
	if (*ret_there > 0)
		return TOOL_OK;
	status = sinks_flush(inlet->sinks);
	while (status == TOOL_OK && r <= 0) {
		r = pour_wait(&inlet->pour, POLLIN, LOOK_MS);
		if (r == 0)
			status = sinks_check(inlet->sinks);
		else if (r < 0 && !stream_again(r))
			status = input_failed(r);
	}
	*ret_there = pour_there(&inlet->pour);
	return status;
}

/* A stream that never makes us wait would never let a signal end us. */
static bool goes_on(const struct inlet *inlet)
{
	return inlet->left > 0 && !inlet->ended && tool_signal() == 0;
}

static void count(struct inlet *inlet, struct sink *port, size_t bytes)
{
	port->messages++;
	port->bytes += bytes;
	inlet->left--;
	progress_add(inlet->sinks->progress, bytes);
}

/* With nothing held, the read may take its time. */
static int send_copied(struct inlet *inlet, struct sink *port)
{
	ssize_t got;
	int r;

	if (!inlet->buffer)
		inlet->buffer = malloc(inlet->record);
	if (!inlet->buffer)
		return input_failed(-ENOMEM);
	got = tool_read(inlet->pour.fd, inlet->buffer, inlet->record);
	if (got < 0)
		return input_failed((int)got);
	inlet->ended = got == 0;
	if (inlet->ended)
		return TOOL_OK;
	do {
		r = mmsock_send(port->handle, inlet->buffer, (size_t)got,
				port->config.timeout_ns);
	} while (stream_again(r));
	if (r < 0)
		return stream_error(&port->config, TOOL_USE, r);
	count(inlet, port, (size_t)got);
	return TOOL_OK;
}

/* What was read into the reserved room, or why nothing was. */
static int settle(struct inlet *inlet, struct sink *port, ssize_t got)
{
	int r;

	if (got <= 0) {
		mmsock_cancel(port->handle);
		inlet->ended = got == 0;
		if (got == -EOPNOTSUPP)
			return send_copied(inlet, port);
		/* Another process that shares the input was faster. */
		if (got == 0 || got == -EAGAIN || stream_again((int)got))
			return TOOL_OK;
		return input_failed((int)got);
	}
	r = mmsock_commit(port->handle, (size_t)got);
	if (r < 0)
		return stream_error(&port->config, TOOL_USE, r);
	count(inlet, port, (size_t)got);
	return TOOL_OK;
}

static int send_straight(struct inlet *inlet, struct sink *port)
{
	void *buffer;
	size_t there;
	int status, r;

	status = wait_for_input(inlet, &there);
	if (status)
		return status;
	if (there == 0 || inlet->pour.way == POUR_NOT)
		return send_copied(inlet, port);
	if (there > inlet->record)
		there = inlet->record;
	do {
		r = mmsock_reserve(port->handle, there, &buffer,
				   port->config.timeout_ns);
	} while (stream_again(r));
	if (r < 0)
		return stream_error(&port->config, TOOL_USE, r);
	return settle(inlet, port, pour_read(&inlet->pour, buffer, there));
}

/* Half the largest message is, usually, a quarter of the ring. */
static size_t record_size(const struct sinks *sinks)
{
	uint64_t most = (sinks_largest(sinks) + 1) / 2;

	return most < RECORD_BYTES ? (size_t)most : RECORD_BYTES;
}

static int run_straight(struct inlet *inlet)
{
	int status = TOOL_OK;

	inlet->record = record_size(inlet->sinks);
	while (status == TOOL_OK && goes_on(inlet))
		status = send_straight(inlet, &inlet->sinks->ports[0]);
	free(inlet->buffer);
	return status;
}

static int read_more(struct inlet *inlet)
{
	size_t there;
	int r, status = wait_for_input(inlet, &there);

	if (status)
		return status;
	r = framing_fill(&inlet->reader);
	return r < 0 ? framing_report(&inlet->reader, r) : TOOL_OK;
}

static int pump(struct inlet *inlet)
{
	struct framing_reader *reader = &inlet->reader;
	int status = TOOL_OK;

	while (status == TOOL_OK && goes_on(inlet)) {
		int r = framing_cut(reader, inlet->run,
				    inlet->config->unbuffered ? 1
							      : inlet->left);

		if (r < 0)
			return framing_report(reader, r);
		inlet->left -= (uint64_t)r;
		if (r > 0)
			status = sinks_put(inlet->sinks, inlet->run);
		else if (reader->ended)
			inlet->ended = true;
		else
			status = read_more(inlet);
	}
	if (status == TOOL_OK)
		framing_unread(reader);
	return status;
}

static int run_framed(struct inlet *inlet)
{
	const struct stream_config *config = inlet->config;
	int status, r;

	r = framing_reader_init(&inlet->reader, config->framing,
				config->delimiter, config->delimiter_length,
				STDIN_FILENO, sinks_largest(inlet->sinks));
	if (r == 0)
		r = mmsock_run_new(STREAM_RUN_BYTES, &inlet->run);
	if (r == 0)
		r = sinks_prepare(inlet->sinks, STREAM_RUN_BYTES);
	status = r < 0 ? stream_error(config, TOOL_USE, r) : pump(inlet);
	mmsock_run_free(inlet->run);
	framing_reader_fini(&inlet->reader);
	return status;
}

int inlet_run(const struct stream_config *config, struct sinks *sinks)
{
	bool straight = config->framing == framing_find("raw") &&
			sinks->port_count == 1 && !sinks->outlet;
	struct inlet inlet = {
		.config = config,
		.sinks = sinks,
		.left = config->count,
	};
	int status;

	pour_init(&inlet.pour, STDIN_FILENO);
	status = straight ? run_straight(&inlet) : run_framed(&inlet);
	if (status == TOOL_OK)
		status = sinks_flush(sinks);
	pour_fini(&inlet.pour);
	return status;
}
