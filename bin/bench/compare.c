/* SPDX-License-Identifier: MIT */
/*
 * compare.c - what became better or worse between two reports
 *
 * Cell by cell, and near with near, far with far.  A difference counts only
 * where the ranges in which the medians lie (struct bench_figure, low to high)
 * do not meet: what the spread of the runs explains is no news, and what it
 * cannot rule out is called unclear.
 */
#include "output.h"

#include <err.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "grid.h"
#include "lines.h"
#include "reports.h"
#include "tool.h"

enum verdict {
	SAME,
	UNCLEAR,
	SLIGHTLY_BETTER,
	SLIGHTLY_WORSE,
	BETTER,
	WORSE,
	VERDICTS
};

static const char *const verdict_names[VERDICTS] = {
	"same",           "unclear", "slightly better",
	"slightly worse", "better",  "worse",
};

struct comparison {
	struct grid *grid;
	double threshold; /* percent */
	unsigned compared;
	unsigned verdicts[VERDICTS];
	bool has_few; /* runs, in any cell that was compared */
};

static enum verdict judge(const struct comparison *comparison,
			  struct bench_figure old, struct bench_figure new,
			  bool less_is_better)
{
	bool meet = old.low <= new.high &&new.low <= old.high;
	double change = fabs(new.median / old.median - 1) * 100;
	bool large = change > comparison->threshold;
	bool better = (new.median < old.median) == less_is_better;

	if (meet)
		return large ? UNCLEAR : SAME;
	if (large)
		return better ? BETTER : WORSE;
	return better ? SLIGHTLY_BETTER : SLIGHTLY_WORSE;
}

/* "212ns (205ns-240ns)" */
static void put_figure(struct grid *grid, struct bench_figure figure,
		       enum bench_quantity quantity)
{
	struct unit_text (*unit)(double) =
		quantity == BENCH_P50 ? unit_time : unit_messages;
	char text[3 * sizeof(struct unit_text) + 4] = "-";

	if (figure.count > 1)
		(void)snprintf(text, sizeof(text), "%s (%s-%s)",
			       unit(figure.median).text, unit(figure.low).text,
			       unit(figure.high).text);
	else if (figure.count)
		(void)snprintf(text, sizeof(text), "%s",
			       unit(figure.median).text);
	grid_text(grid, text);
}

/* "throughput 2:2 @1000/s" */
static void put_mode(struct grid *grid, const struct bench_cell *cell)
{
	char text[96], people[32] = "", rate[32] = "";

	if (cell->producers > 1 || cell->consumers > 1)
		(void)snprintf(people, sizeof(people), " %u:%u",
			       cell->producers, cell->consumers);
	if (cell->rate > 0)
		(void)snprintf(rate, sizeof(rate), " @%s",
			       unit_messages(cell->rate).text);
	(void)snprintf(text, sizeof(text), "%s%s%s",
		       bench_mode_names[cell->mode], people, rate);
	grid_text(grid, text);
}

static void put_change(struct comparison *comparison, struct bench_figure old,
		       struct bench_figure new, bool less_is_better)
{
	enum verdict verdict;
	char text[32];

	if (!old.count || !new.count) {
		grid_text(comparison->grid, "-");
		grid_text(comparison->grid,
			  old.count ? "only old" : "only new");
		return;
	}
	verdict = judge(comparison, old, new, less_is_better);
	comparison->verdicts[verdict]++;
	comparison->compared++;
	comparison->has_few |= old.count < 5 || new.count < 5;
	(void)snprintf(text, sizeof(text), "%+.1f%%",
		       (new.median / old.median - 1) * 100);
	grid_text(comparison->grid, text);
	grid_text(comparison->grid, verdict_names[verdict]);
}

static void put_line(struct comparison *comparison,
		     const struct bench_cell *old, const struct bench_cell *new,
		     enum bench_placement place)
{
	const struct line line = {.cell = new ? new : old, .place = place};
	enum bench_quantity quantity = bench_main_quantity(line.cell);
	struct bench_figure before = {.count = 0}, after = {.count = 0};
	struct grid *grid = comparison->grid;

	if (old)
		before = bench_figure(old, quantity, place);
	if (new)
		after = bench_figure(new, quantity, place);
	if (!before.count && !after.count)
		return;
	if (!(before.median > 0))
		before.count = 0; /* nothing to be a part of */
	grid_line(grid);
	put_mode(grid, line.cell);
	grid_text(grid, unit_size(line.cell->size).text);
	grid_text(grid, line_transport(line.cell).text);
	grid_text(grid, line_place(&line));
	put_figure(grid, before, quantity);
	put_figure(grid, after, quantity);
	put_change(comparison, before, after, quantity == BENCH_P50);
}

