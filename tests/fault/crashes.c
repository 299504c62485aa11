/* SPDX-License-Identifier: MIT */
/*
 * crashes.c - a port on which process after process dies
 *
 * Up to three victims stand at random places of random calls at a time; one after
 * the other is killed and another one comes, who meets the dead and the standing.
 * The auditor sends and receives in between, and keeps the books from death to
 * death.  Now and then all are killed and everything is looked at: slots, rows,
 * announced sleeps, space, files.  500 crashes in check, 100000 with STRESS=10000.
 */
#include <limits.h>

#include "audit.h"
#include "handle.h"
#include "random.h"
#include "step.h"
#include "unit/sandbox.h"
#include "victims.h"

#define CREW        3U
#define RUN         3U
#define FEW         500U
#define MANY        100000U
#define SLOTS       8U
#define CHECK_EVERY 250U
#define PROGRESS    10000U

struct call {
	const char *name;
	unsigned role; /* 0: attaching is the call */
	void (*operation)(void *context);
	int64_t least; /* of the outcome: messages received, negative */
	int64_t most;  /* messages sent */
	struct step_trace trace;
	unsigned long crashes;
};

static unsigned char message[2048];
static struct mmsock_run *run;
static uint64_t first_number;
static size_t lengths[RUN];

/* Others may be in the way, or faster. */
static void check_tried(int r)
{
	CHECK(r >= 0 || r == -EAGAIN || r == -EBUSY || r == -ETIMEDOUT);
}

static void prepare(void *context)
{
	const struct call *call = context;
	size_t i;

	if (!call->role)
		return;
	victim = victim_open(call->role);
	CHECK_INT(mmsock_run_new(4096, &run), 0);
	for (i = 0; i < RUN; i++) {
		audit_fill(message, first_number + i, lengths[i]);
		CHECK_INT(mmsock_run_add(run, message, lengths[i]), 0);
	}
	audit_fill(message, first_number, lengths[0]);
}

static void send_one(void *context)
{
	(void)context;
	check_tried(mmsock_send(victim, message, lengths[0], 0));
}

static void send_patiently(void *context)
{
	(void)context;
	check_tried(mmsock_send(victim, message, lengths[0], MS));
}

static void send_run(void *context)
{
	(void)context;
	check_tried(mmsock_run_send(victim, run, 0));
}

static void send_lent(void *context)
{
	void *room;
	int r = mmsock_reserve(victim, lengths[0] + 100, &room, 0);

	(void)context;
	check_tried(r);
	if (r)
		return;
	memset(room, 0xa5, lengths[0] + 100);
	memcpy(room, message, lengths[0]);
	CHECK_INT(mmsock_commit(victim, lengths[0]), 0);
}

static void receive_one(void *context)
{
	(void)context;
	check_tried((int)mmsock_recv(victim, message, sizeof(message), 0));
}

static void receive_patiently(void *context)
{
	(void)context;
	check_tried((int)mmsock_recv(victim, message, sizeof(message), MS));
}

static void receive_run(void *context)
{
	(void)context;
	check_tried(mmsock_run_recv(victim, run, RUN, 0));
}

static void peek(void *context)
{
	const void *lent;
	ssize_t length = mmsock_peek(victim, &lent, 0);

	(void)context;
	check_tried((int)length);
	if (length >= 0)
		CHECK_INT(mmsock_cancel(victim), 0);
}

static void leave(void *context)
{
	(void)context;
	mmsock_close(victim);
}

static void come(void *context)
{
	(void)context;
	victim = victim_open(MMSOCK_SENDER);
}

static struct call calls[] = {
	{"send", MMSOCK_SENDER, send_one, 0, 1, {0}, 0},
	{"send, waiting", MMSOCK_SENDER, send_patiently, 0, 1, {0}, 0},
	{"send of a run", MMSOCK_SENDER, send_run, 0, RUN, {0}, 0},
	{"reserve, commit", MMSOCK_SENDER, send_lent, 0, 1, {0}, 0},
	{"receive", MMSOCK_RECEIVER, receive_one, -1, 0, {0}, 0},
	{"receive, waiting", MMSOCK_RECEIVER, receive_patiently, -1, 0, {0}, 0},
	{"receive of a run",
	 MMSOCK_RECEIVER,
	 receive_run,
	 -(int64_t)RUN,
	 0,
	 {0},
	 0},
	{"peek, cancel", MMSOCK_RECEIVER, peek, 0, 0, {0}, 0},
	{"close", MMSOCK_SENDER, leave, 0, 0, {0}, 0},
	{"open", 0, come, 0, 0, {0}, 0},
};

