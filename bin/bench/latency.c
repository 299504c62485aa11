/* SPDX-License-Identifier: MIT */
/*
 * latency.c - how long a message is under way
 *
 * Without a rate: round trips, one after the other.  There is one reading of the
 * clock a round trip; what was read is put away while the next message is under
 * way.  Such a closed loop cannot see a queue: while the other side stalls,
 * nothing is sent.
 *
 * With a rate: one way, from the moment at which the message should have been
 * sent, which it carries, to the moment at which the receiver has it.  A sender
 * that is held up sends late, and that counts.  Both sides read one clock.
 */
#include "party.h"

#include "line.h"

/* Numbers begin at 1: a word of 0 is none. */
static void prepare(struct party *party, uint64_t number, uint64_t marks)
{
	message_put(party->messages, party->job->shape.size,
		    message_word(0, number) | marks);
}

static void send_one(struct party *party)
{
	party_send(party, 1);
}

/* The same for a bare line, all of it inline. */
static inline void put_line(struct party *party)
{
	uint64_t word;

	memcpy(&word, party->messages, sizeof(word));
	line_put(party->link.own, word);
}

static inline uint64_t get_line(struct party *party)
{
	return line_get(party->link.own);
}

/* Anything else than the next number has come twice, or one is missing. */
static inline void expect(struct party *party, uint64_t word, uint64_t number)
{
	if ((word & MESSAGE_NUMBER) != number)
		role_fail(party->role, -EPROTO,
			  "a message is missing, or came twice");
}

/* What the timer of round trips knows. */
struct timer {
	struct limit limit;
	bool ready; /* the warm-up is over */
	bool counts;
	uint64_t last; /* ticks */
	double cpu;
};

/* True: that was the last one.  The next message is under way already. */
static inline bool note_round(struct party *party, struct timer *timer,
			      uint64_t now)
{
	struct finding *finding = party->role->finding;

	if (timer->counts) {
		histogram_record(
			&finding->latency,
			clock_ns(&party->bench->clock, now - timer->last));
		timer->limit.left--;
		finding->last = now;
	} else if (timer->ready) {
		timer->counts = true;
		finding->first = now;
	} else if (now >= timer->limit.counted_from) {
		timer->ready = true;
		timer->cpu = clock_cpu_seconds();
	}
	timer->last = now;
	return finding->latency.count > 0 &&
	       (timer->limit.left == 0 || now >= timer->limit.end);
}

/*
 * Between an answer and the next message there is the reading of the clock and
 * nothing else: the message was made before, and the rest is done while it is
 * under way.  So when it is over one more answer comes, that is not timed.
 */
static inline __attribute__((always_inline)) void
ask_in_turn(struct party *party, struct timer *timer, uint64_t *number,
	    void (*send)(struct party *), uint64_t (*receive)(struct party *))
{
	const struct clock *clock = &party->bench->clock;
	bool over;

	do {
		uint64_t word = receive(party), now = clock_ticks(clock);

		send(party);
		expect(party, word, *number);
		over = note_round(party, timer, now);
		++*number;
		prepare(party, *number + 1, timer->ready ? MESSAGE_COUNTED : 0);
	} while (!over);
}

/* The first round trip is not timed: it may have to connect first. */
static void ask(struct party *party)
{
	struct timer timer = {.ready = false};
	uint64_t number = 1;

	prepare(party, number, 0);
	send_one(party);
	expect(party, party_receive_one(party), number);
	prepare(party, ++number, 0);
	send_one(party);
	prepare(party, number + 1, 0);
	timer.limit = party_limit(party, clock_ticks(&party->bench->clock));
	if (line_is(party->job->transport))
		ask_in_turn(party, &timer, &number, put_line, get_line);
	else
		ask_in_turn(party, &timer, &number, send_one,
			    party_receive_one);
	party->role->finding->cpu_seconds = clock_cpu_seconds() - timer.cpu;
	expect(party, party_receive_one(party), number);
	prepare(party, ++number, MESSAGE_LAST);
	send_one(party);
}

static inline __attribute__((always_inline)) void
answer_in_turn(struct party *party, double *cpu, void (*send)(struct party *),
	       uint64_t (*receive)(struct party *))
{
	bool delayed = party->bench->settings->delay_ns > 0, counted = false;
	uint64_t number = 0, word;

	prepare(party, 1, 0);
	while (!((word = receive(party)) & MESSAGE_LAST)) {
		if (delayed)
			party_delay(party);
		send(party);
		expect(party, word, ++number);
		prepare(party, number + 1, 0);
		if (counted || !(word & MESSAGE_COUNTED))
			continue;
		counted = true;
		*cpu = clock_cpu_seconds();
	}
	expect(party, word, ++number);
}

