/* SPDX-License-Identifier: MIT */
/*
 * pair_steps.c - others are there when somebody is killed, and are killed too
 *
 * Who takes an end over from the dead is killed while he does it, and the next one
 * finishes what both began.  The first dies with the end held at, and right before,
 * each change of the words that all share, in check at some of these; the second at
 * places as in port_steps.c, where he attaches at every 5th at best.
 * Those who sleep when somebody dies beside them, on his end, for his message or
 * for the room that he made, go on by themselves.
 */
#include <limits.h>

#include "audit.h"
#include "handle.h"
#include "step.h"
#include "unit/sandbox.h"
#include "victims.h"

#define BLOCKED 3U

/* Pairs. */

struct tally {
	unsigned long states; /* that the first has left */
	unsigned long kills;  /* of the second */
	unsigned long done;   /* of them, so late that it was done */
	unsigned long taken;  /* of them, after it had taken over */
};

static bool is_held(void)
{
	return audit_holder(&audit.control->send) > 0 ||
	       audit_holder(&audit.control->recv) > 0;
}

/* An end that is taken over by one who dies is taken over again. */
static unsigned long read_counts(void)
{
	uint64_t taken = audit_recount(&audit);

	CHECK(taken <= 1);
	return taken;
}

static void finish_pair(struct step *second, struct tally *tally)
{
	bool ended = second->ended;

	step_kill(second);
	tally->kills += !ended;
	tally->taken += read_counts();
	tally->done += victim_outcome(ended) == work->outcome;
	audit_survive(&audit);
	audit_leaks(&audit);
}

static bool kill_second(const struct victim_pair *pair,
			const struct step_trace *first, unsigned long state,
			const struct step_trace *trace, unsigned long place,
			struct tally *tally)
{
	struct step second;
	bool ended;

	victim_start_second(pair, first, state, &second);
	ended = !step_to(&second, trace, place);
	finish_pair(&second, tally);
	if (second.missed)
		return kill_second(pair, first, state, NULL, place, tally);
	return ended;
}

/* The second at every place, after the first has died in this state. */
static void kill_seconds(const struct victim_pair *pair,
			 const struct step_trace *first, unsigned long state,
			 struct tally *tally)
{
	unsigned long place = 0;
	struct tally unused = {0};
	struct step_trace trace;
	struct step second;
	unsigned long stride;
	bool held;

	victim_start_second(pair, first, state, &second);
	held = is_held();
	step_record(&second, audit.file, audit.file_bytes, &trace);
	finish_pair(&second, &unused);
	stride = victim_second_stride();
	tally->states += held;
	while (held &&
	       (!kill_second(pair, first, state, &trace, place, tally) ||
		place < trace.count))
		place = step_place_after(&trace, place, stride);
	step_forget(&trace);
}

static void kill_pairs(enum victim_work first, enum victim_work second)
{
	const struct victim_pair pair = {&victim_works[first],
					 &victim_works[second]};
	unsigned long every = step_stride(3);
	struct tally tally = {0};
	struct step_trace trace;
	unsigned long state = 0;

	victim_open_port(first);
	trace = victim_record_words();
	state = victim_state_after(&trace, state, every);
	while (state < trace.count) {
		kill_seconds(&pair, &trace, state, &tally);
		state = victim_state_after(&trace, state, every);
	}
	printf("# killed %lu who took over, in %lu states: %lu done, %lu "
	       "after they had taken over\n",
	       tally.kills, tally.states, tally.done, tally.taken);
	CHECK(tally.taken > 0);
	step_forget(&trace);
	victim_close_port();
}

static void test_sender_after_sender(void)
{
	kill_pairs(WORK_SEND, WORK_SEND);
}

static void test_sender_after_run(void)
{
	kill_pairs(WORK_SEND_RUN, WORK_SEND);
}

static void test_run_after_loan(void)
{
	kill_pairs(WORK_SEND_LENT, WORK_SEND_RUN);
}

