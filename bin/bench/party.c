/* SPDX-License-Identifier: MIT */
/*
 * party.c - a transport, the processes at its ends, and what each of them does
 * before and after the part that is timed
 */
#include "party.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mmsock.h>

#include "tool.h"

int job_fail(struct bench *bench, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(bench->failure, sizeof(bench->failure), format,
			arguments);
	va_end(arguments);
	return error;
}

/* The parent keeps no end open, so that the stream can end. */
struct play {
	const struct job *job;
	void *channel;
	bool dropped;
	void (*work)(struct role *role, void *context);
	struct party party;
};

static void drop(void *context)
{
	struct play *play = context;

	play->job->transport->drop(play->channel);
	play->dropped = true;
}

static void work(struct role *role, void *context)
{
	struct play *play = context;

	play->party.role = role;
	play->work(role, &play->party);
}

static int explain(struct bench *bench, const struct finding *failed, int r)
{
	if (r == 0 || r == -EINTR)
		return r;
	if (failed && failed->error == -EPROTO)
		return job_fail(bench, r, "%s", failed->text);
	if (failed)
		return job_fail(bench, r, "%s: %s", failed->text,
				mmsock_error_text(r));
	if (r == -ECHILD)
		return job_fail(bench, r, "one of its processes died");
	return job_fail(bench, r, "cannot make its processes: %s",
			strerror(-r));
}

int job_play(struct bench *bench, const struct job *job,
	     const struct cast *cast)
{
	const struct transport *transport = job->transport;
	const struct finding *failed = NULL;
	struct play play = {
		.job = job,
		.work = cast->work,
		.party = {.bench = bench, .job = job},
	};
	struct cast players = *cast;
	int r = transport->make(&job->shape, &play.channel);

	if (r < 0)
		return job_fail(bench, r, "cannot set it up: %s",
				mmsock_error_text(r));
	play.party.link = (struct link){
		.transport = transport,
		.shape = &job->shape,
		.channel = play.channel,
		.in = -1,
		.out = -1,
	};
	players.work = work;
	players.context = &play;
	players.all_ready = drop;
	r = roles_run(bench->stage, &players, &failed);
	if (!play.dropped)
		drop(&play);
	if (transport->unmake)
		transport->unmake(&job->shape);
	return explain(bench, failed, r);
}

void job_collect(struct bench *bench, const struct cast *cast,
		 struct bench_run *run)
{
	unsigned count = cast->producers + cast->consumers;

	histogram_reset(&bench->latency);
	for (unsigned i = 0; i < count; i++) {
		const struct finding *finding = &bench->stage->findings[i];

		run->cpu_seconds += finding->cpu_seconds;
		if (finding->memory > run->memory)
			run->memory = finding->memory;
		histogram_add(&bench->latency, &finding->latency);
	}
}

void job_share(struct bench_run *run, bool first, uint64_t messages)
{
	if (first || messages < run->least)
		run->least = messages;
	if (messages > run->most)
		run->most = messages;
	run->messages += messages;
}

/* Every page is touched here, and not where it is timed. */
static void *touched(struct party *party, size_t size)
{
	const size_t line = 64;
	void *memory = aligned_alloc(line, (size + line - 1) / line * line);

	if (memory)
		memset(memory, 0x55, size);
	else
		role_fail(party->role, -ENOMEM, "its buffers");
	return memory;
}

void party_join(struct party *party)
{
	const struct shape *shape = &party->job->shape;
	struct role *role = party->role;
	struct link *link = &party->link;
	size_t bytes = shape->size * shape->batch;
	int r;

	link->producer = role->producer;
	link->index = role->index;
	link->buffer = touched(party, bytes);
	party->messages = touched(party, bytes);
	party->received =
		touched(party, shape->batch * sizeof(*party->received));
	role_await_turn(role);
	r = link->transport->attach(link);
	if (r < 0)
		role_fail(role, r, "attaching");
	role_ready(role);
}

void party_leave(struct party *party)
{
	role_memory(party->role);
	party->link.transport->detach(&party->link);
}

static uint64_t share_of(uint64_t count, const struct role *role)
{
	return count / role->producers +
	       (role->index < count % role->producers);
}

struct limit party_limit(const struct party *party, uint64_t now)
{
	const struct settings *settings = party->bench->settings;
	const struct clock *clock = &party->bench->clock;
	struct limit limit = {
		.counted_from = now + clock_from_ns(clock, settings->warmup_ns),
		.end = UINT64_MAX,
		.left = UINT64_MAX,
	};

	if (settings->duration_ns)
		limit.end = limit.counted_from +
			    clock_from_ns(clock, settings->duration_ns);
	if (settings->count)
		limit.left = share_of(settings->count, party->role);
	return limit;
}

/* Where both sides share a CPU, waiting must not keep the other from it. */
void party_pause_until(const struct party *party, uint64_t ticks)
{
	const struct clock *clock = &party->bench->clock;
	bool alone = !party->job->shape.one_cpu;

	while (clock_ticks(clock) < ticks) {
		if (alone)
			clock_relax();
		else
			sched_yield();
	}
}

void party_delay(const struct party *party)
{
	const struct clock *clock = &party->bench->clock;
	int64_t delay_ns = party->bench->settings->delay_ns;

	if (delay_ns > 0)
		party_pause_until(party,
				  clock_ticks(clock) +
					  clock_from_ns(clock, delay_ns));
}
