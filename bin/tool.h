/* SPDX-License-Identifier: MIT */
/*
 * tool.h - what all tools share
 *
 * Option tables and the help text made from them, error reports and exit status
 * (tool.c); strict numbers (number.c); signals, and reads and writes that do not
 * give up half way (signals.c).  A tool is one option table, a struct of
 * settings on the stack, and a straight main: parse, open, run, close.
 *
 * Nothing here knows about messages or framings; that is framing.h.  Functions
 * that can fail return 0 or a negative errno; those that say "exit" do not come
 * back.
 */
#ifndef TOOL_H
#define TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdnoreturn.h>
#include <sys/types.h>

struct mmsock;
struct mmsock_sem;

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Exit status, the same for all tools.  128 + n: died of signal n. */
enum tool_exit {
	TOOL_OK = 0,
	TOOL_NO = 1,             /* the answer is no: would block, refused */
	TOOL_USAGE = 64,         /* bad option, name, number */
	TOOL_DATA = 65,          /* bad frame, too large, the file is no port */
	TOOL_NO_INPUT = 66,      /* no such port */
	TOOL_UNAVAILABLE = 69,   /* port removed or replaced while in use */
	TOOL_SOFTWARE = 70,      /* corrupt port or our own mistake */
	TOOL_SYSTEM = 71,        /* a system call failed, no free slot */
	TOOL_CANNOT_CREATE = 73, /* exists, no space, no folder */
	TOOL_IO = 74,            /* reading stdin or writing stdout failed */
	TOOL_PROTOCOL = 76, /* other layout; a sender died, with --strict */
	TOOL_DENIED = 77,
	TOOL_TIMEOUT = 124,
	TOOL_NOT_EXECUTABLE = 126, /* of a command that the tool runs */
	TOOL_NOT_FOUND = 127
};

/*
 * Options
 *
 * A tool lists its own options in a table, sorted or not: the help text sorts
 * them.  -h, --help, -V and --version are added by tool_parse() and must not be
 * in a table.
 */
struct tool_option {
	int id;               /* the tool's own number for it */
	char letter;          /* 0: long name only */
	const char *name;     /* long name; every option has one */
	const char *argument; /* "N"; "[SIZE]" may be left out; NULL: none */
	const char *help;     /* lower case, no full stop */
};

struct tool {
	const char *name;     /* "mmsock-send", also the page's name */
	const char *synopsis; /* what follows the name: "[options] PORT..." */
	const char *purpose;  /* one line, lower case, no full stop */
	const struct tool_option *options;
	size_t option_count;
	/* A second table, shared with other tools; may be NULL and 0. */
	const struct tool_option *shared;
	size_t shared_count;
	/* Parsing stops at the first operand: for tools that run a command. */
	bool stops_at_operand;
	/* Writes what the help text says after the options; may be NULL. */
	void (*help_more)(FILE *out);
};

/* An option as it was met on the command line, or a variable. */
struct tool_seen {
	const struct tool *tool;
	int id;               /* of the option; 0 for a variable */
	const char *dashes;   /* "--", or "" for a variable */
	const char *name;     /* "count" or "MMSOCK_TIMEOUT" */
	const char *argument; /* NULL where none was given */
};

/*
 * tool_parse - parse the command line
 *
 * To be called first: it also makes sure that the descriptors 0 to 2 are taken,
 * so that no port file can land on one (one that was closed then fails each
 * read or write with EBADF, as it should).  Calls @take for each option, in
 * order; @take may end with tool_usage().  Returns the index in @argv of the
 * first operand.  --help and --version exit with 0, a wrong option with 64, as does
 * an empty --dir.
 */
int tool_parse(const struct tool *tool, int argc, char **argv,
	       void (*take)(const struct tool_seen *seen, void *config),
	       void *config);

/*
 * tool_usage - say in one line what is wrong with the command line, say where
 * help is, and exit with 64
 */
