/* SPDX-License-Identifier: MIT */
/*
 * lines.h - the results as a person reads them: groups of lines with columns
 *
 * What table.c and markdown.c have in common, so that both say the same.  A
 * group is a mode with its numbers of producers and consumers; its lines are
 * sorted by size, then by placement, then as the transports were given.
 */
#ifndef BENCH_LINES_H
#define BENCH_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "format.h"
#include "result.h"

struct line {
	const struct bench_report *report;
	const struct bench_cell *cell;
	enum bench_placement place; /* as for bench_figure() */
	size_t order;               /* of the cell in the report */
};

#define LINES_MAX ((size_t)2 * BENCH_CELLS_MAX)

struct lines {
	char title[160];
	bool always;      /* true */
	bool has_latency; /* of these, what is true of any line */
	bool has_rate;
	bool has_bytes;
	bool has_size;
	bool has_memory;
	bool has_share;  /* several consumers */
	bool has_base;   /* something to compare with the port */
	bool has_places; /* not all lines have the same */
	bool has_runs;   /* nor the same number of runs */
	size_t count;
	struct line list[LINES_MAX];
};

struct line_column {
	const char *heading;
	size_t needs; /* offset of the flag without which it is left out */
	/* How it is made; NULL: the median of a quantity, in its unit. */
	struct unit_text (*text)(const struct line *line);
	struct unit_text (*unit)(double value);
	enum bench_quantity quantity;
	bool right;
};

extern const struct line_column line_columns[];
extern const size_t line_column_count;

/*
 * lines_next - the next group that has any lines
 *
 * @position is 0 to begin with.  False: there are no more.
 */
bool lines_next(struct lines *lines, const struct bench_report *report,
		size_t *position);

bool lines_show(const struct lines *lines, const struct line_column *column);

struct unit_text line_text(const struct line *line,
			   const struct line_column *column);

/* line_ratio - its median, and the range if there are several */
struct unit_text line_ratio(struct bench_figure ratio);

/* line_place - the word for where its runs were, if they were all there */
const char *line_place(const struct line *line);

/* line_transport - with "x16" where a call takes 16 messages */
struct unit_text line_transport(const struct bench_cell *cell);

#endif
