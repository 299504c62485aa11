/* SPDX-License-Identifier: MIT */
/*
 * mmsock-serve - answer requests by a command
 *
 * What is asked for; server.c takes the requests, handler.c and the files below it
 * know the command.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <mmsock.h>

#include "framing.h"
#include "server.h"
#include "stream.h"
#include "tool.h"

enum {
	OPTION_ECHO = STREAM_OWN_OPTIONS,
	OPTION_JOBS,
	OPTION_LIMIT,
	OPTION_PERSISTENT,
	OPTION_REPLY,
};

struct config {
	struct server_config serve;
	bool echo;
};

static void take_option(const struct tool_seen *seen, void *context)
{
	struct config *config = context;
	struct server_config *serve = &config->serve;

	switch (seen->id) {
	case OPTION_ECHO:
		config->echo = true;
		break;
	case OPTION_JOBS:
		serve->jobs = (unsigned)tool_count(seen, 1, SERVER_JOBS_MAX);
		break;
	case OPTION_LIMIT:
		serve->limit_ns = tool_timeout(tool_duration(seen));
		break;
	case OPTION_PERSISTENT:
		serve->lasting = true;
		break;
	case OPTION_REPLY:
		serve->reply = seen->argument;
		break;
	default:
		stream_take(seen, &serve->stream);
	}
}

/* What stands behind PORT and "--"; NULL where there is nothing. */
static char *const *find_command(const struct tool *tool, char *const *operands)
{
	const char *next = operands[0] ? operands[1] : NULL;

	if (!next)
		return NULL;
	if (strcmp(next, "--") != 0)
		tool_usage(tool,
			   *next == '-' ? "'%s': options go before PORT"
					: "'%s': a command goes behind PORT --",
			   next);
	if (!operands[2])
		tool_usage(tool, "no command after --");
	return operands + 2;
}

static void check_options(const struct config *config, const struct tool *tool)
{
	const struct server_config *serve = &config->serve;
	const struct stream_config *stream = &serve->stream;
	int answers = (serve->command != NULL) + config->echo + !!serve->reply;

	if (answers == 0)
		tool_usage(tool, "one of -- CMD, --echo and --reply is needed");
	if (answers > 1)
		tool_usage(tool,
			   "-- CMD, --echo and --reply exclude each other");
	if (serve->lasting && !serve->command)
		tool_usage(tool, "--persistent is for a command");
	if (serve->limit_ns >= 0 && !serve->command)
		tool_usage(tool, "--limit is for a command");
	if (!serve->lasting && (stream->framing || stream->delimiter))
		tool_usage(tool, "a framing is for --persistent");
	if (stream->framing == framing_find("slurp"))
		tool_usage(tool, "--framing: with slurp a persistent command "
				 "would get no request before the last");
}

static void help_more(FILE *out)
{
	framing_list(out);
	fputs("\nCMD gets a request on standard input and writes the reply to "
	      "standard output.\nIf it fails, the caller gets its status and "
	      "its last line on standard error.\n",
	      out);
}

int main(int argc, char **argv)
{
	static const struct tool_option options[] = {
		{OPTION_ECHO, 0, "echo", NULL,
		 "reply with the request, without a command"},
		{OPTION_JOBS, 'j', "jobs", "N", "N requests at a time (1)"},
		{OPTION_LIMIT, 0, "limit", "DUR",
		 "kill a command that takes longer for a request"},
		{OPTION_PERSISTENT, 0, "persistent", NULL,
		 "CMD runs all the time: one record in, one record out"},
		{OPTION_REPLY, 0, "reply", "TEXT",
		 "reply with TEXT, without a command"},
	};
	static const struct tool tool = {
		.name = "mmsock-serve",
		.synopsis = "[options] PORT [-- CMD ARG...]",
		.purpose = "answer requests by a command",
		.options = options,
		.option_count = ARRAY_SIZE(options),
		.shared = stream_options,
		.shared_count = STREAM_SERVE_OPTION_COUNT,
		.stops_at_operand = true,
		.help_more = help_more,
	};
	struct config config = {.serve = {.jobs = 1, .limit_ns = -1}};
	struct server_config *serve = &config.serve;
	int first, status;

	stream_init(&serve->stream, &tool);
	serve->stream.create_type = MMSOCK_RPC;
	first = tool_parse(&tool, argc, argv, take_option, &config);
	serve->command = find_command(&tool, argv + first);
	check_options(&config, &tool);
	stream_finish(&serve->stream, argv[first]);
	/* Where it is ignored, a child could not be waited for. */
	(void)signal(SIGCHLD, SIG_DFL);
	tool_catch_signals(serve->stream.port);
	status = server_run(serve);
	tool_die();
	return status;
}
