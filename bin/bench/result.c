/* SPDX-License-Identifier: MIT */
/*
 * result.c - medians, ratios and outliers
 *
 * Nothing is thrown away here and nothing is averaged: a figure is a median
 * with its range, so that one bad run shows in the range and not in the figure.
 */
#include "result.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"

const char *const bench_mode_names[BENCH_MODES] = {
	"latency", "throughput", "fanout", "rpc", "pipeline", "uncontended"};
const char *const bench_placement_names[] = {"unknown", "near", "far", "mixed"};

/* The values of a figure; no more than one a run. */
struct sample {
	unsigned count;
	double values[BENCH_RUNS_MAX];
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double middle_of(const struct sample *sorted)
{
	unsigned half = sorted->count / 2;

	if (sorted->count % 2)
		return sorted->values[half];
	return (sorted->values[half - 1] + sorted->values[half]) / 2;
}

/*
 * How many values may be left out at each end, so that the true median is
 * still between those that stay with at least 93 %: each value is above it or
 * below like a coin that falls, so the chance that it is not between is twice
 * the chance of so few heads.  Five values keep all (94 %).
 */
static unsigned trim_of(unsigned count)
{
	double chance = pow(0.5, count), sum = chance;
	unsigned trim = 0;

	for (unsigned heads = 1; heads < count; heads++) {
		chance *= (double)(count - heads + 1) / heads;
		sum += chance;
		if (sum > 0.07 / 2)
			break;
		trim = heads;
	}
	return trim;
}

static struct bench_figure figure_of(struct sample *sample)
{
	unsigned trim, last = sample->count - 1;

	if (!sample->count)
		return (struct bench_figure){.count = 0};
	qsort(sample->values, sample->count, sizeof(*sample->values), by_value);
	trim = trim_of(sample->count);
	return (struct bench_figure){
		.median = middle_of(sample),
		.min = sample->values[0],
		.max = sample->values[last],
		.low = sample->values[trim],
		.high = sample->values[last - trim],
		.count = sample->count,
	};
}

static double per(double amount, double unit)
{
	return unit > 0 ? amount / unit : NAN;
}

static double latency(const struct bench_run *run, uint64_t ns)
{
	return run->latency_count ? (double)ns : NAN;
}

/* NAN: this run does not tell. */
static double value_of(const struct bench_run *run, enum bench_quantity wanted)
{
	double messages = (double)run->messages;

	switch (wanted) {
	case BENCH_P50:
		return latency(run, run->p50);
	case BENCH_P90:
		return latency(run, run->p90);
	case BENCH_P99:
		return latency(run, run->p99);
	case BENCH_P99_9:
		return latency(run, run->p99_9);
	case BENCH_P99_99:
		return latency(run, run->p99_99);
	case BENCH_LARGEST:
		return latency(run, run->max);
	case BENCH_MESSAGES_PER_S:
		return per(messages, run->seconds);
	case BENCH_BYTES_PER_S:
		return per((double)run->bytes, run->seconds);
	case BENCH_CPU_NS:
		return per(run->cpu_seconds * 1e9, messages);
	case BENCH_MEMORY:
		return run->memory ? (double)run->memory : NAN;
	case BENCH_SHARE:
		return per((double)run->least, (double)run->most);
	}
	return NAN;
}

unsigned bench_sharers(const struct bench_cell *cell)
{
	return cell->mode == BENCH_RPC ? cell->producers : cell->consumers;
}

static bool is_at(const struct bench_run *run, enum bench_placement placement)
{
	return placement == BENCH_UNKNOWN || run->placement == placement;
}

static void keep(struct sample *sample, double value)
{
	if (!isnan(value))
		sample->values[sample->count++] = value;
}

struct bench_figure bench_figure(const struct bench_cell *cell,
				 enum bench_quantity quantity,
				 enum bench_placement placement)
{
	struct sample sample = {.count = 0};

	/* Alone one shares with nobody. */
	if (quantity == BENCH_SHARE && bench_sharers(cell) < 2)
		return figure_of(&sample);
	for (unsigned i = 0; i < cell->run_count; i++)
		if (is_at(&cell->runs[i], placement))
			keep(&sample, value_of(&cell->runs[i], quantity));
	return figure_of(&sample);
}

enum bench_quantity bench_main_quantity(const struct bench_cell *cell)
{
	return cell->mode == BENCH_LATENCY ? BENCH_P50 : BENCH_MESSAGES_PER_S;
}

static const struct bench_run *partner(const struct bench_cell *base,
				       const struct bench_run *run)
{
	for (unsigned i = 0; i < base->run_count; i++)
		if (base->runs[i].round == run->round &&
		    base->runs[i].placement == run->placement)
			return &base->runs[i];
	return NULL;
}

struct bench_figure bench_ratio(const struct bench_cell *cell,
				const struct bench_cell *base,
				enum bench_quantity quantity,
				enum bench_placement placement)
{
	struct sample sample = {.count = 0};

