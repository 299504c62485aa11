/* SPDX-License-Identifier: MIT */
/*
 * rpc.c - several clients that call one server, who sends each request back
 *
 * A client makes one call after the other, and each is timed, from before the
 * request is sent to when the reply is here.  The time that counts is the same for
 * all clients, from the moment at which the first of them began, so that who gets
 * no turn has no calls to show: what is counted are the calls that end in it.
 *
 * A reply must be what its request was, and the server must see each request of a
 * client once and in order.
 */
#include "party.h"

struct caller {
	struct party *party;
	struct limit limit;
	uint64_t number;
	uint64_t marks;
	uint64_t sent, back; /* ticks, of the last call */
	double cpu;
};

static uint64_t exchange(struct party *party)
{
	const struct transport *transport = party->link.transport;
	ssize_t got;

	if (!transport->call) {
		party_send(party, 1);
		return party_receive_one(party);
	}
	got = transport->call(&party->link, party->messages, party->received);
	if (got < 0)
		role_fail(party->role, (int)got, "calling");
	return party_word(party, 0);
}

static void call(struct caller *caller, uint64_t marks)
{
	struct party *party = caller->party;
	const struct clock *clock = &party->bench->clock;
	uint64_t word =
		message_word(party->role->index, ++caller->number) | marks;

	message_put(party->messages, party->job->shape.size, word);
	caller->sent = clock_ticks(clock);
	if (exchange(party) != word)
		role_fail(party->role, -EPROTO,
			  "a reply is not what its request was");
	caller->back = clock_ticks(clock);
}

/* True: the time or the count is over. */
static bool note_call(struct caller *caller)
{
	const struct clock *clock = &caller->party->bench->clock;
	struct finding *finding = caller->party->role->finding;

	if (caller->back < caller->limit.counted_from)
		return false;
	if (caller->back > caller->limit.end) {
		finding->last = caller->limit.end;
		return true;
	}
	if (!caller->marks) {
		caller->marks = MESSAGE_COUNTED;
		caller->cpu = clock_cpu_seconds();
	}
	histogram_record(&finding->latency,
			 clock_ns(clock, caller->back - caller->sent));
	finding->messages++;
	finding->last = caller->back;
	return --caller->limit.left == 0;
}

/* The first call is not timed: it may have to connect first. */
static void ask(struct party *party)
{
	struct caller caller = {.party = party};
	struct finding *finding = party->role->finding;
	bool over;

	call(&caller, 0);
	caller.limit = party_limit(party, role_start(party->role, caller.back));
	finding->first = caller.limit.counted_from;
	finding->last = finding->first;
	over = caller.limit.left == 0;
	while (!over) {
		call(&caller, caller.marks);
		over = note_call(&caller);
	}
	if (caller.marks)
		finding->cpu_seconds = clock_cpu_seconds() - caller.cpu;
	call(&caller, MESSAGE_LAST);
}

static void reply(struct party *party)
{
	int r = party->link.transport->send(&party->link,
					    party->received[0].iov_base, 1);

	if (r < 0)
		role_fail(party->role, r, "replying");
}

static void answer(struct party *party)
{
	unsigned clients = party->role->producers;
	uint64_t seen[ROLES_MAX] = {0};
	bool counted = false;
	double cpu = 0;

	while (clients > 0) {
		uint64_t word = party_receive_one(party);

		party_number(party, word, seen, true);
		if (!counted && word & MESSAGE_COUNTED) {
			counted = true;
			cpu = clock_cpu_seconds();
		}
		party_delay(party);
		reply(party);
		clients -= (word & MESSAGE_LAST) != 0;
	}
	if (counted)
		party->role->finding->cpu_seconds = clock_cpu_seconds() - cpu;
}

/* The last replies may be lost if the server leaves before they are read. */
static void work(struct role *role, void *context)
{
	struct party *party = context;

	party_join(party);
	if (role->producer) {
		ask(party);
		role_sent(role, role->finding->messages);
	} else {
		answer(party);
		role_await_sent(role);
	}
	party_leave(party);
}

int rpc_run(struct bench *bench, const struct job *job,
	    struct bench_run *ret_run)
{
	struct cast cast = {
		.producers = job->shape.producers,
		.consumers = 1,
		.consumers_first = true,
		.cpu = {bench->settings->cpu[0], bench->settings->cpu[1]},
		.work = work,
	};
	uint64_t first = 0, last = 0;
	int r = job_play(bench, job, &cast);

	if (r < 0)
		return r;
	job_collect(bench, &cast, ret_run);
	for (unsigned i = 0; i < cast.producers; i++) {
		const struct finding *finding =
			roles_finding(bench->stage, &cast, true, i);

		job_share(ret_run, i == 0, finding->messages);
		first = finding->first;
		if (finding->last > last)
			last = finding->last;
	}
	ret_run->bytes = ret_run->messages * job->shape.size;
	ret_run->seconds = (double)clock_ns(&bench->clock, last - first) * 1e-9;
	return 0;
}
