/* SPDX-License-Identifier: MIT */
/*
 * handler.h - a command that answers requests
 *
 * Either it is run for each request (oneshot.c), or it runs all the time and gets
 * one record after the other (lasting.c).  Whatever becomes of it, there is an
 * answer.  A handler belongs to the thread that made it.
 */
#ifndef HANDLER_H
#define HANDLER_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "child.h"
#include "framing.h"
#include "stream.h"

/* Of the text of an error; what is longer is cut. */
#define HANDLER_TEXT_MAX 1000

/* Variables that are the same for all requests, and those that are not. */
#define HANDLER_FIXED  3
#define HANDLER_VARIED 3

struct handler_config {
	const struct stream_config *stream;
	struct child_program program;
	bool lasting;
	int64_t limit_ns;   /* for a request; < 0: none */
	uint64_t max_reply; /* of the port */
	int stop;           /* descriptor: can be read when all have to stop */
};

struct handler_request {
	const void *bytes;
	size_t length;
	uint64_t number; /* of the server */
	int client_pid;
};

struct handler_answer {
	int status; /* 0: the reply, else an error with a text */
	bool too_large;
	const void *reply;
	size_t length;
	const char *text; /* NULL: none */
};

/* The last line of a text that comes in parts. */
struct handler_line {
	char text[HANDLER_TEXT_MAX + 1];
	size_t length;
	bool ended;
};

struct handler {
	const struct handler_config *config;
	unsigned number;
	int64_t deadline_ns; /* of the request at hand; < 0: none */
	char **environment;  /* its strings from fixed on are ours */
	char *fixed[HANDLER_FIXED];
	char varied[HANDLER_VARIED][48];
	char *reply; /* a buffer */
	size_t reply_size;
	size_t reply_length;
	struct handler_line line; /* of what it said on standard error */
	/* Of one that lasts. */
	struct child child;
	int input; /* ours is the other end */
	int output;
	bool in_step; /* has read one record and written one, each time */
	struct framing_reader reader;
	struct framing_writer writer;
	struct mmsock_run *record;
};

/*
 * handler_init - make one; @number is for its environment, from 1 on
 *
 * 0 or -errno.  A handler that is all zero may be given to handler_fini(), which
 * lets one that lasts end by itself if it does so soon.
 */
int handler_init(struct handler *handler, const struct handler_config *config,
		 unsigned number);
void handler_fini(struct handler *handler);

/*
 * handler_answer - have a request answered
 *
 * What *@ret_answer points to holds until the next call.
 */
void handler_answer(struct handler *handler,
		    const struct handler_request *request,
		    struct handler_answer *ret_answer);

/*
 * For the two ways
 *
 * handler_poll() is poll(2) with the first of @fds for itself.  0, or -ECANCELED
 * all have to stop, -ETIMEDOUT the request took too long, or -errno.
 * handler_failed() says what such an error or another means.
 */
int handler_poll(const struct handler *handler, struct pollfd *fds,
		 size_t count);
void handler_failed(struct handler *handler, int error,
		    struct handler_answer *ret_answer);
/* handler_deadline - @limit_ns from now; < 0: never */
int64_t handler_deadline(int64_t limit_ns);
/* handler_ended - it ended by itself, with that status */
void handler_ended(struct handler *handler, int status,
		   struct handler_answer *ret_answer);
/* handler_close - close it, once: it is -1 then */
void handler_close(int *fd);
/* handler_room - for @size bytes of reply: 0 or -ENOMEM */
int handler_room(struct handler *handler, size_t size);

void oneshot_answer(struct handler *handler,
		    const struct handler_request *request,
		    struct handler_answer *ret_answer);

int lasting_init(struct handler *handler);
void lasting_fini(struct handler *handler);
void lasting_answer(struct handler *handler,
		    const struct handler_request *request,
		    struct handler_answer *ret_answer);

#endif
