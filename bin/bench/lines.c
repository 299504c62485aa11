/* SPDX-License-Identifier: MIT */
/*
 * lines.c - groups of lines, and their columns
 *
 * A column appears only where it tells lines apart or has anything to tell.
 */
#include "lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct unit_text words(const char *text)
{
	struct unit_text unit;

	(void)snprintf(unit.text, sizeof(unit.text), "%s", text);
	return unit;
}

static struct bench_figure figure(const struct line *line,
				  enum bench_quantity quantity)
{
	return bench_figure(line->cell, quantity, line->place);
}

static unsigned run_count(const struct line *line)
{
	return figure(line, bench_main_quantity(line->cell)).count;
}

static struct unit_text size_text(const struct line *line)
{
	return line->cell->size ? unit_size(line->cell->size) : words("-");
}

static struct unit_text transport_text(const struct line *line)
{
	return line_transport(line->cell);
}

static struct unit_text place_text(const struct line *line)
{
	return words(line_place(line));
}

static struct unit_text runs_text(const struct line *line)
{
	struct unit_text unit;

	(void)snprintf(unit.text, sizeof(unit.text), "%u", run_count(line));
	return unit;
}

/* Of all runs: the one figure that is no median. */
static struct unit_text max_text(const struct line *line)
{
	struct bench_figure found = figure(line, BENCH_LARGEST);

	return found.count ? unit_time(found.max) : words("-");
}

static struct unit_text memory_text(const struct line *line)
{
	struct bench_figure found = figure(line, BENCH_MEMORY);

	return found.count ? unit_memory((uint64_t)found.max) : words("-");
}

static struct unit_text share_text(const struct line *line)
{
	struct bench_figure found = figure(line, BENCH_SHARE);
	struct unit_text unit = words("-");

	if (found.count)
		(void)snprintf(unit.text, sizeof(unit.text), "%.0f%%",
			       found.median * 100);
	return unit;
}

/* From the smallest to the largest run; shorter where the unit is the same. */
static struct unit_text range_of(const struct line *line,
				 enum bench_quantity quantity,
				 struct unit_text (*unit)(double))
{
	struct bench_figure found = figure(line, quantity);
	struct unit_text from = unit(found.min), to = unit(found.max), range;
	size_t digits = strspn(from.text, "0123456789.");

	if (found.count < 2)
		return words("-");
	if (!strcmp(from.text + digits,
		    to.text + strspn(to.text, "0123456789.")))
		from.text[digits] = '\0';
	(void)snprintf(range.text, sizeof(range.text), "%.11s-%.11s", from.text,
		       to.text);
	return range;
}

static struct unit_text rate_range_text(const struct line *line)
{
	return range_of(line, BENCH_MESSAGES_PER_S, unit_messages);
}

static struct unit_text p50_range_text(const struct line *line)
{
	return range_of(line, BENCH_P50, unit_time);
}

struct unit_text line_ratio(struct bench_figure ratio)
{
	struct unit_text text;

	if (!ratio.count)
		return words("-");
	if (ratio.count == 1)
		return unit_ratio(ratio.median);
	(void)snprintf(text.text, sizeof(text.text), "%.7s (%.6s-%.6s)",
		       unit_ratio(ratio.median).text,
		       unit_ratio(ratio.min).text, unit_ratio(ratio.max).text);
	return text;
}

static struct unit_text base_text(const struct line *line)
{
	const struct bench_cell *base = bench_base(line->report, line->cell);
	struct bench_figure ratio = {.count = 0};

	if (base == line->cell)
		return unit_ratio(1);
	if (base)
		ratio = bench_ratio(line->cell, base, bench_main_quantity(base),
				    line->place);
	return line_ratio(ratio);
}

#define FLAG(name) offsetof(struct lines, name)

const struct line_column line_columns[] = {
	{"SIZE", FLAG(has_size), size_text, NULL, 0, true},
	{"TRANSPORT", FLAG(always), transport_text, NULL, 0, false},
	{"PLACE", FLAG(has_places), place_text, NULL, 0, false},
	{"RUNS", FLAG(has_runs), runs_text, NULL, 0, true},
	{"MESSAGES", FLAG(has_rate), NULL, unit_messages, BENCH_MESSAGES_PER_S,
	 true},
	{"RANGE", FLAG(has_rate), rate_range_text, NULL, 0, true},
	{"BYTES", FLAG(has_bytes), NULL, unit_bytes, BENCH_BYTES_PER_S, true},
	{"P50", FLAG(has_latency), NULL, unit_time, BENCH_P50, true},
	{"RANGE", FLAG(has_latency), p50_range_text, NULL, 0, true},
	{"P99", FLAG(has_latency), NULL, unit_time, BENCH_P99, true},
	{"P99.9", FLAG(has_latency), NULL, unit_time, BENCH_P99_9, true},
	{"P99.99", FLAG(has_latency), NULL, unit_time, BENCH_P99_99, true},
	{"MAX", FLAG(has_latency), max_text, NULL, 0, true},
	{"VS PORT", FLAG(has_base), base_text, NULL, 0, false},
	{"CPU/MSG", FLAG(always), NULL, unit_time, BENCH_CPU_NS, true},
	{"FAIR", FLAG(has_share), share_text, NULL, 0, true},
	{"MEMORY", FLAG(has_memory), memory_text, NULL, 0, true},
};
const size_t line_column_count = sizeof(line_columns) / sizeof(*line_columns);