noreturn void tool_usage(const struct tool *tool, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Strict numbers: no sign, blank, leading zero, trailing text or overflow.
 * 0 or -EINVAL (no such number), -ERANGE (too large).
 *
 * A size is a count with an optional K, M, G or T (powers of 1024, in either
 * case), which B or iB may follow.  A duration is a decimal number with an
 * optional ns, us, ms, s, m, h (bare: seconds), or "inf", which is INT64_MAX;
 * what is smaller than a nanosecond is rounded up.  A mode is up to four octal
 * digits, at most 0777, and may have leading zeros.
 */
int tool_parse_count(const char *text, uint64_t *ret_count);
int tool_parse_size(const char *text, uint64_t *ret_size);
int tool_parse_duration(const char *text, int64_t *ret_ns);
int tool_parse_mode(const char *text, unsigned *ret_mode);

/* The same of an option's argument; a bad one is a usage error that names it. */
uint64_t tool_count(const struct tool_seen *seen, uint64_t least,
		    uint64_t most);
uint64_t tool_size(const struct tool_seen *seen);
int64_t tool_duration(const struct tool_seen *seen);
unsigned tool_mode(const struct tool_seen *seen);

/* The duration in an environment variable; @otherwise where it is not set. */
int64_t tool_env_duration(const struct tool *tool, const char *variable,
			  int64_t otherwise);

/* The monotonic clock. */
int64_t tool_now(void);

/* A timeout for the library from a duration: inf becomes MMSOCK_FOREVER. */
int64_t tool_timeout(int64_t duration_ns);

/*
 * Errors
 *
 * What the tool was about to do with the port; it decides between "no such
 * port" (66) and "cannot create it" (73), and which next step is offered.
 */
enum tool_act {
	TOOL_USE,    /* open, send, receive */
	TOOL_CREATE, /* create, also where it may exist */
	TOOL_LOOK,   /* list, inspect, remove: offers no next step */
	TOOL_SERVE   /* as TOOL_USE, for calls and those who answer them */
};

/* tool_status - the exit status for a negative errno of the library */
int tool_status(enum tool_act act, int error);

/*
 * tool_port_error - report an error of the library
 *
 * Prints "TOOL: port 'PORT': CAUSE (NEXT STEP)", with the cause from
 * mmsock_error_text(), and returns the exit status.  @dir is what --dir said,
 * or NULL; it becomes part of the next step.  To be called before any other
 * call of the library.  Warnings and errors without a code of the library are
 * for warnx(3), or where there are threads for tool_warn().
 */
int tool_port_error(enum tool_act act, const char *port, const char *dir,
		    int error);

/* tool_sem_error - the same for a semaphore */
int tool_sem_error(enum tool_act act, const char *name, const char *dir,
		   int error);

/*
 * Signals
 *
 * tool_catch_signals() makes SIGINT, SIGTERM and SIGHUP (those that are not
 * ignored) interrupt the library and system calls instead of ending the tool:
 * the call in progress gives -EINTR, and so does any that is entered later,
 * because the first signal starts a timer that goes on knocking.  An output that
 * reaches the limit of file sizes is an error of the write.  It includes
 *
 * tool_guard(): from now on a SIGBUS, which means that somebody truncated the port
 * file, is reported and ends the tool with 70.  @port, for that report, must stay
 * valid.
 *
 * tool_add_handle() names a handle to interrupt, up to TOOL_HANDLES_MAX of them;
 * tool_drop_handle() forgets it, which is due before it is closed and may be
 * asked for one that was never named.  tool_interrupt_sem() names a semaphore's
 * handle; NULL before it is closed.  tool_signal() is the first signal that came,
 * or 0, and tool_signal_count() how many came.  tool_die() ends the tool by that
 * signal, and just returns where none came.
 *
 * A tool with threads: the others must have these signals blocked, but for
 * SIGALRM, by which the thread that got the signal can interrupt their system
 * calls too, and SIGPIPE.
 */
#define TOOL_HANDLES_MAX 64

void tool_catch_signals(const char *port);
void tool_guard(const char *port);
void tool_add_handle(struct mmsock *handle);
void tool_drop_handle(struct mmsock *handle);
void tool_interrupt_sem(struct mmsock_sem *sem);
int tool_signal(void);
unsigned tool_signal_count(void);
void tool_die(void);

/*
 * Input and output
 *
 * These carry on after an interruption that is no tool_signal() (else -EINTR)
 * and wait where a descriptor is in non-blocking mode.  tool_read() reads once,
 * up to @size bytes, 0 at the end.  tool_write() writes all.
 */
ssize_t tool_read(int fd, void *buffer, size_t size);
int tool_write(int fd, const void *data, size_t length);

/*
 * tool_warn - as warnx(3), and what several threads say are whole lines
 */
void tool_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* tool_io_error - report "TOOL: OBJECT: CAUSE", return 74 */
int tool_io_error(const char *object, int error);

/*
 * tool_close_stdout - flush and close standard output, and check that
 *
 * For the end of every tool that writes there, by stdio or not.  Returns
 * @status, or 74 after a report where something could not be written.
 */
int tool_close_stdout(int status);

#endif
