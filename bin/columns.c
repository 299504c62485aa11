/* SPDX-License-Identifier: MIT */
/*
 * columns.c - choosing columns, and filling a table of libsmartcols
 *
 * It does not know what the rows are about.  A line always has as many words as
 * there are columns: what is not known is a dash, or null in JSON.
 */
#include "columns.h"

#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <bsd/err.h>
#include <libsmartcols.h>

#include "tool.h"
#include "values.h"

struct columns {
	const struct column_set *set;
	struct column_style style;
	struct libscols_table *table;
	size_t count;                  /* of those that are chosen */
	const struct column *chosen[]; /* room for the whole set */
};

void columns_help(FILE *out, const struct column_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		(void)fprintf(out, "  %c %-10s  %s\n",
			      i < set->usual ? '*' : ' ', set->columns[i].name,
			      set->columns[i].help);
}

struct columns *columns_open(const struct column_set *set,
			     const struct column_style *style)
{
	struct columns *columns = calloc(
		1, sizeof(*columns) + set->count * sizeof(*columns->chosen));
	struct libscols_table *table = scols_new_table();

	if (!columns || !table || scols_table_set_name(table, set->name) < 0)
		err(TOOL_SYSTEM, NULL);
	scols_table_enable_json(table, style->json);
	scols_table_enable_raw(table, style->raw);
	scols_table_enable_noheadings(table, style->noheadings);
	columns->set = set;
	columns->style = *style;
	columns->table = table;
	return columns;
}

/* Not tolower(): in some languages the small letter of I is another one. */
static char *small_letters(const char *capitals)
{
	char *text = value_format("%s", capitals);

	for (char *c = text; *c; c++)
		*c = (char)(*c + 'a' - 'A');
	return text;
}

static void add_column(struct columns *columns, const struct column *column)
{
	const struct column_kind *kind = column->kind;
	char *heading = columns->style.json ? small_letters(column->name)
					    : value_format("%s", column->name);
	struct libscols_column *added = scols_table_new_column(
		columns->table, heading, 0, kind->number ? SCOLS_FL_RIGHT : 0);

	free(heading);
	if (!added)
		err(TOOL_SYSTEM, NULL);
	scols_column_set_json_type(added, kind->number ? SCOLS_JSON_NUMBER
						       : SCOLS_JSON_STRING);
}

/* A column twice would be a key twice in JSON. */
static void choose(struct columns *columns, const struct column *column)
{
	for (size_t i = 0; i < columns->count; i++)
		if (columns->chosen[i] == column)
			return;
	columns->chosen[columns->count++] = column;
	add_column(columns, column);
}

static noreturn void unknown_column(const struct column_set *set,
				    const struct tool *tool, const char *name)
{
	char *known = value_format("%s", "");

	for (size_t i = 0; i < set->count; i++) {
		char *longer =
			value_format("%s %s", known, set->columns[i].name);

		free(known);
		known = longer;
	}
	tool_usage(tool, "--output: unknown column '%s' (known:%s)", name,
		   known);
}

static const struct column *find(const struct column_set *set,
				 const struct tool *tool, const char *name)
{
	for (size_t i = 0; i < set->count; i++)
		if (strcasecmp(set->columns[i].name, name) == 0)
			return &set->columns[i];
	unknown_column(set, tool, name);
}

static void choose_by_name(struct columns *columns, const struct tool *tool,
			   const char *list)
{
	char *copy = value_format("%s", list);
	char *rest = copy, *name;

	while ((name = strsep(&rest, ",")))
		choose(columns, find(columns->set, tool, name));
	free(copy);
}

void columns_choose(struct columns *columns, const struct tool *tool,
		    const char *list, bool all)
{
	const struct column_set *set = columns->set;
	size_t usual = all ? set->count : set->usual;

	if (!list || *list == '+')
		for (size_t i = 0; i < usual; i++)
			choose(columns, &set->columns[i]);
	if (list)
		choose_by_name(columns, tool, list + (*list == '+'));
}

static bool is_utf8(const char *text)
{
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
	locale_t before = uselocale(utf8);
	bool valid = mbstowcs(NULL, text, 0) != (size_t)-1;

	uselocale(before);
	if (utf8)
		freelocale(utf8);
	return valid;
}

/* A path may have any bytes, JSON may not: \xHH for what is not ASCII. */
static char *json_text(char *text)
{
	char *ascii, *to;

	if (is_utf8(text))
		return text;
	ascii = to = calloc(4, strlen(text) + 1);
	if (!ascii)
		err(TOOL_SYSTEM, NULL);
	for (const char *from = text; *from; from++)
		to += sprintf(to, isascii(*from) ? "%c" : "\\x%02hhx", *from);
	free(text);
	return ascii;
}

static char *cell_text(const struct columns *columns,
		       const struct column *column, const void *row, bool whole)
{
	const struct column_style *style = &columns->style;
	char *text = NULL;

	if (whole || column->kind->always)
		text = column->kind->text((const char *)row + column->offset,
					  style);
	if (style->json)
		return text ? json_text(text) : NULL;
	return text ? text : value_format("-");
}

void columns_add(struct columns *columns, const void *row, bool whole)
{
	struct libscols_line *line = scols_table_new_line(columns->table, NULL);

	if (!line)
		err(TOOL_SYSTEM, NULL);
	for (size_t i = 0; i < columns->count; i++) {
		char *text = cell_text(columns, columns->chosen[i], row, whole);

		/* The line owns it now. */
		if (text && scols_line_refer_data(line, i, text) < 0)
			err(TOOL_SYSTEM, NULL);
	}
}

/* That standard output failed is seen when it is closed. */
void columns_close(struct columns *columns)
{
	int r = scols_print_table(columns->table);

	if (r < 0 && !ferror(stdout))
		errc(TOOL_SYSTEM, -r, NULL);
	scols_unref_table(columns->table);
	free(columns);
}

static char *table_text(const struct columns *columns)
{
	char *text = NULL;
	int r = scols_print_table_to_string(columns->table, &text);

	if (r < 0 || !text)
		errc(TOOL_SYSTEM, r < 0 ? -r : ENOMEM, NULL);
	return text;
}

/* The list of the second object goes behind that of the first. */
static void print_object(const char *first, const char *second)
{
	const char *end = strrchr(first, '}');
	const char *list = strchr(second, '{');

	while (end > first && isspace((unsigned char)end[-1]))
		end--;
	(void)printf("%.*s,%s", (int)(end - first), first, list + 1);
}

/* The library ends no text with a newline; an empty line stands between. */
static void print_lines(const char *first, const char *second)
{
	if (*first)
		(void)printf("%s\n%s", first, *second ? "\n" : "");
	if (*second)
		(void)printf("%s\n", second);
}

void columns_close_both(struct columns *first, struct columns *second)
{
	struct columns *both[] = {first, second};
	char *texts[2];

	for (size_t i = 0; i < 2; i++) {
		texts[i] = table_text(both[i]);
		scols_unref_table(both[i]->table);
	}
	if (first->style.json)
		print_object(texts[0], texts[1]);
	else
		print_lines(texts[0], texts[1]);
	for (size_t i = 0; i < 2; i++) {
		free(texts[i]);
		free(both[i]);
	}
}
