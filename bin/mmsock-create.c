/* SPDX-License-Identifier: MIT */
/*
 * mmsock-create - create ports
 *
 * Creates each port that is named, or one with a name of its own making, and
 * may run a command for whose lifetime the port exists.  How a port is made is
 * for make.c.  With a command, nothing may end this process between creation
 * and removal of the port: the signals that could are held before it exists.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <mmsock.h>

#include "command.h"
#include "make.h"
#include "tool.h"

/* Of a name that is made up, after the prefix. */
#define RANDOM_LETTERS 10

enum option {
	EXIST_OK = MAKE_OWN_OPTIONS,
	OVERWRITE,
	TEMP
};

struct config {
	struct make make;
	const char *temp; /* what a made-up name begins with; NULL: none is */
	bool exist_ok;
	bool overwrite;
};

/* clang-format off */
static const struct tool_option options[] = {
	{EXIST_OK, 'E', "exist-ok", NULL,
	 "the port may exist, if it is as the options ask"},
	{OVERWRITE, 0, "overwrite", NULL,
	 "put a new port in place of an existing one"},
	{TEMP, 0, "temp", "[PREFIX]",
	 "make up a name (tmp.XXXXXXXXXX) and print it"},
};
/* clang-format on */

static void help_more(FILE *out)
{
	(void)fputs("\nWith CMD one port is created, CMD runs with its name in"
		    "\nMMSOCK_PORT, the port is removed, and the exit status"
		    "\nis that of CMD.\n",
		    out);
}

static const struct tool tool = {
	.name = "mmsock-create",
	.synopsis = "[options] PORT... [-- CMD ARG...]",
	.purpose = "create ports",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.shared = make_options,
	.shared_count = MAKE_OPTION_COUNT,
	.stops_at_operand = true,
	.help_more = help_more,
};

static void take(const struct tool_seen *seen, void *context)
{
	struct config *config = context;

	switch (seen->id) {
	case EXIST_OK:
		config->exist_ok = true;
		break;
	case OVERWRITE:
		config->overwrite = true;
		break;
	case TEMP:
		config->temp = seen->argument ? seen->argument : "tmp.";
		break;
	default:
		make_take(seen, &config->make);
	}
}

static unsigned open_mode(const struct config *config)
{
	if (config->exist_ok + config->overwrite + !!config->temp > 1)
		tool_usage(&tool, "--exist-ok, --overwrite and --temp "
				  "exclude each other");
	if (config->exist_ok)
		return MMSOCK_CONNECT_OR_CREATE;
	if (config->overwrite)
		return MMSOCK_CREATE_NEW_OVERWRITE;
	return MMSOCK_CREATE_NEW_EXCLUSIVE;
}

/*
 * Cuts the operands at the "--" before a command and returns the command, or
 * NULL.  The parser has swallowed a "--" that comes before any operand: where
 * the name is made up, a command follows it, else a port.
 */
static char **split(const struct config *config, char **argv, int first)
{
	char **operand = argv + first;

	if (config->temp && *operand) {
		if (strcmp(operand[-1], "--") != 0)
			tool_usage(&tool, "--temp takes no PORT");
		operand[-1] = NULL;
		return operand;
	}
	for (; *operand && strcmp(*operand, "--") != 0; operand++)
		if (**operand == '-')
			tool_usage(&tool, "'%s': options go before PORT",
				   *operand);
	if (!*operand)
		return NULL;
	*operand = NULL;
	if (!operand[1])
		tool_usage(&tool, "no command after --");
	return operand + 1;
}

/* Random enough to be new.  The caller frees it. */
static char *made_up_name(const char *prefix)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	unsigned char bytes[RANDOM_LETTERS];
	char random[RANDOM_LETTERS + 1] = "";
	char *name;

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		err(TOOL_SYSTEM, "no name for '%s'", prefix);
	for (size_t i = 0; i < RANDOM_LETTERS; i++)
		random[i] = letters[bytes[i] % (sizeof(letters) - 1)];
	if (asprintf(&name, "%s%s", prefix, random) < 0)
		err(TOOL_SYSTEM, "no name for '%s'", prefix);
	return name;
}

/* Creates all; the status is that of the first failure. */
static int create_each(const struct make *make, char **ports)
{
	int first = TOOL_OK;
	bool made;

	for (; *ports; ports++) {
		int status = make_port(make, *ports, &made);

		if (first == TOOL_OK)
			first = status;
	}
	return first;
}

/* A port whose name nobody got to know would be left behind. */
static int create_and_print(const struct make *make, const char *port)
{
	bool made;
	int status = make_port(make, port, &made);

	if (status != TOOL_OK)
		return status;
	puts(port);
	status = tool_close_stdout(status);
	if (status != TOOL_OK)
		(void)make_undo(make, port);
	return status;
}

static int run(const struct command *command, char **argv, const char *port,
	       const char *dir)
{
	if (setenv("MMSOCK_PORT", port, 1) < 0 ||
	    (dir && setenv("MMSOCK_DIR", dir, 1) < 0)) {
		warn("command '%s'", argv[0]);
		return TOOL_SYSTEM;
	}
	return command_run(command, argv);
}

/* A port that was there before stays there. */
static int create_and_run(const struct make *make, const char *port,
			  char **argv)
{
	struct command command = {.is_tied = false};
	int status, undone;
	bool made;

	command_hold_signals(&command);
	status = make_port(make, port, &made);
	if (status != TOOL_OK)
		return status;
	status = run(&command, argv, port, make->options.dir);
	undone = made ? make_undo(make, port) : TOOL_OK;
	return status == TOOL_OK ? undone : status;
}

int main(int argc, char **argv)
{
	struct config config = {.make.options = MMSOCK_OPTIONS_INIT};
	int first = tool_parse(&tool, argc, argv, take, &config);
	char **command = split(&config, argv, first);
	char **ports = argv + first;
	const char *port = *ports;
	char *temp = NULL;
	int status;

	config.make.options.mode = open_mode(&config);
	make_check(&tool, &config.make);
	if (config.temp)
		port = temp = made_up_name(config.temp);
	else if (!port || ports == command)
		tool_usage(&tool, "no PORT");
	else if (command && ports[1])
		tool_usage(&tool, "a command goes with one PORT");
	if (command)
		status = create_and_run(&config.make, port, command);
	else if (config.temp)
		status = create_and_print(&config.make, port);
	else
		status = create_each(&config.make, ports);
	free(temp);
	return status;
}
