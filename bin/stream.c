/* SPDX-License-Identifier: MIT */
/*
 * stream.c - options of the tools between a stream and a port, and attaching
 *
 * A letter means the same in each of these tools; that is why the table is here
 * and not in them.
 */
#include "stream.h"

#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <mmsock.h>

enum {
	OPTION_COUNT = 1,
	OPTION_CREATE,
	OPTION_DELIMITER,
	OPTION_DIR,
	OPTION_FRAMING,
	OPTION_LINES,
	OPTION_NONBLOCK,
	OPTION_NULL,
	OPTION_QUIET,
	OPTION_RAW,
	OPTION_READY_FD,
	OPTION_SLURP,
	OPTION_SPIN,
	OPTION_STRICT,
	OPTION_TIMEOUT,
	OPTION_UNBUFFERED,
	OPTION_VERBOSE,
	OPTION_WAIT_PEER,
	OPTION_WAIT_PORT,
};

/* clang-format off */
const struct tool_option stream_options[STREAM_OPTION_COUNT] = {
	{OPTION_NULL, '0', "null", NULL, "as -F null"},
	{OPTION_COUNT, 'c', "count", "N",
	 "stop after N messages (0: attach, check, exit)"},
	{OPTION_CREATE, 0, "create", "[SIZE]",
	 "create the port where it does not exist"},
	{OPTION_DELIMITER, 'd', "delimiter", "STR",
	 "lines end with STR (\\n \\t \\r \\0 \\xHH \\\\)"},
	{OPTION_DIR, 0, "dir", "DIR", "the port directory"},
	{OPTION_FRAMING, 'F', "framing", "MODE",
	 "how messages lie in the stream (line; cat: raw; call: slurp)"},
	{OPTION_LINES, 'l', "lines", NULL, "as -F line"},
	{OPTION_NONBLOCK, 'n', "nonblock", NULL, "never wait: 1 if it would"},
	{OPTION_QUIET, 'q', "quiet", NULL, "no warnings"},
	{OPTION_RAW, 'r', "raw", NULL, "as -F raw"},
	{OPTION_READY_FD, 0, "ready-fd", "FD",
	 "write a newline to FD once attached"},
	{OPTION_SLURP, 's', "slurp", NULL, "as -F slurp"},
	{OPTION_SPIN, 0, "spin", "DUR",
	 "spin so long before sleeping (0: not; inf: never sleep)"},
	{OPTION_UNBUFFERED, 'u', "unbuffered", NULL,
	 "each message by itself"},
	{OPTION_VERBOSE, 'v', "verbose", NULL, "say at the end what was done"},
	{OPTION_TIMEOUT, 'w', "timeout", "DUR",
	 "give up after DUR without progress: 124"},
	{OPTION_WAIT_PEER, 0, "wait-peer", "[N]",
	 "wait until N peers are attached; 1 by default"},
	{OPTION_WAIT_PORT, 0, "wait-port", NULL,
	 "wait until the port exists"},
	{OPTION_STRICT, 0, "strict", NULL,
	 "fail on a delimiter in a message, a sender that died"},
};
/* clang-format on */

void stream_init(struct stream_config *config, const struct tool *tool)
{
	*config = (struct stream_config){
		.tool = tool,
		.count = STREAM_NO_LIMIT,
		.timeout_ns = tool_timeout(
			tool_env_duration(tool, "MMSOCK_TIMEOUT", INT64_MAX)),
		.spin_ns = tool_env_duration(tool, "MMSOCK_SPIN",
					     MMSOCK_SPIN_ADAPTIVE),
		.ready_fd = -1,
	};
}

/* -- options ------------------------------------------------------------- */

static int hex_digit(char digit)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = strchr(digits, tolower((unsigned char)digit));

	return digit && found ? (int)(found - digits) : -1;
}

/* @at is behind the backslash.  The byte, or -1; moves *@at behind it. */
static int unescape(const char **at)
{
	static const char letters[] = "ntr0\\", bytes[] = "\n\t\r\0\\";
	const char *found;
	int high, low;

	if (**at == 'x') {
		high = hex_digit((*at)[1]);
		low = high < 0 ? -1 : hex_digit((*at)[2]);
		*at += low < 0 ? 0 : 3;
		return low < 0 ? -1 : 16 * high + low;
	}
	found = **at ? strchr(letters, **at) : NULL;
	*at += found != NULL;
	return found ? (unsigned char)bytes[found - letters] : -1;
}

