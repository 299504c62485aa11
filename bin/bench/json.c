/* SPDX-License-Identifier: MIT */
/*
 * json.c - the whole report, for programs
 *
 * All that result.h knows but the histograms, and the figures made from it; the
 * fields are described in mmsock-bench(1), and load.c reads them back.  Times
 * are in nanoseconds, sizes in bytes, what is not known or does not apply is
 * null.
 */
#include "reports.h"

#include <ctype.h>
#include <err.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <mmsock.h>

#include "result.h"
#include "tool.h"

static void set(json_t *object, const char *name, json_t *value)
{
	if (json_object_set_new(object, name, value) < 0)
		errx(TOOL_SYSTEM, "%s: out of memory", name);
}

static void append(json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) < 0)
		errx(TOOL_SYSTEM, "out of memory");
}

/* A command line may have any bytes, JSON may not: \xHH for what is no ASCII. */
static json_t *text(const char *string)
{
	json_t *json = json_string(string);
	char *ascii, *to;

	if (json)
		return json;
	ascii = to = calloc(4, strlen(string) + 1);
	if (!ascii)
		err(TOOL_SYSTEM, NULL);
	for (; *string; string++)
		to += sprintf(to, isascii(*string) ? "%c" : "\\x%02hhx",
			      *string);
	json = json_string(ascii);
	free(ascii);
	return json;
}

static json_t *whole(uint64_t number)
{
	return json_integer((json_int_t)number);
}

static json_t *known(bool is_known, json_t *value)
{
	if (is_known)
		return value;
	json_decref(value);
	return json_null();
}

static json_t *figure_json(struct bench_figure figure)
{
	json_t *json = json_object();

	if (!figure.count)
		return known(false, json);
	set(json, "median", json_real(figure.median));
	set(json, "min", json_real(figure.min));
	set(json, "max", json_real(figure.max));
	set(json, "low", json_real(figure.low));
	set(json, "high", json_real(figure.high));
	return json;
}

static json_t *distribution_json(const struct histogram *histogram)
{
	static const struct {
		const char *name;
		double percent;
	} percentiles[] = {
		{"p50", 50},     {"p90", 90},       {"p99", 99},
		{"p99_9", 99.9}, {"p99_99", 99.99},
	};
	json_t *json;

	if (!histogram || !histogram->count)
		return json_null();
	json = json_object();
	set(json, "min", whole(histogram->min));
	set(json, "mean", json_real(histogram_mean(histogram)));
	set(json, "stddev", json_real(histogram_stddev(histogram)));
	for (size_t i = 0; i < ARRAY_SIZE(percentiles); i++)
		set(json, percentiles[i].name,
		    whole(histogram_percentile(histogram,
					       percentiles[i].percent)));
	set(json, "max", whole(histogram->max));
	set(json, "n", whole(histogram->count));
	return json;
}

static json_t *run_latency_json(const struct bench_run *run)
{
	json_t *json;

	if (!run->latency_count)
		return json_null();
	json = json_object();
	set(json, "min", whole(run->min));
	set(json, "mean", json_real(run->mean));
	set(json, "stddev", json_real(run->stddev));
	set(json, "p50", whole(run->p50));
	set(json, "p90", whole(run->p90));
	set(json, "p99", whole(run->p99));
	set(json, "p99_9", whole(run->p99_9));
	set(json, "p99_99", whole(run->p99_99));
	set(json, "max", whole(run->max));
	set(json, "n", whole(run->latency_count));
	return json;
}

static json_t *run_json(const struct bench_run *run)
{
	json_t *json = json_object();

	set(json, "round", whole(run->round));
	set(json, "placement", text(bench_placement_names[run->placement]));
	set(json, "line_before_ns",
	    known(run->line_before_ns > 0, json_real(run->line_before_ns)));
	set(json, "line_after_ns",
	    known(run->line_after_ns > 0, json_real(run->line_after_ns)));
	set(json, "messages", whole(run->messages));
	set(json, "bytes", whole(run->bytes));
	set(json, "seconds", json_real(run->seconds));
	set(json, "cpu_seconds", json_real(run->cpu_seconds));
	set(json, "memory_bytes", known(run->memory, whole(run->memory)));
	set(json, "least_messages", whole(run->least));
	set(json, "most_messages", whole(run->most));
	set(json, "latency_ns", run_latency_json(run));
	return json;
}

static json_t *runs_json(const struct bench_cell *cell)
{
	json_t *json = json_array();

	for (unsigned i = 0; i < cell->run_count; i++)
		append(json, run_json(&cell->runs[i]));
	return json;
}

/* The figures of the runs with that placement. */
static json_t *summary_json(const struct bench_report *report,
			    const struct bench_cell *cell,
			    enum bench_placement place)
{
	static const struct {
		const char *name;
		enum bench_quantity quantity;
	} figures[] = {
		{"msgs_per_s", BENCH_MESSAGES_PER_S},
		{"bytes_per_s", BENCH_BYTES_PER_S},
		{"p50_ns", BENCH_P50},
		{"p99_ns", BENCH_P99},
		{"p99_9_ns", BENCH_P99_9},
		{"p99_99_ns", BENCH_P99_99},
		{"cpu_ns_per_msg", BENCH_CPU_NS},
		{"memory_bytes", BENCH_MEMORY},
		{"fair", BENCH_SHARE},
	};
	enum bench_quantity main = bench_main_quantity(cell);
	const struct bench_cell *base = bench_base(report, cell);
	struct bench_figure ratio = {.count = 0};
	json_t *json = json_object();

