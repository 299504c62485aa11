/* SPDX-License-Identifier: MIT */
/*
 * mmsock-ls - list ports and their participants
 *
 * Decides which ports are listed and in which table; what is in a line is for
 * ports.c and participants.c.
 */
#include <err.h>
#include <errno.h>
#include <locale.h>

#include <mmsock.h>

#include "columns.h"
#include "participants.h"
#include "ports.h"
#include "select.h"
#include "tool.h"

enum option {
	ALL,
	BYTES,
	DIRECTORY,
	JSON,
	NOHEADINGS,
	OUTPUT,
	RAW,
	VERBOSE,
	OPTION_COUNT
};

struct config {
	const char *dir;
	const char *list; /* of columns; NULL: none was given */
	bool given[OPTION_COUNT];
};

/* clang-format off */
static const struct tool_option options[] = {
	{ALL, 'a', "all", NULL, "all columns"},
	{BYTES, 'b', "bytes", NULL, "sizes in bytes, not as 64K or 1.5M"},
	{DIRECTORY, 0, "dir", "DIR", "port directory"},
	{JSON, 'J', "json", NULL, "JSON; numbers in bytes, ns or counts"},
	{NOHEADINGS, 0, "noheadings", NULL, "no line of headings"},
	{OUTPUT, 'o', "output", "LIST",
	 "columns, comma-separated; +LIST adds to the default"},
	{RAW, 'r', "raw", NULL,
	 "columns parted by one blank; unsafe bytes as \\xHH"},
	{VERBOSE, 'v', "verbose", NULL, "list the participants, below what befell the ports"},
};
/* clang-format on */

static void help_more(FILE *out)
{
	(void)fputs("\nPATTERN is as in the shell; with a '/' it is a path.\n"
		    "\nColumns (* shown by default):\n",
		    out);
	columns_help(out, &ports_columns);
	(void)fputs("\nColumns with -v:\n", out);
	columns_help(out, &participants_columns);
}

static const struct tool tool = {
	.name = "mmsock-ls",
	.synopsis = "[options] [PATTERN...]",
	.purpose = "list ports",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.help_more = help_more,
};

static void take(const struct tool_seen *seen, void *context)
{
	struct config *config = context;

	config->given[seen->id] = true;
	if (seen->id == DIRECTORY)
		config->dir = seen->argument;
	if (seen->id == OUTPUT)
		config->list = seen->argument;
}

struct listing {
	const char *dir;
	struct columns *table;
	struct columns *facts; /* of the ports whose participants are listed */
	int (*add)(struct columns *table, const char *port, const char *dir);
	StringList *shown; /* ports, as names or paths */
	int status;
};

/* What is worth to know of a port beside who is there: how it fared. */
#define FACTS "NAME,STATE,DIED,TAKEOVERS,LATEWAKES,REPLACED,CORRUPT"

static void open_facts(struct listing *listing,
		       const struct column_style *style)
{
	listing->facts = columns_open(&ports_columns, style);
	columns_choose(listing->facts, &tool, FACTS, false);
}

static void open_table(struct listing *listing, const struct config *config)
{
	const bool *given = config->given;
	const struct column_style style = {
		.bytes = given[BYTES],
		.json = given[JSON],
		.noheadings = given[NOHEADINGS],
		.raw = given[RAW],
	};

	listing->add = given[VERBOSE] ? participants_add : ports_add;
	listing->table = columns_open(given[VERBOSE] ? &participants_columns
						     : &ports_columns,
				      &style);
	columns_choose(listing->table, &tool, config->list, given[ALL]);
	/* Scripts have one kind of line. */
	if (given[VERBOSE] && !given[RAW] && !given[NOHEADINGS])
		open_facts(listing, &style);
}

static void close_tables(struct listing *listing)
{
	if (listing->facts)
		columns_close_both(listing->facts, listing->table);
	else
		columns_close(listing->table);
}

/*
 * What was found in the directory may be gone by now, or be no port at all;
 * then there is nothing to list.
 */
static void list_port(struct listing *listing, char *port)
{
	int r = listing->add(listing->table, port, listing->dir);

	/* Why this one failed, the other has told. */
	if (listing->facts)
		(void)ports_add(listing->facts, port, listing->dir);
	if (r == -ENOENT || (r == -ENOTSOCK && !select_is_path(port)))
		return;
	if (r < 0)
		select_keep_first(
			&listing->status,
			tool_port_error(TOOL_LOOK, port, listing->dir, r));
	if (sl_add(listing->shown, port) < 0)
		err(TOOL_SYSTEM, NULL);
}

static void list_ports(struct listing *listing, char *const *operands,
		       StringList *names)
{
	listing->status = select_names(listing->dir, operands, names);
	for (size_t i = 0; i < names->sl_cur; i++)
		list_port(listing, names->sl_str[i]);
	for (; *operands; operands++)
		if (select_is_path(*operands))
			list_port(listing, *operands);
}

int main(int argc, char **argv)
{
	struct config config = {0};
	struct listing listing = {.shown = sl_init()};
	StringList *names = sl_init();
	char **operands;

	if (!listing.shown || !names)
		err(TOOL_SYSTEM, NULL);
	(void)setlocale(LC_CTYPE, "");
	operands = argv + tool_parse(&tool, argc, argv, take, &config);
	if (config.given[JSON] && config.given[RAW])
		tool_usage(&tool, "--json and --raw exclude each other");
	listing.dir = config.dir;
	open_table(&listing, &config);
	list_ports(&listing, operands, names);
	close_tables(&listing);
	for (; *operands; operands++)
		if (!select_check(*operands, listing.shown))
			select_keep_first(&listing.status, TOOL_NO);
	sl_free(listing.shown, 0);
	sl_free(names, 1);
	return tool_close_stdout(listing.status);
}
