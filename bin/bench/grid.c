/* SPDX-License-Identifier: MIT */
/*
 * grid.c - a table of texts, aligned
 */
#include "grid.h"

#include <err.h>
#include <stdlib.h>

#include <bsd/err.h>
#include <libsmartcols.h>

#include "tool.h"

struct grid {
	FILE *out;
	struct libscols_table *table;
	struct libscols_line *line;
	size_t next; /* column */
};

struct grid *grid_open(FILE *out)
{
	struct grid *grid = calloc(1, sizeof(*grid));
	struct libscols_table *table = scols_new_table();

	if (!grid || !table ||
	    scols_table_set_column_separator(table, "  ") < 0)
		err(TOOL_SYSTEM, NULL);
	scols_table_set_stream(table, out);
	grid->out = out;
	grid->table = table;
	return grid;
}

void grid_column(struct grid *grid, const char *heading, bool right)
{
	if (!scols_table_new_column(grid->table, heading, 0,
				    right ? SCOLS_FL_RIGHT : 0))
		err(TOOL_SYSTEM, NULL);
}

void grid_line(struct grid *grid)
{
	grid->line = scols_table_new_line(grid->table, NULL);
	if (!grid->line)
		err(TOOL_SYSTEM, NULL);
	grid->next = 0;
}

void grid_text(struct grid *grid, const char *text)
{
	if (scols_line_set_data(grid->line, grid->next++, text) < 0)
		err(TOOL_SYSTEM, NULL);
}

void grid_close(struct grid *grid)
{
	int r = scols_print_table(grid->table);

	if (r < 0 && !ferror(grid->out))
		errc(TOOL_SYSTEM, -r, NULL);
	scols_unref_table(grid->table);
	free(grid);
}
