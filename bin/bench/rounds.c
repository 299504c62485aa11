/* SPDX-License-Identifier: MIT */
/*
 * rounds.c - all jobs once, and again, each time in another order
 *
 * Drift of the machine thus meets all of them alike, and none has always the
 * same neighbour before it.  The order is the same each time the benchmark runs.
 */
#include "plan.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "placement.h"
#include "roles.h"
#include "tool.h"

static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void shuffle(size_t *order, size_t count, unsigned round)
{
	uint32_t state = 2463534242U + round;

	for (size_t i = 0; i < count; i++)
		order[i] = i;
	for (size_t i = count; i > 1; i--) {
		size_t other = next_random(&state) % i;
		size_t one = order[i - 1];

		order[i - 1] = order[other];
		order[other] = one;
	}
}

static void add_latency(struct bench_cell *cell, size_t place,
			const struct histogram *latency)
{
	if (!cell->latency[place]) {
		cell->latency[place] = malloc(sizeof(*latency));
		if (!cell->latency[place])
			err(TOOL_SYSTEM, "memory");
		histogram_reset(cell->latency[place]);
	}
	histogram_add(cell->latency[place], latency);
}

static void note_latency(struct bench_cell *cell, struct bench_run *run,
			 const struct histogram *latency)
{
	run->latency_count = latency->count;
	if (latency->count == 0)
		return;
	run->p50 = histogram_percentile(latency, 50);
	run->p90 = histogram_percentile(latency, 90);
	run->p99 = histogram_percentile(latency, 99);
	run->p99_9 = histogram_percentile(latency, 99.9);
	run->p99_99 = histogram_percentile(latency, 99.99);
	run->min = latency->min;
	run->max = latency->max;
	run->mean = histogram_mean(latency);
	run->stddev = histogram_stddev(latency);
	add_latency(cell, 0, latency);
	if (run->placement == BENCH_NEAR)
		add_latency(cell, 1, latency);
	else if (run->placement == BENCH_FAR)
		add_latency(cell, 2, latency);
}

static int measure(struct bench *bench, const struct job *job,
		   struct bench_run *run)
{
	if (job->pipeline)
		return pipeline_run(bench, job, run);
	if (!job->transport)
		return intrinsic_run(bench, job, run);
	if (job->cell->mode == BENCH_LATENCY)
		return latency_run(bench, job, run);
	if (job->cell->mode == BENCH_RPC)
		return rpc_run(bench, job, run);
	if (job->cell->mode == BENCH_UNCONTENDED)
		return uncontended_run(bench, job, run);
	return throughput_run(bench, job, run);
}

/* The probe after one run is the probe before the next. */
static int run_job(struct bench *bench, const struct job *job, unsigned round,
		   double *probe_ns)
{
	struct bench_cell *cell = job->cell;
	struct bench_run run = {.round = round, .line_before_ns = *probe_ns};
	int r = measure(bench, job, &run);

	if (r == -EINTR)
		return r;
	if (r < 0) {
		warnx("%s, %s: %s", bench_mode_names[cell->mode],
		      cell->transport, bench->failure);
		cell->missing = strdup(bench->failure);
		return -EIO;
	}
	*probe_ns = placement_probe(bench);
	run.line_after_ns = *probe_ns;
	/* One process alone has no other to be near. */
	if (cell->consumers > 0)
		run.placement =
			placement_of(run.line_before_ns, run.line_after_ns);
	note_latency(cell, &run, &bench->latency);
	cell->runs[cell->run_count++] = run;
	return 0;
}

/* A line on standard error that is written over. */
static void show_progress(const struct bench *bench, const struct job *job,
			  unsigned done, unsigned all)
{
	if (bench->settings->quiet || !isatty(STDERR_FILENO))
		return;
	if (job)
		fprintf(stderr, "\r\033[K%3u%% %s, %s", done * 100 / all,
			bench_mode_names[job->cell->mode],
			job->cell->transport);
	else
		fputs("\r\033[K", stderr);
	(void)fflush(stderr);
}

static int run_round(const struct plan *plan, struct bench *bench,
		     unsigned round, double *probe_ns)
{
	unsigned all = bench->settings->rounds * (unsigned)plan->count;
	size_t order[BENCH_CELLS_MAX];
	int result = 0;

	shuffle(order, plan->count, round);
	for (size_t i = 0; i < plan->count; i++) {
		const struct job *job = &plan->jobs[order[i]];
		int r = 0;

		show_progress(bench, job,
			      round * (unsigned)plan->count + (unsigned)i, all);
		if (tool_signal())
			return -EINTR;
		if (!job->cell->missing)
			r = run_job(bench, job, round, probe_ns);
		if (r == -EINTR)
			return r;
		result = r < 0 ? r : result;
	}
	return result;
}

static void note_mixed(const struct plan *plan, struct bench_report *report)
{
	unsigned mixed = 0, all = 0;

	for (size_t i = 0; i < plan->count; i++) {
		const struct bench_cell *cell = plan->jobs[i].cell;

		for (unsigned j = 0; j < cell->run_count; j++) {
			mixed += cell->runs[j].placement == BENCH_MIXED;
			all++;
		}
	}
	if (mixed > 0)
		bench_note(report,
			   "%u of %u runs: the CPUs were near before and far "
			   "after, or the other way round",
			   mixed, all);
}

static void note_machine(const struct bench *bench)
{
	const struct settings *settings = bench->settings;
	struct bench_report *report = bench->report;
	unsigned most = 0;

	for (size_t i = 0; i < report->cell_count; i++) {
		const struct bench_cell *cell = report->cells[i];

		if (cell->producers + cell->consumers > most)
			most = cell->producers + cell->consumers;
	}
	if (settings->cpu[0] < 0)
		bench_note(report, "the processes are not bound to CPUs: where "
				   "they run is chance");
	else if (settings->cpu[0] == settings->cpu[1])
		bench_note(report, "all processes share CPU %d",
			   settings->cpu[0]);
	else if (most > 2)
		bench_note(report, "up to %u processes share two CPUs", most);
	if (report->host.hypervisor[0])
		bench_note(report,
			   "this is a virtual machine (%s): to wake a process "
			   "takes long, and the largest latencies are the "
			   "host's",
			   report->host.hypervisor);
	if (!bench->clock.tsc)
		bench_note(report,
			   "no time-stamp counter: a reading of the "
			   "clock takes %.0f ns",
			   bench->clock.cost_ns);
}

int plan_run(const struct plan *plan, struct bench *bench)
{
	struct bench_report *report = bench->report;
	double probe_ns = placement_probe(bench);
	int result = 0;

	for (unsigned round = 0; round < bench->settings->rounds; round++) {
		int r = run_round(plan, bench, round, &probe_ns);

		result = r < 0 ? r : result;
		if (r == -EINTR)
			break;
		report->rounds_done++;
	}
	show_progress(bench, NULL, 0, 1);
	report->interrupted = result == -EINTR;
	note_mixed(plan, report);
	note_machine(bench);
	return result;
}