static void answer(struct party *party)
{
	double cpu = 0;

	if (line_is(party->job->transport))
		answer_in_turn(party, &cpu, put_line, get_line);
	else
		answer_in_turn(party, &cpu, send_one, party_receive_one);
	party->role->finding->cpu_seconds = clock_cpu_seconds() - cpu;
}

/*
 * What cannot be sent by the end of the time is not sent: a rate that is too
 * high for a transport must not take for ever.
 */
static void send_at_rate(struct party *party)
{
	const struct clock *clock = &party->bench->clock;
	double rate = (double)party->bench->settings->rate;
	uint64_t start = clock_ticks(clock), number = 0, marks = 0;
	struct limit limit = party_limit(party, start);
	double cpu = 0;

	while (limit.left > 0) {
		double wait_ns = (double)number * 1e9 / rate;
		uint64_t due = start + clock_from_ns(clock, (int64_t)wait_ns);

		if (due >= limit.end)
			break;
		party_pause_until(party, due);
		if (!marks && due >= limit.counted_from) {
			marks = MESSAGE_COUNTED;
			cpu = clock_cpu_seconds();
			party->role->finding->first = due;
		}
		if (clock_ticks(clock) >= limit.end)
			break;
		message_put_time(party->messages, due);
		prepare(party, ++number, marks);
		send_one(party);
		limit.left -= marks != 0;
	}
	party->role->finding->cpu_seconds = clock_cpu_seconds() - cpu;
	prepare(party, ++number, MESSAGE_LAST);
	send_one(party);
}

static void note_delay(struct party *party, uint64_t now)
{
	const struct clock *clock = &party->bench->clock;
	uint64_t due = message_time(party->received[0].iov_base);

	histogram_record(&party->role->finding->latency,
			 now > due ? clock_ns(clock, now - due) : 0);
}

static void receive_at_rate(struct party *party)
{
	const struct clock *clock = &party->bench->clock;
	struct finding *finding = party->role->finding;
	uint64_t number = 0, word;
	double cpu = 0;

	while (!((word = party_receive_one(party)) & MESSAGE_LAST)) {
		uint64_t now = clock_ticks(clock);

		expect(party, word, ++number);
		if (word & MESSAGE_COUNTED) {
			note_delay(party, now);
			if (!finding->first)
				cpu = clock_cpu_seconds();
			finding->first = finding->first ? finding->first : now;
			finding->last = now;
		}
		party_delay(party);
	}
	finding->cpu_seconds = clock_cpu_seconds() - cpu;
}

static void work(struct role *role, void *context)
{
	struct party *party = context;
	bool at_rate = party->bench->settings->rate > 0;

	party_join(party);
	if (role->producer && at_rate)
		send_at_rate(party);
	else if (role->producer)
		ask(party);
	else if (at_rate)
		receive_at_rate(party);
	else
		answer(party);
	if (!role->producer)
		role_received(role);
	else
		role_await_consumers(role);
	party_leave(party);
}

/* Fewer than were due: the backlog grew until the time was over. */
static void look_at_rate(const struct bench *bench, const struct job *job,
			 const struct bench_run *run)
{
	const struct settings *settings = bench->settings;
	double due =
		(double)settings->rate * (double)settings->duration_ns * 1e-9;

	if (settings->count && (double)settings->count < due)
		due = (double)settings->count;
	if (!settings->duration_ns || (double)run->messages >= 0.95 * due)
		return;
	bench_note(bench->report,
		   "latency, %s: it did not keep the rate; the messages that "
		   "were due and not sent are in no percentile",
		   job->transport->name);
}

int latency_run(struct bench *bench, const struct job *job,
		struct bench_run *ret_run)
{
	bool at_rate = bench->settings->rate > 0;
	struct cast cast = {
		.producers = 1,
		.consumers = 1,
		.cpu = {bench->settings->cpu[0], bench->settings->cpu[1]},
		.work = work,
	};
	const struct finding *asker, *timer;
	int r = job_play(bench, job, &cast);

	if (r < 0)
		return r;
	asker = roles_finding(bench->stage, &cast, true, 0);
	timer = roles_finding(bench->stage, &cast, !at_rate, 0);
	job_collect(bench, &cast, ret_run);
	ret_run->messages = timer->latency.count;
	ret_run->bytes = ret_run->messages * job->shape.size;
	ret_run->seconds =
		(double)clock_ns(&bench->clock, timer->last - asker->first) *
		1e-9;
	ret_run->least = ret_run->messages;
	ret_run->most = ret_run->messages;
	if (at_rate)
		look_at_rate(bench, job, ret_run);
	return 0;
}
