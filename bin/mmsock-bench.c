/* SPDX-License-Identifier: MIT */
/*
 * mmsock-bench - measure ports, and what else there is, on this machine
 *
 * Options become settings, settings a plan, the plan is run in rounds, and the
 * reports say what came out.  Whatever can be refused is refused before
 * anything runs; what was finished is reported whatever comes.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mmsock.h>

#include <bsd/err.h>

#include "host.h"
#include "output.h"
#include "placement.h"
#include "plan.h"
#include "roles.h"
#include "scratch.h"
#include "settings.h"
#include "tool.h"

#define RATE_MOST  100000000
#define COUNT_MOST ((uint64_t)1 << 48)

struct config {
	struct settings settings;
	struct outputs outputs;
	bool compare;
	bool force;
	bool has_threshold;
	double threshold;
};

enum option {
	BATCH,
	CLIENTS,
	COMPARE,
	CONSUMERS,
	COUNT,
	CPUS,
	DELAY,
	DURATION,
	EXPORT_CSV,
	EXPORT_HGRM,
	EXPORT_JSON,
	EXPORT_MARKDOWN,
	FORCE,
	INTRINSIC,
	JSON,
	PLOT,
	PRODUCERS,
	QUIET,
	RATE,
	RING,
	RUNS,
	SIZES,
	SPIN,
	THRESHOLD,
	TRANSPORT,
	WARMUP
};

/* clang-format off */
static const struct tool_option options[] = {
	{CPUS, 'a', "cpus", "CPUS",
	 "of producers and of consumers: 0,1 (none: unbound)"},
	{BATCH, 'B', "batch", "LIST", "messages a call (1,128)"},
	{COUNT, 'c', "count", "N", "messages a run"},
	{CONSUMERS, 'C', "consumers", "N", "processes that receive"},
	{CLIENTS, 0, "clients", "LIST", "processes that call (1,4,16)"},
	{COMPARE, 0, "compare", NULL, "compare two reports of --json"},
	{DURATION, 'D', "duration", "DUR", "time a run (200ms)"},
	{DELAY, 0, "delay", "DUR",
	 "the consumer waits after each message: tests the instrument"},
	{EXPORT_CSV, 0, "export-csv", "FILE", "for spreadsheets"},
	{EXPORT_HGRM, 0, "export-hgrm", "FILE", "latency by percentile"},
	{EXPORT_JSON, 0, "export-json", "FILE", "all there is"},
	{EXPORT_MARKDOWN, 0, "export-markdown", "FILE", "the table"},
	{FORCE, 0, "force", NULL, "compare reports of two machines"},
	{INTRINSIC, 0, "intrinsic", "DUR",
	 "gaps that a loop without a transport sees"},
	{JSON, 'J', "json", NULL, "all there is, instead of the table"},
	{PRODUCERS, 'P', "producers", "N", "processes that send"},
	{PLOT, 0, "plot", "FILE", "draw the results (SVG)"},
	{QUIET, 'q', "quiet", NULL, "no progress, no notes"},
	{RATE, 'R', "rate", "N", "messages a second (latency only)"},
	{RING, 0, "ring", "SIZE", "size of a port's ring (1M)"},
	{RUNS, 0, "runs", "N", "rounds: runs of each transport (5)"},
	{SIZES, 'S', "sizes", "LIST", "bytes a message (64)"},
	{SPIN, 0, "spin", "DUR", "how long ports and semaphores poll first"},
	{THRESHOLD, 0, "threshold", "PERCENT", "what --compare lets pass (10)"},
	{TRANSPORT, 0, "transport", "LIST", "only these"},
	{WARMUP, 0, "warmup", "DUR", "time before each run (50ms)"},
};
/* clang-format on */