static const struct bench_cell *find(const struct bench_report *report,
				     const struct bench_cell *cell)
{
	for (size_t i = 0; i < report->cell_count; i++) {
		const struct bench_cell *other = report->cells[i];

		if (other->mode == cell->mode && other->size == cell->size &&
		    other->producers == cell->producers &&
		    other->consumers == cell->consumers &&
		    other->batch == cell->batch && other->rate == cell->rate &&
		    !strcmp(other->transport, cell->transport))
			return other;
	}
	return NULL;
}

static bool has_run(const struct bench_cell *cell, enum bench_placement place)
{
	return cell &&
	       bench_figure(cell, bench_main_quantity(cell), place).count;
}

/* Near and far apart, unless one of the two does not know which it was. */
static void put_cell(struct comparison *comparison,
		     const struct bench_cell *old, const struct bench_cell *new)
{
	enum bench_placement places[2];
	bool vague = false;

	if (old && bench_places(old, places))
		vague |= places[0] == BENCH_UNKNOWN;
	if (new &&bench_places(new, places))
		vague |= places[0] == BENCH_UNKNOWN;
	if (vague) {
		put_line(comparison, old, new, BENCH_UNKNOWN);
		return;
	}
	if (has_run(old, BENCH_NEAR) || has_run(new, BENCH_NEAR))
		put_line(comparison, old, new, BENCH_NEAR);
	if (has_run(old, BENCH_FAR) || has_run(new, BENCH_FAR))
		put_line(comparison, old, new, BENCH_FAR);
}

static void put_headings(struct grid *grid)
{
	static const struct {
		const char *heading;
		bool right;
	} columns[] = {
		{"MODE", false},  {"SIZE", true},     {"TRANSPORT", false},
		{"PLACE", false}, {"OLD", false},     {"NEW", false},
		{"CHANGE", true}, {"VERDICT", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		grid_column(grid, columns[i].heading, columns[i].right);
}

static bool is_same_machine(const struct bench_host *old,
			    const struct bench_host *new)
{
	return !strcmp(old->cpu, new->cpu) && old->cpus == new->cpus &&
	       !strcmp(old->hypervisor, new->hypervisor);
}

/* What may explain a difference, though the machine looks the same. */
static void warn_of_hosts(const struct bench_host *old,
			  const struct bench_host *new)
{
	if (!is_same_machine(old, new))
		warnx("different machines: '%s', %u CPUs, and '%s', %u CPUs",
		      old->cpu, old->cpus, new->cpu, new->cpus);
	if (strcmp(old->name, new->name) != 0)
		warnx("different hosts: '%s' and '%s'", old->name, new->name);
	if (strcmp(old->kernel, new->kernel) != 0)
		warnx("different kernels: '%s' and '%s'", old->kernel,
		      new->kernel);
}

static int sum_up(const struct comparison *comparison)
{
	const unsigned *verdicts = comparison->verdicts;

	if (!comparison->compared) {
		warnx("the two reports have no cell in common");
		return TOOL_DATA;
	}
	if (comparison->has_few)
		warnx("fewer than five runs in some cells: chance alone may "
		      "make a difference");
	printf("\n%u compared: %u better, %u worse by more than %g%%",
	       comparison->compared, verdicts[BETTER], verdicts[WORSE],
	       comparison->threshold);
	if (verdicts[UNCLEAR])
		printf(", %u unclear", verdicts[UNCLEAR]);
	printf("\n");
	return verdicts[WORSE] ? TOOL_NO : TOOL_OK;
}

static int compare(const struct bench_report *old,
		   const struct bench_report *new, double threshold)
{
	struct comparison comparison = {.grid = grid_open(stdout),
					.threshold = threshold};

	put_headings(comparison.grid);
	for (size_t i = 0; i < old->cell_count; i++)
		put_cell(&comparison, old->cells[i], find(new, old->cells[i]));
	for (size_t i = 0; i < new->cell_count; i++)
		if (!find(old, new->cells[i]))
			put_cell(&comparison, NULL, new->cells[i]);
	grid_close(comparison.grid);
	(void)fflush(stdout);
	return sum_up(&comparison);
}

int compare_files(const char *old, const char *new, double threshold,
		  bool force)
{
	int status = 0;
	struct bench_report *before = json_read(old, &status);
	struct bench_report *after = before ? json_read(new, &status) : NULL;

	if (!after) {
		report_free(before);
		return status;
	}
	if (force || is_same_machine(&before->host, &after->host)) {
		warn_of_hosts(&before->host, &after->host);
		status = compare(before, after, threshold);
	} else {
		warnx("'%s' is of another machine than '%s': %s, %u CPUs, "
		      "not %s, %u CPUs (compare all the same with: --force)",
		      new, old, after->host.cpu, after->host.cpus,
		      before->host.cpu, before->host.cpus);
		status = TOOL_DATA;
	}
	report_free(before);
	report_free(after);
	return status;
}
