/* SPDX-License-Identifier: MIT */
/*
 * mmsock-cat - join standard input, ports and standard output
 *
 * What is asked for; cat.c does it.  Unless told otherwise it moves bytes: each
 * read is a message, messages are written with nothing in between, and both
 * without a copy on the way.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mmsock.h>

#include "cat.h"
#include "framing.h"
#include "progress.h"
#include "stream.h"
#include "talk.h"
#include "tool.h"

enum {
	OPTION_EXIT_ON_EMPTY = STREAM_OWN_OPTIONS,
	OPTION_INPUT,
	OPTION_KEEP_OPEN,
	OPTION_NO_PROGRESS,
	OPTION_OUTPUT,
	OPTION_PROGRESS,
	OPTION_TEE,
};

static void take_port(const struct tool_seen *seen, struct cat_config *config)
{
	bool input = seen->id == OPTION_INPUT;
	size_t *count = input ? &config->input_count : &config->output_count;

	if (config->input_count + config->output_count == CAT_PORTS_MAX)
		tool_usage(seen->tool, "--%s: '%s': more than %d ports",
			   seen->name, seen->argument, CAT_PORTS_MAX);
	(input ? config->inputs : config->outputs)[(*count)++] = seen->argument;
}

static void take_option(const struct tool_seen *seen, void *context)
{
	struct cat_config *config = context;

	switch (seen->id) {
	case OPTION_EXIT_ON_EMPTY:
		config->exit_on_empty = true;
		break;
	case OPTION_INPUT:
	case OPTION_OUTPUT:
		take_port(seen, config);
		break;
	case OPTION_KEEP_OPEN:
		config->keep_open = true;
		break;
	case OPTION_NO_PROGRESS:
		config->progress = PROGRESS_NEVER;
		break;
	case OPTION_PROGRESS:
		config->progress = PROGRESS_ALWAYS;
		break;
	case OPTION_TEE:
		config->tee = true;
		break;
	default:
		stream_take(seen, &config->stream);
	}
}

static bool same_port(const char *dir, const char *one, const char *other)
{
	char paths[2][4096];

	return mmsock_path(one, dir, paths[0], sizeof(paths[0])) == 0 &&
	       mmsock_path(other, dir, paths[1], sizeof(paths[1])) == 0 &&
	       strcmp(paths[0], paths[1]) == 0;
}

/* It would go round for ever. */
static void refuse_loops(const struct cat_config *config)
{
	const struct stream_config *stream = &config->stream;

	for (size_t i = 0; i < config->input_count; i++)
		for (size_t j = 0; j < config->output_count; j++)
			if (same_port(stream->dir, config->inputs[i],
				      config->outputs[j]))
				tool_usage(stream->tool,
					   "port '%s' is input and output",
					   config->inputs[i]);
}

/* There is no port of that name. */
static bool is_no_port(int error)
{
	int status = tool_status(TOOL_LOOK, error);

	return status == TOOL_USAGE || status == TOOL_NO_INPUT ||
	       status == TOOL_DATA;
}

/*
 * A queue needs a direction.  All else is talked to, or refused as by
 * mmsock-call(1); what we cannot look at may be a queue.
 */
static bool is_queue(const struct cat_config *config, const char *port)
{
	struct mmsock_info info = {.size = sizeof(info)};
	int r = mmsock_inspect(port, config->stream.dir, &info);

	if (r < 0 && !is_no_port(r))
		exit(tool_port_error(TOOL_SERVE, port, config->stream.dir, r));
	return r == 0 && info.type == MMSOCK_QUEUE;
}

