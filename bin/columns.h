/* SPDX-License-Identifier: MIT */
/*
 * columns.h - tables of which the user chooses the columns
 *
 * A column is a name, a place in the row that the caller fills, and a kind; the
 * kind knows how such a fact is written (values.h has those that are not about
 * one row only).  Only columns.c knows libsmartcols.
 *
 * Nothing here returns when memory runs out: it ends the tool.
 */
#ifndef COLUMNS_H
#define COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct tool;
struct columns;

struct column_style {
	bool bytes; /* sizes in bytes, not as 64K */
	bool json;  /* numbers as they are; what is not known is null */
	bool noheadings;
	bool raw; /* one blank between columns */
};

struct column_kind {
	/* @field is where the column's offset points to.  The caller frees the
	 * text; NULL: not known, or does not apply. */
	char *(*text)(const void *field, const struct column_style *style);
	bool number; /* for JSON, and stands at the right */
	bool always; /* known of a row that is not whole, too */
};

struct column {
	const char *name; /* in capitals; JSON has it in small letters */
	const struct column_kind *kind;
	size_t offset; /* of the field in a row */
	const char *help;
};

struct column_set {
	const char *name; /* of the list of rows in JSON */
	const struct column *columns;
	size_t count;
	size_t usual; /* so many, the first, are shown by default */
};

/* columns_help - a line for each column, with a star if it is usual */
void columns_help(FILE *out, const struct column_set *set);

/*
 * columns_open - a table, with no columns yet
 *
 * To be given to columns_close().  @set must stay valid.
 */
struct columns *columns_open(const struct column_set *set,
			     const struct column_style *style);

/*
 * columns_choose - choose the columns
 *
 * Those of @list, the argument of --output; without one, or where it begins
 * with '+', the usual ones come first, or with @all every one.  A name that is
 * not known is a usage error of @tool.
 */
void columns_choose(struct columns *columns, const struct tool *tool,
		    const char *list, bool all);

/* columns_add - add a row; of what is not @whole only what is always known */
void columns_add(struct columns *columns, const void *row, bool whole);

/* columns_close - print the table and free it */
void columns_close(struct columns *columns);

/* columns_close_both - the same with two tables; in JSON as one object */
void columns_close_both(struct columns *first, struct columns *second);

#endif