static void help_more(FILE *out)
{
	fputs("\nModes (latency and throughput if none is named):\n"
	      "  latency     round trips; with -R one way, at a fixed rate\n"
	      "  throughput  -P producers to -C consumers (1 and 1)\n"
	      "  fanout      one producer to -C consumers (2), each message "
	      "to one of\n"
	      "              them; then -P producers (as many as consumers)\n"
	      "  rpc         --clients (1, 4 and 16) call one server, and "
	      "are answered\n"
	      "  pipeline    mmsock-send, mmsock-recv and mmsock-cat against "
	      "others\n"
	      "  uncontended a semaphore's wait and post, in one process\n",
	      out);
	plan_list_transports(out);
}

static const struct tool tool = {
	.name = "mmsock-bench",
	.synopsis = "[options] [MODE...]",
	.purpose = "measure ports and other transports on this machine",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.help_more = help_more,
};

static int64_t some_time(const struct tool_seen *seen)
{
	int64_t ns = tool_duration(seen);

	if (ns == 0 || ns == INT64_MAX)
		tool_usage(&tool, "%s%s: from 1ns up, and not inf",
			   seen->dashes, seen->name);
	return ns;
}

static int64_t finite_time(const struct tool_seen *seen)
{
	int64_t ns = tool_duration(seen);

	if (ns == INT64_MAX)
		tool_usage(&tool, "%s%s: not inf", seen->dashes, seen->name);
	return ns;
}

/* What the tools of a pipeline do is told by the environment. */
static int64_t take_spin(const struct tool_seen *seen)
{
	int64_t ns = tool_duration(seen);

	if (setenv("MMSOCK_SPIN", seen->argument, 1) < 0)
		err(TOOL_SYSTEM, "memory");
	return ns;
}

static void take_report(struct config *config, enum output_kind kind,
			const char *path)
{
	output_want(&config->outputs, &tool, kind, path);
}

/* What goes where, and comparing. */
static void take_output(const struct tool_seen *seen, struct config *config)
{
	switch ((enum option)seen->id) {
	case COMPARE:
		config->compare = true;
		break;
	case EXPORT_CSV:
		take_report(config, OUTPUT_CSV, seen->argument);
		break;
	case EXPORT_HGRM:
		take_report(config, OUTPUT_HGRM, seen->argument);
		break;
	case EXPORT_JSON:
		take_report(config, OUTPUT_JSON, seen->argument);
		break;
	case EXPORT_MARKDOWN:
		take_report(config, OUTPUT_MARKDOWN, seen->argument);
		break;
	case FORCE:
		config->force = true;
		break;
	case JSON:
		take_report(config, OUTPUT_JSON, "-");
		break;
	case PLOT:
		take_report(config, OUTPUT_PLOT, seen->argument);
		break;
	case QUIET:
		config->settings.quiet = true;
		config->outputs.quiet = true;
		break;
	case THRESHOLD:
		config->has_threshold = true;
		config->threshold = (double)tool_count(seen, 0, 100000);
		break;
	default:
		break;
	}
}

/* What is measured, and how. */
static void take(const struct tool_seen *seen, void *context)
{
	struct config *config = context;
	struct settings *settings = &config->settings;

	switch ((enum option)seen->id) {
	case BATCH:
		settings_take_batches(settings, seen->argument);
		break;
	case CLIENTS:
		settings_take_clients(settings, seen->argument);
		break;
	case CONSUMERS:
		settings->consumers =
			(unsigned)tool_count(seen, 1, ROLES_MAX - 1);
		break;
	case COUNT:
		settings->count = tool_count(seen, 1, COUNT_MOST);
		break;
	case CPUS:
		settings->cpus = seen->argument;
		break;
	case DELAY:
		settings->delay_ns = finite_time(seen);
		break;
	case DURATION:
		settings->duration_ns = some_time(seen);
		break;
	case INTRINSIC:
		settings->intrinsic_ns = some_time(seen);
		break;
	case PRODUCERS:
		settings->producers =
			(unsigned)tool_count(seen, 1, ROLES_MAX - 1);
		break;
	case RATE:
		settings->rate = tool_count(seen, 1, RATE_MOST);
		break;
	case RING:
		settings->ring_bytes = tool_size(seen);
		break;
	case RUNS:
		settings->rounds =
			(unsigned)tool_count(seen, 1, BENCH_RUNS_MAX);
		break;
	case SIZES:
		settings_take_sizes(settings, seen->argument);
		break;
	case SPIN:
		settings->spin_ns = take_spin(seen);
		break;
	case TRANSPORT:
		settings->transports = seen->argument;
		break;
	case WARMUP:
		settings->warmup_ns = finite_time(seen);
		break;
	default:
		take_output(seen, config);
	}
}

