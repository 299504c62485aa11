/* SPDX-License-Identifier: MIT */
/*
 * throughput.c - how many messages pass, from any number of producers to any
 * number of consumers
 *
 * Producers send as fast as they can.  When the warm-up is over they mark their
 * messages, and the last of each has a mark of its own; the time runs from the
 * first marked message that a consumer has to the last one, so that what was
 * still under way from the warm-up is not counted, nor is the end of the
 * processes.  (Without a warm-up it runs from the first send.)  The clock is read there and now and then by the producers, not
 * for each message.
 *
 * Each message is checked: its number, and both ends of it.  What all producers
 * sent and all consumers received must be the same, or the run has failed.
 */
#include "settings.h"

#include <errno.h>

#include "party.h"

/*
 * A producer reads the clock each so many messages: more often where a message
 * takes long, so that the end is not missed by much.
 */
#define STRIDE_MOST 64
#define STRIDE_NS   20000

/* Receives in vain, after all was sent: something is lost. */
#define PATIENCE (10000 / TRANSPORT_PATIENCE_MS)

struct producer {
	struct party *party;
	uint64_t number;
	uint64_t marks;
	struct limit limit;
	uint64_t looked; /* at the clock, ticks */
	uint64_t since;  /* messages since then */
	uint64_t stride;
	double cpu;
};

static void begin_counting(struct producer *producer)
{
	struct party *party = producer->party;

	producer->marks = MESSAGE_COUNTED;
	producer->cpu = clock_cpu_seconds();
	party->role->finding->first = clock_ticks(&party->bench->clock);
}

static void start(struct producer *producer)
{
	const struct bench *bench = producer->party->bench;

	producer->looked = clock_ticks(&bench->clock);
	producer->limit = party_limit(producer->party, producer->looked);
	producer->stride = 1;
	if (bench->settings->warmup_ns == 0)
		begin_counting(producer);
}

/* True: the time is over. */
static bool look_at_clock(struct producer *producer, size_t sent)
{
	const struct clock *clock = &producer->party->bench->clock;
	uint64_t now;

	producer->since += sent;
	if (producer->since < producer->stride)
		return false;
	now = clock_ticks(clock);
	if (clock_ns(clock, now - producer->looked) >= STRIDE_NS)
		producer->stride = 1;
	else if (producer->stride < STRIDE_MOST)
		producer->stride *= 2;
	producer->since = 0;
	producer->looked = now;
	if (!producer->marks && now >= producer->limit.counted_from)
		begin_counting(producer);
	return now >= producer->limit.end;
}

static void send_batch(struct producer *producer, size_t count, bool last)
{
	struct party *party = producer->party;
	struct finding *finding = party->role->finding;
	size_t size = party->job->shape.size;

	for (size_t i = 0; i < count; i++) {
		uint64_t word =
			message_word(party->role->index, ++producer->number) |
			producer->marks;

		if (last && i == count - 1)
			word |= MESSAGE_LAST;
		message_put(party->messages + i * size, size, word);
		finding->digest += message_digest(word);
	}
	party_send(party, count);
	finding->all += count;
	if (!producer->marks)
		return;
	finding->messages += count;
	producer->limit.left -= count;
}

static void produce(struct party *party)
{
	struct producer producer = {.party = party};
	size_t batch = party->job->shape.batch;
	bool over = false, last = false;

	start(&producer);
	while (producer.limit.left > 0 && !last) {
		size_t count = batch;

		if (producer.marks && producer.limit.left <= batch) {
			count = producer.limit.left;
			over = true;
		}
		last = over;
		send_batch(&producer, count, last);
		over = look_at_clock(&producer, count);
	}
	party->role->finding->cpu_seconds = clock_cpu_seconds() - producer.cpu;
}

struct consumer {
	struct party *party;
	bool exact; /* no number may be left out */
	double cpu;
	uint64_t seen[ROLES_MAX]; /* the last number, by producer */
};

