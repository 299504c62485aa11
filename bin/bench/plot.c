/* SPDX-License-Identifier: MIT */
/*
 * plot.c - the report as a picture: how latencies are spread, and throughput
 * by size, of every transport
 *
 * One size and one placement are shown of the latencies, one placement of the
 * throughput, with a chart for each number of messages a call: a picture of
 * everything shows nothing.  How they are drawn is for chart.c.
 */
#include "reports.h"

#include <err.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "chart.h"
#include "lines.h"
#include "remarks.h"
#include "result.h"
#include "tool.h"

/* What the latency chart shows if it was measured. */
#define USUAL_SIZE 64

/* One of latencies, the others of throughput. */
#define CHARTS_MAX 4

/* One curve goes to 99.99 %, in so many steps each time nine tenths go. */
#define NINES       4
#define NINES_STEPS 20

/* Which cells a chart is about. */
struct choice {
	const struct bench_cell *like; /* mode, people, rate, batch */
	enum bench_placement place;
};

/*
 * The same number in both charts: the port and the floor have their own, the
 * others one each in the order in which they are met.
 */
static size_t style_of(const struct bench_report *report, const char *transport)
{
	size_t style = CHART_OTHERS;

	if (!strcmp(transport, "port"))
		return CHART_MAIN;
	if (!strcmp(transport, "line"))
		return CHART_FLOOR;
	for (size_t i = 0; i < report->cell_count; i++) {
		const char *name = report->cells[i]->transport;
		bool is_new = true;

		if (!strcmp(name, transport))
			break;
		if (!strcmp(name, "port") || !strcmp(name, "line"))
			continue;
		for (size_t j = 0; j < i && is_new; j++)
			is_new = strcmp(report->cells[j]->transport, name) != 0;
		style += is_new;
	}
	return style;
}

static bool is_chosen(const struct choice *choice,
		      const struct bench_cell *cell)
{
	const struct bench_cell *like = choice->like;

	return cell->run_count && cell->mode == like->mode &&
	       cell->producers == like->producers &&
	       cell->consumers == like->consumers &&
	       cell->batch == like->batch && cell->rate == like->rate;
}

/* Where most of the runs were; near or far, if any were. */
static enum bench_placement place_for(const struct bench_report *report,
				      const struct choice *choice)
{
	unsigned counts[BENCH_MIXED + 1] = {0};

	for (size_t i = 0; i < report->cell_count; i++) {
		const struct bench_cell *cell = report->cells[i];

		for (unsigned j = 0;
		     is_chosen(choice, cell) && j < cell->run_count; j++)
			counts[cell->runs[j].placement]++;
	}
	if (counts[BENCH_NEAR] + counts[BENCH_FAR] == 0)
		return BENCH_UNKNOWN;
	return counts[BENCH_NEAR] >= counts[BENCH_FAR] ? BENCH_NEAR : BENCH_FAR;
}

static struct chart_series *new_series(struct chart *chart,
				       const struct bench_report *report,
				       const struct bench_cell *cell)
{
	struct chart_series *series = &chart->series[chart->series_count];

	if (chart->series_count == CHART_SERIES_MAX)
		return NULL;
	chart->series_count++;
	(void)snprintf(series->name.text, sizeof(series->name.text), "%s",
		       cell->transport);
	series->style = style_of(report, cell->transport);
	series->count = 0;
	return series;
}

static void add_point(struct chart_series *series, struct chart_point point)
{
	if (series->count < CHART_POINTS_MAX && point.low > 0)
		series->points[series->count++] = point;
}

static void drop_if_empty(struct chart *chart, const struct chart_series *last)
{
	chart->series_count -= last->count == 0;
}

/* x counts the nines: 0 is 0 %, 1 is 90 %, 2 is 99 %. */
static void add_distribution(struct chart *chart,
			     const struct bench_report *report,
			     const struct bench_cell *cell,
			     const struct histogram *histogram)
{
	struct chart_series *series = new_series(chart, report, cell);
	double end = fmin(NINES, log10((double)histogram->count));

	if (!series)
		return;
	for (int i = 0; i <= NINES * NINES_STEPS; i++) {
		double x = fmin((double)i / NINES_STEPS, end);
		double ns = (double)histogram_percentile(
			histogram, 100 * (1 - pow(10, -x)));

		add_point(series, (struct chart_point){x, ns, ns, ns});
		if (x >= end)
			break;
	}
	drop_if_empty(chart, series);
}

/* A cell with latencies; best without a rate, and of the usual size. */
static const struct bench_cell *find_latency(const struct bench_report *report)
{
	const struct bench_cell *best = NULL;
	int best_score = 0;

	for (size_t i = 0; i < report->cell_count; i++) {
		const struct bench_cell *cell = report->cells[i];
		int score =
			1 + (cell->size == USUAL_SIZE) + 2 * !(cell->rate > 0);

		if (cell->mode != BENCH_LATENCY || !cell->run_count ||
		    !cell->size || !cell->latency[0] || score <= best_score)
			continue;
		best = cell;
		best_score = score;
	}
	return best;
}