/* The books. */

static uint64_t chance = 1;

static void draw_lengths(void)
{
	size_t i;

	for (i = 0; i < RUN; i++)
		lengths[i] = random_below(&chance, 4)
				     ? random_below(&chance, 64)
				     : random_below(&chance, 1200);
}

static void start_victim(struct step *step, struct call *call)
{
	draw_lengths();
	first_number = audit_number(&audit, RUN);
	step_start(step, prepare, call->operation, call);
	audit_announce(&audit, first_number, lengths, RUN);
}

/* Exact also while somebody stands between a commit and its bookkeeping. */
static void book(const struct call *call)
{
	int64_t outcome;

	audit_recount(&audit);
	outcome = audit_outcome(&audit);
	CHECK(outcome >= call->least && outcome <= call->most);
}

/* The crew. */

static struct step crew[CREW];

/* Nobody who lives holds this end, or has come to the slot that does. */
static bool is_to_be_had(const struct mms_end *end)
{
	int holder = audit_holder(end);

	return holder < 0 ||
	       mms_peer_is_dead(&audit.handle->port, (unsigned)holder) == 1;
}

static void work_meanwhile(void)
{
	const struct mms_control *control = audit.control;

	if (random_below(&chance, 2) && is_to_be_had(&control->send))
		audit_send(&audit, random_below(&chance, 64));
	if (random_below(&chance, 2) && is_to_be_had(&control->recv) &&
	    audit.received < audit.sent)
		audit_receive(&audit);
}

static unsigned long kills;

static void kill_member(struct step *member)
{
	kills += !member->ended;
	step_kill(member);
	member->ended = true;
	audit_recount(&audit);
	CHECK_INT(audit_outcome(&audit), 0);
}

static void kill_crew(void)
{
	unsigned i;

	for (i = 0; i < CREW; i++)
		kill_member(&crew[i]);
	audit_survive(&audit);
	audit_recount(&audit);
	audit_leaks(&audit);
}

/* One dies, another one comes and is left standing where chance will have it. */
static void crash_once(void)
{
	struct step *member = &crew[random_below(&chance, CREW)];
	struct call *call = &calls[random_below(&chance, CHECK_COUNT(calls))];

	kill_member(member);
	start_victim(member, call);
	step_to(member, &call->trace, random_below(&chance, call->trace.count));
	book(call);
	work_meanwhile();
	call->crashes++;
}

static void record(struct call *call)
{
	struct step step;

	CHECK(audit_send(&audit, 24));
	start_victim(&step, call);
	step_record(&step, audit.file, audit.file_bytes, &call->trace);
	book(call);
	audit_survive(&audit);
}

static void test_crashes(void)
{
	unsigned long most = step_stride(10000) == 1 ? MANY : FEW;
	unsigned long i;

	fresh_dir();
	audit_open(&audit, VICTIM_PORT, 4096, SLOTS);
	for (i = 0; i < CHECK_COUNT(calls); i++)
		record(&calls[i]);
	for (i = 0; i < CREW; i++)
		crew[i].ended = true;
	for (i = 1; kills < most; i++) {
		crash_once();
		if (i % CHECK_EVERY == 0)
			kill_crew();
		if (i % PROGRESS == 0)
			printf("# %lu killed so far\n", kills);
	}
	kill_crew();
	for (i = 0; i < CHECK_COUNT(calls); i++)
		printf("# %lu times: %s\n", calls[i].crashes, calls[i].name);
	printf("# %lu killed; died attached %" PRIu64
	       ", ends taken over %" PRIu64 ", messages %" PRIu64 "\n",
	       kills, audit.died, audit.takeovers, audit.sent);
	audit_close(&audit);
}

static const struct check_case cases[] = {
	{"crash after crash leaves nothing on a port", test_crashes},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
