/* SPDX-License-Identifier: MIT */
/*
 * markdown.c - the report for a README: the machine, the command, and a table
 * for each group
 */
#include "reports.h"

#include "lines.h"
#include "remarks.h"

static void print_headings(FILE *out, const struct lines *lines)
{
	for (size_t i = 0; i < line_column_count; i++)
		if (lines_show(lines, &line_columns[i]))
			(void)fprintf(out, "| %s ", line_columns[i].heading);
	(void)fputs("|\n", out);
	for (size_t i = 0; i < line_column_count; i++)
		if (lines_show(lines, &line_columns[i]))
			(void)fputs(line_columns[i].right ? "|--:" : "|:--",
				    out);
	(void)fputs("|\n", out);
}

static void print_line(FILE *out, const struct lines *lines,
		       const struct line *line)
{
	for (size_t i = 0; i < line_column_count; i++)
		if (lines_show(lines, &line_columns[i]))
			(void)fprintf(out, "| %s ",
				      line_text(line, &line_columns[i]).text);
	(void)fputs("|\n", out);
}

static void print_group(FILE *out, const struct lines *lines)
{
	(void)fprintf(out, "\n**%s**\n\n", lines->title);
	print_headings(out, lines);
	for (size_t i = 0; i < lines->count; i++)
		print_line(out, lines, &lines->list[i]);
}

/* What is in the names of machines and would be taken for a tag or emphasis. */
static void print_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '<' || *text == '*' || *text == '_' ||
		    *text == '`' || *text == '\\')
			(void)fputc('\\', out);
		(void)fputc(*text, out);
	}
}

static void print_machine(FILE *out, const struct bench_report *report)
{
	char text[1024] = "";
	FILE *memory = fmemopen(text, sizeof(text), "w");

	if (!memory)
		return;
	remarks_machine(memory, report);
	(void)fclose(memory);
	print_escaped(out, text);
	(void)fprintf(out, ".\n\n    %s\n", report->command_line);
}

static void print_legend(FILE *out)
{
	(void)fputs("\nEach figure is the median of its runs, RANGE the "
		    "smallest and the largest run, MAX the\nlargest latency "
		    "of all; VS PORT is the median (and range) of the ratios "
		    "to the port's figure\nin the same round.\n\n",
		    out);
}

void markdown_write(FILE *out, const struct bench_report *report)
{
	struct lines lines;
	size_t position = 0;

	print_machine(out, report);
	while (lines_next(&lines, report, &position))
		print_group(out, &lines);
	print_legend(out);
	remarks_write(out, report, "- ");
}