static void check_options(const struct cat_config *config, const char *operand)
{
	const struct tool *tool = config->stream.tool;
	size_t port_count = config->input_count + config->output_count;

	if (operand && config->service)
		tool_usage(tool, "'%s': one service is enough", operand);
	if (operand)
		tool_usage(tool,
			   "'%s': say which way: -i %s (port to standard "
			   "output) or -o %s (standard input to port)",
			   operand, operand, operand);
	if (config->service && port_count > 0)
		tool_usage(tool, "'%s': a service goes with no -i and no -o",
			   config->service);
	if (port_count == 0 && !config->service)
		tool_usage(tool, "no port is given: use -i PORT (port to "
				 "standard output), -o PORT (standard input to "
				 "port), or both");
	if (config->tee && config->output_count == 0)
		tool_usage(tool, "--tee is for -o only");
	if (config->exit_on_empty && config->input_count == 0)
		tool_usage(tool, "--exit-on-empty is for -i only");
	if (config->keep_open && config->input_count == 0)
		tool_usage(tool, "--keep-open is for -i only");
	if (config->progress == PROGRESS_ALWAYS && config->service)
		tool_usage(tool, "--progress is for -i or -o only");
	refuse_loops(config);
}

/* All names, as in "port 'a', 'b': ..."; lives as long as the tool. */
static const char *join_names(const struct cat_config *config)
{
	size_t count = config->input_count + config->output_count;
	char *names = NULL;

	for (size_t i = 0; i < count; i++) {
		const char *name =
			i < config->input_count
				? config->inputs[i]
				: config->outputs[i - config->input_count];
		char *longer;

		if (asprintf(&longer, "%s%s%s", names ? names : "",
			     names ? "', '" : "", name) < 0)
			err(TOOL_SYSTEM, NULL);
		free(names);
		names = longer;
	}
	return names;
}

static void finish_options(struct cat_config *config)
{
	struct stream_config *stream = &config->stream;

	/* -d is for lines, and asks for them. */
	if (!stream->framing && !stream->delimiter)
		stream->framing = framing_find("raw");
	stream_finish(stream,
		      config->service ? config->service : join_names(config));
	if (stream->quiet)
		config->progress = PROGRESS_NEVER;
}

static int call_service(const struct cat_config *config)
{
	const struct talk_config talk = {.stream = &config->stream,
					 .inflight = 1};

	return talk_run(&talk);
}

static void help_more(FILE *out)
{
	framing_list(out);
	fputs("\nWithout a framing standard input and output are raw.  With -i "
	      "and -o messages go\nfrom port to port as they are.  With a PORT of "
	      "type rpc alone each message is a\nrequest, and its reply goes to "
	      "standard output.\n",
	      out);
}

int main(int argc, char **argv)
{
	static const struct tool_option options[] = {
		{OPTION_EXIT_ON_EMPTY, 'e', "exit-on-empty", NULL,
		 "stop when the port is empty"},
		{OPTION_INPUT, 'i', "input", "PORT",
		 "take messages from PORT; may be repeated: merged"},
		{OPTION_KEEP_OPEN, 'k', "keep-open", NULL,
		 "do not stop when the last sender leaves"},
		{OPTION_NO_PROGRESS, 0, "no-progress", NULL,
		 "no line that says how much went through"},
		{OPTION_OUTPUT, 'o', "output", "PORT",
		 "send messages to PORT; may be repeated: to all"},
		{OPTION_PROGRESS, 0, "progress", NULL,
		 "say on standard error how much went through"},
		{OPTION_TEE, 'T', "tee", NULL,
		 "copy to standard output what was sent"},
	};
	static const struct tool tool = {
		.name = "mmsock-cat",
		.synopsis = "[options] [-i PORT]... [-o PORT]... | PORT",
		.purpose = "join standard input, ports and standard output",
		.options = options,
		.option_count = ARRAY_SIZE(options),
		.shared = stream_options,
		.shared_count = STREAM_OPTION_COUNT,
		.help_more = help_more,
	};
	struct cat_config config = {.progress = PROGRESS_AUTO};
	int first, status;

	stream_init(&config.stream, &tool);
	first = tool_parse(&tool, argc, argv, take_option, &config);
	if (argv[first] && !is_queue(&config, argv[first])) {
		config.service = argv[first];
		config.stream.create_type = MMSOCK_RPC;
	}
	check_options(&config, argv[first + !!config.service]);
	finish_options(&config);
	tool_catch_signals(config.stream.port);
	status = config.service ? call_service(&config) : cat_run(&config);
	tool_die();
	return tool_close_stdout(status);
}
