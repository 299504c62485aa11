/* SPDX-License-Identifier: MIT */
/*
 * csv.c - the report for a spreadsheet: a line for each cell and placement
 *
 * As RFC 4180 has it, but for line feeds alone at the ends of lines.  Figures
 * are plain numbers whose unit is in the heading; what is not known is empty.
 */
#include "reports.h"

#include <inttypes.h>

#include "result.h"

struct column {
	const char *heading;
	enum bench_quantity quantity;
};

/* Each has its median, the smallest and the largest of the runs. */
static const struct column figures[] = {
	{"msgs_per_s", BENCH_MESSAGES_PER_S},
	{"bytes_per_s", BENCH_BYTES_PER_S},
	{"p50_ns", BENCH_P50},
	{"p90_ns", BENCH_P90},
	{"p99_ns", BENCH_P99},
	{"p99_9_ns", BENCH_P99_9},
	{"p99_99_ns", BENCH_P99_99},
	{"max_ns", BENCH_LARGEST},
	{"cpu_ns_per_msg", BENCH_CPU_NS},
	{"memory_bytes", BENCH_MEMORY},
	{"fair", BENCH_SHARE},
};
#define FIGURES (sizeof(figures) / sizeof(*figures))

static void print_quoted(FILE *out, const char *text)
{
	(void)fputc('"', out);
	for (; *text; text++)
		(void)fputs((char[]){*text, *text == '"' ? '"' : '\0', '\0'},
			    out);
	(void)fputc('"', out);
}

static void print_headings(FILE *out)
{
	(void)fputs("mode,transport,size,producers,consumers,batch,rate,"
		    "placement,runs",
		    out);
	for (size_t i = 0; i < FIGURES; i++)
		(void)fprintf(out, ",%s,%s_min,%s_max", figures[i].heading,
			      figures[i].heading, figures[i].heading);
	(void)fputs(",vs_port,vs_port_min,vs_port_max,missing\n", out);
}

static void print_figure(FILE *out, struct bench_figure figure)
{
	if (figure.count)
		(void)fprintf(out, ",%.10g,%.10g,%.10g", figure.median,
			      figure.min, figure.max);
	else
		(void)fputs(",,,", out);
}

static void print_line(FILE *out, const struct bench_report *report,
		       const struct bench_cell *cell,
		       enum bench_placement place)
{
	enum bench_quantity main = bench_main_quantity(cell);
	const struct bench_cell *base = bench_base(report, cell);

	(void)fprintf(out, "%s,%s,%" PRIu64 ",%u,%u,%u,",
		      bench_mode_names[cell->mode], cell->transport, cell->size,
		      cell->producers, cell->consumers, cell->batch);
	if (cell->rate > 0)
		(void)fprintf(out, "%.10g", cell->rate);
	(void)fprintf(out, ",%s,%u", bench_placement_names[place],
		      bench_figure(cell, main, place).count);
	for (size_t i = 0; i < FIGURES; i++)
		print_figure(out,
			     bench_figure(cell, figures[i].quantity, place));
	print_figure(out, base ? bench_ratio(cell, base, main, place)
			       : (struct bench_figure){.count = 0});
	(void)fputc(',', out);
	if (cell->missing)
		print_quoted(out, cell->missing);
	(void)fputc('\n', out);
}

void csv_write(FILE *out, const struct bench_report *report)
{
	print_headings(out);
	for (size_t i = 0; i < report->cell_count; i++) {
		enum bench_placement places[2] = {BENCH_UNKNOWN};
		size_t count = bench_places(report->cells[i], places);

		/* What was not measured has a line, too. */
		for (size_t j = 0; j < count || j < 1; j++)
			print_line(out, report, report->cells[i], places[j]);
	}
}
