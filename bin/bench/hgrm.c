/* SPDX-License-Identifier: MIT */
/*
 * hgrm.c - latency distributions in the text form of HdrHistogram
 *
 * A block for each cell and placement, with a comment before it that names
 * them; what reads one distribution takes a block.  Values are nanoseconds.
 */
#include "reports.h"

#include <inttypes.h>

#include "format.h"
#include "result.h"

/* Each time the distance to 100 % has halved, so many lines follow. */
#define STEPS_PER_HALVING 5

static void print_line(FILE *out, const struct histogram *histogram,
		       uint64_t ns, double percent)
{
	(void)fprintf(out, "%12" PRIu64 " %14.12f %10" PRIu64, ns,
		      percent / 100, histogram_up_to(histogram, ns));
	if (percent < 100)
		(void)fprintf(out, " %14.2f", 100 / (100 - percent));
	(void)fputc('\n', out);
}

/* Up to the line on which the last value is reached, and one for 100 %. */
static void print_distribution(FILE *out, const struct histogram *histogram)
{
	double rest = 100, percent = 0;
	uint64_t ns;

	(void)fputs("       Value     Percentile TotalCount "
		    "1/(1-Percentile)\n\n",
		    out);
	for (int step = 0;; step++) {
		ns = histogram_percentile(histogram, percent);
		if (histogram_up_to(histogram, ns) == histogram->count)
			break;
		print_line(out, histogram, ns, percent);
		percent += rest / 2 / STEPS_PER_HALVING;
		if (step % STEPS_PER_HALVING == STEPS_PER_HALVING - 1) {
			rest /= 2;
			percent = 100 - rest;
		}
	}
	if (percent < 100)
		print_line(out, histogram, ns, percent);
	print_line(out, histogram, histogram->max, 100);
}

static void print_footer(FILE *out, const struct histogram *histogram)
{
	(void)fprintf(out,
		      "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n"
		      "#[Max     = %12.3f, Total count    = %12" PRIu64 "]\n"
		      "#[Buckets = %12d, SubBuckets     = %12d]\n",
		      histogram_mean(histogram), histogram_stddev(histogram),
		      (double)histogram->max, histogram->count,
		      HISTOGRAM_TOP - HISTOGRAM_BITS + 1, 1 << HISTOGRAM_BITS);
}

static void print_block(FILE *out, const struct bench_cell *cell,
			enum bench_placement place)
{
	const struct histogram *histogram = cell->latency[place];

	if (!histogram || !histogram->count)
		return;
	(void)fprintf(out, "# %s %s %s", bench_mode_names[cell->mode],
		      cell->transport, unit_size(cell->size).text);
	if (cell->batch > 1)
		(void)fprintf(out, " batch %u", cell->batch);
	if (cell->rate > 0)
		(void)fprintf(out, " rate %.10g", cell->rate);
	if (cell->producers > 1 || cell->consumers > 1)
		(void)fprintf(out, " producers %u consumers %u",
			      cell->producers, cell->consumers);
	if (place != BENCH_UNKNOWN)
		(void)fprintf(out, " %s", bench_placement_names[place]);
	(void)fputs(", nanoseconds\n", out);
	print_distribution(out, histogram);
	print_footer(out, histogram);
	(void)fputc('\n', out);
}

void hgrm_write(FILE *out, const struct bench_report *report)
{
	for (size_t i = 0; i < report->cell_count; i++) {
		enum bench_placement places[2];
		size_t count = bench_places(report->cells[i], places);

		for (size_t j = 0; j < count; j++)
			print_block(out, report->cells[i], places[j]);
	}
}
