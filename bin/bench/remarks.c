/* SPDX-License-Identifier: MIT */
/*
 * remarks.c - what the figures hold for, and what is not among them
 */
#include "remarks.h"

#include <stdbool.h>
#include <string.h>

#include "format.h"
#include "lines.h"
#include "result.h"

void remarks_machine(FILE *out, const struct bench_report *report)
{
	const struct bench_host *host = &report->host;

	(void)fprintf(out, "%s, %u CPU%s%s%s, %s", host->cpu, host->cpus,
		      &"s"[host->cpus == 1], *host -> hypervisor ? ", " : "",
		      host->hypervisor, host->kernel);
	if (report->cpu[0] < 0 || report->cpu[1] < 0)
		(void)fputs("; not pinned to CPUs", out);
	else if (report->cpu[0] == report->cpu[1])
		(void)fprintf(out, "; all on CPU %d", report->cpu[0]);
	else
		(void)fprintf(out, "; producers on CPU %d, consumers on CPU %d",
			      report->cpu[0], report->cpu[1]);
}

static const struct bench_cell *find_port(const struct bench_report *report,
					  enum bench_mode mode, uint64_t size)
{
	for (size_t i = 0; i < report->cell_count; i++) {
		const struct bench_cell *cell = report->cells[i];

		if (cell->mode == mode && cell->size == size &&
		    cell->producers == 1 && !(cell->rate > 0) &&
		    !strcmp(cell->transport, "port"))
			return cell;
	}
	return NULL;
}

/* One client's call beside a round trip, and more clients beside that one. */
static void remark_calls(FILE *out, const struct bench_report *report,
			 const struct bench_cell *cell, const char *bullet)
{
	bool alone = cell->producers == 1;
	const struct bench_cell *base = find_port(
		report, alone ? BENCH_LATENCY : BENCH_RPC, cell->size);
	struct bench_figure ratio = {.count = 0};

	if (base)
		ratio = bench_ratio(cell, base,
				    alone ? BENCH_P50 : BENCH_MESSAGES_PER_S,
				    BENCH_UNKNOWN);
	if (!ratio.count)
		return;
	(void)fprintf(out, "%sport, %s: ", bullet, unit_size(cell->size).text);
	if (alone)
		(void)fprintf(out, "a call takes %s of a round trip\n",
			      line_ratio(ratio).text);
	else
		(void)fprintf(out, "%u clients make %s of the calls of one\n",
			      cell->producers, line_ratio(ratio).text);
}

/* Do all cells of that transport lack the same? */
static bool is_absent(const struct bench_report *report,
		      const struct bench_cell *cell)
{
	for (size_t i = 0; i < report->cell_count; i++) {
		const struct bench_cell *other = report->cells[i];

		if (!strcmp(other->transport, cell->transport) &&
		    (!other->missing ||
		     strcmp(other->missing, cell->missing) != 0))
			return false;
	}
	return true;
}

static bool is_named(const struct bench_report *report, size_t position)
{
	for (size_t i = 0; i < position; i++)
		if (!strcmp(report->cells[i]->transport,
			    report->cells[position]->transport))
			return true;
	return false;
}

static void remark_missing(FILE *out, const struct bench_report *report,
			   size_t position, const char *bullet)
{
	const struct bench_cell *cell = report->cells[position];
	bool absent = is_absent(report, cell);

	if (absent && is_named(report, position))
		return;
	(void)fprintf(out, "%s%s: %s", bullet,
		      cell->run_count ? "not measured to the end"
				      : "not measured",
		      cell->transport);
	if (!absent)
		(void)fprintf(out, ", %s, %s", bench_mode_names[cell->mode],
			      unit_size(cell->size).text);
	(void)fprintf(out, ": %s\n", cell->missing);
}

/* Runs in no line: those that moved, in a cell that has others. */
static void remark_mixed(FILE *out, const struct bench_report *report,
			 const char *bullet)
{
	enum bench_placement places[2];
	unsigned mixed = 0, all = 0;

	for (size_t i = 0; i < report->cell_count; i++) {
		const struct bench_cell *cell = report->cells[i];

		all += cell->run_count;
		if (!bench_places(cell, places) || places[0] == BENCH_UNKNOWN)
			continue;
		for (unsigned j = 0; j < cell->run_count; j++)
			mixed += cell->runs[j].placement != BENCH_NEAR &&
				 cell->runs[j].placement != BENCH_FAR;
	}
	if (mixed)
		(void)fprintf(out,
			      "%s%u of %u runs %s in no line: the CPUs "
			      "moved between near and far\n",
			      bullet, mixed, all, mixed == 1 ? "is" : "are");
}

void remarks_write(FILE *out, const struct bench_report *report,
		   const char *bullet)
{
	for (size_t i = 0; i < report->cell_count; i++)
		if (report->cells[i]->mode == BENCH_RPC &&
		    !strcmp(report->cells[i]->transport, "port"))
			remark_calls(out, report, report->cells[i], bullet);
	for (size_t i = 0; i < report->cell_count; i++)
		if (report->cells[i]->missing)
			remark_missing(out, report, i, bullet);
	remark_mixed(out, report, bullet);
	if (report->interrupted)
		(void)fprintf(out, "%scut short: %u of %u rounds were done\n",
			      bullet, report->rounds_done, report->rounds);
}
