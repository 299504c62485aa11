/* SPDX-License-Identifier: MIT */
/*
 * make.c - make one port, as the options describe it
 *
 * Not responsible for what is in it: nothing here becomes a participant.
 */
#include "make.h"

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <bsd/grp.h>

#include "tool.h"

/* The library has no smaller replies. */
#define REPLY_MIN ((uint64_t)1024)

enum option {
	BYTES,
	CLIENTS,
	DIRECTORY,
	GROUP,
	MAX_MESSAGE,
	MODE,
	QUIET,
	REPLY_SIZE,
	TYPE,
	VERBOSE
};

/* clang-format off */
const struct tool_option make_options[MAKE_OPTION_COUNT] = {
	{BYTES, 'b', "bytes", "SIZE",
	 "size of the ring, rounded up to a power of two (1M)"},
	{CLIENTS, 0, "clients", "N", "rpc: most clients at a time (32)"},
	{DIRECTORY, 0, "dir", "DIR", "port directory"},
	{GROUP, 'g', "group", "GROUP", "group of the port, name or number"},
	{MAX_MESSAGE, 0, "max-message", "SIZE",
	 "largest message that is taken (half the ring)"},
	{MODE, 'm', "mode", "MODE", "octal permissions of the port (0600)"},
	{QUIET, 'q', "quiet", NULL, "say nothing but errors"},
	{REPLY_SIZE, 0, "reply-size", "SIZE", "rpc: largest reply (64K)"},
	{TYPE, 't', "type", "TYPE", "type of the port: queue or rpc (queue)"},
	{VERBOSE, 'v', "verbose", NULL, "say what is created"},
};
/* clang-format on */

/* A size of 0 stands for the default in the library, so nobody may ask so. */
static uint64_t positive_size(const struct tool_seen *seen)
{
	uint64_t size = tool_size(seen);

	if (size == 0)
		tool_usage(seen->tool, "%s%s: must be more than 0",
			   seen->dashes, seen->name);
	return size;
}

static unsigned type_number(const struct tool_seen *seen)
{
	if (strcmp(seen->argument, "queue") == 0)
		return MMSOCK_QUEUE;
	if (strcmp(seen->argument, "rpc") == 0)
		return MMSOCK_RPC;
	tool_usage(seen->tool, "--type: unknown type '%s' (known: queue, rpc)",
		   seen->argument);
}

void make_check(const struct tool *tool, const struct make *make)
{
	const struct mmsock_options *asked = &make->options;

	if (asked->type == MMSOCK_RPC)
		return;
	if (asked->clients)
		tool_usage(tool, "--clients is for --type=rpc");
	if (asked->reply_bytes)
		tool_usage(tool, "--reply-size is for --type=rpc");
}

int64_t make_group(const struct tool_seen *seen)
{
	uint64_t number;
	gid_t gid;

	if (gid_from_group(seen->argument, &gid) == 0)
		return gid;
	if (tool_parse_count(seen->argument, &number) < 0 ||
	    number >= UINT32_MAX)
		tool_usage(seen->tool, "%s%s: unknown group '%s'", seen->dashes,
			   seen->name, seen->argument);
	return (int64_t)number;
}

void make_take(const struct tool_seen *seen, struct make *make)
{
	struct mmsock_options *asked = &make->options;

	switch ((enum option)seen->id) {
	case BYTES:
		asked->ring_bytes = positive_size(seen);
		break;
	case CLIENTS:
		asked->clients =
			(unsigned)tool_count(seen, 1, MMSOCK_SLOTS_MAX);
		break;
	case DIRECTORY:
		asked->dir = seen->argument;
		break;
	case GROUP:
		asked->group = make_group(seen);
		break;
	case MAX_MESSAGE:
		asked->max_message = positive_size(seen);
		break;
	case MODE:
		asked->permissions = tool_mode(seen);
		break;
	case QUIET:
		make->verbose = false;
		break;
	case REPLY_SIZE:
		asked->reply_bytes = positive_size(seen);
		break;
	case TYPE:
		asked->type = type_number(seen);
		break;
	case VERBOSE:
		make->verbose = true;
		break;
	}
}

/* As the library rounds it up. */
static uint64_t rounded_ring(uint64_t bytes)
{
	uint64_t ring = MMSOCK_RING_MIN;

	while (ring < bytes && ring < MMSOCK_RING_MAX)
		ring *= 2;
	return ring;
}

/* As the option takes it; the caller has room for 22 digits. */
static const char *digits(char *text, size_t size, const struct make_wish *wish,
			  uint64_t value)
{
	(void)snprintf(text, size, wish->is_octal ? "%04" PRIo64 : "%" PRIu64,
		       value);
	return text;
}

static int report_difference(const char *kind, const char *name,
			     const struct make_wish *wish)
{
	char found[24], asked[24];

	warnx("%s '%s': exists and differs: %s is %s, not %s "
	      "(replace it with --overwrite)",
	      kind, name, wish->field,
	      digits(found, sizeof(found), wish, wish->found),
	      digits(asked, sizeof(asked), wish, wish->asked));
	return TOOL_CANNOT_CREATE;
}

