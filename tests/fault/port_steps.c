/* SPDX-License-Identifier: MIT */
/*
 * port_steps.c - senders and receivers are killed at every instruction
 *
 * Each case is an operation of the release library in a child that is killed at a
 * place.  The auditor goes on at once: a message is in the port wholly or not at
 * all, or was taken or not; an end that the dead one holds is taken over by the
 * next call, without waiting; all that waits is received, in order and whole; and
 * nothing of the dead is left.
 *
 * In check: at every change of shared memory, right before it, and at places that
 * lie some way apart.  With STRESS=1000 (make check-crash): at every instruction,
 * those of libc included; only of large messages, whose copies are places by the
 * thousand, at every 7th where a sender copies and at every 199th where a receiver
 * does.
 */
#include "audit.h"
#include "handle.h"
#include "step.h"
#include "unit/sandbox.h"

#define PORT  "p"
#define SLOTS 5U
#define MOST  8U /* messages of a victim */

#define SMALL_RING ((uint64_t)4096)
#define LARGE_RING ((uint64_t)64 * 1024)
#define LARGE      ((size_t)20 * 1024)

/* What a victim does, and in what port. */
struct work {
	void (*operation)(void *context);
	unsigned role;
	size_t lengths[MOST]; /* of the messages that it sends, or that wait */
	size_t count;
	int64_t outcome; /* sent, or negative received, if it is not killed */
	size_t tight;    /* only so much fits beside what waits, or 0 */
	uint64_t ring_bytes;  /* 0: a small one */
	unsigned long stride; /* in check */
	unsigned long least;  /* the least stride, for large copies */
};

static struct audit audit;
static struct mmsock *victim;
static const struct work *work;
static struct mmsock_run *run;
static unsigned char *message;

/* The victims. */

static struct mmsock *open_victim(unsigned role)
{
	struct mmsock_options options =
		options_for(MMSOCK_CONNECT_TO_EXISTING, role);
	struct mmsock *handle = NULL;

	options.spin_ns = 0;
	options.flags = MMSOCK_KEEP_OPEN;
	CHECK_INT(mmsock_open(PORT, &options, &handle), 0);
	return handle;
}

static void prepare(void *context)
{
	size_t i;

	(void)context;
	victim = open_victim(work->role);
	message = calloc(1, audit.ring_bytes);
	CHECK(message);
	audit_fill(message, audit.sent, work->lengths[0]);
	CHECK_INT(mmsock_run_new(audit.ring_bytes, &run), 0);
	for (i = 0; work->role == MMSOCK_SENDER && i < work->count; i++) {
		audit_fill(message, audit.sent + i, work->lengths[i]);
		CHECK_INT(mmsock_run_add(run, message, work->lengths[i]), 0);
	}
	audit_fill(message, audit.sent, work->lengths[0]);
}

static void send_one(void *context)
{
	(void)context;
	CHECK_INT(mmsock_send(victim, message, work->lengths[0], 0), 0);
}

static void send_run(void *context)
{
	(void)context;
	CHECK_INT(mmsock_run_send(victim, run, 0), 0);
}

/* What fits, and then no more. */
static void send_part_of_run(void *context)
{
	(void)context;
	CHECK_INT(mmsock_run_send(victim, run, 0), -EAGAIN);
}

static void send_lent(void *context)
{
	size_t length = work->lengths[0];
	void *room;

	(void)context;
	/* More than is used, and all of it written to. */
	CHECK_INT(mmsock_reserve(victim, length + 64, &room, 0), 0);
	memset(room, 0xa5, length + 64);
	memcpy(room, message, length);
	CHECK_INT(mmsock_commit(victim, length), 0);
}

static void reserve_in_vain(void *context)
{
	void *room;

	(void)context;
	CHECK_INT(mmsock_reserve(victim, 100, &room, 0), 0);
	memset(room, 0xa5, 100);
	CHECK_INT(mmsock_cancel(victim), 0);
}

static void send_in_vain(void *context)
{
	(void)context;
	CHECK_INT(mmsock_send(victim, message, work->lengths[0], MS),
		  -ETIMEDOUT);
}

static void receive_one(void *context)
{
	(void)context;
	CHECK_INT(mmsock_recv(victim, message, audit.ring_bytes, 0),
		  work->lengths[0]);
}