	if (base)
		ratio = bench_ratio(cell, base, main, place);
	set(json, "placement",
	    known(place != BENCH_UNKNOWN, text(bench_placement_names[place])));
	set(json, "runs", whole(bench_figure(cell, main, place).count));
	for (size_t i = 0; i < ARRAY_SIZE(figures); i++)
		set(json, figures[i].name,
		    figure_json(
			    bench_figure(cell, figures[i].quantity, place)));
	set(json, "vs_port", figure_json(ratio));
	set(json, "latency_ns", distribution_json(cell->latency[place]));
	return json;
}

static json_t *summaries_json(const struct bench_report *report,
			      const struct bench_cell *cell)
{
	enum bench_placement places[2];
	size_t count = bench_places(cell, places);
	json_t *json = json_array();

	for (size_t i = 0; i < count; i++)
		append(json, summary_json(report, cell, places[i]));
	return json;
}

/* Sums of, and medians over, all runs. */
static void set_totals(json_t *json, const struct bench_cell *cell)
{
	static const struct {
		const char *name;
		enum bench_quantity quantity;
	} medians[] = {
		{"msgs_per_s", BENCH_MESSAGES_PER_S},
		{"bytes_per_s", BENCH_BYTES_PER_S},
		{"cpu_ns_per_msg", BENCH_CPU_NS},
	};
	uint64_t messages = 0;
	double seconds = 0;

	for (unsigned i = 0; i < cell->run_count; i++) {
		messages += cell->runs[i].messages;
		seconds += cell->runs[i].seconds;
	}
	set(json, "messages", whole(messages));
	set(json, "seconds", json_real(seconds));
	for (size_t i = 0; i < ARRAY_SIZE(medians); i++) {
		struct bench_figure figure =
			bench_figure(cell, medians[i].quantity, BENCH_UNKNOWN);

		set(json, medians[i].name,
		    known(figure.count, json_real(figure.median)));
	}
	set(json, "latency_ns", distribution_json(cell->latency[0]));
}

static json_t *cell_json(const struct bench_report *report,
			 const struct bench_cell *cell)
{
	json_t *json = json_object();

	set(json, "mode", text(bench_mode_names[cell->mode]));
	set(json, "transport", text(cell->transport));
	set(json, "size", whole(cell->size));
	set(json, "producers", whole(cell->producers));
	set(json, "consumers", whole(cell->consumers));
	set(json, "clients",
	    known(cell->mode == BENCH_RPC, whole(cell->producers)));
	set(json, "batch", whole(cell->batch));
	set(json, "rate", known(cell->rate > 0, json_real(cell->rate)));
	set(json, "missing", cell->missing ? text(cell->missing) : json_null());
	set_totals(json, cell);
	set(json, "by_placement", summaries_json(report, cell));
	set(json, "runs", runs_json(cell));
	return json;
}

static json_t *host_json(const struct bench_host *host)
{
	json_t *json = json_object();

	set(json, "name", text(host->name));
	set(json, "kernel", text(host->kernel));
	set(json, "cpu", text(host->cpu));
	set(json, "cpus", whole(host->cpus));
	set(json, "hypervisor",
	    known(*host->hypervisor, text(host->hypervisor)));
	set(json, "time", text(host->time));
	return json;
}

static json_t *config_json(const struct bench_report *report)
{
	json_t *json = json_object();

	set(json, "command_line", text(report->command_line));
	set(json, "rounds", whole(report->rounds));
	set(json, "rounds_done", whole(report->rounds_done));
	set(json, "interrupted", json_boolean(report->interrupted));
	set(json, "producer_cpu",
	    known(report->cpu[0] >= 0, json_integer(report->cpu[0])));
	set(json, "consumer_cpu",
	    known(report->cpu[1] >= 0, json_integer(report->cpu[1])));
	set(json, "spin_ns",
	    known(report->spin_ns >= 0, json_integer(report->spin_ns)));
	set(json, "warmup_ns", json_integer(report->warmup_ns));
	set(json, "near_below_ns",
	    known(report->near_below_ns > 0, json_real(report->near_below_ns)));
	return json;
}

void json_write(FILE *out, const struct bench_report *report)
{
	json_t *json = json_object(), *results = json_array();
	json_t *notes = json_array();

	for (size_t i = 0; i < report->cell_count; i++)
		append(results, cell_json(report, report->cells[i]));
	for (size_t i = 0; i < report->note_count; i++)
		append(notes, text(report->notes[i]));
	set(json, "mmsock_version", text(MMSOCK_VERSION));
	set(json, "host", host_json(&report->host));
	set(json, "config", config_json(report));
	set(json, "notes", notes);
	set(json, "results", results);
	if (json_dumpf(json, out, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) <
		    0 &&
	    !ferror(out))
		errx(TOOL_SYSTEM, "out of memory");
	(void)fputc('\n', out);
	json_decref(json);
}
