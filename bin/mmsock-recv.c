/* SPDX-License-Identifier: MIT */
/*
 * mmsock-recv - receive messages from a port and write them to standard output
 *
 * Takes all that is there as one run, and writes when its buffer is full and
 * whenever the port runs empty: a reader never waits for a message that has
 * arrived, and a burst costs few writes.  What was taken is written out, or its
 * loss is reported.
 */
#include <errno.h>

#include <mmsock.h>

#include "framing.h"
#include "outlet.h"
#include "stream.h"
#include "taker.h"
#include "tool.h"

enum {
	OPTION_EXIT_ON_EMPTY = STREAM_OWN_OPTIONS,
	OPTION_KEEP_OPEN,
};

struct config {
	struct stream_config stream;
	bool exit_on_empty;
	bool keep_open;
};

struct receiver {
	struct taker taker;
	struct outlet outlet;
	uint64_t left; /* messages to take */
};

static void take_option(const struct tool_seen *seen, void *context)
{
	struct config *config = context;

	switch (seen->id) {
	case OPTION_EXIT_ON_EMPTY:
		config->exit_on_empty = true;
		break;
	case OPTION_KEEP_OPEN:
		config->keep_open = true;
		break;
	default:
		stream_take(seen, &config->stream);
	}
}

static int output_failed(const struct receiver *receiver, int error)
{
	return outlet_failed(&receiver->outlet, error,
			     mmsock_run_count(receiver->taker.run));
}

/* What was taken goes out first, whatever ended it. */
static int finish(struct receiver *receiver, int reason)
{
	struct outlet *outlet = &receiver->outlet;
	int r = reason == -EPIPE ? reason : outlet_flush(outlet);

	if (r < 0)
		return output_failed(receiver, r);
	return taker_finish(&receiver->taker, reason, outlet->writer.messages);
}

static int receive(struct receiver *receiver)
{
	while (receiver->left > 0) {
		int r = taker_take(&receiver->taker, receiver->left);

		if (r == -EAGAIN || r == -EBUSY) {
			int flushed = outlet_flush(&receiver->outlet);

			if (flushed < 0)
				return output_failed(receiver, flushed);
			r = taker_later(&receiver->taker, r, receiver->left);
		}
		if (stream_again(r))
			continue;
		if (r < 0)
			return finish(receiver, r);
		receiver->left -= (uint64_t)r;
		r = outlet_put(&receiver->outlet, receiver->taker.run);
		if (r < 0)
			return output_failed(receiver, r);
	}
	return finish(receiver, 0);
}

static int receive_all(struct receiver *receiver)
{
	const struct stream_config *config = receiver->taker.config;
	const struct framing_writer *writer = &receiver->outlet.writer;
	int status, r;

	r = outlet_init(&receiver->outlet, config);
	if (r == 0)
		r = mmsock_run_new(STREAM_RUN_BYTES, &receiver->taker.run);
	status = r < 0 ? stream_error(config, TOOL_USE, r) : receive(receiver);
	if (!status)
		stream_summary(config, writer->messages, writer->bytes);
	mmsock_run_free(receiver->taker.run);
	outlet_fini(&receiver->outlet);
	return status;
}

static int look(void *context)
{
	(void)context;
	return outlet_check_reader();
}

static int run(const struct config *config)
{
	bool looks = config->stream.strict && config->stream.delimiter;
	struct receiver receiver = {
		.taker = {.config = &config->stream,
			  .timeout_ns = config->stream.timeout_ns,
			  .exit_on_empty = config->exit_on_empty,
			  .look = look,
			  .one_by_one = looks,
			  .no_delimiter = looks,
			  .largest = UINT64_MAX},
		.left = config->stream.count,
	};
	int status = outlet_check();

	if (status == TOOL_OK)
		status = stream_open(&config->stream, MMSOCK_RECEIVER,
				     config->keep_open ? MMSOCK_KEEP_OPEN : 0,
				     &receiver.taker.handle);
	if (status == TOOL_OK)
		status = receive_all(&receiver);
	stream_close(receiver.taker.handle);
	return status;
}

int main(int argc, char **argv)
{
	static const struct tool_option options[] = {
		{OPTION_EXIT_ON_EMPTY, 'e', "exit-on-empty", NULL,
		 "stop when the port is empty"},
		{OPTION_KEEP_OPEN, 'k', "keep-open", NULL,
		 "do not stop when the last sender leaves"},
	};
	static const struct tool tool = {
		.name = "mmsock-recv",
		.synopsis = "[options] PORT",
		.purpose = "write the messages of a port to standard output",
		.options = options,
		.option_count = ARRAY_SIZE(options),
		.shared = stream_options,
		.shared_count = STREAM_OPTION_COUNT,
		.help_more = framing_list,
	};
	struct config config = {.exit_on_empty = false};
	int first, status;

	stream_init(&config.stream, &tool);
	first = tool_parse(&tool, argc, argv, take_option, &config);
	stream_finish(&config.stream, argv[first]);
	if (argv[first + 1])
		tool_usage(&tool, "'%s': one port is enough", argv[first + 1]);
	tool_catch_signals(config.stream.port);
	status = run(&config);
	tool_die();
	return tool_close_stdout(status);
}
