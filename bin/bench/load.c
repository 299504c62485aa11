/* SPDX-License-Identifier: MIT */
/*
 * load.c - reads back what json.c wrote
 *
 * Only what is needed to compare: the machine, the cells and their runs.  The
 * file is the world's: each value is checked before it is used, and unknown
 * ones are passed over.
 */
#include "reports.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "result.h"
#include "tool.h"

/* Transports point into the parsed file. */
struct loaded {
	struct bench_report report; /* first */
	json_t *file;
	const char *bad; /* the first field that is not as it should be */
};

static void complain(struct loaded *loaded, const char *field)
{
	if (!loaded->bad)
		loaded->bad = field;
}

/* What is null counts as 0. */
static double number(struct loaded *loaded, const json_t *object,
		     const char *field)
{
	const json_t *json = json_object_get(object, field);

	if (!json_is_null(json) &&
	    (!json_is_number(json) || json_number_value(json) < 0))
		complain(loaded, field);
	return json_number_value(json);
}

static uint64_t whole(struct loaded *loaded, const json_t *object,
		      const char *field)
{
	const json_t *json = json_object_get(object, field);

	if (!json_is_null(json) &&
	    (!json_is_integer(json) || json_integer_value(json) < 0))
		complain(loaded, field);
	return (uint64_t)json_integer_value(json);
}

static unsigned count(struct loaded *loaded, const json_t *object,
		      const char *field)
{
	uint64_t value = whole(loaded, object, field);

	if (value > INT32_MAX)
		complain(loaded, field);
	return (unsigned)value;
}

static const char *text(struct loaded *loaded, const json_t *object,
			const char *field)
{
	const char *string = json_string_value(json_object_get(object, field));

	if (!string)
		complain(loaded, field);
	return string ? string : "";
}

/* The place of a word in a list of @words. */
static unsigned word(struct loaded *loaded, const json_t *object,
		     const char *field, const char *const *words,
		     unsigned word_count)
{
	const char *string = text(loaded, object, field);

	for (unsigned i = 0; i < word_count; i++)
		if (!strcmp(string, words[i]))
			return i;
	complain(loaded, field);
	return 0;
}

/* As many elements as there is room for; else none. */
static size_t elements(struct loaded *loaded, const json_t *object,
		       const char *field, size_t most)
{
	const json_t *array = json_object_get(object, field);

	if (json_is_array(array) && json_array_size(array) <= most)
		return json_array_size(array);
	complain(loaded, field);
	return 0;
}

static void load_latency(struct loaded *loaded, const json_t *json,
			 struct bench_run *run)
{
	if (json_is_null(json))
		return;
	run->latency_count = whole(loaded, json, "n");
	run->min = whole(loaded, json, "min");
	run->p50 = whole(loaded, json, "p50");
	run->p90 = whole(loaded, json, "p90");
	run->p99 = whole(loaded, json, "p99");
	run->p99_9 = whole(loaded, json, "p99_9");
	run->p99_99 = whole(loaded, json, "p99_99");
	run->max = whole(loaded, json, "max");
	run->mean = number(loaded, json, "mean");
	run->stddev = number(loaded, json, "stddev");
}

static void load_run(struct loaded *loaded, const json_t *json,
		     struct bench_run *run)
{
	*run = (struct bench_run){
		.round = count(loaded, json, "round"),
		.placement = word(loaded, json, "placement",
				  bench_placement_names, BENCH_MIXED + 1),
		.line_before_ns = number(loaded, json, "line_before_ns"),
		.line_after_ns = number(loaded, json, "line_after_ns"),
		.messages = whole(loaded, json, "messages"),
		.bytes = whole(loaded, json, "bytes"),
		.seconds = number(loaded, json, "seconds"),
		.cpu_seconds = number(loaded, json, "cpu_seconds"),
		.memory = whole(loaded, json, "memory_bytes"),
		.least = whole(loaded, json, "least_messages"),
		.most = whole(loaded, json, "most_messages"),
	};
	load_latency(loaded, json_object_get(json, "latency_ns"), run);
}