static void receive_too_much(void *context)
{
	(void)context;
	CHECK_INT(mmsock_recv(victim, message, 10, 0), -EMSGSIZE);
}

static void receive_run(void *context)
{
	(void)context;
	CHECK_INT(mmsock_run_recv(victim, run, 0, 0), work->count);
}

static void receive_two(void *context)
{
	(void)context;
	CHECK_INT(mmsock_run_recv(victim, run, 2, 0), 2);
}

static void receive_lent(void *context)
{
	const void *lent;

	(void)context;
	CHECK_INT(mmsock_peek(victim, &lent, 0), work->lengths[0]);
	memcpy(message, lent, work->lengths[0]);
	CHECK_INT(mmsock_release(victim), 0);
}

static void peek_only(void *context)
{
	const void *lent;

	(void)context;
	CHECK_INT(mmsock_peek(victim, &lent, 0), work->lengths[0]);
	CHECK_INT(mmsock_cancel(victim), 0);
}

static void receive_in_vain(void *context)
{
	(void)context;
	CHECK_INT(mmsock_recv(victim, message, audit.ring_bytes, MS),
		  -ETIMEDOUT);
}

static void leave(void *context)
{
	(void)context;
	mmsock_close(victim);
	victim = NULL;
}

/* With an end held, which is given back. */
static void leave_with_loan(void *context)
{
	void *room;

	CHECK_INT(mmsock_reserve(victim, 100, &room, 0), 0);
	leave(context);
}

static void nothing(void *context)
{
	(void)context;
}

static void come(void *context)
{
	(void)context;
	victim = open_victim(work->role);
}

/* Kill, and go on. */

struct tally {
	unsigned long kills;
	unsigned long done; /* of them, so late that it was done */
	unsigned long held; /* of them, with an end held */
	unsigned long strays;
	unsigned long places; /* of the operation */
};

static void report(const struct tally *tally)
{
	printf("# killed %lu times at %lu places: %lu done, %lu holding an "
	       "end, %lu off the trace\n",
	       tally->kills, tally->places, tally->done, tally->held,
	       tally->strays);
}

static bool sends(void)
{
	return work->outcome > 0 || work->tight || work->role & MMSOCK_SENDER;
}

/* The port as the victim is to find it. */
static void set_scene(void)
{
	size_t i;

	if (sends()) {
		audit_announce(&audit, work->lengths, work->count);
	} else {
		for (i = 0; i < work->count; i++)
			CHECK(audit_send(&audit, work->lengths[i]));
	}
	if (!work->tight)
		return;
	audit_tighten(&audit, work->tight);
	audit_announce(&audit, work->lengths, work->count);
}

/* All or nothing; if it has ended, all. */
static void check_outcome(bool ended, struct tally *tally)
{
	int64_t outcome = audit_outcome(&audit);

	CHECK(outcome == work->outcome || (!ended && !outcome));
	tally->done += outcome == work->outcome;
}

static bool holds_an_end(void)
{
	return audit_holder(&audit.control->send) > 0 ||
	       audit_holder(&audit.control->recv) > 0;
}

static void kill_here(struct step *step, struct tally *tally)
{
	tally->kills += !step->ended;
	tally->strays += step->stray;
	step_kill(step);
	tally->held += holds_an_end();
}

static bool kill_at(void (*before)(void *), const struct step_trace *trace,
		    unsigned long place, struct tally *tally)
{
	struct step step;
	bool ended;

	set_scene();
	step_start(&step, before, work->operation, NULL);
	ended = !step_to(&step, trace, place);
	kill_here(&step, tally);
	check_outcome(ended, tally);
	audit_survive(&audit);
	audit_leaks(&audit);
	return step.missed ? kill_at(before, NULL, place, tally) : ended;
}

static struct step_trace record(void (*before)(void *))
{
	struct tally unused = {0};
	struct step_trace trace;
	struct step step;

	set_scene();
	step_start(&step, before, work->operation, NULL);
	/* Large copies change the ring thousands of times. */
	step_record(&step, audit.file,
		    work->least ? MMS_PAGE + MMS_CONTROL_OFFSET
				: audit.file_bytes,
		    &trace);
	check_outcome(true, &unused);
	audit_survive(&audit);
	audit_leaks(&audit);
	return trace;
}

static unsigned long stride_of(const struct work *who)
{
	unsigned long stride = step_stride(who->stride ? who->stride : 97);

	return stride < who->least ? who->least : stride;
}

