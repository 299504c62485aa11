/* SPDX-License-Identifier: MIT */
/*
 * mmsock-recv - receive messages from a port and write them to standard output
 *
 * Takes all that is there as one run, and writes when its buffer is full and
 * whenever the port runs empty: a reader never waits for a message that has
 * arrived, and a burst costs few writes.  What was taken is written out, or its
 * loss is reported.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <mmsock.h>

#include "framing.h"
#include "stream.h"
#include "tool.h"

/*
 * How long one wait lasts, at most, before a look whether anybody still reads
 * our output.
 */
#define LOOK_NS ((int64_t)1000000000)

/* How long -e waits for an end that somebody holds before it looks again. */
#define HELD_NS ((int64_t)50000000)

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
	const struct config *config;
	struct mmsock *handle;
	struct mmsock_run *run;
	struct framing_writer writer;
	uint64_t left;   /* messages to take */
	int64_t held_ns; /* that -e has waited for an end held by somebody */
	bool one_by_one; /* messages are looked at before they are taken */
	bool warned;
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

/* -EILSEQ where the message holds the delimiter: it stays on the port. */
static int take_checked(struct receiver *receiver, int64_t timeout_ns)
{
	const struct stream_config *config = &receiver->config->stream;
	const void *message;
	ssize_t length = mmsock_peek(receiver->handle, &message, timeout_ns);
	int r;

	if (length < 0)
		return (int)length;
	mmsock_run_clear(receiver->run);
	r = mmsock_run_add(receiver->run, message, (size_t)length);
	if (r == 0 && framing_holds(config->delimiter, config->delimiter_length,
				    message, (size_t)length))
		r = -EILSEQ;
	if (r == 0)
		r = mmsock_release(receiver->handle);
	else
		mmsock_cancel(receiver->handle);
	if (r < 0)
		mmsock_run_clear(receiver->run);
	return r < 0 ? r : 1;
}

static int take(struct receiver *receiver, int64_t timeout_ns)
{
	size_t most = 0;

	if (receiver->one_by_one)
		return take_checked(receiver, timeout_ns);
	if (receiver->config->stream.unbuffered)
		most = 1;
	else if (receiver->left < SIZE_MAX)
		most = (size_t)receiver->left;
	return mmsock_run_recv(receiver->handle, receiver->run, most,
			       timeout_ns);
}

/*
 * A write would tell, but a port that stays empty gives nothing to write.  Then
 * the signal is ours to raise.
 */
static int check_reader(void)
{
	struct pollfd output = {.fd = STDOUT_FILENO};

	if (poll(&output, 1, 0) <= 0 || !(output.revents & POLLERR))
		return 0;
	raise(SIGPIPE);
	return -EPIPE;
}

static int wait_for_message(struct receiver *receiver)
{
	int64_t left = receiver->config->stream.timeout_ns;
	int r;

	for (;;) {
		bool last = left >= 0 && left <= LOOK_NS;

		r = take(receiver, last ? left : LOOK_NS);
		if (r != -ETIMEDOUT || last)
			return r;
		left -= left < 0 ? 0 : LOOK_NS;
		r = check_reader();
		if (r < 0)
			return r;
	}
}

/* With -e: the port is not empty, but somebody holds the receiving end. */
static int wait_for_end(struct receiver *receiver)
{
	int64_t most = receiver->config->stream.timeout_ns;
	int r;

	if (most >= 0 && receiver->held_ns >= most)
		return -ETIMEDOUT;
	r = take(receiver, HELD_NS);
	receiver->held_ns = r == -ETIMEDOUT ? receiver->held_ns + HELD_NS : 0;
	/* Look again: the port may have been emptied in the meantime. */
	return r == -ETIMEDOUT ? -EINTR : r;
}

/* What to do where nothing could be had at once; @why is -EAGAIN or -EBUSY. */
static int take_later(struct receiver *receiver, int why)
{
	const struct config *config = receiver->config;

	if (config->exit_on_empty && why == -EAGAIN)
		return -ENODATA;
	if (config->stream.nonblock)
		return why;
	return config->exit_on_empty ? wait_for_end(receiver)
				     : wait_for_message(receiver);
}

