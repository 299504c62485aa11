/* SPDX-License-Identifier: MIT */
/*
 * mmsock-rm - remove ports
 *
 * Decides which ports are meant and reports what became of each; whether one
 * may go is decided by mmsock_remove(), because only there the answer still
 * holds when the name goes.  A dry run answers by itself, from what the port
 * looks like at the moment.
 */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include <mmsock.h>

#include "select.h"
#include "tool.h"
#include "users.h"

enum option {
	ALL,
	DIRECTORY,
	DRY_RUN,
	FORCE,
	GLOB,
	QUIET,
	STALE,
	VERBOSE,
	OPTION_COUNT
};

struct config {
	const char *dir;
	bool given[OPTION_COUNT];
};

/* clang-format off */
static const struct tool_option options[] = {
	{ALL, 'a', "all", NULL, "all ports of the port directory"},
	{DIRECTORY, 0, "dir", "DIR", "port directory"},
	{DRY_RUN, 'N', "dry-run", NULL,
	 "say what would be removed, remove nothing"},
	{FORCE, 'f', "force", NULL,
	 "also what is in use or damaged; missing is no error"},
	{GLOB, 0, "glob", NULL, "each PORT is a pattern, as in the shell"},
	{QUIET, 'q', "quiet", NULL, "say nothing but errors"},
	{STALE, 0, "stale", NULL,
	 "only what dead users left empty; without PORT: all such"},
	{VERBOSE, 'v', "verbose", NULL, "say what is removed and what is kept"},
};
/* clang-format on */

static const struct tool tool = {
	.name = "mmsock-rm",
	.synopsis = "[options] PORT...",
	.purpose = "remove ports",
	.options = options,
	.option_count = ARRAY_SIZE(options),
};

static void take(const struct tool_seen *seen, void *context)
{
	struct config *config = context;

	config->given[seen->id] = true;
	if (seen->id == DIRECTORY)
		config->dir = seen->argument;
}

static int report_in_use(const struct config *config, const char *port)
{
	char *users = users_text(port, config->dir);

	warnx("port '%s': in use%s (remove it anyway with -f)", port, users);
	free(users);
	return TOOL_NO;
}

static int report_failure(const struct config *config, const char *port,
			  int error)
{
	if (error == -EBUSY)
		return report_in_use(config, port);
	if (error != -EBADMSG && error != -EPROTONOSUPPORT)
		return tool_port_error(TOOL_LOOK, port, config->dir, error);
	warnx("port '%s': %s (remove it anyway with -f)", port,
	      mmsock_error_text(error));
	return tool_status(TOOL_LOOK, error);
}

static void report_removed(const struct config *config, const char *port,
			   const struct mmsock_info *info)
{
	const bool *given = config->given;
	const char *verb = given[DRY_RUN] ? "would be removed" : "removed";

	if (given[QUIET] && !given[DRY_RUN])
		return;
	if (given[STALE] && info->type == MMSOCK_SEMAPHORE)
		warnx("semaphore '%s': %s: stale, %u died attached", port, verb,
		      info->dead);
	else if (given[STALE])
		warnx("port '%s': %s: stale, %u died attached, %" PRIu64
		      " messages sent, none waits",
		      port, verb, info->dead, info->sent);
	else if (given[VERBOSE] || given[DRY_RUN])
		warnx("port '%s': %s", port, verb);
}

/* What mmsock_remove() would say. */
static int judge(const bool *given, const struct mmsock_info *info)
{
	switch (info->state) {
	case MMSOCK_STATE_REMOVED:
		return -ENOENT;
	case MMSOCK_STATE_CORRUPT:
		return given[FORCE] && !given[STALE] ? 0 : -EBADMSG;
	case MMSOCK_STATE_FOREIGN_LAYOUT:
		return given[FORCE] && !given[STALE] ? 0 : -EPROTONOSUPPORT;
	case MMSOCK_STATE_STALE:
		return 0;
	default:
		if (given[STALE])
			return -EBUSY;
		return info->participants > 0 && !given[FORCE] ? -EBUSY : 0;
	}
}

static enum mmsock_remove_when when(const bool *given)
{
	if (given[STALE])
		return MMSOCK_REMOVE_STALE;
	return given[FORCE] ? MMSOCK_REMOVE_ALWAYS : MMSOCK_REMOVE_UNUSED;
}

/* Removes @port, or finds out whether it would go; @info is for the report. */
static int attempt(const struct config *config, const char *port,
		   struct mmsock_info *info)
{
	const bool *given = config->given;

	tool_guard(port);
	if (given[STALE] || given[DRY_RUN]) {
		int r = mmsock_inspect(port, config->dir, info);

		if (r < 0)
			return r;
	}
	if (given[DRY_RUN])
		return judge(given, info);
	return mmsock_remove(port, config->dir, when(given));
}

/*
 * True where @error is no failure: the port is gone, and that it is there was
 * found by this tool (@found), not said by the user; or it is not what was
 * looked for.
 */
static bool forgivable(const bool *given, bool found, int error)
{
	switch (error) {
	case -ENOENT:
		return found || given[FORCE];
	case -ENOTSOCK:
		return found;
	case -EBUSY:
		return given[STALE];
	case -EBADMSG:
	case -EPROTONOSUPPORT:
		return given[STALE] && found;
	default:
		return false;
	}
}

static int remove_one(const struct config *config, const char *port, bool found)
{
	struct mmsock_info info = {.size = sizeof(info)};
	int r = attempt(config, port, &info);

	if (r < 0 && !forgivable(config->given, found, r))
		return report_failure(config, port, r);
	if (r == 0)
		report_removed(config, port, &info);
	else if (config->given[VERBOSE] && r != -ENOENT)
		warnx("port '%s': kept: %s", port,
		      r == -ENOTSOCK ? "no port" : "not stale");
	return TOOL_OK;
}

static int remove_each(const struct config *config, char *const *operands,
		       const StringList *names)
{
	bool may_miss = config->given[FORCE] || config->given[STALE];
	int first = TOOL_OK;

	for (; *operands; operands++) {
		if (!config->given[GLOB] || select_is_path(*operands))
			select_keep_first(&first,
					  remove_one(config, *operands, false));
		else if (!may_miss && !select_check(*operands, names))
			select_keep_first(&first, TOOL_NO_INPUT);
	}
	for (size_t i = 0; i < names->sl_cur; i++)
		select_keep_first(&first,
				  remove_one(config, names->sl_str[i], true));
	return first;
}

/* The directory matters for patterns, and where there is no operand. */
static int remove_ports(const struct config *config, char *const *operands)
{
	StringList *names = sl_init();
	int status = TOOL_OK;

	if (!names)
		err(TOOL_SYSTEM, NULL);
	if (config->given[GLOB] || !*operands)
		status = select_names(config->dir, operands, names);
	if (status == TOOL_OK)
		status = remove_each(config, operands, names);
	sl_free(names, 1);
	return status;
}

int main(int argc, char **argv)
{
	struct config config = {0};
	char **ports = argv + tool_parse(&tool, argc, argv, take, &config);
	const bool *given = config.given;

	if (given[ALL] && (*ports || given[GLOB]))
		tool_usage(&tool, "--all takes no PORT and no --glob");
	if (!*ports && !given[ALL] && (!given[STALE] || given[GLOB]))
		tool_usage(&tool, "no PORT");
	return remove_ports(&config, ports);
}
