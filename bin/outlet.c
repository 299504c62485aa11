/* SPDX-License-Identifier: MIT */
/*
 * outlet.c - messages to standard output, and what is to be said about it
 */
#include "outlet.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
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