	for (unsigned i = 0; i < cell->run_count; i++) {
		const struct bench_run *run = &cell->runs[i];
		const struct bench_run *other = partner(base, run);

		if (other && is_at(run, placement))
			keep(&sample, per(value_of(run, quantity),
					  value_of(other, quantity)));
	}
	return figure_of(&sample);
}

/* But for the transport and how many messages a call takes. */
static bool is_alike(const struct bench_cell *a, const struct bench_cell *b)
{
	return a->mode == b->mode && a->size == b->size &&
	       a->producers == b->producers && a->consumers == b->consumers &&
	       a->rate == b->rate;
}

const struct bench_cell *bench_base(const struct bench_report *report,
				    const struct bench_cell *cell)
{
	const struct bench_cell *base = NULL;

	for (size_t i = 0; i < report->cell_count; i++) {
		const struct bench_cell *other = report->cells[i];

		if (strcmp(other->transport, "port") != 0 ||
		    !is_alike(other, cell))
			continue;
		if (other->batch == cell->batch)
			return other;
		if (!base || other->batch < base->batch)
			base = other;
	}
	return base;
}

size_t bench_places(const struct bench_cell *cell,
		    enum bench_placement places[2])
{
	size_t count = 0;
	bool has[BENCH_MIXED + 1] = {false};

	for (unsigned i = 0; i < cell->run_count; i++)
		has[cell->runs[i].placement] = true;
	if (has[BENCH_NEAR])
		places[count++] = BENCH_NEAR;
	if (has[BENCH_FAR])
		places[count++] = BENCH_FAR;
	if (!count && cell->run_count)
		places[count++] = BENCH_UNKNOWN;
	return count;
}

/* Of what is spread normally, 1.4826 times the median deviation is one
 * standard deviation; see bench_find_outliers() for the rest of the rule. */
static double tolerance_of(const struct sample *sorted)
{
	struct sample off = {.count = sorted->count};
	double median = middle_of(sorted), wide;

	for (unsigned i = 0; i < sorted->count; i++)
		off.values[i] = fabs(sorted->values[i] - median);
	qsort(off.values, off.count, sizeof(*off.values), by_value);
	wide = 5 * 1.4826 * middle_of(&off);
	return wide > 0.15 * median ? wide : 0.15 * median;
}

static struct unit_text text_of(const struct bench_cell *cell, double value)
{
	return bench_main_quantity(cell) == BENCH_P50 ? unit_time(value)
						      : unit_messages(value);
}

/* The one that is farthest off, and how many are. */
static void note_outliers(struct bench_report *report,
			  const struct bench_cell *cell,
			  const struct sample *sorted, const char *place)
{
	double median = middle_of(sorted), tolerance = tolerance_of(sorted);
	double worst = median;
	unsigned count = 0;

	for (unsigned i = 0; i < sorted->count; i++) {
		double value = sorted->values[i];

		count += fabs(value - median) > tolerance;
		if (fabs(value - median) > fabs(worst - median))
			worst = value;
	}
	if (!count)
		return;
	bench_note(
		report,
		"%s, %s, %s%s: %u of %u runs %s far from their median of %s, "
		"the farthest at %s",
		bench_mode_names[cell->mode], cell->transport,
		unit_size(cell->size).text, place, count, sorted->count,
		count == 1 ? "is" : "are", text_of(cell, median).text,
		text_of(cell, worst).text);
}

static void find_in(struct bench_report *report, const struct bench_cell *cell,
		    enum bench_placement placement)
{
	static const char *const names[] = {"", ", near", ", far"};
	struct sample sample = {.count = 0};

	for (unsigned i = 0; i < cell->run_count; i++)
		if (is_at(&cell->runs[i], placement))
			keep(&sample, value_of(&cell->runs[i],
					       bench_main_quantity(cell)));
	if (sample.count < 4)
		return;
	qsort(sample.values, sample.count, sizeof(*sample.values), by_value);
	note_outliers(report, cell, &sample, names[placement]);
}

void bench_find_outliers(struct bench_report *report)
{
	enum bench_placement places[2];

	for (size_t i = 0; i < report->cell_count; i++) {
		size_t count = bench_places(report->cells[i], places);

		for (size_t j = 0; j < count; j++)
			find_in(report, report->cells[i], places[j]);
	}
}

static void add_note(struct bench_report *report, char *text)
{
	bool last = report->note_count == BENCH_NOTES_MAX - 1;

	for (size_t i = 0; i < report->note_count; i++)
		if (!strcmp(report->notes[i], text)) {
			free(text);
			return;
		}
	if (report->note_count == BENCH_NOTES_MAX) {
		free(text);
		return;
	}
	if (last) {
		free(text);
		text = strdup("there is more to say, but no more room");
	}
	if (text)
		report->notes[report->note_count++] = text;
}

void bench_note(struct bench_report *report, const char *format, ...)
{
	va_list arguments;
	char *text;
	int r;

	va_start(arguments, format);
	r = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (r >= 0)
		add_note(report, text);
}