static void test_receiver_after_receiver(void)
{
	kill_pairs(WORK_RECEIVE, WORK_RECEIVE);
}

static void test_newcomer_after_sender(void)
{
	kill_pairs(WORK_SEND, WORK_COME_SENDER);
}

static void test_newcomer_after_receiver(void)
{
	kill_pairs(WORK_RECEIVE, WORK_COME_SENDER);
}

/* Helpers that sleep. */

struct sleeper {
	struct kid kid;
	unsigned number; /* which of several */
	unsigned object; /* what it sleeps on */
};

/* What they send or have received: memory of all. */
struct parcel {
	uint64_t number;
	unsigned char bytes[24];
	bool over; /* there is nothing more to do */
};

static struct parcel *parcels;

static void make_parcels(void)
{
	parcels = mmap(NULL, BLOCKED * sizeof(*parcels), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(parcels != MAP_FAILED);
}

/* Each time when told, send or receive, waiting as long as it takes. */
static void run_sleeper(struct kid *self, void *context)
{
	const struct sleeper *sleeper = context;
	struct parcel *parcel = &parcels[sleeper->number];
	struct mmsock *handle = victim_open(work->role);

	/* A wake that dies with its waker costs a period of sleep. */
	handle->waiter.recheck_cap_ns = 20 * MS;
	tell(self);
	while (hear(self) && !parcel->over) {
		if (work->role == MMSOCK_SENDER) {
			audit_fill(parcel->bytes, parcel->number,
				   sizeof(parcel->bytes));
			CHECK_INT(mmsock_send(handle, parcel->bytes,
					      sizeof(parcel->bytes),
					      MMSOCK_FOREVER),
				  0);
		} else {
			CHECK_INT(mmsock_recv(handle, parcel->bytes,
					      sizeof(parcel->bytes),
					      MMSOCK_FOREVER),
				  sizeof(parcel->bytes));
		}
		tell(self);
	}
	mmsock_close(handle);
}

static void start_sleepers(struct sleeper *sleepers, unsigned count,
			   unsigned object)
{
	unsigned i;

	make_parcels();
	for (i = 0; i < count; i++) {
		sleepers[i].number = i;
		sleepers[i].object = object;
		kid_start(&sleepers[i].kid, run_sleeper, &sleepers[i]);
		CHECK(hear(&sleepers[i].kid));
	}
}

static void end_sleepers(struct sleeper *sleepers, unsigned count)
{
	unsigned i;

	for (i = 0; i < count; i++) {
		parcels[i].over = true;
		kid_end(&sleepers[i].kid);
	}
}

static void send_to_sleep(struct sleeper *sleeper)
{
	if (work->role == MMSOCK_SENDER)
		parcels[sleeper->number].number = audit_number(&audit, 1);
	tell(&sleeper->kid);
	await_sleeper(VICTIM_PORT, sleeper->kid.pid, sleeper->object);
}

/* Numbers that are in the bytes of 24. */
static uint64_t number_in(const unsigned char *bytes)
{
	unsigned char want[24];
	uint64_t number;

	memcpy(&number, bytes, sizeof(number));
	audit_fill(want, number, sizeof(want));
	CHECK(!memcmp(bytes, want, sizeof(want)));
	return number;
}

/* A message that some helper has sent: whose, they may be in any order. */
static void receive_parcel(bool *seen)
{
	unsigned char bytes[24];
	uint64_t number;
	unsigned i;

	CHECK_INT(mmsock_recv(audit.handle, bytes, sizeof(bytes), 0), 24);
	number = number_in(bytes);
	for (i = 0; i < BLOCKED && parcels[i].number != number; i++)
		;
	CHECK(i < BLOCKED && !seen[i]);
	seen[i] = true;
}

/*
 * All @count helpers have done what they slept for.  What the victim did before
 * that: 1 if its message was sent or taken.  Exactly @takeovers have happened.
 */
static bool settle(unsigned count, unsigned takeovers)
{
	struct mmsock_info info = inspect(VICTIM_PORT);
	bool sending = work->role == MMSOCK_SENDER;
	uint64_t done = sending ? info.sent - audit.sent
				: info.received - audit.received;

	CHECK(done == count || done == count + 1);
	CHECK_INT(info.takeovers, audit.takeovers + takeovers);
	audit.takeovers = info.takeovers;
	CHECK_INT(info.died, ++audit.died);
	return done > count;
}

/* Messages of helpers, in whatever order. */
static void receive_parcels(unsigned count)
{
	bool seen[BLOCKED] = {false};
	unsigned i;

	for (i = 0; i < count; i++)
		receive_parcel(seen);
	audit.sent += count;
	audit.received += count;
}

/* Helpers have received what was next, each something else. */
static void check_parcels(unsigned count)
{
	unsigned seen = 0;
	unsigned i;
	unsigned j;

	for (i = 0; i < count; i++) {
		const struct audit_message *next =
			&audit.queue[(audit.received + i) % AUDIT_QUEUE];

		for (j = 0; j < count; j++)
			seen += number_in(parcels[j].bytes) == next->number;
	}
	CHECK_INT(seen, count);
	audit.received += count;
}

static void hear_all(struct sleeper *sleepers, unsigned count)
{
	unsigned i;

	for (i = 0; i < count; i++)
		CHECK(hear(&sleepers[i].kid));
}

/* Blocked on an end whose holder is killed: one takes over, all go on. */

static void settle_blocked(struct sleeper *sleepers)
{
	bool sending = work->role == MMSOCK_SENDER;
	bool done;

	hear_all(sleepers, BLOCKED);
	done = settle(BLOCKED, 1);
	if (sending) {
		audit.sent += done;
		while (audit.received < audit.sent)
			audit_receive(&audit);
		receive_parcels(BLOCKED);
	} else {
		audit.received += done;
		check_parcels(BLOCKED);
	}
}

static bool kill_holder(struct sleeper *sleepers,
			const struct step_trace *trace, unsigned long place,
			unsigned long *count)
{
	bool sending = work->role == MMSOCK_SENDER;
	const struct mms_end *end =
		sending ? &audit.control->send : &audit.control->recv;
	struct step step;
	unsigned i;
	bool ended;

	for (i = 0; i < BLOCKED && !sending; i++)
		CHECK(audit_send(&audit, 24));
	victim_set_scene();
	victim_announce(victim_start(&step));
	ended = !step_to(&step, trace, place);
	if (!ended && audit_holder(end) > 0) {
		for (i = 0; i < BLOCKED; i++)
			send_to_sleep(&sleepers[i]);
		step_kill(&step);
		settle_blocked(sleepers);
		++*count;
	} else {
		/* Nobody would wait for him. */
		step_kill(&step);
		victim_outcome(ended);
	}
	audit_survive(&audit);
	return ended;
}

static void kill_holders(enum victim_work kind, unsigned object)
{
	struct sleeper sleepers[BLOCKED];
	struct step_trace trace;
	unsigned long place = 0;
	unsigned long count = 0;

	victim_open_port(kind);
	trace = victim_record();
	start_sleepers(sleepers, BLOCKED, object);
	while (!kill_holder(sleepers, &trace, place, &count) ||
	       place < trace.count)
		place = step_place_after(&trace, place, victim_stride(97));
	printf("# killed %lu who held an end that %u slept on\n", count,
	       BLOCKED);
	CHECK(count > 0);
	end_sleepers(sleepers, BLOCKED);
	audit_leaks(&audit);
	step_forget(&trace);
	victim_close_port();
}

static void test_blocked_senders(void)
{
	kill_holders(WORK_SEND, MMSOCK_SEND_END);
}

static void test_blocked_receivers(void)
{
	kill_holders(WORK_RECEIVE, MMSOCK_RECV_END);
}

/* Asleep until the victim sends, or makes room. */

static uint64_t count_sleeps(void)
{
	return inspect(VICTIM_PORT).sleeps;
}

/* The helper sends where the victim receives, and receives where it sends. */
static void settle_beside(struct sleeper *sleeper, bool sending)
{
	uint64_t sleeps = count_sleeps();
	struct mmsock_info info = inspect(VICTIM_PORT);
	bool done = sending ? info.sent > audit.sent
			    : info.received > audit.received;

	CHECK_INT(info.died, ++audit.died);
	if (sending) {
		audit.sent += done;
		if (!done)
			CHECK(audit_send(&audit, 24));
	} else {
		audit.received += done;
		if (!done)
			audit_receive(&audit);
	}
	CHECK(hear(&sleeper->kid));
	/* He was asleep when the other one died, and at most once again. */
	CHECK(count_sleeps() - sleeps <= 1);
}

static bool kill_beside(struct sleeper *sleeper, const struct work *helper,
			const struct step_trace *trace, unsigned long place)
{
	const struct work *mine = work;
	bool sending = mine->role == MMSOCK_SENDER;
	struct step step;
	bool ended;

	victim_set_scene();
	if (!sending)
		audit_tighten(&audit, 0);
	work = helper;
	send_to_sleep(sleeper);
	work = mine;
	victim_announce(victim_start(&step));
	ended = !step_to(&step, trace, place);
	step_kill(&step);
	settle_beside(sleeper, sending);
	if (sending) {
		work = helper;
		check_parcels(1);
	} else {
		while (audit.received < audit.sent)
			audit_receive(&audit);
		receive_parcels(1);
	}
	work = mine;
	read_counts();
	audit_survive(&audit);
	return ended;
}

static void kill_beside_sleeper(enum victim_work kind, enum victim_work helper,
				unsigned object)
{
	struct step_trace trace;
	struct sleeper sleeper;
	unsigned long place = 0;
	unsigned long places = 0;
	uint64_t late;

	victim_open_port(kind);
	trace = victim_record();
	work = &victim_works[helper];
	start_sleepers(&sleeper, 1, object);
	work = &victim_works[kind];
	while (!kill_beside(&sleeper, &victim_works[helper], &trace, place) ||
	       place < trace.count) {
		place = step_place_after(&trace, place, victim_stride(23));
		places++;
	}
	late = inspect(VICTIM_PORT).late_wakes;
	printf("# killed %lu times beside a sleeper, who found out by himself "
	       "%" PRIu64 " times\n",
	       places, late);
	CHECK(late > 0);
	end_sleepers(&sleeper, 1);
	audit_leaks(&audit);
	step_forget(&trace);
	victim_close_port();
}

static void test_receiver_asleep(void)
{
	kill_beside_sleeper(WORK_SEND, WORK_RECEIVE, MMSOCK_DATA);
}

static void test_sender_asleep(void)
{
	kill_beside_sleeper(WORK_RECEIVE, WORK_SEND, MMSOCK_SPACE);
}

static const struct check_case cases[] = {
	{"a sender dies taking over from a sender", test_sender_after_sender},
	{"a sender dies taking over from one of a run", test_sender_after_run},
	{"a run dies taking over from a loan", test_run_after_loan},
	{"a receiver dies taking over from a receiver",
	 test_receiver_after_receiver},
	{"a newcomer dies in the slot of a sender", test_newcomer_after_sender},
	{"a newcomer dies in the slot of a receiver",
	 test_newcomer_after_receiver},
	{"of three senders on a dead one's end one takes over",
	 test_blocked_senders},
	{"of three receivers on a dead one's end one takes over",
	 test_blocked_receivers},
	{"a receiver sleeps while a sender dies", test_receiver_asleep},
	{"a sender sleeps while a receiver dies", test_sender_asleep},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
