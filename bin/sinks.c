/* SPDX-License-Identifier: MIT */
/*
 * sinks.c - messages to several ports and standard output at once
 *
 * A single sink gets the run as it is.  Several get a copy each, because sending
 * a run uses it up.  Nothing here waits for one port while it holds an end of
 * another.
 */
#include "sinks.h"

#include <errno.h>
#include <limits.h>
#include <sys/uio.h>

#include <mmsock.h>

#include "framing.h"
#include "tool.h"

/* A wait that is over at once, but has looked whether the port is still there. */
#define GLANCE_NS ((int64_t)1)

int sinks_prepare(struct sinks *sinks, size_t run_bytes)
{
	size_t count = sinks->port_count + (sinks->outlet != NULL);
	int r = 0;

	/* Standard output counts the bytes by itself. */
	sinks->copies = count > 1 || (sinks->counts && !sinks->outlet);
	if (!sinks->copies)
		return 0;
	for (size_t i = 0; i < sinks->port_count && r == 0; i++)
		r = mmsock_run_new(run_bytes, &sinks->ports[i].run);
	if (r == 0 && sinks->outlet)
		r = mmsock_run_new(run_bytes, &sinks->run);
	return r;
}

void sinks_fini(struct sinks *sinks)
{
	for (size_t i = 0; i < sinks->port_count; i++) {
		mmsock_run_free(sinks->ports[i].run);
		stream_close(sinks->ports[i].handle);
	}
	mmsock_run_free(sinks->run);
}

uint64_t sinks_largest(const struct sinks *sinks)
{
	uint64_t largest = UINT64_MAX;

	for (size_t i = 0; i < sinks->port_count; i++) {
		uint64_t most = mmsock_max_message(sinks->ports[i].handle);

		largest = most < largest ? most : largest;
	}
	return largest;
}

static int find_room(const struct sink *sink, uint64_t length,
		     int64_t timeout_ns)
{
	void *buffer;
	int r;

	do {
		r = mmsock_reserve(sink->handle, (size_t)length, &buffer,
				   timeout_ns);
	} while (stream_again(r));
	if (r == 0)
		mmsock_cancel(sink->handle);
	return r;
}

bool sinks_have_room(const struct sinks *sinks, uint64_t length)
{
	for (size_t i = 0; i < sinks->port_count; i++)
		if (find_room(&sinks->ports[i], length, 0) < 0)
			return false;
	return true;
}

int sinks_wait_room(const struct sinks *sinks, uint64_t length)
{
	for (size_t i = 0; i < sinks->port_count; i++) {
		const struct sink *sink = &sinks->ports[i];
		int r = find_room(sink, length, sink->config.timeout_ns);

		if (r < 0)
			return stream_error(&sink->config, TOOL_USE, r);
	}
	return TOOL_OK;
}

static int send_run(const struct sinks *sinks, struct sink *sink,
		    struct mmsock_run *run)
{
	int r = stream_send(&sink->config, sink->handle, run, &sink->messages);
	uint64_t left = mmsock_run_count(run);
	int status;

	if (r == 0)
		return TOOL_OK;
	status = stream_error(&sink->config, TOOL_USE, r);
	if (sinks->was_taken && left > 0)
		stream_report(&sink->config, left,
			      "were taken and could not be sent");
	return status;
}

static int write_run(struct sinks *sinks, struct mmsock_run *run)
{
	int r = outlet_put(sinks->outlet, run);

	return r < 0 ? outlet_failed(sinks->outlet, r, mmsock_run_count(run))
		     : TOOL_OK;
}

/*
 * Append to the copy of @sink (NULL: standard output), which has as much room as
 * the original.
 */
static int copy(struct sinks *sinks, struct sink *sink,
		const struct iovec *messages, size_t count)
{
	struct mmsock_run *run = sink ? sink->run : sinks->run;
	size_t copied = 0;
	int r = 0;

	while (copied < count) {
		r = mmsock_run_addv(run, messages + copied, count - copied);
		if (r <= 0)
			break;
		copied += (size_t)r;
	}
	if (copied == count)
		return TOOL_OK;
	return stream_error(sink ? &sink->config : sinks->outlet->config,
			    TOOL_USE, r < 0 ? r : -ENOBUFS);
}

static int copy_to_all(struct sinks *sinks, const struct iovec *messages,
		       size_t count)
{
	uint64_t bytes = 0;
	int status = TOOL_OK;

	for (size_t i = 0; i < count; i++)
		bytes += messages[i].iov_len;
	for (size_t i = 0; i < sinks->port_count && status == TOOL_OK; i++) {
		status = copy(sinks, &sinks->ports[i], messages, count);
		sinks->ports[i].bytes += bytes;
	}
	if (status == TOOL_OK && sinks->outlet)
		status = copy(sinks, NULL, messages, count);
	sinks->bytes += bytes;
	return status;
}

static int put_copies(struct sinks *sinks, struct mmsock_run *run)
{
	struct iovec messages[FRAMING_STRIDE];
	int status = TOOL_OK;
	size_t count;

	do {
		count = mmsock_run_nextv(run, messages, FRAMING_STRIDE);
		status = copy_to_all(sinks, messages, count);
	} while (count > 0 && status == TOOL_OK);
	for (size_t i = 0; i < sinks->port_count && status == TOOL_OK; i++) {
		struct sink *sink = &sinks->ports[i];

		status = send_run(sinks, sink, sink->run);
	}
	if (status == TOOL_OK && sinks->outlet)
		status = write_run(sinks, sinks->run);
	return status;
}

static int put_once(struct sinks *sinks, struct mmsock_run *run)
{
	uint64_t before;
	int status;

	if (!sinks->outlet)
		return send_run(sinks, &sinks->ports[0], run);
	before = sinks->outlet->writer.bytes;
	status = write_run(sinks, run);
	sinks->bytes += sinks->outlet->writer.bytes - before;
	return status;
}

int sinks_put(struct sinks *sinks, struct mmsock_run *run)
{
	uint64_t before = sinks->bytes;
	int status =
		sinks->copies ? put_copies(sinks, run) : put_once(sinks, run);

	progress_add(sinks->progress, sinks->bytes - before);
	return status;
}

int sinks_flush(struct sinks *sinks)
{
	int r = sinks->outlet ? outlet_flush(sinks->outlet) : 0;

	return r < 0 ? outlet_failed(sinks->outlet, r, 0) : TOOL_OK;
}

/* More peers than there can be are waited for, for no time to speak of. */
static int check_port(const struct sink *sink)
{
	int r = mmsock_wait_peers(sink->handle, UINT_MAX, GLANCE_NS);

	return r == -EIDRM || r == -ESTALE
		       ? stream_error(&sink->config, TOOL_USE, r)
		       : TOOL_OK;
}

int sinks_check(struct sinks *sinks)
{
	int status = TOOL_OK;
	int r = sinks->outlet ? outlet_check_reader() : 0;

	if (r < 0)
		return outlet_failed(sinks->outlet, r, 0);
	for (size_t i = 0; i < sinks->port_count && status == TOOL_OK; i++)
		status = check_port(&sinks->ports[i]);
	return status;
}