/* As far as the curves go. */
static void add_nines(struct chart *chart)
{
	static const char *const names[] = {"0%", "90%", "99%", "99.9%",
					    "99.99%"};
	double end = 1;

	for (size_t i = 0; i < chart->series_count; i++) {
		const struct chart_series *series = &chart->series[i];

		end = fmax(end, series->points[series->count - 1].x);
	}
	for (size_t i = 0; (double)i < end + 1; i++) {
		struct chart_tick *tick = &chart->ticks[chart->tick_count++];

		tick->x = (double)i;
		(void)snprintf(tick->text.text, sizeof(tick->text.text), "%s",
			       names[i]);
	}
}

static void print_place(FILE *out, enum bench_placement place)
{
	if (place != BENCH_UNKNOWN)
		(void)fprintf(out, ", %s placement",
			      bench_placement_names[place]);
}

static bool make_latency(struct chart *chart, const struct bench_report *report)
{
	struct choice choice = {.like = find_latency(report)};
	FILE *out;

	if (!choice.like)
		return false;
	choice.place = place_for(report, &choice);
	chart->title = choice.like->rate > 0 ? "Latency, one way"
					     : "Latency of a round trip";
	chart->x_title = "percentile";
	chart->unit = unit_time;
	for (size_t i = 0; i < report->cell_count; i++) {
		const struct bench_cell *cell = report->cells[i];
		const struct histogram *histogram = cell->latency[choice.place];

		if (is_chosen(&choice, cell) && histogram && histogram->count &&
		    cell->size == choice.like->size)
			add_distribution(chart, report, cell, histogram);
	}
	add_nines(chart);
	out = fmemopen(chart->subtitle, sizeof(chart->subtitle), "w");
	if (!out)
		return false;
	(void)fprintf(out, "messages of %s", unit_size(choice.like->size).text);
	if (choice.like->rate > 0)
		(void)fprintf(out, ", %.0f a second", choice.like->rate);
	print_place(out, choice.place);
	(void)fputs("; lower is better", out);
	(void)fclose(out);
	return chart->series_count > 0;
}

/* The first of those with the fewest messages a call above . */
static const struct bench_cell *find_rate(const struct bench_report *report,
					  enum bench_mode mode, unsigned batch)
{
	const struct bench_cell *best = NULL;

	for (size_t i = 0; i < report->cell_count; i++) {
		const struct bench_cell *cell = report->cells[i];

		if (cell->mode == mode && cell->run_count && cell->size &&
		    cell->batch > batch && (!best || cell->batch < best->batch))
			best = cell;
	}
	return best;
}