static void take_delimiter(struct stream_config *config,
			   const struct tool_seen *seen)
{
	const char *at = seen->argument;
	size_t length = 0;
	int byte;

	if (!*at)
		tool_usage(seen->tool, "--delimiter: is empty");
	while (*at) {
		byte = (unsigned char)*at++;
		if (byte == '\\')
			byte = unescape(&at);
		if (byte < 0)
			tool_usage(seen->tool,
				   "--delimiter: '%s' has an unknown escape",
				   seen->argument);
		if (length < sizeof(config->delimiter_bytes))
			config->delimiter_bytes[length++] = (char)byte;
		else
			tool_usage(seen->tool,
				   "--delimiter: is longer than %zu bytes",
				   length);
	}
	config->delimiter = config->delimiter_bytes;
	config->delimiter_length = length;
}

static void take_framing(struct stream_config *config,
			 const struct tool_seen *seen, const char *name)
{
	config->framing = framing_find(name);
	if (!config->framing)
		tool_usage(seen->tool,
			   "--framing: '%s' is not a framing (known: %s)", name,
			   framing_names);
}

static void take_ready_fd(struct stream_config *config,
			  const struct tool_seen *seen)
{
	int fd = (int)tool_count(seen, 0, INT_MAX);
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
		tool_usage(seen->tool,
			   "--ready-fd: '%s' is not a descriptor open for "
			   "writing",
			   seen->argument);
	config->ready_fd = fd;
}

static void take_create(struct stream_config *config,
			const struct tool_seen *seen)
{
	config->create = true;
	if (!seen->argument)
		return;
	config->create_bytes = tool_size(seen);
	if (config->create_bytes == 0)
		tool_usage(seen->tool, "--create: '%s' is too small",
			   seen->argument);
}

/* The options that have an argument. */
static void take_value(struct stream_config *config,
		       const struct tool_seen *seen)
{
	switch (seen->id) {
	case OPTION_COUNT:
		config->count = tool_count(seen, 0, STREAM_NO_LIMIT - 1);
		break;
	case OPTION_CREATE:
		take_create(config, seen);
		break;
	case OPTION_DELIMITER:
		take_delimiter(config, seen);
		break;
	case OPTION_DIR:
		config->dir = seen->argument;
		break;
	case OPTION_FRAMING:
		take_framing(config, seen, seen->argument);
		break;
	case OPTION_READY_FD:
		take_ready_fd(config, seen);
		break;
	case OPTION_SPIN:
		config->spin_ns = tool_duration(seen);
		break;
	case OPTION_TIMEOUT:
		config->timeout_ns = tool_timeout(tool_duration(seen));
		break;
	case OPTION_WAIT_PEER:
		config->wait_peers = 1;
		if (seen->argument)
			config->wait_peers =
				(unsigned)tool_count(seen, 1, MMSOCK_SLOTS_MAX);
		break;
	}
}

void stream_take(const struct tool_seen *seen, void *context)
{
	struct stream_config *config = context;

	switch (seen->id) {
	case OPTION_LINES:
		take_framing(config, seen, "line");
		break;
	case OPTION_NONBLOCK:
		config->nonblock = true;
		break;
	case OPTION_NULL:
	case OPTION_RAW:
	case OPTION_SLURP:
		take_framing(config, seen, seen->name);
		break;
	case OPTION_QUIET:
		config->quiet = true;
		break;
	case OPTION_STRICT:
		config->strict = true;
		break;
	case OPTION_UNBUFFERED:
		config->unbuffered = true;
		break;
	case OPTION_VERBOSE:
		config->verbose = true;
		break;
	case OPTION_WAIT_PORT:
		config->wait_port = true;
		break;
	default:
		take_value(config, seen);
	}
}

void stream_finish(struct stream_config *config, const char *port)
{
	const struct framing *line = framing_find("line");

	if (!port)
		tool_usage(config->tool, "no port is given");
	if (config->create && config->wait_port)
		tool_usage(config->tool,
			   "--create and --wait-port exclude each other");
	if (!config->framing)
		config->framing = line;
	if (config->delimiter && config->framing != line)
		tool_usage(config->tool,
			   "--delimiter is for the line framing only");
	if (!config->delimiter && config->framing->delimiter) {
		config->delimiter = config->framing->delimiter;
		config->delimiter_length = 1;
	}
	if (config->nonblock)
		config->timeout_ns = 0;
	config->port = port;
}

/* -- attaching ----------------------------------------------------------- */

bool stream_again(int error)
{
	return error == -EINTR && tool_signal() == 0;
}

static int wait_port(const struct stream_config *config)
{
	int r;

	do {
		r = mmsock_wait_port(config->port, config->dir,
				     config->timeout_ns);
	} while (stream_again(r));
	return r;
}