/* Modes, or the two files to compare. */
static int compare(const struct config *config, int count, char **files)
{
	if (count != 2)
		tool_usage(&tool, "--compare needs two files: OLD NEW");
	return compare_files(files[0], files[1], config->threshold,
			     config->force);
}

static void finish(struct config *config, int count, char **modes)
{
	if (config->has_threshold || config->force)
		tool_usage(&tool, "--threshold and --force are for --compare");
	for (int i = 0; i < count; i++)
		settings_take_mode(&config->settings, modes[i]);
	settings_finish(&config->settings);
}

/* As it would have to be typed again. */
static char *quote(int argc, char **argv)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-_=,./:+@%";
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		err(TOOL_SYSTEM, "memory");
	for (int i = 0; i < argc; i++) {
		const char *word = argv[i];
		bool is_plain = *word && word[strspn(word, plain)] == '\0';

		fputs(i ? " " : "", out);
		fputs(is_plain ? "" : "'", out);
		for (; *word; word++)
			fputs(*word == '\'' ? "'\\''" : (char[]){*word, '\0'},
			      out);
		fputs(is_plain ? "" : "'", out);
	}
	if (fclose(out) != 0)
		err(TOOL_SYSTEM, "memory");
	return text;
}

static void describe(const struct bench *bench, struct bench_report *report)
{
	const struct settings *settings = bench->settings;

	host_describe(&report->host);
	report->rounds = settings->rounds;
	report->cpu[0] = settings->cpu[0];
	report->cpu[1] = settings->cpu[1];
	report->spin_ns = settings->spin_ns;
	report->warmup_ns = settings->warmup_ns;
	report->near_below_ns = PLACEMENT_NEAR_BELOW_NS;
	report->clock = clock_name(&bench->clock);
	report->clock_cost_ns = bench->clock.cost_ns;
}

/* The report is written whatever the runs came to. */
static int run(struct config *config, struct bench *bench,
	       const struct plan *plan)
{
	int r = plan_run(plan, bench), status;

	status = output_write(&config->outputs, bench->report);
	status = tool_close_stdout(status);
	if (status == TOOL_OK && r == -EIO)
		status = TOOL_SYSTEM;
	return status;
}

static int measure(struct config *config, struct bench_report *report)
{
	/* Too large for the stack. */
	static struct plan plan;
	static struct bench bench;
	struct scratch scratch;
	int r, status;

	bench.settings = &config->settings;
	bench.report = report;
	bench.stage = roles_make_stage();
	if (!bench.stage)
		err(TOOL_SYSTEM, "memory");
	tool_catch_signals("bench");
	r = scratch_make(&scratch);
	if (r < 0)
		errc(TOOL_SYSTEM, -r, "a directory for the ports");
	bench.dir = scratch.path;
	plan_make(&plan, &config->settings, scratch.path, report);
	clock_init(&bench.clock);
	describe(&bench, report);
	status = output_open(&config->outputs);
	if (status == TOOL_OK)
		status = run(config, &bench, &plan);
	scratch_remove(&scratch);
	return status;
}

int main(int argc, char **argv)
{
	static struct bench_report report;
	struct config config = {.threshold = COMPARE_THRESHOLD};
	int first, status;

	settings_init(&config.settings, &tool);
	report.command_line = quote(argc, argv);
	first = tool_parse(&tool, argc, argv, take, &config);
	if (config.compare)
		return tool_close_stdout(
			compare(&config, argc - first, argv + first));
	finish(&config, argc - first, argv + first);
	status = measure(&config, &report);
	tool_die();
	return status;
}
