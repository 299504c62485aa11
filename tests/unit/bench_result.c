/* SPDX-License-Identifier: MIT */
/*
 * bench_result.c - medians, ratios round by round, outliers; and the units
 */
#include "result.h"

#include <math.h>

#include "check.h"
#include "format.h"

/* The reports are static, so that what they point to is never lost. */
static struct bench_cell *new_cell(struct bench_report *report,
				   enum bench_mode mode, const char *transport)
{
	struct bench_cell *cell = calloc(1, sizeof(*cell));

	CHECK(cell);
	cell->mode = mode;
	cell->transport = transport;
	cell->size = 64;
	cell->producers = cell->consumers = cell->batch = 1;
	report->cells[report->cell_count++] = cell;
	return cell;
}

static struct bench_run *add_run(struct bench_cell *cell, unsigned round,
				 enum bench_placement placement)
{
	struct bench_run *run = &cell->runs[cell->run_count++];

	*run = (struct bench_run){.round = round, .placement = placement};
	return run;
}

static void add_latency(struct bench_cell *cell, unsigned round,
			enum bench_placement placement, uint64_t p50)
{
	struct bench_run *run = add_run(cell, round, placement);

	run->latency_count = 1;
	run->p50 = p50;
}

static void add_rate(struct bench_cell *cell, unsigned round,
		     enum bench_placement placement, uint64_t messages)
{
	struct bench_run *run = add_run(cell, round, placement);

	run->messages = messages;
	run->bytes = messages * cell->size;
	run->seconds = 0.5;
	run->cpu_seconds = 1;
}

static int is(double got, double want)
{
	return fabs(got - want) <= fabs(want) * 1e-12;
}

static void test_median(void)
{
	static const uint64_t p50s[] = {300, 100, 900, 200};
	static struct bench_report report;
	struct bench_cell *cell = new_cell(&report, BENCH_LATENCY, "port");
	struct bench_figure figure;

	CHECK_INT(bench_figure(cell, BENCH_P50, BENCH_UNKNOWN).count, 0);
	CHECK(is(bench_figure(cell, BENCH_P50, BENCH_UNKNOWN).median, 0));
	for (unsigned i = 0; i < 4; i++)
		add_latency(cell, i, BENCH_NEAR, p50s[i]);
	figure = bench_figure(cell, BENCH_P50, BENCH_UNKNOWN);
	CHECK_INT(figure.count, 4);
	CHECK(is(figure.median, 250));
	CHECK(is(figure.min, 100));
	CHECK(is(figure.max, 900));
	add_latency(cell, 4, BENCH_NEAR, 400);
	CHECK(is(bench_figure(cell, BENCH_P50, BENCH_UNKNOWN).median, 300));
}

static void test_quantities(void)
{
	static struct bench_report report;
	struct bench_cell *cell = new_cell(&report, BENCH_THROUGHPUT, "port");

	add_rate(cell, 0, BENCH_UNKNOWN, 1000);
	CHECK(is(bench_figure(cell, BENCH_MESSAGES_PER_S, 0).median, 2000));
	CHECK(is(bench_figure(cell, BENCH_BYTES_PER_S, 0).median, 128000));
	CHECK(is(bench_figure(cell, BENCH_CPU_NS, 0).median, 1e6));
	/* What a run does not tell is no 0. */
	CHECK_INT(bench_figure(cell, BENCH_P50, 0).count, 0);
	CHECK_INT(bench_figure(cell, BENCH_MEMORY, 0).count, 0);
	CHECK_INT(bench_figure(cell, BENCH_SHARE, 0).count, 0);
	cell->runs[0].seconds = 0;
	cell->runs[0].messages = 0;
	CHECK_INT(bench_figure(cell, BENCH_MESSAGES_PER_S, 0).count, 0);
	CHECK_INT(bench_figure(cell, BENCH_CPU_NS, 0).count, 0);
}

/* Consumers share the messages; in rpc it is the clients, who are producers. */
static void test_share(void)
{
	static struct bench_report report;
	struct bench_cell *cell = new_cell(&report, BENCH_FANOUT, "port");
	struct bench_run *run = add_run(cell, 0, BENCH_UNKNOWN);

	run->least = 25;
	run->most = 100;
	CHECK_INT(bench_figure(cell, BENCH_SHARE, 0).count, 0);
	cell->consumers = 2;
	CHECK(is(bench_figure(cell, BENCH_SHARE, 0).median, 0.25));
	cell->mode = BENCH_RPC;
	CHECK_INT(bench_figure(cell, BENCH_SHARE, 0).count, 0);
	cell->producers = 16;
	CHECK(is(bench_figure(cell, BENCH_SHARE, 0).median, 0.25));
}

