/* SPDX-License-Identifier: MIT */
/*
 * mmsock-send - send messages to a port
 *
 * Each argument is one message; without any, standard input is cut into
 * messages.  What a read completes is sent at once, as one run.  A record goes
 * in whole or not at all, and an end before the end says how many went in.
 */
#include <err.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mmsock.h>

#include "framing.h"
#include "stream.h"
#include "tool.h"

/* What a message takes in a run beyond its length, at most. */
#define RUN_OVERHEAD 16

struct sender {
	const struct stream_config *config;
	struct mmsock *handle;
	struct mmsock_run *run;
	uint64_t messages;
	uint64_t bytes;
};

static int send_run(struct sender *sender)
{
	return stream_send(sender->config, sender->handle, sender->run,
			   &sender->messages);
}

static int send_message(struct sender *sender, const char *message)
{
	int r;

	do {
		r = mmsock_send(sender->handle, message, strlen(message),
				sender->config->timeout_ns);
	} while (stream_again(r));
	sender->messages += r == 0;
	return r;
}

static int send_messages(struct sender *sender, char *const *messages,
			 size_t count)
{
	size_t room = 0;
	int r;

	for (size_t i = 0; i < count; i++)
		room += strlen(messages[i]) + RUN_OVERHEAD;
	r = mmsock_run_new(room, &sender->run);
	for (size_t i = 0; i < count && r == 0; i++)
		r = mmsock_run_add(sender->run, messages[i],
				   strlen(messages[i]));
	return r < 0 ? r : send_run(sender);
}

/* Nothing is sent where one of them cannot be. */
static int check_argument(const struct sender *sender, const char *message,
			  size_t number)
{
	const struct stream_config *config = sender->config;
	size_t length = strlen(message);
	int status = stream_check_length(sender->handle, length, number);

	if (status)
		return status;
	if (config->strict &&
	    framing_holds(config->delimiter, config->delimiter_length, message,
			  length)) {
		warnx("message %zu: holds the delimiter (use -F lp32be on both "
		      "sides)",
		      number);
		return TOOL_DATA;
	}
	return TOOL_OK;
}

static int send_arguments(struct sender *sender, char *const *messages,
			  size_t count)
{
	int r = 0, status;

	if (count > sender->config->count)
		count = (size_t)sender->config->count;
	for (size_t i = 0; i < count; i++) {
		status = check_argument(sender, messages[i], i + 1);
		if (status)
			return status;
		sender->bytes += strlen(messages[i]);
	}
	/* One message is what is sent most, and needs no run. */
	if (count == 1)
		r = send_message(sender, messages[0]);
	else if (count > 1)
		r = send_messages(sender, messages, count);
	return r < 0 ? stream_error(sender->config, TOOL_USE, r) : TOOL_OK;
}

static int pump(struct sender *sender, struct framing_reader *reader)
{
	uint64_t left = sender->config->count;
	int r;

	while (left > 0) {
		r = framing_cut(reader, sender->run,
				sender->config->unbuffered ? 1 : left);
		if (r < 0)
			return framing_report(reader, r);
		if (r > 0) {
			left -= (uint64_t)r;
			r = send_run(sender);
			if (r < 0)
				return stream_error(sender->config, TOOL_USE,
						    r);
			continue;
		}
		if (reader->ended)
			return TOOL_OK;
		r = framing_fill(reader);
		if (r < 0)
			return framing_report(reader, r);
	}
	framing_unread(reader);
	return TOOL_OK;
}

static int send_input(struct sender *sender)
{
	const struct stream_config *config = sender->config;
	struct framing_reader reader = {0};
	int r, status;

	r = framing_reader_init(&reader, config->framing, config->delimiter,
				config->delimiter_length, STDIN_FILENO,
				mmsock_max_message(sender->handle));
	if (r == 0)
		r = mmsock_run_new(STREAM_RUN_BYTES, &sender->run);
	status = r < 0 ? stream_error(config, TOOL_USE, r)
		       : pump(sender, &reader);
	sender->bytes = reader.payload_bytes;
	framing_reader_fini(&reader);
	return status;
}

/*
 * Touching the whole ring at once is worth its price only where at least a lap
 * of messages is certain to follow.
 */
static unsigned open_flags(const struct stream_config *config, bool arguments)
{
	struct stat input;

	if (arguments || config->count != STREAM_NO_LIMIT ||
	    fstat(STDIN_FILENO, &input) != 0)
		return 0;
	return S_ISREG(input.st_mode) && input.st_size >= 1 << 20
		       ? MMSOCK_POPULATE
		       : 0;
}

static int run(const struct stream_config *config, char *const *messages,
	       size_t count)
{
	struct sender sender = {.config = config};
	int status = stream_open(config, MMSOCK_SENDER,
				 open_flags(config, count > 0), &sender.handle);

	if (status == TOOL_OK) {
		status = count > 0 ? send_arguments(&sender, messages, count)
				   : send_input(&sender);
		if (status && !config->quiet)
			stream_report(config, sender.messages,
				      "sent before that");
		if (!status)
			stream_summary(config, sender.messages, sender.bytes);
	}
	mmsock_run_free(sender.run);
	stream_close(sender.handle);
	return status;
}

int main(int argc, char **argv)
{
	static const struct tool tool = {
		.name = "mmsock-send",
		.synopsis = "[options] PORT [MESSAGE...]",
		.purpose = "send messages, or what standard input holds, to a "
			   "port",
		.shared = stream_options,
		.shared_count = STREAM_OPTION_COUNT,
		.help_more = framing_list,
	};
	struct stream_config config;
	int first, status;

	stream_init(&config, &tool);
	first = tool_parse(&tool, argc, argv, stream_take, &config);
	stream_finish(&config, argv[first]);
	tool_catch_signals(config.port);
	status = run(&config, argv + first + 1, (size_t)(argc - first - 1));
	tool_die();
	return status;
}