static void kill_everywhere(const struct work *who, void (*before)(void *))
{
	unsigned long stride = stride_of(who);
	struct step_trace trace;
	struct tally tally = {0};
	unsigned long place = 0;

	fresh_dir();
	work = who;
	audit_open(&audit, PORT, who->ring_bytes ? who->ring_bytes : SMALL_RING,
		   SLOTS);
	trace = record(before);
	tally.places = trace.count;
	/* One may take a shorter way than the recorded one. */
	while (!kill_at(before, &trace, place, &tally) || place < trace.count)
		place = step_place_after(&trace, place, stride);
	report(&tally);
	step_forget(&trace);
	audit_close(&audit);
}

static void test_send(void)
{
	kill_everywhere(
		&(struct work){
			.operation = send_one,
			.role = MMSOCK_SENDER,
			.lengths = {24},
			.count = 1,
			.outcome = 1,
		},
		prepare);
}

static void test_send_tight(void)
{
	kill_everywhere(
		&(struct work){
			.operation = send_one,
			.role = MMSOCK_SENDER,
			.lengths = {24},
			.count = 1,
			.outcome = 1,
			.tight = 24,
		},
		prepare);
}

static void test_send_empty(void)
{
	kill_everywhere(
		&(struct work){
			.operation = send_one,
			.role = MMSOCK_SENDER,
			.lengths = {0},
			.count = 1,
			.outcome = 1,
		},
		prepare);
}

static void test_send_wrapping(void)
{
	kill_everywhere(
		&(struct work){
			.operation = send_one,
			.role = MMSOCK_SENDER,
			.lengths = {1500},
			.count = 1,
			.outcome = 1,
			.tight = 1500,
		},
		prepare);
}

static void test_send_large(void)
{
	kill_everywhere(
		&(struct work){
			.operation = send_one,
			.role = MMSOCK_SENDER,
			.lengths = {LARGE},
			.count = 1,
			.outcome = 1,
			.ring_bytes = LARGE_RING,
			.stride = 499,
			.least = 7,
		},
		prepare);
}

static void test_send_run(void)
{
	kill_everywhere(
		&(struct work){
			.operation = send_run,
			.role = MMSOCK_SENDER,
			.lengths = {24, 0, 100, 7, 300},
			.count = 5,
			.outcome = 5,
		},
		prepare);
}

static void test_send_run_tight(void)
{
	kill_everywhere(
		&(struct work){
			.operation = send_run,
			.role = MMSOCK_SENDER,
			.lengths = {800, 0, 1200},
			.count = 3,
			.outcome = 3,
			.tight = 2024,
		},
		prepare);
}

static void test_send_part(void)
{
	kill_everywhere(
		&(struct work){
			.operation = send_part_of_run,
			.role = MMSOCK_SENDER,
			.lengths = {24, 24, 24},
			.count = 3,
			.outcome = 2,
			.tight = 56,
		},
		prepare);
}

static void test_send_lent(void)
{
	kill_everywhere(
		&(struct work){
			.operation = send_lent,
			.role = MMSOCK_SENDER,
			.lengths = {100},
			.count = 1,
			.outcome = 1,
		},
		prepare);
}

static void test_cancel(void)
{
	kill_everywhere(
		&(struct work){
			.operation = reserve_in_vain,
			.role = MMSOCK_SENDER,
			.lengths = {0},
			.count = 1,
		},
		prepare);
}

static void test_send_in_vain(void)
{
	kill_everywhere(
		&(struct work){
			.operation = send_in_vain,
			.role = MMSOCK_SENDER,
			.lengths = {100},
			.count = 1,
			.tight = 92,
		},
		prepare);
}

static void test_receive(void)
{
	kill_everywhere(
		&(struct work){
			.operation = receive_one,
			.role = MMSOCK_RECEIVER,
			.lengths = {24},
			.count = 1,
			.outcome = -1,
		},
		prepare);
}

static void test_receive_empty(void)
{
	kill_everywhere(
		&(struct work){
			.operation = receive_one,
			.role = MMSOCK_RECEIVER,
			.lengths = {0},
			.count = 1,
			.outcome = -1,
		},
		prepare);
}

static void test_receive_large(void)
{
	kill_everywhere(
		&(struct work){
			.operation = receive_one,
			.role = MMSOCK_RECEIVER,
			.lengths = {LARGE},
			.count = 1,
			.outcome = -1,
			.ring_bytes = LARGE_RING,
			.stride = 4999,
			.least = 199,
		},
		prepare);
}

