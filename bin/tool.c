/* SPDX-License-Identifier: MIT */
/*
 * tool.c - the command line, the help text, errors and exit status
 *
 * It does not know what a tool does with a port.  Nothing but data goes to
 * standard output, except for --help and --version, and every exit that is not
 * 0 or 1 has said why.
 */
#include "tool.h"

#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <mmsock.h>

/* Most options of a tool, shared and built-in ones counted. */
#define OPTIONS_MAX 48

/* getopt_long() gives this plus the row's index for a long name. */
#define LONG_BASE 256

enum builtin {
	OPTION_HELP = -1,
	OPTION_VERSION = -2
};

static const struct tool_option builtin[] = {
	{OPTION_HELP, 'h', "help", NULL, "show this help"},
	{OPTION_VERSION, 'V', "version", NULL, "show the version"},
};

static size_t gather(const struct tool *tool, const struct tool_option **rows)
{
	size_t count = 0;

	for (size_t i = 0; i < tool->option_count; i++)
		rows[count++] = &tool->options[i];
	for (size_t i = 0; i < tool->shared_count; i++)
		rows[count++] = &tool->shared[i];
	for (size_t i = 0; i < ARRAY_SIZE(builtin); i++)
		rows[count++] = &builtin[i];
	return count;
}

/* By letter, or else by the long name; small letters before capitals. */
static int compare_rows(const void *left, const void *right)
{
	const struct tool_option *a = *(const struct tool_option *const *)left;
	const struct tool_option *b = *(const struct tool_option *const *)right;
	const char letter_a[] = {a->letter, '\0'};
	const char letter_b[] = {b->letter, '\0'};
	const char *key_a = a->letter ? letter_a : a->name;
	const char *key_b = b->letter ? letter_b : b->name;
	int order = strcasecmp(key_a, key_b);

	return order ? order : strcmp(key_b, key_a);
}

static int print_names(char *text, size_t size, const struct tool_option *row)
{
	char letter[] = {'-', row->letter, ',', '\0'};
	const char *argument = row->argument ? row->argument : "";
	const char *join = "";

	if (argument[0] == '[') {
		join = "[=";
		argument++;
	} else if (argument[0]) {
		join = "=";
	}
	return snprintf(text, size, "  %-3s --%s%s%s",
			row->letter ? letter : "", row->name, join, argument);
}

noreturn static void help(const struct tool *tool)
{
	const struct tool_option *rows[OPTIONS_MAX];
	size_t count = gather(tool, rows);
	char names[80];
	int width = 0;

	qsort(rows, count, sizeof(rows[0]), compare_rows);
	for (size_t i = 0; i < count; i++) {
		int length = print_names(names, sizeof(names), rows[i]);

		width = length > width ? length : width;
	}
	printf("Usage: %s %s\n%c%s.\n\n", tool->name, tool->synopsis,
	       toupper((unsigned char)tool->purpose[0]), tool->purpose + 1);
	for (size_t i = 0; i < count; i++) {
		print_names(names, sizeof(names), rows[i]);
		printf("%-*s  %s\n", width, names, rows[i]->help);
	}
	if (tool->help_more)
		tool->help_more(stdout);
	printf("\nSee %s(1) and mmsock(7).\n", tool->name);
	exit(tool_close_stdout(TOOL_OK));
}

noreturn static void version(const struct tool *tool)
{
	printf("%s %s", tool->name, MMSOCK_VERSION);
	if (strcmp(mmsock_version(), MMSOCK_VERSION) != 0)
		printf(" (libmmsock %s)", mmsock_version());
	putchar('\n');
	exit(tool_close_stdout(TOOL_OK));
}

noreturn static void try_help(const struct tool *tool)
{
	fprintf(stderr, "Try '%s --help'\n", tool->name);
	exit(TOOL_USAGE);
}

void tool_usage(const struct tool *tool, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vwarnx(format, arguments);
	va_end(arguments);
	try_help(tool);
}