static int by_x(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* All sizes that were measured; one alone stands in the middle. */
static void add_sizes(struct chart *chart, const struct bench_report *report,
		      const struct choice *choice)
{
	for (size_t i = 0; i < report->cell_count; i++) {
		const struct bench_cell *cell = report->cells[i];
		double x = log2((double)cell->size);
		bool is_new = is_chosen(choice, cell) && cell->size &&
			      chart->tick_count < CHART_TICKS_MAX;

		for (size_t j = 0; j < chart->tick_count && is_new; j++)
			is_new = chart->ticks[j].x != x;
		if (is_new)
			chart->ticks[chart->tick_count++] =
				(struct chart_tick){x, unit_size(cell->size)};
	}
	/* x comes first in a tick, and in a point. */
	qsort(chart->ticks, chart->tick_count, sizeof(*chart->ticks), by_x);
}

static bool has_series(const struct chart *chart, const char *name)
{
	for (size_t i = 0; i < chart->series_count; i++)
		if (!strcmp(chart->series[i].name.text, name))
			return true;
	return false;
}

static void add_rates(struct chart *chart, const struct bench_report *report,
		      const struct choice *choice,
		      const struct bench_cell *first)
{
	struct chart_series *series = new_series(chart, report, first);

	if (!series)
		return;
	for (size_t i = 0; i < report->cell_count; i++) {
		const struct bench_cell *cell = report->cells[i];
		struct bench_figure figure =
			bench_figure(cell, BENCH_BYTES_PER_S, choice->place);

		if (is_chosen(choice, cell) && figure.count && cell->size &&
		    !strcmp(cell->transport, first->transport))
			add_point(series,
				  (struct chart_point){log2((double)cell->size),
						       figure.median,
						       figure.min, figure.max});
	}
	qsort(series->points, series->count, sizeof(*series->points), by_x);
	drop_if_empty(chart, series);
}

static void describe_rates(struct chart *chart, const struct choice *choice)
{
	const struct bench_cell *like = choice->like;
	FILE *out = fmemopen(chart->subtitle, sizeof(chart->subtitle), "w");

	if (!out)
		return;
	if (like->mode == BENCH_RPC)
		(void)fprintf(out, "%u client%s, ", like->producers,
			      &"s"[like->producers == 1]);
	else if (like->mode == BENCH_FANOUT)
		(void)fprintf(out, "%u to %u, ", like->producers,
			      like->consumers);
	if (like->batch > 1)
		(void)fprintf(out, "%u messages a call", like->batch);
	else
		(void)fputs("one message a call", out);
	print_place(out, choice->place);
	(void)fputs("; medians and ranges of the runs; higher is better", out);
	(void)fclose(out);
}

static bool make_rates(struct chart *chart, const struct bench_report *report,
		       const struct bench_cell *like)
{
	static const char *const titles[BENCH_MODES] = {
		[BENCH_THROUGHPUT] = "Throughput",
		[BENCH_FANOUT] = "Throughput, several receivers",
		[BENCH_RPC] = "Throughput of calls",
	};
	struct choice choice = {.like = like};

	choice.place = place_for(report, &choice);
	*chart = (struct chart){
		.title = titles[like->mode],
		.x_title = "size of a message",
		.unit = unit_bytes,
		.has_marks = true,
	};
	add_sizes(chart, report, &choice);
	for (size_t i = 0; i < report->cell_count; i++) {
		const struct bench_cell *cell = report->cells[i];

		if (is_chosen(&choice, cell) &&
		    !has_series(chart, cell->transport))
			add_rates(chart, report, &choice, cell);
	}
	describe_rates(chart, &choice);
	return chart->series_count > 0;
}

static void open_picture(FILE *out, int height)
{
	(void)fprintf(out,
		      "<svg xmlns=\"http://www.w3.org/2000/svg\" "
		      "viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
		      "role=\"img\" font-family=\"system-ui, Segoe UI, "
		      "Helvetica, Arial, sans-serif\" font-size=\"12\" "
		      "fill=\"#24292f\">\n"
		      "<title>Latency and throughput, by mmsock-bench</title>\n"
		      "<style>polyline,.g,.h,.l{fill:none}"
		      "polyline{stroke-linejoin:round}"
		      ".g{stroke:#d4d4d0}.h{stroke:#ecece8}"
		      ".l{stroke:#b0b0ac}"
		      ".e{text-anchor:end}.m{text-anchor:middle}"
		      ".t{font-size:16px;font-weight:600}.s{fill:#57606a}"
		      "</style>\n"
		      "<rect x=\".5\" y=\".5\" width=\"%d\" height=\"%d\" "
		      "rx=\"8\" fill=\"#fdfdfb\" stroke=\"#c8c8c4\"/>\n",
		      CHART_WIDTH, height, CHART_WIDTH, height, CHART_WIDTH - 1,
		      height - 1);
}

static void close_picture(FILE *out, const struct bench_report *report,
			  int height)
{
	char machine[512] = "";
	FILE *memory = fmemopen(machine, sizeof(machine), "w");

	if (memory) {
		remarks_machine(memory, report);
		(void)fclose(memory);
	}
	(void)fprintf(out,
		      "<text class=\"s\" font-size=\"11\" x=\"20\" "
		      "y=\"%d\">",
		      height - 12);
	chart_text(out, machine);
	(void)fputs("</text>\n</svg>\n", out);
}

/* Returns how many there are. */
static size_t make_charts(struct chart *charts,
			  const struct bench_report *report)
{
	size_t count = make_latency(&charts[0], report);
	enum bench_mode mode = BENCH_THROUGHPUT;
	const struct bench_cell *like = find_rate(report, mode, 0);

	while (!like && mode < BENCH_RPC)
		like = find_rate(report, ++mode, 0);
	while (like && count < CHARTS_MAX) {
		count += make_rates(&charts[count], report, like);
		like = find_rate(report, mode, like->batch);
	}
	return count;
}

void plot_write(FILE *out, const struct bench_report *report)
{
	struct chart *charts = calloc(CHARTS_MAX, sizeof(*charts));
	size_t count;
	int height;

	if (!charts)
		err(TOOL_SYSTEM, NULL);
	count = make_charts(charts, report);
	height = (int)count * (CHART_HEIGHT + 12) + (count ? 36 : 56);
	open_picture(out, height);
	if (!count)
		(void)fputs("<text x=\"20\" y=\"24\">no latency and no "
			    "throughput was measured</text>\n",
			    out);
	for (size_t i = 0; i < count; i++)
		chart_draw(out, &charts[i],
			   10 + (double)i * (CHART_HEIGHT + 12));
	close_picture(out, report, height);
	free(charts);
}
