/* SPDX-License-Identifier: MIT */
/*
 * uncontended.c - what a semaphore costs where nobody waits for it
 *
 * One process takes a unit and gives it back, again and again.  That is too short
 * for a clock: what is timed are many at once, and a latency is their mean.
 */
#include "party.h"

#define PAIRS 1000

/* Rounded up: a reported latency is never below the true one. */
static void note(struct party *party, uint64_t ticks, uint64_t pairs)
{
	uint64_t ns = clock_ns(&party->bench->clock, ticks);

	histogram_record(&party->role->finding->latency,
			 (ns + pairs - 1) / pairs);
	party->role->finding->messages += pairs;
}

static void take_and_give(struct party *party, uint64_t pairs)
{
	int r = party->link.transport->pairs(&party->link, pairs);

	if (r < 0)
		role_fail(party->role, r, "a wait or a post");
}

/* Once at least, so that every page has been touched. */
static void warm_up(struct party *party)
{
	const struct clock *clock = &party->bench->clock;
	int64_t ns = party->bench->settings->warmup_ns;
	uint64_t end = clock_ticks(clock) + clock_from_ns(clock, ns);

	do
		take_and_give(party, PAIRS);
	while (clock_ticks(clock) < end);
}

static void measure(struct party *party)
{
	const struct settings *settings = party->bench->settings;
	const struct clock *clock = &party->bench->clock;
	struct finding *finding = party->role->finding;
	uint64_t left = settings->count ? settings->count : UINT64_MAX;
	uint64_t end = UINT64_MAX;

	finding->first = finding->last = clock_ticks(clock);
	if (settings->duration_ns)
		end = finding->first +
		      clock_from_ns(clock, settings->duration_ns);
	do {
		uint64_t pairs = left < PAIRS ? left : PAIRS, now;

		take_and_give(party, pairs);
		now = clock_ticks(clock);
		note(party, now - finding->last, pairs);
		finding->last = now;
		left -= pairs;
	} while (left > 0 && finding->last < end);
}

static void work(struct role *role, void *context)
{
	struct party *party = context;
	double cpu;

	party_join(party);
	warm_up(party);
	cpu = clock_cpu_seconds();
	measure(party);
	role->finding->cpu_seconds = clock_cpu_seconds() - cpu;
	party_leave(party);
}

int uncontended_run(struct bench *bench, const struct job *job,
		    struct bench_run *ret_run)
{
	struct cast cast = {
		.producers = 1,
		.cpu = {bench->settings->cpu[0]},
		.work = work,
	};
	const struct finding *finding;
	int r = job_play(bench, job, &cast);

	if (r < 0)
		return r;
	finding = roles_finding(bench->stage, &cast, true, 0);
	job_collect(bench, &cast, ret_run);
	ret_run->messages = finding->messages;
	ret_run->seconds = (double)clock_ns(&bench->clock,
					    finding->last - finding->first) *
			   1e-9;
	return 0;
}
