/* SPDX-License-Identifier: MIT */
/*
 * mmsock-call - send requests to a service and write its replies to standard
 * output
 *
 * What is asked for; talk.c does it.  Unless told otherwise all of standard
 * input is one request, and its reply is written as it is.
 */
#include <stdio.h>

#include <mmsock.h>

#include "framing.h"
#include "stream.h"
#include "talk.h"
#include "tool.h"

/* -w where neither it nor the environment says. */
#define TIMEOUT_NS (INT64_C(5) * 1000 * 1000 * 1000)

enum {
	OPTION_INFLIGHT = STREAM_OWN_OPTIONS,
};

struct config {
	struct stream_config stream;
	unsigned inflight;
};

static void take_option(const struct tool_seen *seen, void *context)
{
	struct config *config = context;

	if (seen->id == OPTION_INFLIGHT)
		config->inflight =
			(unsigned)tool_count(seen, 1, MMSOCK_CALLS_MAX);
	else
		stream_take(seen, &config->stream);
}

static void help_more(FILE *out)
{
	framing_list(out);
	fputs("\nWithout a framing standard input is one request, and replies "
	      "are written with\nnothing in between.  Without -w it gives up "
	      "after 5 seconds.\n",
	      out);
}

int main(int argc, char **argv)
{
	static const struct tool_option options[] = {
		{OPTION_INFLIGHT, 0, "inflight", "N",
		 "so many requests at a time (1); replies stay in order"},
	};
	static const struct tool tool = {
		.name = "mmsock-call",
		.synopsis = "[options] PORT [REQUEST...]",
		.purpose = "send requests to a service and write its replies",
		.options = options,
		.option_count = ARRAY_SIZE(options),
		.shared = stream_options,
		.shared_count = STREAM_OPTION_COUNT,
		.help_more = help_more,
	};
	struct config config = {.inflight = 1};
	struct stream_config *stream = &config.stream;
	struct talk_config talk = {.stream = stream};
	int first, status;

	stream_init(stream, &tool);
	stream->create_type = MMSOCK_RPC;
	stream->timeout_ns = tool_timeout(
		tool_env_duration(&tool, "MMSOCK_TIMEOUT", TIMEOUT_NS));
	first = tool_parse(&tool, argc, argv, take_option, &config);
	/* -d is for lines, and asks for them. */
	if (!stream->framing && !stream->delimiter)
		stream->framing = framing_find("slurp");
	stream_finish(stream, argv[first]);
	talk.requests = argv + first + 1;
	talk.request_count = (size_t)(argc - first - 1);
	talk.inflight = config.inflight;
	tool_catch_signals(stream->port);
	status = talk_run(&talk);
	tool_die();
	return tool_close_stdout(status);
}