static int open_port(const struct stream_config *config, unsigned role,
		     unsigned flags, struct mmsock **ret_handle)
{
	struct mmsock_options options = MMSOCK_OPTIONS_INIT;
	int r;

	options.dir = config->dir;
	options.mode = config->create ? MMSOCK_CONNECT_OR_CREATE
				      : MMSOCK_CONNECT_TO_EXISTING;
	options.role = role;
	options.flags = flags;
	options.spin_ns = config->spin_ns;
	options.ring_bytes = config->create_bytes;
	options.type = config->create_type;
	do {
		r = config->wait_port ? wait_port(config) : 0;
		if (r == 0)
			r = mmsock_open(config->port, &options, ret_handle);
		/* It may be removed again before it is opened. */
		if (r == -ENOENT && config->wait_port && tool_signal() == 0)
			r = -EINTR;
	} while (stream_again(r));
	return r;
}

int stream_attach(const struct stream_config *config, unsigned role,
		  unsigned flags, struct mmsock **ret_handle)
{
	int r = open_port(config, role, flags, ret_handle);

	if (r < 0)
		return stream_error(config,
				    config->create ? TOOL_CREATE : TOOL_USE, r);
	tool_add_handle(*ret_handle);
	return TOOL_OK;
}

int stream_ready(const struct stream_config *config)
{
	int r;

	if (config->ready_fd < 0)
		return TOOL_OK;
	r = tool_write(config->ready_fd, "\n", 1);
	/* Whoever reads there until the end need not wait for ours. */
	if (config->ready_fd > STDERR_FILENO)
		close(config->ready_fd);
	return r < 0 ? tool_io_error("--ready-fd", r) : TOOL_OK;
}

int stream_wait_peers(const struct stream_config *config, struct mmsock *handle)
{
	int r;

	if (!config->wait_peers)
		return TOOL_OK;
	do {
		r = mmsock_wait_peers(handle, config->wait_peers,
				      config->timeout_ns);
	} while (stream_again(r));
	return r < 0 ? stream_error(config, TOOL_USE, r) : TOOL_OK;
}

int stream_open(const struct stream_config *config, unsigned role,
		unsigned flags, struct mmsock **ret_handle)
{
	int status = stream_attach(config, role, flags, ret_handle);

	if (status == TOOL_OK)
		status = stream_ready(config);
	if (status == TOOL_OK)
		status = stream_wait_peers(config, *ret_handle);
	return status;
}

void stream_close(struct mmsock *handle)
{
	tool_drop_handle(handle);
	mmsock_close(handle);
}

int stream_send(const struct stream_config *config, struct mmsock *handle,
		struct mmsock_run *run, uint64_t *messages)
{
	size_t before;
	int r;

	do {
		before = mmsock_run_count(run);
		r = mmsock_run_send(handle, run, config->timeout_ns);
		*messages += before - mmsock_run_count(run);
	} while (stream_again(r));
	return r;
}

int stream_check_length(const struct mmsock *handle, size_t length,
			size_t number)
{
	uint64_t most = mmsock_max_message(handle);

	if (length <= most)
		return TOOL_OK;
	warnx("message %zu: larger than the %" PRIu64
	      " bytes that the port takes"
	      " (create it with a larger --max-message)",
	      number, most);
	return TOOL_DATA;
}

/* -- reports ------------------------------------------------------------- */

int stream_error(const struct stream_config *config, enum tool_act act,
		 int error)
{
	if (act == TOOL_USE && config->create_type == MMSOCK_RPC)
		act = TOOL_SERVE;
	/* With -w 0 the library does not wait either, but the time is up. */
	if (error == -EAGAIN && !config->nonblock)
		error = -ETIMEDOUT;
	if ((error == -EINTR && tool_signal()) || error == -EAGAIN)
		return TOOL_NO;
	if (config->quiet && (error == -ETIMEDOUT || error == -EBUSY))
		return tool_status(act, error);
	return tool_port_error(act, config->port, config->dir, error);
}

void stream_report(const struct stream_config *config, uint64_t messages,
		   const char *text)
{
	tool_warn("port '%s': %" PRIu64 " message%s %s", config->port, messages,
		  messages == 1 ? "" : "s", text);
}

void stream_summary(const struct stream_config *config, uint64_t messages,
		    uint64_t bytes)
{
	if (config->verbose)
		warnx("port '%s': %" PRIu64 " message%s, %" PRIu64 " byte%s",
		      config->port, messages, messages == 1 ? "" : "s", bytes,
		      bytes == 1 ? "" : "s");
}