bool lines_show(const struct lines *lines, const struct line_column *column)
{
	return *(const bool *)((const char *)lines + column->needs);
}

struct unit_text line_text(const struct line *line,
			   const struct line_column *column)
{
	struct bench_figure found;

	if (column->text)
		return column->text(line);
	found = figure(line, column->quantity);
	return found.count ? column->unit(found.median) : words("-");
}

const char *line_place(const struct line *line)
{
	enum bench_placement place = line->cell->runs[0].placement;

	if (line->place != BENCH_UNKNOWN)
		return bench_placement_names[line->place];
	return place == BENCH_MIXED ? "mixed" : "-";
}

struct unit_text line_transport(const struct bench_cell *cell)
{
	struct unit_text unit = words(cell->transport);

	if (cell->batch > 1)
		(void)snprintf(unit.text, sizeof(unit.text), "%.11s x%u",
			       cell->transport, cell->batch);
	return unit;
}

static bool are_together(const struct bench_cell *a, const struct bench_cell *b)
{
	return a->mode == b->mode && a->producers == b->producers &&
	       a->consumers == b->consumers && a->rate == b->rate;
}

static bool is_first(const struct bench_report *report, size_t position)
{
	for (size_t i = 0; i < position; i++)
		if (are_together(report->cells[i], report->cells[position]))
			return false;
	return true;
}

static void add_lines(struct lines *lines, const struct bench_report *report,
		      size_t position)
{
	const struct bench_cell *cell = report->cells[position];
	enum bench_placement places[2];
	size_t count = bench_places(cell, places);

	for (size_t i = 0; i < count; i++)
		lines->list[lines->count++] = (struct line){
			.report = report,
			.cell = cell,
			.place = places[i],
			.order = position,
		};
}

static int by_size(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->cell->size != y->cell->size)
		return x->cell->size < y->cell->size ? -1 : 1;
	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void look_at(struct lines *lines, const struct line *line)
{
	const struct bench_cell *cell = line->cell;
	const struct bench_cell *base = bench_base(line->report, cell);

	lines->has_latency |= figure(line, BENCH_P50).count > 0;
	lines->has_rate |= cell->mode != BENCH_LATENCY;
	lines->has_bytes |= cell->mode != BENCH_LATENCY && cell->size > 0;
	lines->has_size |= cell->size > 0;
	lines->has_memory |= figure(line, BENCH_MEMORY).count > 0;
	lines->has_share |= bench_sharers(cell) > 1;
	lines->has_base |= base && base != cell && base->run_count;
	lines->has_places |=
		strcmp(line_place(line), line_place(&lines->list[0])) != 0;
	lines->has_runs |= run_count(line) != run_count(&lines->list[0]);
}

static void print_runs(FILE *out, const struct lines *lines)
{
	unsigned count = run_count(&lines->list[0]);

	if (lines->has_runs)
		(void)fputs(", medians", out);
	else if (count > 1)
		(void)fprintf(out, ", medians of %u runs", count);
	else
		(void)fputs(", one run", out);
}

/* What the latency is of, too: the two differ by what they count. */
static void print_mode(FILE *out, const struct bench_cell *cell)
{
	(void)fputs(bench_mode_names[cell->mode], out);
	if (cell->mode == BENCH_LATENCY)
		(void)fputs(cell->rate > 0 ? " one way" : " of a round trip",
			    out);
	else if (cell->mode == BENCH_UNCONTENDED)
		(void)fputs(" wait and post in one process", out);
}

static void print_people(FILE *out, const struct bench_cell *cell)
{
	if (cell->mode == BENCH_RPC)
		(void)fprintf(out, ", %u client%s", cell->producers,
			      &"s"[cell->producers == 1]);
	else if (cell->producers > 1 || cell->consumers > 1)
		(void)fprintf(out, ", %u producer%s, %u consumer%s",
			      cell->producers, &"s"[cell->producers == 1],
			      cell -> consumers, &"s"[cell->consumers == 1]);
	if (cell->rate > 0)
		(void)fprintf(out, ", %.0f messages a second", cell->rate);
}

static void print_title(struct lines *lines)
{
	const struct line *first = &lines->list[0];
	FILE *out = fmemopen(lines->title, sizeof(lines->title), "w");

	if (!out)
		return;
	print_mode(out, first->cell);
	print_people(out, first->cell);
	print_runs(out, lines);
	if (!lines->has_places && strcmp(line_place(first), "-") != 0)
		(void)fprintf(out, ", all %s", line_place(first));
	(void)fclose(out);
}

bool lines_next(struct lines *lines, const struct bench_report *report,
		size_t *position)
{
	*lines = (struct lines){.always = true};
	for (; *position < report->cell_count && !lines->count; ++*position) {
		if (!is_first(report, *position))
			continue;
		for (size_t i = *position; i < report->cell_count; i++)
			if (are_together(report->cells[*position],
					 report->cells[i]))
				add_lines(lines, report, i);
	}
	if (!lines->count)
		return false;
	qsort(lines->list, lines->count, sizeof(*lines->list), by_size);
	for (size_t i = 0; i < lines->count; i++)
		look_at(lines, &lines->list[i]);
	print_title(lines);
	return true;
}