/* 1, 2, 3, ... runs; those between low and high are what is kept. */
static void test_interval(void)
{
	static struct bench_report report;
	struct bench_cell *cell = new_cell(&report, BENCH_LATENCY, "port");

	for (unsigned count = 1; count <= BENCH_RUNS_MAX; count++) {
		struct bench_figure figure;

		add_latency(cell, count, BENCH_NEAR, count);
		figure = bench_figure(cell, BENCH_P50, BENCH_NEAR);
		CHECK(is(figure.low + figure.high, count + 1));
		CHECK(figure.low <= figure.median);
		if (count <= 8)
			CHECK(is(figure.low, 1));
		if (count == 9)
			CHECK(is(figure.low, 2));
		/* From the table of the binomial distribution. */
		if (count == 20)
			CHECK(is(figure.low, 6));
		if (count == 100)
			CHECK(is(figure.low, 41));
	}
}

static void test_places(void)
{
	static struct bench_report report;
	struct bench_cell *cell = new_cell(&report, BENCH_LATENCY, "port");
	enum bench_placement places[2];

	CHECK_INT(bench_places(cell, places), 0);
	add_latency(cell, 0, BENCH_MIXED, 400);
	CHECK_INT(bench_places(cell, places), 1);
	CHECK_INT(places[0], BENCH_UNKNOWN);
	add_latency(cell, 1, BENCH_FAR, 800);
	CHECK_INT(bench_places(cell, places), 1);
	CHECK_INT(places[0], BENCH_FAR);
	add_latency(cell, 2, BENCH_NEAR, 200);
	CHECK_INT(bench_places(cell, places), 2);
	CHECK_INT(places[0], BENCH_NEAR);
	CHECK_INT(places[1], BENCH_FAR);
	CHECK(is(bench_figure(cell, BENCH_P50, BENCH_NEAR).median, 200));
	CHECK(is(bench_figure(cell, BENCH_P50, BENCH_FAR).median, 800));
	CHECK(is(bench_figure(cell, BENCH_P50, BENCH_UNKNOWN).median, 400));
}

/* The machine becomes slower and slower; the ratio does not. */
static void test_ratio(void)
{
	static struct bench_report report;
	struct bench_cell *port = new_cell(&report, BENCH_LATENCY, "port");
	struct bench_cell *pipe = new_cell(&report, BENCH_LATENCY, "pipe");
	struct bench_figure ratio;

	for (unsigned i = 0; i < 5; i++) {
		add_latency(port, i, BENCH_NEAR, 100 << i);
		add_latency(pipe, i, BENCH_NEAR, 3000 << i);
	}
	CHECK(bench_base(&report, pipe) == port);
	CHECK(bench_base(&report, port) == port);
	ratio = bench_ratio(pipe, port, BENCH_P50, BENCH_UNKNOWN);
	CHECK_INT(ratio.count, 5);
	CHECK(is(ratio.median, 30));
	CHECK(is(ratio.min, 30));
	CHECK(is(ratio.max, 30));
}

static void test_ratio_of_likes(void)
{
	static struct bench_report report;
	struct bench_cell *port = new_cell(&report, BENCH_THROUGHPUT, "port");
	struct bench_cell *pipe = new_cell(&report, BENCH_THROUGHPUT, "pipe");

	add_rate(port, 0, BENCH_NEAR, 8000);
	add_rate(pipe, 0, BENCH_NEAR, 1000);
	add_rate(port, 1, BENCH_FAR, 2000); /* the pipe ran near */
	add_rate(pipe, 1, BENCH_NEAR, 1000);
	add_rate(pipe, 2, BENCH_NEAR, 1000); /* the port did not run */
	add_rate(port, 3, BENCH_FAR, 2000);
	add_rate(pipe, 3, BENCH_FAR, 500);
	CHECK_INT(
		bench_ratio(pipe, port, BENCH_MESSAGES_PER_S, BENCH_NEAR).count,
		1);
	CHECK(is(bench_ratio(pipe, port, BENCH_MESSAGES_PER_S, BENCH_NEAR)
			 .median,
		 0.125));
	CHECK(is(
		bench_ratio(pipe, port, BENCH_MESSAGES_PER_S, BENCH_FAR).median,
		0.25));
	CHECK_INT(bench_ratio(pipe, port, BENCH_MESSAGES_PER_S, BENCH_UNKNOWN)
			  .count,
		  2);
}