/* Fills what getopt_long() wants; @shorts has room for 3 * OPTIONS_MAX + 2. */
static void make_getopt(const struct tool *tool, struct option *longs,
			char *shorts, const struct tool_option *const *rows,
			size_t count)
{
	if (tool->stops_at_operand)
		*shorts++ = '+';
	for (size_t i = 0; i < count; i++) {
		const char *argument = rows[i]->argument;
		int has = !argument            ? no_argument
			  : argument[0] == '[' ? optional_argument
					       : required_argument;

		longs[i] = (struct option){rows[i]->name, has, NULL,
					   LONG_BASE + (int)i};
		if (!rows[i]->letter)
			continue;
		*shorts++ = rows[i]->letter;
		for (int colons = 0; colons < has; colons++)
			*shorts++ = ':';
	}
	longs[count] = (struct option){0};
	*shorts = '\0';
}

static const struct tool_option *find_row(const struct tool_option *const *rows,
					  size_t count, int found)
{
	if (found >= LONG_BASE)
		return rows[found - LONG_BASE];
	for (size_t i = 0; i < count; i++) {
		if (rows[i]->letter == found)
			return rows[i];
	}
	return NULL;
}

/* It is a variable that was not set, and would stand for the default. */
static void check_directory(const struct tool *tool,
			    const struct tool_option *row)
{
	if (strcmp(row->name, "dir") == 0 && !*optarg)
		tool_usage(tool, "--dir: is empty");
}

