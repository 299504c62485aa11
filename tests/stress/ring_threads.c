/* SPDX-License-Identifier: MIT */
/*
 * ring_threads.c - many threads on one mapping
 *
 * For the thread sanitizer, which cannot see that two mappings are the same
 * memory.  A port is opened once; the other participants are copies of that
 * handle, in other slots of the same mapping.  Their slots' bytes are held by
 * nobody, so nobody is ever certified dead here.
 */
#include <pthread.h>
#include <sched.h>

#include "schedule.h"
#include "unit/sandbox.h"

struct party {
	struct mmsock handle;
	const struct plan *plan;
	struct audit *audit;
	unsigned number;
	pthread_t thread;
};

static int everybody_lives(void *context, unsigned slot)
{
	(void)context;
	(void)slot;
	return 0;
}

static struct mmsock *open_first(const struct plan *plan)
{
	struct mmsock_options options = MMSOCK_OPTIONS_INIT;
	struct mmsock *handle;

	fresh_dir();
	options.role = MMSOCK_SENDER | MMSOCK_RECEIVER;
	options.flags = MMSOCK_KEEP_OPEN;
	options.spin_ns = plan->spin_ns;
	options.ring_bytes = RING_BYTES;
	options.max_message = RING_BYTES - 16;
	CHECK_INT(mmsock_open("threads", &options, &handle), 0);
	return handle;
}

static void copy_handle(struct mmsock *copy, const struct mmsock *first,
			unsigned slot)
{
	memcpy(copy, first, sizeof(*copy));
	copy->port.slot = copy->port.ring.slot = copy->locker.slot = slot;
	copy->port.row = &copy->port.rows[slot];
	copy->waiter.row = copy->port.row;
	copy->waiter.interrupt = &copy->interrupt;
	copy->locker.waiter = &copy->waiter;
	copy->locker.budget = &copy->impatience;
	copy->locker.certify = everybody_lives;
}

static void *run_sender(void *context)
{
	struct party *party = context;

	send_all(&party->handle, party->audit, party->plan, party->number);
	return NULL;
}

static void *run_receiver(void *context)
{
	struct party *party = context;

	recv_all(&party->handle, party->audit, party->plan, party->number);
	return NULL;
}

static void start(struct party *party, void *(*run)(void *context))
{
	CHECK(!pthread_create(&party->thread, NULL, run, party));
}

static void join_thread(const struct party *party)
{
	CHECK(!pthread_join(party->thread, NULL));
}

static bool all_received(const struct audit *audit)
{
	return count_of(&audit->received) == audit_total(audit) &&
	       count_of(&audit->empties_received) ==
		       count_of(&audit->empties_sent);
}

static void run_plan(struct plan plan)
{
	struct audit *audit = audit_new(&plan);
	struct mmsock *first = open_first(&plan);
	unsigned count = plan.senders + plan.receivers;
	struct party *parties = calloc(count, sizeof(*parties));
	unsigned i;

	CHECK(parties);
	for (i = 0; i < count; i++) {
		copy_handle(&parties[i].handle, first, 1 + i);
		parties[i].plan = &plan;
		parties[i].audit = audit;
		parties[i].number = i;
		start(&parties[i],
		      i < plan.senders ? run_sender : run_receiver);
	}
	for (i = 0; i < plan.senders; i++)
		join_thread(&parties[i]);
	while (!all_received(audit))
		sched_yield();
	for (i = plan.senders; i < count; i++) {
		mmsock_interrupt(&parties[i].handle);
		join_thread(&parties[i]);
	}
	audit_check(audit);
	free(parties);
	mmsock_close(first);
}

static void test_one_to_one(void)
{
	run_plan((struct plan){
		.senders = 1,
		.receivers = 1,
		.each = 480000,
		.spin_ns = MMSOCK_SPIN_ADAPTIVE,
	});
}

static void test_many_to_one(void)
{
	run_plan((struct plan){
		.senders = 4,
		.receivers = 1,
		.each = 96000,
		.spin_ns = MMSOCK_SPIN_ADAPTIVE,
	});
}

static void test_many_to_many(void)
{
	run_plan((struct plan){
		.senders = 3,
		.receivers = 3,
		.each = 96000,
		.spin_ns = MMSOCK_SPIN_ADAPTIVE,
		.impatient = true,
	});
}

static void test_sleepers(void)
{
	run_plan((struct plan){
		.senders = 3,
		.receivers = 3,
		.each = 48000,
		.spin_ns = 0,
		.no_recheck = true,
	});
}

static void test_spinners(void)
{
	run_plan((struct plan){
		.senders = 2,
		.receivers = 2,
		.each = 48000,
		.spin_ns = MMSOCK_SPIN_ONLY,
	});
}

static const struct check_case cases[] = {
	{"one thread to one: every message once, whole, in order",
	 test_one_to_one},
	{"many threads to one", test_many_to_one},
	{"many threads to many, with short time-outs", test_many_to_many},
	{"no wake is lost where every wait is a sleep", test_sleepers},
	{"threads that never sleep", test_spinners},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