int make_compare(const char *kind, const char *name,
		 const struct make_wish *wishes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (wishes[i].is_asked && wishes[i].asked != wishes[i].found)
			return report_difference(kind, name, &wishes[i]);
	return TOOL_OK;
}

/* As the library makes room for the text of an error. */
static uint64_t rounded_reply(uint64_t bytes)
{
	return bytes < REPLY_MIN ? REPLY_MIN : bytes;
}

/* Another may have taken the name of what was there. */
static const char *type_name(unsigned type)
{
	switch (type) {
	case MMSOCK_QUEUE:
		return "queue";
	case MMSOCK_RPC:
		return "rpc";
	case MMSOCK_SEMAPHORE:
		return "semaphore";
	default:
		return "unknown";
	}
}

/* Which type it is has no default that would fit any; nor is it overwritten. */
static int compare_types(const struct mmsock_options *asked, const char *port,
			 const struct mmsock_info *found)
{
	unsigned type = asked->type ? asked->type : MMSOCK_QUEUE;

	if (type == found->type)
		return TOOL_OK;
	warnx("port '%s': exists and differs: type is %s, not %s "
	      "(use another name, or remove it with: mmsock-rm%s%s %s)",
	      port, type_name(found->type), type_name(type),
	      asked->dir ? " --dir=" : "", asked->dir ? asked->dir : "", port);
	return TOOL_CANNOT_CREATE;
}

static int compare(const struct mmsock_options *asked, const char *port,
		   const struct mmsock_info *found)
{
	int status = compare_types(asked, port, found);
	const struct make_wish wishes[] = {
		{"bytes", asked->ring_bytes, false,
		 rounded_ring(asked->ring_bytes), found->ring_bytes},
		{"max-message", asked->max_message, false, asked->max_message,
		 found->max_message},
		{"clients", asked->clients, false, asked->clients,
		 found->clients},
		{"reply-size", asked->reply_bytes, false,
		 rounded_reply(asked->reply_bytes), found->max_reply},
		{"mode", asked->permissions, true, asked->permissions,
		 found->permissions},
		{"group", asked->group >= 0, false, (uint64_t)asked->group,
		 found->gid},
	};

	return status ? status
		      : make_compare("port", port, wishes, ARRAY_SIZE(wishes));
}

int make_check_usable(const char *kind, const char *name,
		      const struct mmsock_info *found)
{
	bool foreign = found->state == MMSOCK_STATE_FOREIGN_LAYOUT;

	if (!foreign && found->state != MMSOCK_STATE_CORRUPT)
		return TOOL_OK;
	warnx("%s '%s': %s", kind, name, found->detail);
	return tool_status(TOOL_CREATE, foreign ? -EPROTONOSUPPORT : -EBADMSG);
}

static int judge(const struct mmsock_options *asked, const char *port,
		 const struct mmsock_info *found)
{
	int status = make_check_usable("port", port, found);

	return status ? status : compare(asked, port, found);
}

/* What was there a moment ago may be gone: -ENOENT. */
int make_look(const char *name, const char *dir, struct mmsock_info *ret_found)
{
	int r;

	tool_guard(name);
	r = mmsock_inspect(name, dir, ret_found);

	return r == 0 && ret_found->state == MMSOCK_STATE_REMOVED ? -ENOENT : r;
}

/* The library refuses a port of another type as it does a file that is none. */
static bool is_other_port(const char *port, const struct mmsock_options *asked,
			  struct mmsock_info *found)
{
	return asked->mode == MMSOCK_CONNECT_OR_CREATE &&
	       make_look(port, asked->dir, found) == 0 &&
	       (found->type == MMSOCK_QUEUE || found->type == MMSOCK_RPC);
}

int make_port(const struct make *make, const char *port, bool *ret_made)
{
	const struct mmsock_options *options = &make->options;
	struct mmsock_info found = {.size = sizeof(found)};
	int r;

	tool_guard(port);
	do {
		r = mmsock_create(port, options);
		*ret_made = r > 0;
		if (r != 0)
			break;
		r = make_look(port, options->dir, &found);
	} while (r == -ENOENT);
	if (r == -ENOTSOCK && is_other_port(port, options, &found))
		return judge(options, port, &found);
	if (r < 0)
		return tool_port_error(TOOL_CREATE, port, options->dir, r);
	if (!*ret_made)
		return judge(options, port, &found);
	if (make->verbose)
		warnx("port '%s': created", port);
	return TOOL_OK;
}

int make_undo(const struct make *make, const char *port)
{
	const char *dir = make->options.dir;
	int r;

	tool_guard(port);
	r = mmsock_remove(port, dir, MMSOCK_REMOVE_ALWAYS);

	if (r == 0 || r == -ENOENT)
		return TOOL_OK;
	return tool_port_error(TOOL_LOOK, port, dir, r);
}