/* A closed descriptor gets /dev/null the wrong way round, see tool_parse(). */
static void occupy_standard_fds(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		if (open("/dev/null",
			 fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			_exit(TOOL_SYSTEM);
	}
}

int tool_parse(const struct tool *tool, int argc, char **argv,
	       void (*take)(const struct tool_seen *seen, void *config),
	       void *config)
{
	const struct tool_option *rows[OPTIONS_MAX];
	size_t count = gather(tool, rows);
	struct option longs[OPTIONS_MAX + 1];
	char shorts[3 * OPTIONS_MAX + 2];
	int found;

	occupy_standard_fds();
	/* A report is one write, so that those of a pipeline do not mix. */
	(void)setvbuf(stderr, NULL, _IOLBF, 0);
	/* getopt_long() reports in this name. */
	if (argc > 0)
		argv[0] = program_invocation_short_name;
	make_getopt(tool, longs, shorts, rows, count);
	while ((found = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct tool_option *row = find_row(rows, count, found);

		if (!row)
			try_help(tool);
		if (row->id == OPTION_HELP)
			help(tool);
		if (row->id == OPTION_VERSION)
			version(tool);
		check_directory(tool, row);
		take(&(struct tool_seen){tool, row->id, "--", row->name,
					 optarg},
		     config);
	}
	return optind;
}

struct outcome {
	int error;
	int act;          /* enum tool_act, or -1 for any */
	int status;       /* enum tool_exit */
	bool names_port;  /* the next step is a command about the port */
	const char *next; /* NULL: none */
};

/* The first row that fits holds; what is not listed is TOOL_SYSTEM. */
/* clang-format off */
static const struct outcome outcomes[] = {
	{EACCES, TOOL_USE, TOOL_DENIED, false,
	 "to share a port, create it with -m and -g"},
	{EACCES, -1, TOOL_DENIED, false, NULL},
	{EAGAIN, -1, TOOL_NO, false, NULL},
	{EBADMSG, TOOL_SERVE, TOOL_SOFTWARE, true,
	 "replace it with: mmsock-create -t rpc --overwrite"},
	{EBADMSG, TOOL_USE, TOOL_SOFTWARE, true,
	 "replace it with: mmsock-create --overwrite"},
	{EBADMSG, -1, TOOL_SOFTWARE, false, NULL},
	{EBUSY, -1, TOOL_NO, false, NULL},
	{ECONNREFUSED, -1, TOOL_UNAVAILABLE, false,
	 "serve it with mmsock-serve"},
	{EDQUOT, TOOL_CREATE, TOOL_CANNOT_CREATE, false,
	 "use a smaller port or another directory"},
	{EEXIST, TOOL_CREATE, TOOL_CANNOT_CREATE, false,
	 "use -E to keep it, --overwrite to replace it"},
	{EEXIST, -1, TOOL_CANNOT_CREATE, false, NULL},
	{EFBIG, TOOL_CREATE, TOOL_CANNOT_CREATE, false, NULL},
	{EIDRM, TOOL_SERVE, TOOL_UNAVAILABLE, true,
	 "create it again with: mmsock-create -t rpc"},
	{EIDRM, TOOL_USE, TOOL_UNAVAILABLE, true,
	 "create it again with: mmsock-create"},
	{EIDRM, -1, TOOL_UNAVAILABLE, false, NULL},
	{EINVAL, -1, TOOL_USAGE, false, NULL},
	{EMLINK, -1, TOOL_DATA, false, NULL},
	{EMSGSIZE, -1, TOOL_DATA, false,
	 "create the port with a larger --max-message"},
	{ENAMETOOLONG, -1, TOOL_USAGE, false, NULL},
	{ENODATA, -1, TOOL_OK, false, NULL},
	{ENOENT, TOOL_SERVE, TOOL_NO_INPUT, true,
	 "create it with: mmsock-create -t rpc"},
	{ENOENT, TOOL_USE, TOOL_NO_INPUT, true,
	 "create it with: mmsock-create"},
	{ENOENT, TOOL_CREATE, TOOL_CANNOT_CREATE, false,
	 "its directory must exist"},
	{ENOENT, -1, TOOL_NO_INPUT, false, NULL},
	{ENOSPC, TOOL_CREATE, TOOL_CANNOT_CREATE, false,
	 "use a smaller port or another directory"},
	{ENOSPC, -1, TOOL_CANNOT_CREATE, false, NULL},
	{ENOTDIR, TOOL_CREATE, TOOL_CANNOT_CREATE, false, NULL},
	{ENOTDIR, -1, TOOL_NO_INPUT, false, NULL},
	{ENOTSOCK, TOOL_CREATE, TOOL_DATA, false,
	 "use another name, or remove the file first"},
	{ENOTSOCK, -1, TOOL_DATA, false, NULL},
	{EOPNOTSUPP, TOOL_CREATE, TOOL_CANNOT_CREATE, false,
	 "use another directory"},
	{EOWNERDEAD, -1, TOOL_UNAVAILABLE, false, NULL},
	{EPERM, -1, TOOL_DENIED, false, NULL},
	{EPROTONOSUPPORT, TOOL_LOOK, TOOL_PROTOCOL, false, NULL},
	{EPROTONOSUPPORT, -1, TOOL_PROTOCOL, true,
	 "replace it with: mmsock-create --overwrite"},
	{EROFS, TOOL_CREATE, TOOL_CANNOT_CREATE, false,
	 "use another directory"},
	{ESTALE, TOOL_USE, TOOL_UNAVAILABLE, false,
	 "start again to use the new one"},
	{ESTALE, -1, TOOL_UNAVAILABLE, false, NULL},
	{ETIMEDOUT, -1, TOOL_TIMEOUT, false, NULL},
	{EUSERS, TOOL_USE, TOOL_SYSTEM, true,
	 "see who is attached with: mmsock-ls -v"},
};
/* clang-format on */

/* What is another for semaphores. */
/* clang-format off */
static const struct outcome sem_outcomes[] = {
	{EACCES, TOOL_USE, TOOL_DENIED, false,
	 "to share a semaphore, create it with -m and -g"},
	{EBADMSG, TOOL_USE, TOOL_SOFTWARE, true,
	 "replace it with: mmsock-sem create --overwrite"},
	{EIDRM, TOOL_USE, TOOL_UNAVAILABLE, true,
	 "create it again with: mmsock-sem create"},
	{ENOENT, TOOL_USE, TOOL_NO_INPUT, true,
	 "create it with: mmsock-sem create"},
	{ENOSPC, TOOL_CREATE, TOOL_CANNOT_CREATE, false,
	 "use another directory"},
	{EOVERFLOW, -1, TOOL_NO, false, NULL},
	{EPROTONOSUPPORT, TOOL_USE, TOOL_PROTOCOL, true,
	 "replace it with: mmsock-sem create --overwrite"},
	{EPROTONOSUPPORT, -1, TOOL_PROTOCOL, false, NULL},
};
/* clang-format on */

static bool fits(const struct outcome *row, enum tool_act act, int error)
{
	return row->error == abs(error) &&
	       (row->act < 0 || row->act == (int)act ||
		(act == TOOL_SERVE && row->act == TOOL_USE));
}

static const struct outcome *find_in(const struct outcome *rows, size_t count,
				     enum tool_act act, int error)
{
	for (size_t i = 0; i < count; i++)
		if (fits(&rows[i], act, error))
			return &rows[i];
	return NULL;
}

static const struct outcome *find_outcome(enum tool_act act, int error)
{
	static const struct outcome other = {0, -1, TOOL_SYSTEM, false, NULL};
	const struct outcome *found =
		find_in(outcomes, ARRAY_SIZE(outcomes), act, error);

	return found ? found : &other;
}

int tool_status(enum tool_act act, int error)
{
	return error < 0 ? find_outcome(act, error)->status : TOOL_OK;
}

/* The C library writes a line in three pieces, and lets others come between. */
void tool_warn(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	flockfile(stderr);
	vwarnx(format, arguments);
	funlockfile(stderr);
	va_end(arguments);
}

/* What creates a port creates the port directory too, but no other. */
static bool can_be_created(const char *name, const char *dir)
{
	const char *made = strchr(name, '/') ? name
			   : dir             ? dir
					     : getenv("MMSOCK_DIR");
	char *parent = strdup(made ? made : "");
	bool can = !parent || !*parent || access(dirname(parent), F_OK) == 0;

	free(parent);
	return can;
}

static int report(const char *kind, const char *name, const char *dir,
		  const struct outcome *outcome, const char *cause)
{
	bool names = outcome->names_port;
	const char *next = outcome->next;

	if (next && names && outcome->error == ENOENT &&
	    !can_be_created(name, dir)) {
		next = "its directory must exist";
		names = false;
	}
	if (!next)
		tool_warn("%s '%s': %s", kind, name, cause);
	else
		tool_warn("%s '%s': %s (%s%s%s%s%s)", kind, name, cause, next,
			  names && dir ? " --dir=" : "",
			  names && dir ? dir : "", names ? " " : "",
			  names ? name : "");
	return outcome->status;
}

int tool_port_error(enum tool_act act, const char *port, const char *dir,
		    int error)
{
	return report("port", port, dir, find_outcome(act, error),
		      mmsock_error_text(error));
}

int tool_sem_error(enum tool_act act, const char *name, const char *dir,
		   int error)
{
	const struct outcome *outcome =
		find_in(sem_outcomes, ARRAY_SIZE(sem_outcomes), act, error);

	/* Calls that serve ports too speak of a port. */
	return report("semaphore", name, dir,
		      outcome ? outcome : find_outcome(act, error),
		      error == -ENOENT ? "no such semaphore"
				       : mmsock_error_text(error));
}

int64_t tool_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int tool_io_error(const char *object, int error)
{
	/* "Bad file descriptor" is no help to somebody who wrote "<&-". */
	tool_warn("%s: %s", object,
		  abs(error) == EBADF ? "is closed, or open the other way"
				      : strerror(abs(error)));
	return TOOL_IO;
}

int tool_close_stdout(int status)
{
	int r = 0;

	if (ferror(stdout))
		r = -EIO;
	if (fflush(stdout) != 0)
		r = -errno;
	if (close(STDOUT_FILENO) != 0 && r == 0)
		r = -errno;
	return r < 0 ? tool_io_error("standard output", r) : status;
}