static void load_cell(struct loaded *loaded, const json_t *json)
{
	struct bench_report *report = &loaded->report;
	struct bench_cell *cell = calloc(1, sizeof(*cell));
	const json_t *runs = json_object_get(json, "runs");

	if (!cell)
		err(TOOL_SYSTEM, NULL);
	report->cells[report->cell_count++] = cell;
	cell->mode = word(loaded, json, "mode", bench_mode_names, BENCH_MODES);
	cell->transport = text(loaded, json, "transport");
	cell->size = whole(loaded, json, "size");
	cell->producers = count(loaded, json, "producers");
	cell->consumers = count(loaded, json, "consumers");
	cell->batch = count(loaded, json, "batch");
	cell->rate = number(loaded, json, "rate");
	cell->run_count =
		(unsigned)elements(loaded, json, "runs", BENCH_RUNS_MAX);
	for (unsigned i = 0; i < cell->run_count; i++)
		load_run(loaded, json_array_get(runs, i), &cell->runs[i]);
}

static void copy(char *to, size_t size, const char *from)
{
	(void)snprintf(to, size, "%s", from);
}

static void load_host(struct loaded *loaded, const json_t *json)
{
	struct bench_host *host = &loaded->report.host;
	const char *hypervisor =
		json_string_value(json_object_get(json, "hypervisor"));

	copy(host->name, sizeof(host->name), text(loaded, json, "name"));
	copy(host->kernel, sizeof(host->kernel), text(loaded, json, "kernel"));
	copy(host->cpu, sizeof(host->cpu), text(loaded, json, "cpu"));
	copy(host->hypervisor, sizeof(host->hypervisor),
	     hypervisor ? hypervisor : "");
	copy(host->time, sizeof(host->time), text(loaded, json, "time"));
	host->cpus = count(loaded, json, "cpus");
}

static void load(struct loaded *loaded)
{
	const json_t *results = json_object_get(loaded->file, "results");
	size_t cells =
		elements(loaded, loaded->file, "results", BENCH_CELLS_MAX);

	(void)text(loaded, loaded->file, "mmsock_version");
	load_host(loaded, json_object_get(loaded->file, "host"));
	for (size_t i = 0; i < cells; i++)
		load_cell(loaded, json_array_get(results, i));
}

static json_t *parse(const char *path, int *ret_status)
{
	FILE *file = fopen(path, "re");
	json_error_t error;
	json_t *json;

	if (!file) {
		*ret_status = errno == EACCES ? TOOL_DENIED : TOOL_NO_INPUT;
		warn("'%s'", path);
		return NULL;
	}
	json = json_loadf(file, 0, &error);
	if (ferror(file)) {
		*ret_status = TOOL_NO_INPUT;
		warn("'%s'", path);
		json_decref(json);
		json = NULL;
	} else if (!json) {
		*ret_status = TOOL_DATA;
		warnx("'%s': line %d: no JSON: %s", path, error.line,
		      error.text);
	}
	(void)fclose(file);
	return json;
}

struct bench_report *json_read(const char *path, int *ret_status)
{
	json_t *file = parse(path, ret_status);
	struct loaded *loaded;

	if (!file)
		return NULL;
	loaded = calloc(1, sizeof(*loaded));
	if (!loaded)
		err(TOOL_SYSTEM, NULL);
	loaded->file = file;
	load(loaded);
	if (!loaded->bad)
		return &loaded->report;
	warnx("'%s': no report of mmsock-bench: bad or no '%s'", path,
	      loaded->bad);
	*ret_status = TOOL_DATA;
	report_free(&loaded->report);
	return NULL;
}

void report_free(struct bench_report *report)
{
	struct loaded *loaded = (struct loaded *)report;

	if (!report)
		return;
	for (size_t i = 0; i < report->cell_count; i++)
		free(report->cells[i]);
	json_decref(loaded->file);
	free(loaded);
}