static void warn_ambiguous(struct receiver *receiver)
{
	if (receiver->warned || receiver->config->stream.quiet)
		return;
	receiver->warned = true;
	warnx("port '%s': a message holds the delimiter and cannot be told from "
	      "two (use -F lp32be)",
	      receiver->config->stream.port);
}

static int flush(struct receiver *receiver)
{
	int r = framing_flush(&receiver->writer);

	if (receiver->writer.ambiguous)
		warn_ambiguous(receiver);
	return r;
}

static int write_run(struct receiver *receiver)
{
	int r = framing_put(&receiver->writer, receiver->run);

	if (r == 0 && receiver->config->stream.unbuffered)
		r = flush(receiver);
	return r;
}

static int output_failed(const struct receiver *receiver, int error)
{
	uint64_t lost = receiver->writer.pending + receiver->writer.unput +
			mmsock_run_count(receiver->run);

	/* Quiet as every tool whose reader has had enough. */
	if (tool_signal() == SIGPIPE)
		return TOOL_IO;
	if (error != -EINTR)
		tool_io_error("standard output", error);
	if (lost > 0)
		stream_report(&receiver->config->stream, lost,
			      "at most were taken and could not be written");
	return TOOL_IO;
}

static int check_died(const struct receiver *receiver)
{
	int64_t died = mmsock_senders_died(receiver->handle);

	if (died <= 0)
		return TOOL_OK;
	warnx("port '%s': %" PRId64 " sender%s died while attached",
	      receiver->config->stream.port, died, died == 1 ? "" : "s");
	return TOOL_PROTOCOL;
}

/* What was taken goes out first, whatever ended it. */
static int finish(struct receiver *receiver, int reason)
{
	const struct stream_config *config = &receiver->config->stream;
	int r = reason == -EPIPE ? reason : flush(receiver);

	if (r < 0)
		return output_failed(receiver, r);
	if (reason == -EILSEQ) {
		warnx("port '%s': message %" PRIu64
		      " holds the delimiter (use -F lp32be); it was left there",
		      config->port, receiver->writer.messages + 1);
		return TOOL_DATA;
	}
	if (reason < 0 && reason != -ENODATA)
		return stream_error(config, TOOL_USE, reason);
	return config->strict ? check_died(receiver) : TOOL_OK;
}

static int receive(struct receiver *receiver)
{
	while (receiver->left > 0) {
		int r = take(receiver, 0);

		if (r == -EAGAIN || r == -EBUSY) {
			int flushed = flush(receiver);

			if (flushed < 0)
				return output_failed(receiver, flushed);
			r = take_later(receiver, r);
		}
		if (stream_again(r))
			continue;
		if (r < 0)
			return finish(receiver, r);
		receiver->left -= (uint64_t)r;
		r = write_run(receiver);
		if (r < 0)
			return output_failed(receiver, r);
	}
	return finish(receiver, 0);
}

static int receive_all(struct receiver *receiver)
{
	const struct stream_config *config = &receiver->config->stream;
	int status, r;

	r = framing_writer_init(&receiver->writer, config->framing,
				config->delimiter, config->delimiter_length,
				STDOUT_FILENO);
	if (r == 0)
		r = mmsock_run_new(STREAM_RUN_BYTES, &receiver->run);
	status = r < 0 ? stream_error(config, TOOL_USE, r) : receive(receiver);
	if (!status)
		stream_summary(config, receiver->writer.messages,
			       receiver->writer.bytes);
	mmsock_run_free(receiver->run);
	framing_writer_fini(&receiver->writer);
	return status;
}

/* Before a message is taken that could not be written. */
static int check_output(void)
{
	int flags = fcntl(STDOUT_FILENO, F_GETFL);

	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
		return tool_io_error("standard output", EBADF);
	return TOOL_OK;
}

static int run(const struct config *config)
{
	struct receiver receiver = {
		.config = config,
		.left = config->stream.count,
		.one_by_one = config->stream.strict && config->stream.delimiter,
	};
	int status = check_output();

	if (status == TOOL_OK)
		status = stream_open(&config->stream, MMSOCK_RECEIVER,
				     config->keep_open ? MMSOCK_KEEP_OPEN : 0,
				     &receiver.handle);
	if (status == TOOL_OK)
		status = receive_all(&receiver);
	stream_close(receiver.handle);
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