static void note_marks(struct consumer *consumer, uint64_t word)
{
	struct finding *finding = consumer->party->role->finding;
	uint64_t now;

	if (!(word & MESSAGE_LAST) && finding->messages > 1)
		return;
	now = clock_ticks(&consumer->party->bench->clock);
	if (finding->messages == 1 && finding->first == 0) {
		finding->first = now;
		consumer->cpu = clock_cpu_seconds();
	}
	if (word & MESSAGE_LAST)
		finding->last = now;
}

static void take(struct consumer *consumer, uint64_t word)
{
	struct party *party = consumer->party;
	struct finding *finding = party->role->finding;

	party_number(party, word, consumer->seen, consumer->exact);
	finding->digest += message_digest(word);
	finding->all++;
	if (word & MESSAGE_COUNTED) {
		finding->messages++;
		note_marks(consumer, word);
	}
	party_delay(party);
}

/* Where the end is not told, it is over when all that was sent is here. */
static bool is_over(const struct party *party, unsigned *vain)
{
	if (role_drained(party->role, party->role->finding->all))
		return true;
	if (++*vain > PATIENCE && role_all_sent(party->role))
		role_fail(party->role, -EPROTO, "messages were lost");
	return false;
}

static void consume(struct party *party)
{
	struct consumer consumer = {
		.party = party,
		.exact = party->role->consumers == 1,
	};
	struct finding *finding = party->role->finding;
	unsigned vain = 0;
	bool end = false;

	while (!end) {
		size_t count = party_receive(party, &end);

		for (size_t i = 0; i < count; i++)
			take(&consumer, party_word(party, i));
		if (count > 0)
			vain = 0;
		else if (!end)
			end = is_over(party, &vain);
	}
	if (finding->first)
		finding->cpu_seconds = clock_cpu_seconds() - consumer.cpu;
}

/*
 * Where the end is told, it is told by leaving; where not, who leaves might
 * take with him what is still under way.
 */
static void work(struct role *role, void *context)
{
	struct party *party = context;
	bool ends = party->job->transport->ends;

	party_join(party);
	if (role->producer) {
		produce(party);
		role_sent(role, role->finding->all);
		if (!ends)
			role_await_consumers(role);
	} else {
		consume(party);
		role_received(role);
	}
	party_leave(party);
}

struct totals {
	uint64_t sent, received; /* with those of the warm-up */
	uint64_t digest;         /* of what was sent, less what was received */
	uint64_t start;          /* of what counts, at the producers */
	uint64_t first, last;    /* of the consumers */
};

static struct totals add_up(const struct bench *bench, const struct cast *cast,
			    struct bench_run *run)
{
	struct totals all = {.start = UINT64_MAX, .first = UINT64_MAX};

	for (unsigned i = 0; i < cast->producers; i++) {
		const struct finding *finding =
			roles_finding(bench->stage, cast, true, i);

		all.sent += finding->all;
		all.digest += finding->digest;
		if (finding->first && finding->first < all.start)
			all.start = finding->first;
	}
	for (unsigned i = 0; i < cast->consumers; i++) {
		const struct finding *finding =
			roles_finding(bench->stage, cast, false, i);

		all.received += finding->all;
		all.digest -= finding->digest;
		if (finding->first && finding->first < all.first)
			all.first = finding->first;
		if (finding->last > all.last)
			all.last = finding->last;
		job_share(run, i == 0, finding->messages);
	}
	return all;
}

int throughput_run(struct bench *bench, const struct job *job,
		   struct bench_run *ret_run)
{
	struct cast cast = {
		.producers = job->shape.producers,
		.consumers = job->shape.consumers,
		.cpu = {bench->settings->cpu[0], bench->settings->cpu[1]},
		.work = work,
	};
	struct totals all;
	int r = job_play(bench, job, &cast);

	if (r < 0)
		return r;
	job_collect(bench, &cast, ret_run);
	all = add_up(bench, &cast, ret_run);
	if (all.sent != all.received || all.digest != 0)
		return job_fail(bench, -EPROTO,
				"what was received is not what was sent");
	if (bench->settings->warmup_ns == 0 || all.last <= all.first)
		all.first = all.start;
	ret_run->bytes = ret_run->messages * job->shape.size;
	ret_run->seconds =
		(double)clock_ns(&bench->clock, all.last - all.first) * 1e-9;
	return 0;
}
