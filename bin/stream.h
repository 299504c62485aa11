/* SPDX-License-Identifier: MIT */
/*
 * stream.h - what the tools between a stream and a port share: options, and how
 * they attach
 */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "framing.h"
#include "tool.h"

/* Ids of a tool's own options begin here. */
#define STREAM_OWN_OPTIONS 100

/* As a count: no limit. */
#define STREAM_NO_LIMIT UINT64_MAX

/*
 * Room of a run: large enough that its commit costs nothing a message, small
 * enough that what a run holds is still in the first-level cache when it is cut
 * or put (a quarter less CPU time for 64-byte lines than with 256 KiB).
 */
#define STREAM_RUN_BYTES ((size_t)32 << 10)

#define STREAM_DELIMITER_MAX 256

struct stream_config {
	const struct tool *tool;
	const char *port;
	const char *dir; /* NULL: as the library finds it */
	const struct framing *framing;
	const char *delimiter; /* NULL: the framing has none */
	size_t delimiter_length;
	char delimiter_bytes[STREAM_DELIMITER_MAX];
	uint64_t count;
	int64_t timeout_ns; /* as the library takes it; 0 with -n */
	int64_t spin_ns;
	uint64_t create_bytes; /* 0: the library's default */
	unsigned create_type;  /* enum mmsock_type; 0: the library's default */
	unsigned wait_peers;   /* 0: do not wait for any */
	int ready_fd;          /* -1: none */
	bool create;
	bool wait_port;
	bool nonblock;
	bool unbuffered;
	bool strict;
	bool quiet;
	bool verbose;
};

#define STREAM_OPTION_COUNT 19

/* Without the last, which is about what is written to a stream. */
#define STREAM_SERVE_OPTION_COUNT (STREAM_OPTION_COUNT - 1)

extern const struct tool_option stream_options[STREAM_OPTION_COUNT];

/* stream_init - settings before the first option, those of the environment */
void stream_init(struct stream_config *config, const struct tool *tool);

/* stream_take - note an option; for tool_parse(), @context is the config */
void stream_take(const struct tool_seen *seen, void *context);

/* stream_finish - check the whole; @port is the operand or NULL */
void stream_finish(struct stream_config *config, const char *port);

/*
 * stream_open - wait for the port, attach, tell --ready-fd, wait for peers
 *
 * Returns the exit status, after a report where it is not 0.  The handle must
 * be given to stream_close() in any case; until then signals interrupt it.
 *
 * The steps for a tool with several ports: stream_attach() for each, then
 * stream_ready() once, then stream_wait_peers() for each.
 */
int stream_open(const struct stream_config *config, unsigned role,
		unsigned flags, struct mmsock **ret_handle);
int stream_attach(const struct stream_config *config, unsigned role,
		  unsigned flags, struct mmsock **ret_handle);
int stream_ready(const struct stream_config *config);
int stream_wait_peers(const struct stream_config *config,
		      struct mmsock *handle);
void stream_close(struct mmsock *handle);

/*
 * stream_send - send a run as long as only passing signals interrupt
 *
 * Adds what went in to *@messages, also where not all did.
 */
int stream_send(const struct stream_config *config, struct mmsock *handle,
		struct mmsock_run *run, uint64_t *messages);

/*
 * stream_check_length - is a message of @length not larger than the port takes?
 *
 * To be asked before any is sent.  Reports the argument's @number where it is.
 */
int stream_check_length(const struct mmsock *handle, size_t length,
			size_t number);

/* stream_again - whether a call failed for nothing but a passing signal */
bool stream_again(int error);

/*
 * stream_error - report an error met while sending or receiving; exit status
 *
 * Silent about a signal (the tool dies of it) and about -n; -q silences the
 * end of the time, too.
 */
int stream_error(const struct stream_config *config, enum tool_act act,
		 int error);

/* stream_report - "port 'x': N messages TEXT", a line on standard error */
void stream_report(const struct stream_config *config, uint64_t messages,
		   const char *text);

/* stream_summary - with -v: messages, bytes */
void stream_summary(const struct stream_config *config, uint64_t messages,
		    uint64_t bytes);

#endif