static void test_base(void)
{
	static struct bench_report report;
	struct bench_cell *pipe = new_cell(&report, BENCH_THROUGHPUT, "pipe");
	struct bench_cell *runs, *single, *large;

	CHECK(!bench_base(&report, pipe));
	runs = new_cell(&report, BENCH_THROUGHPUT, "port");
	runs->batch = 16;
	CHECK(bench_base(&report, pipe) == runs);
	single = new_cell(&report, BENCH_THROUGHPUT, "port");
	CHECK(bench_base(&report, pipe) == single);
	CHECK(bench_base(&report, runs) == runs);
	large = new_cell(&report, BENCH_THROUGHPUT, "zmq");
	large->size = 4096;
	CHECK(!bench_base(&report, large));
	new_cell(&report, BENCH_LATENCY, "port")->size = 4096;
	CHECK(!bench_base(&report, large));
}

static void test_outliers(void)
{
	static struct bench_report report;
	struct bench_cell *calm = new_cell(&report, BENCH_LATENCY, "port");
	struct bench_cell *rough = new_cell(&report, BENCH_LATENCY, "pipe");

	for (unsigned i = 0; i < 6; i++) {
		add_latency(calm, i, BENCH_NEAR, 200 + i % 2);
		/* Wide, but evenly so. */
		add_latency(rough, i, BENCH_NEAR, 5000 + 1000 * i);
	}
	/* Within 15 %, though far from the others by their spread. */
	add_latency(calm, 6, BENCH_NEAR, 225);
	bench_find_outliers(&report);
	CHECK_INT(report.note_count, 0);
	add_latency(calm, 7, BENCH_NEAR, 500);
	/* Of another placement: nothing to be far from. */
	add_latency(calm, 8, BENCH_FAR, 900);
	bench_find_outliers(&report);
	CHECK_INT(report.note_count, 1);
	CHECK_STR(report.notes[0],
		  "latency, port, 64B, near: 1 of 8 runs is far from their "
		  "median of 201ns, the farthest at 500ns");
	bench_find_outliers(&report);
	CHECK_INT(report.note_count, 1);
}

static void test_notes(void)
{
	static struct bench_report report;

	bench_note(&report, "%d CPUs", 2);
	bench_note(&report, "%d CPUs", 2);
	CHECK_INT(report.note_count, 1);
	for (int i = 0; i < 2 * BENCH_NOTES_MAX; i++)
		bench_note(&report, "note %d", i);
	CHECK_INT(report.note_count, BENCH_NOTES_MAX);
	CHECK_STR(report.notes[1], "note 0");
	CHECK_STR(report.notes[BENCH_NOTES_MAX - 1],
		  "there is more to say, but no more room");
}

static void test_units(void)
{
	CHECK_STR(unit_time(0).text, "0ns");
	CHECK_STR(unit_time(28).text, "28ns");
	CHECK_STR(unit_time(28.5).text, "28.5ns");
	CHECK_STR(unit_time(212).text, "212ns");
	CHECK_STR(unit_time(999.6).text, "1.00us");
	CHECK_STR(unit_time(1234).text, "1.23us");
	CHECK_STR(unit_time(9996).text, "10.0us");
	CHECK_STR(unit_time(45.67e6).text, "45.7ms");
	CHECK_STR(unit_time(5e12).text, "5000s");
	CHECK_STR(unit_messages(12345678).text, "12.3M/s");
	CHECK_STR(unit_bytes(1.5e9).text, "1.50GB/s");
	CHECK_STR(unit_size(64).text, "64B");
	CHECK_STR(unit_size(1000).text, "1000B");
	CHECK_STR(unit_size(65536).text, "64KiB");
	CHECK_STR(unit_size(0).text, "0B");
	CHECK_STR(unit_memory(1536).text, "1.50KiB");
	CHECK_STR(unit_ratio(1).text, "1.00x");
	CHECK_STR(unit_ratio(14.234).text, "14.2x");
	CHECK_STR(unit_ratio(0.125).text, "0.12x");
	CHECK_STR(unit_ratio(0.0404).text, "0.040x");
	CHECK_STR(unit_ratio(0.0012).text, "0.001x");
}

static const struct check_case cases[] = {
	{"a figure is the median, with the range", test_median},
	{"each quantity comes from its fields, or is not known",
	 test_quantities},
	{"who shares the messages is told by the mode", test_share},
	{"the median lies between low and high", test_interval},
	{"near and far are reported apart", test_places},
	{"drift between rounds cancels in a ratio", test_ratio},
	{"a ratio compares what ran in one round and place",
	 test_ratio_of_likes},
	{"cells compare with the port of their kind", test_base},
	{"a run far from the others is noted", test_outliers},
	{"a note is there once, and they have an end", test_notes},
	{"figures have three digits and a unit", test_units},
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, cases, CHECK_COUNT(cases));
}