static void test_receive_too_much(void)
{
	kill_everywhere(
		&(struct work){
			.operation = receive_too_much,
			.role = MMSOCK_RECEIVER,
			.lengths = {24},
			.count = 1,
		},
		prepare);
}

static void test_receive_run(void)
{
	kill_everywhere(
		&(struct work){
			.operation = receive_run,
			.role = MMSOCK_RECEIVER,
			.lengths = {24, 0, 100, 7, 300},
			.count = 5,
			.outcome = -5,
		},
		prepare);
}

static void test_receive_two(void)
{
	kill_everywhere(
		&(struct work){
			.operation = receive_two,
			.role = MMSOCK_RECEIVER,
			.lengths = {24, 1000, 100, 7, 1500},
			.count = 5,
			.outcome = -2,
		},
		prepare);
}

static void test_receive_lent(void)
{
	kill_everywhere(
		&(struct work){
			.operation = receive_lent,
			.role = MMSOCK_RECEIVER,
			.lengths = {100, 24},
			.count = 2,
			.outcome = -1,
		},
		prepare);
}

static void test_peek(void)
{
	kill_everywhere(
		&(struct work){
			.operation = peek_only,
			.role = MMSOCK_RECEIVER,
			.lengths = {100},
			.count = 1,
		},
		prepare);
}

static void test_receive_in_vain(void)
{
	kill_everywhere(
		&(struct work){
			.operation = receive_in_vain,
			.role = MMSOCK_RECEIVER,
		},
		prepare);
}

static void test_leave_sender(void)
{
	kill_everywhere(
		&(struct work){
			.operation = leave,
			.role = MMSOCK_SENDER,
			.lengths = {24},
			.count = 1,
		},
		prepare);
}

static void test_leave_receiver(void)
{
	kill_everywhere(
		&(struct work){
			.operation = leave,
			.role = MMSOCK_RECEIVER,
			.lengths = {24},
			.count = 1,
		},
		prepare);
}

static void test_leave_with_loan(void)
{
	kill_everywhere(
		&(struct work){
			.operation = leave_with_loan,
			.role = MMSOCK_SENDER,
			.lengths = {24},
			.count = 1,
		},
		prepare);
}

static void test_come_sender(void)
{
	kill_everywhere(
		&(struct work){
			.operation = come,
			.role = MMSOCK_SENDER,
			.lengths = {24},
			.count = 1,
			.stride = 4999,
		},
		nothing);
}

static void test_come_receiver(void)
{
	kill_everywhere(
		&(struct work){
			.operation = come,
			.role = MMSOCK_RECEIVER,
			.lengths = {24},
			.count = 1,
			.stride = 4999,
		},
		nothing);
}

static const struct check_case cases[] = {
	{"a sender of a message is killed", test_send},
	{"a sender into a ring that is nearly full is killed", test_send_tight},
	{"a sender of an empty message is killed", test_send_empty},
	{"a sender of a message that wraps is killed", test_send_wrapping},
	{"a sender of a large message is killed", test_send_large},
	{"a sender of a run is killed", test_send_run},
	{"a sender of a run that fills the ring is killed",
	 test_send_run_tight},
	{"a sender of a run of which a part fits is killed", test_send_part},
	{"a sender without a copy is killed", test_send_lent},
	{"a sender who thinks better of it is killed", test_cancel},
	{"a sender who waits for room is killed", test_send_in_vain},
	{"a receiver of a message is killed", test_receive},
	{"a receiver of an empty message is killed", test_receive_empty},
	{"a receiver of a large message is killed", test_receive_large},
	{"a receiver of more than he has room for is killed",
	 test_receive_too_much},
	{"a receiver of all is killed", test_receive_run},
	{"a receiver of some is killed", test_receive_two},
	{"a receiver without a copy is killed", test_receive_lent},
	{"a receiver who only looks is killed", test_peek},
	{"a receiver who waits for a message is killed", test_receive_in_vain},
	{"a sender who leaves is killed", test_leave_sender},
	{"a receiver who leaves is killed", test_leave_receiver},
	{"who leaves with an end held is killed", test_leave_with_loan},
	{"a sender who comes is killed", test_come_sender},
	{"a receiver who comes is killed", test_come_receiver},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
