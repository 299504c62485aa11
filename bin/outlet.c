/* SPDX-License-Identifier: MIT */
/*
 * outlet.c - messages to standard output, and what is to be said about it
 */
#include "outlet.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <mmsock.h>

#include "tool.h"

int outlet_check(void)
{
	int flags = fcntl(STDOUT_FILENO, F_GETFL);

	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
		return tool_io_error("standard output", EBADF);
	return TOOL_OK;
}

/*
 * A write would tell, but a port that stays empty gives nothing to write.  Then
 * the signal is ours to raise.
 */
int outlet_check_reader(void)
{
	struct pollfd output = {.fd = STDOUT_FILENO};

	if (poll(&output, 1, 0) <= 0 || !(output.revents & POLLERR))
		return 0;
	raise(SIGPIPE);
	return -EPIPE;
}

int outlet_init(struct outlet *outlet, const struct stream_config *config)
{
	*outlet = (struct outlet){.config = config};
	return framing_writer_init(&outlet->writer, config->framing,
				   config->delimiter, config->delimiter_length,
				   STDOUT_FILENO);
}

void outlet_fini(struct outlet *outlet)
{
	framing_writer_fini(&outlet->writer);
}

static void warn_ambiguous(struct outlet *outlet)
{
	if (outlet->warned || outlet->config->quiet)
		return;
	outlet->warned = true;
	warnx("port '%s': a message holds the delimiter and cannot be told from "
	      "two (use -F lp32be)",
	      outlet->config->port);
}

int outlet_flush(struct outlet *outlet)
{
	int r = framing_flush(&outlet->writer);

	if (outlet->writer.ambiguous)
		warn_ambiguous(outlet);
	return r;
}

ssize_t outlet_pass(struct outlet *outlet, const void *message, size_t length)
{
	struct framing_writer *writer = &outlet->writer;
	ssize_t put;

	/* In the order in which they came. */
	if (writer->used > 0)
		return -EAGAIN;
	put = pour_write(&outlet->pour, message, length);
	if (put <= 0)
		return put;
	writer->bytes += (uint64_t)put;
	writer->messages += (size_t)put == length;
	return put;
}

int outlet_wait(struct outlet *outlet)
{
	int r = outlet_flush(outlet);

	while (r == 0) {
		r = pour_wait(&outlet->pour, POLLOUT, -1);
		if (stream_again(r))
			r = 0;
	}
	return r < 0 ? r : 0;
}

int outlet_put(struct outlet *outlet, struct mmsock_run *run)
{
	int r = framing_put(&outlet->writer, run);

	if (r == 0 && outlet->config->unbuffered)
		r = outlet_flush(outlet);
	return r;
}

int outlet_failed(const struct outlet *outlet, int error, uint64_t unput)
{
	uint64_t lost = outlet->writer.pending + outlet->writer.unput + unput;

	/* Quiet as every tool whose reader has had enough. */
	if (tool_signal() == SIGPIPE)
		return TOOL_IO;
	if (error != -EINTR)
		tool_io_error("standard output", error);
	if (lost > 0)
		stream_report(outlet->config, lost,
			      "at most were taken and could not be written");
	return TOOL_IO;
}
