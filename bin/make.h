/* SPDX-License-Identifier: MIT */
/*
 * make.h - make a port, or find the one that was asked for
 *
 * The options that describe a new port, and what comes of them.  What fails is
 * reported; the functions return the exit status.
 */
#ifndef MAKE_H
#define MAKE_H

#include <stdbool.h>

#include <mmsock.h>

#include "tool.h"

/* Ids of a tool's own options begin here. */
#define MAKE_OWN_OPTIONS 100

#define MAKE_OPTION_COUNT 10

struct make {
	struct mmsock_options options; /* what is not asked for is left alone */
	bool verbose;                  /* say what is created */
};

extern const struct tool_option make_options[MAKE_OPTION_COUNT];

/* make_take - note an option; the caller sets the mode */
void make_take(const struct tool_seen *seen, struct make *make);

/* make_check - options that do not go with each other are a usage error */
void make_check(const struct tool *tool, const struct make *make);

/*
 * make_group - the group of that name or number; any other is a usage error
 *
 * Here and not with the numbers, because it needs libbsd: a tool that is run for
 * one message must not spend a tenth of its time on loading that.
 */
int64_t make_group(const struct tool_seen *seen);

/*
 * make_port - create @port, or find it where the mode allows that
 *
 * One that is found is as the options ask, or this fails and names what
 * differs.  *@ret_made tells whether it was created.
 */
int make_port(const struct make *make, const char *port, bool *ret_made);

/* A field of what is to be made, and of what is there. */
struct make_wish {
	const char *field;
	bool is_asked; /* a default is no wish */
	bool is_octal;
	uint64_t asked;
	uint64_t found;
};

/*
 * make_compare - is what is there as was asked?  If not, names the first field
 * that differs.  @kind is "port" or "semaphore".
 */
int make_compare(const char *kind, const char *name,
		 const struct make_wish *wishes, size_t count);

/* make_look - mmsock_inspect() of what is still there; else -ENOENT */
int make_look(const char *name, const char *dir, struct mmsock_info *ret_found);

/* make_check_usable - what was looked at is neither damaged nor foreign */
int make_check_usable(const char *kind, const char *name,
		      const struct mmsock_info *found);

/* make_undo - remove a port that was made; it may be gone already */
int make_undo(const struct make *make, const char *port);

#endif
