/* SPDX-License-Identifier: MIT */
/*
 * table.c - the report for a terminal
 */
#include "reports.h"

#include "grid.h"
#include "lines.h"
#include "remarks.h"

static void add_line(struct grid *grid, const struct lines *lines,
		     const struct line *line)
{
	grid_line(grid);
	for (size_t i = 0; i < line_column_count; i++)
		if (lines_show(lines, &line_columns[i]))
			grid_text(grid, line_text(line, &line_columns[i]).text);
}

static void print_group(FILE *out, const struct lines *lines)
{
	struct grid *grid = grid_open(out);

	(void)fprintf(out, "\n%s\n", lines->title);
	for (size_t i = 0; i < line_column_count; i++)
		if (lines_show(lines, &line_columns[i]))
			grid_column(grid, line_columns[i].heading,
				    line_columns[i].right);
	for (size_t i = 0; i < lines->count; i++)
		add_line(grid, lines, &lines->list[i]);
	grid_close(grid);
}

void table_write(FILE *out, const struct bench_report *report)
{
	struct lines lines;
	size_t position = 0;

	remarks_machine(out, report);
	(void)fputc('\n', out);
	while (lines_next(&lines, report, &position))
		print_group(out, &lines);
	(void)fputc('\n', out);
	remarks_write(out, report, "");
}
