/* SPDX-License-Identifier: MIT */
/*
 * wait.c - tests of the hybrid wait, over a scripted kernel
 *
 * The party under test waits; what others do at each moment is scripted.
 */
#include "wait.h"

#include <errno.h>
#include <sched.h>

#include "atomic.h"
#include "check.h"
#include "deadline.h"
#include "fake_futex.h"
#include "mmsock.h"

#define ASKED_BIT 1U
#define SECOND    INT64_C(1000000000)

/* Somebody waits for word to become other than 0. */
struct scene {
	struct mms_event event;
	_Atomic uint64_t word;
	struct mms_row row;
	struct mms_interrupt interrupt;
	struct mms_budget budget;
	struct mms_waiter waiter;
	struct mms_watch watch;
	unsigned looks;           /* times that the predicate was asked */
	struct fake_deed at_look; /* done when it is */
	uint32_t asked_at_look;
	uint32_t turn_at_wake;
	uint32_t interrupt_at_wake;
	uint32_t activity_seen;
	unsigned number; /* whatever a case needs */
};

static bool look(void *context)
{
	struct scene *scene = context;
	struct fake_deed deed = scene->at_look;

	scene->looks++;
	scene->asked_at_look = mms_load32(&scene->event.asked);
	scene->at_look.act = NULL;
	if (deed.act)
		deed.act(deed.context);
	return mms_load(&scene->word) != 0;
}

static void setup(struct scene *scene, int64_t spin_ns)
{
	*scene = (struct scene){0};
	mms_budget_init(&scene->budget, spin_ns);
	scene->waiter.row = &scene->row;
	scene->waiter.interrupt = &scene->interrupt;
	scene->waiter.recheck_cap_ns = MMS_NEVER;
	scene->watch = (struct mms_watch){
		.word = &scene->word,
		.event = &scene->event,
		.ready = look,
		.context = scene,
		.recheck_ns = MMS_RECHECK_ANY_NS,
		.object = MMSOCK_DATA,
	};
}

static int sleep_until(struct scene *scene, int64_t deadline_ns)
{
	return mms_wait_sleep(&scene->waiter, &scene->budget, &scene->watch,
			      deadline_ns);
}

/* What others do. */

static void commit(void *context)
{
	struct scene *scene = context;

	mms_store_release(&scene->word, 1);
}

static void wake_one(void *context)
{
	struct scene *scene = context;

	mms_fence();
	mms_wake(&scene->event, 1);
}

static void commit_and_wake(void *context)
{
	commit(context);
	wake_one(context);
}

static void interrupt(void *context)
{
	struct scene *scene = context;

	mms_interrupt(&scene->interrupt);
}

static void note_row(void *context)
{
	struct scene *scene = context;

	scene->activity_seen = mms_load32(&scene->row.activity);
}

/* Another waiter announces himself; what he does then is no matter. */
static void announce_other(void *context)
{
	struct scene *scene = context;
	struct scene other;

	setup(&other, 0);
	mms_store(&other.word, 1);
	other.watch.event = &scene->event;
	CHECK_INT(sleep_until(&other, MMS_NEVER), MMS_WAIT_CHANGED);
}

static void note_words(void *context)
{
	struct scene *scene = context;

	scene->asked_at_look = mms_load32(&scene->event.asked);
	scene->turn_at_wake = mms_load32(&scene->event.turn);
	scene->interrupt_at_wake = mms_load32(&scene->interrupt.asked);
}

/* Waiting. */

static void test_announces_first(void)
{
	struct scene scene;

	setup(&scene, 0);
	fake_futex_sleep((struct fake_sleep){.result = 0});
	CHECK_INT(sleep_until(&scene, MMS_NEVER), MMS_WAIT_CHANGED);
	CHECK_INT(scene.looks, 1);
	CHECK(scene.asked_at_look & ASKED_BIT);
	CHECK_INT(fake_futex_calls()->waits, 1);
}

static void test_second_look(void)
{
	struct scene scene;

	setup(&scene, 0);
	scene.at_look = (struct fake_deed){commit, &scene};
	CHECK_INT(sleep_until(&scene, MMS_NEVER), MMS_WAIT_CHANGED);
	CHECK_INT(fake_futex_calls()->waits, 0);
}

static void test_wake_before_sleep(void)
{
	struct scene scene;

	setup(&scene, 0);
	fake_futex_sleep((struct fake_sleep){
		.before = {commit_and_wake, &scene},
	});
	CHECK_INT(sleep_until(&scene, MMS_NEVER), MMS_WAIT_CHANGED);
	CHECK_INT(fake_futex_calls()->refused, 1);
}

/* The commit comes too late for the look, the wake too early for the sleep. */
static void test_wake_after_look(void)
{
	struct scene scene;
	struct scene *party = &scene;

	setup(&scene, 0);
	scene.at_look = (struct fake_deed){wake_one, party};
	fake_futex_sleep((struct fake_sleep){.result = -EINTR});
	CHECK_INT(sleep_until(&scene, MMS_NEVER), MMS_WAIT_CHANGED);
	CHECK_INT(fake_futex_calls()->refused, 1);
}

static void test_woken_asleep(void)
{
	struct scene scene;

	setup(&scene, 0);
	fake_futex_sleep((struct fake_sleep){
		.asleep = {commit_and_wake, &scene},
		.result = -ETIMEDOUT,
	});
	CHECK_INT(sleep_until(&scene, MMS_NEVER), MMS_WAIT_CHANGED);
	CHECK_INT(fake_futex_calls()->woken, 1);
	CHECK_INT(mms_load(&scene.row.late_wakes), 0);
}

static void test_spurious(void)
{
	struct scene scene;

	setup(&scene, 0);
	fake_futex_sleep((struct fake_sleep){.result = 0});
	CHECK_INT(sleep_until(&scene, MMS_NEVER), MMS_WAIT_CHANGED);
}

static void test_signal(void)
{
	struct scene scene;

	setup(&scene, 0);
	fake_futex_sleep((struct fake_sleep){.result = -EINTR});
	CHECK_INT(sleep_until(&scene, MMS_NEVER), -EINTR);
	CHECK_INT(mms_load32(&scene.row.activity), 0);
}

static void test_deadline(void)
{
	struct scene scene;
	int64_t deadline = mms_now_ns() + SECOND / 2;

	setup(&scene, 0);
	fake_futex_sleep((struct fake_sleep){.result = -ETIMEDOUT});
	CHECK_INT(sleep_until(&scene, deadline), -ETIMEDOUT);
	CHECK_INT(fake_futex_calls()->deadline_ns, deadline);
}

/* Is the deadline of the last sleep @span_ns from between @from and now? */
static void check_period(int64_t from, int64_t span_ns)
{
	CHECK(fake_futex_calls()->deadline_ns >= from + span_ns);
	CHECK(fake_futex_calls()->deadline_ns <= mms_now_ns() + span_ns);
}

static void test_period(void)
{
	struct scene scene;
	int64_t start = mms_now_ns();

	setup(&scene, 0);
	fake_futex_sleep((struct fake_sleep){.result = -ETIMEDOUT});
	CHECK_INT(sleep_until(&scene, MMS_NEVER), MMS_WAIT_RECHECK);
	check_period(start, MMS_RECHECK_ANY_NS);

	start = mms_now_ns();
	scene.watch.recheck_ns = MMS_RECHECK_NAMED_NS;
	fake_futex_sleep((struct fake_sleep){.result = -ETIMEDOUT});
	CHECK_INT(sleep_until(&scene, start + SECOND), MMS_WAIT_RECHECK);
	check_period(start, MMS_RECHECK_NAMED_NS);
}

static void test_cap(void)
{
	struct scene scene;
	int64_t start = mms_now_ns();

	setup(&scene, 0);
	scene.waiter.recheck_cap_ns = SECOND / 1000;
	fake_futex_sleep((struct fake_sleep){.result = -ETIMEDOUT});
	CHECK_INT(sleep_until(&scene, MMS_NEVER), MMS_WAIT_RECHECK);
	check_period(start, SECOND / 1000);
}

static void test_no_recheck(void)
{
	struct scene scene;

	setup(&scene, 0);
	scene.waiter.no_recheck = true;
	fake_futex_sleep((struct fake_sleep){
		.asleep = {commit_and_wake, &scene},
	});
	CHECK_INT(sleep_until(&scene, MMS_NEVER), MMS_WAIT_CHANGED);
	CHECK(fake_futex_calls()->deadline_ns == MMS_NEVER);
}

static void test_late_wake(void)
{
	struct scene scene;

	setup(&scene, 0);
	fake_futex_sleep((struct fake_sleep){
		.asleep = {commit, &scene},
		.result = -ETIMEDOUT,
	});
	CHECK_INT(sleep_until(&scene, MMS_NEVER), MMS_WAIT_RECHECK);
	CHECK_INT(mms_load(&scene.row.late_wakes), 1);
	CHECK_INT(mms_load(&scene.row.sleeps), 1);
}

static void test_row_while_asleep(void)
{
	struct scene scene;

	setup(&scene, 0);
	fake_futex_sleep((struct fake_sleep){
		.asleep = {note_row, &scene},
	});
	sleep_until(&scene, MMS_NEVER);
	CHECK_INT(scene.activity_seen, MMSOCK_ASLEEP | MMSOCK_DATA << 8);
	CHECK_INT(mms_load32(&scene.row.activity), 0);
}

/* Waking. */

static void test_nobody_asked(void)
{
	struct scene scene;

	setup(&scene, 0);
	wake_one(&scene);
	CHECK_INT(fake_futex_calls()->wakes, 0);
	CHECK_INT(mms_load32(&scene.event.turn), 0);
}

static void test_wake_before_clear(void)
{
	struct scene scene;

	setup(&scene, 0);
	announce_other(&scene);
	fake_futex_at_wake((struct fake_deed){note_words, &scene},
			   (struct fake_deed){0});
	wake_one(&scene);
	CHECK(scene.asked_at_look & ASKED_BIT);
	CHECK_INT(scene.turn_at_wake, 1);
}

static void test_second_sleeper(void)
{
	struct scene scene;

	setup(&scene, 0);
	announce_other(&scene);
	announce_other(&scene);
	fake_futex_add_sleepers(&scene.event.turn, 2);
	wake_one(&scene);
	CHECK_INT(fake_futex_calls()->woken, 1);
	CHECK(mms_load32(&scene.event.asked) & ASKED_BIT);
	wake_one(&scene);
	CHECK_INT(fake_futex_calls()->woken, 2);
	/* One futile call tells that nobody is left; then there is none. */
	wake_one(&scene);
	CHECK(!(mms_load32(&scene.event.asked) & ASKED_BIT));
	wake_one(&scene);
	CHECK_INT(fake_futex_calls()->wakes, 3);
}

static void test_wake_several(void)
{
	struct scene scene;

	setup(&scene, 0);
	announce_other(&scene);
	fake_futex_add_sleepers(&scene.event.turn, 5);
	mms_wake(&scene.event, 3);
	CHECK_INT(fake_futex_calls()->most, 3);
	CHECK_INT(fake_futex_calls()->woken, 3);
	CHECK(mms_load32(&scene.event.asked) & ASKED_BIT);
}

static void test_wake_everybody(void)
{
	struct scene scene;

	setup(&scene, 0);
	announce_other(&scene);
	fake_futex_add_sleepers(&scene.event.turn, 7);
	mms_wake(&scene.event, MMS_EVERYBODY);
	CHECK_INT(fake_futex_calls()->woken, 7);
	CHECK(!(mms_load32(&scene.event.asked) & ASKED_BIT));
}

static void test_announced_meanwhile(void)
{
	struct scene scene;

	setup(&scene, 0);
	announce_other(&scene);
	fake_futex_at_wake((struct fake_deed){0},
			   (struct fake_deed){announce_other, &scene});
	wake_one(&scene);
	CHECK(mms_load32(&scene.event.asked) & ASKED_BIT);
}

static void test_announcements_count(void)
{
	struct scene scene;
	uint32_t first;

	setup(&scene, 0);
	announce_other(&scene);
	first = mms_load32(&scene.event.asked);
	announce_other(&scene);
	CHECK(mms_load32(&scene.event.asked) != first);
	CHECK(mms_load32(&scene.event.asked) & ASKED_BIT);
}

/* The count has no room left; the bit must survive that. */
static void test_announcements_wrap(void)
{
	struct scene scene;

	setup(&scene, 0);
	mms_store32(&scene.event.asked, UINT32_MAX);
	announce_other(&scene);
	CHECK_INT(mms_load32(&scene.event.asked), ASKED_BIT);
}

static void test_wake_regardless(void)
{
	struct scene scene;

	setup(&scene, 0);
	fake_futex_add_sleepers(&scene.event.turn, 2);
	mms_wake_regardless(&scene.event);
	CHECK_INT(fake_futex_calls()->woken, 2);
	CHECK_INT(mms_load32(&scene.event.turn), 1);
}

/* Interrupts. */

static void test_interrupt_first(void)
{
	struct scene scene;

	setup(&scene, 0);
	mms_interrupt(&scene.interrupt);
	CHECK_INT(sleep_until(&scene, MMS_NEVER), -EINTR);
	CHECK_INT(fake_futex_calls()->waits, 0);
	/* It stays until somebody was told. */
	CHECK_INT(sleep_until(&scene, MMS_NEVER), -EINTR);
	mms_interrupt_reported(&scene.interrupt);
	fake_futex_sleep((struct fake_sleep){.result = 0});
	CHECK_INT(sleep_until(&scene, MMS_NEVER), MMS_WAIT_CHANGED);
}

static void test_interrupt_at_look(void)
{
	struct scene scene;

	setup(&scene, 0);
	scene.at_look = (struct fake_deed){interrupt, &scene};
	CHECK_INT(sleep_until(&scene, MMS_NEVER), -EINTR);
	CHECK_INT(fake_futex_calls()->waits, 0);
}

static void test_interrupt_before_sleep(void)
{
	struct scene scene;

	setup(&scene, 0);
	fake_futex_sleep((struct fake_sleep){
		.before = {interrupt, &scene},
	});
	CHECK_INT(sleep_until(&scene, MMS_NEVER), -EINTR);
	CHECK_INT(fake_futex_calls()->refused, 1);
}

static void test_interrupt_asleep(void)
{
	struct scene scene;

	setup(&scene, 0);
	fake_futex_sleep((struct fake_sleep){
		.asleep = {interrupt, &scene},
		.result = -ETIMEDOUT,
	});
	fake_futex_at_wake((struct fake_deed){note_words, &scene},
			   (struct fake_deed){0});
	CHECK_INT(sleep_until(&scene, MMS_NEVER), -EINTR);
	CHECK_INT(fake_futex_calls()->woken, 1);
	/* Who is woken finds the flag, and who comes now does not sleep. */
	CHECK_INT(scene.interrupt_at_wake, 1);
	CHECK_INT(scene.turn_at_wake, 1);
	CHECK(!atomic_load(&scene.interrupt.sleeping_on));
}

static void test_interrupt_awake(void)
{
	struct scene scene;

	setup(&scene, 0);
	mms_interrupt(&scene.interrupt);
	CHECK_INT(fake_futex_calls()->wakes, 0);
}

/* Spinning. */

static bool spin_until(struct scene *scene, int64_t deadline_ns)
{
	return mms_wait_spin(&scene->waiter, &scene->budget, &scene->watch,
			     deadline_ns);
}

static void test_no_budget(void)
{
	struct scene scene;

	setup(&scene, 0);
	CHECK(!spin_until(&scene, MMS_NEVER));
	CHECK_INT(scene.looks, 0);
	CHECK_INT(fake_futex_calls()->yields, 0);
	commit(&scene);
	CHECK(spin_until(&scene, MMS_NEVER));
}

static void test_polls_first(void)
{
	struct scene scene;

	setup(&scene, MMSOCK_SPIN_ADAPTIVE);
	commit(&scene);
	CHECK(spin_until(&scene, MMS_NEVER));
	CHECK_INT(fake_futex_calls()->yields, 0);
	CHECK_INT(mms_load(&scene.row.blocked_ns), 0);
}

static void test_yields(void)
{
	struct scene scene;

	setup(&scene, SECOND);
	fake_futex_at_yield(5, (struct fake_deed){commit, &scene});
	CHECK(spin_until(&scene, MMS_NEVER));
	CHECK_INT(fake_futex_calls()->yields, 6);
	CHECK_INT(fake_futex_calls()->waits, 0);
}

/* What is waited for may show in other places than the polled word. */
static bool other_truth(void *context)
{
	struct scene *scene = context;

	return ++scene->looks == 3;
}

static void test_spin_looks(void)
{
	struct scene scene;

	setup(&scene, SECOND);
	scene.watch.ready = other_truth;
	CHECK(spin_until(&scene, MMS_NEVER));
	CHECK_INT(scene.looks, 3);
}

static void test_spin_ends(void)
{
	struct scene scene;
	int64_t start = mms_now_ns();

	setup(&scene, SECOND / 1000);
	CHECK(!spin_until(&scene, MMS_NEVER));
	CHECK(mms_now_ns() - start >= SECOND / 1000);
	CHECK(mms_load(&scene.row.blocked_ns) >= SECOND / 1000);
	CHECK_INT(mms_load32(&scene.row.activity), 0);
}

static void test_spin_deadline(void)
{
	struct scene scene;
	int64_t start = mms_now_ns();

	setup(&scene, 3600 * SECOND);
	scene.watch.recheck_ns = 3600 * SECOND;
	CHECK(!spin_until(&scene, start + SECOND / 100));
	CHECK(mms_now_ns() >= start + SECOND / 100);
}

static void test_spin_period(void)
{
	struct scene scene;

	setup(&scene, MMSOCK_SPIN_ONLY);
	scene.watch.recheck_ns = SECOND / 1000;
	CHECK(!spin_until(&scene, MMS_NEVER));
	CHECK_INT(sleep_until(&scene, MMS_NEVER), MMS_WAIT_RECHECK);
	CHECK_INT(sleep_until(&scene, mms_now_ns()), -ETIMEDOUT);
	mms_interrupt(&scene.interrupt);
	CHECK_INT(sleep_until(&scene, MMS_NEVER), -EINTR);
	CHECK_INT(fake_futex_calls()->waits, 0);
	CHECK_INT(mms_load32(&scene.event.asked), 0);
}

static void test_spin_interrupted(void)
{
	struct scene scene;

	setup(&scene, MMSOCK_SPIN_ONLY);
	scene.watch.recheck_ns = 3600 * SECOND;
	fake_futex_at_yield(3, (struct fake_deed){interrupt, &scene});
	CHECK(!spin_until(&scene, MMS_NEVER));
	CHECK_INT(fake_futex_calls()->yields, 4);
}

static void test_fixed_budget(void)
{
	struct scene scene;
	int i;

	setup(&scene, SECOND / 100000);
	for (i = 0; i < 10; i++)
		CHECK(!spin_until(&scene, MMS_NEVER));
	CHECK_INT(scene.budget.now_ns, SECOND / 100000);
}

static void test_budget_shrinks(void)
{
	struct scene scene;
	int i;

	setup(&scene, MMSOCK_SPIN_ADAPTIVE);
	scene.budget.alone = false;
	scene.budget.now_ns = 50000;
	CHECK(!spin_until(&scene, MMS_NEVER));
	CHECK_INT(scene.budget.now_ns, 25000);
	for (i = 0; i < 10; i++)
		CHECK(!spin_until(&scene, MMS_NEVER));
	CHECK_INT(scene.budget.now_ns, 4000);
}

/* Commit when most of the budget is used up. */
static void commit_late(void *context)
{
	struct scene *scene = context;
	int64_t start = mms_now_ns();

	while (mms_now_ns() - start < scene->budget.now_ns * 3 / 4)
		;
	commit(scene);
}

static void test_budget_grows(void)
{
	struct scene scene;
	int i;

	setup(&scene, MMSOCK_SPIN_ADAPTIVE);
	scene.budget.alone = false;
	scene.budget.now_ns = 50000;
	for (i = 0; i < 10; i++) {
		mms_store(&scene.word, 0);
		fake_futex_at_yield(0, (struct fake_deed){commit_late, &scene});
		CHECK(spin_until(&scene, MMS_NEVER));
		CHECK(i || scene.budget.now_ns == 100000);
	}
	CHECK_INT(scene.budget.now_ns, 1000000);
}

static void pass_a_millisecond(void *context)
{
	int64_t end = mms_now_ns() + 1000000;

	(void)context;
	while (mms_now_ns() < end)
		;
}

/* One spin that failed among many that did not. */
static void test_success_restores(void)
{
	struct scene scene;

	setup(&scene, MMSOCK_SPIN_ADAPTIVE);
	scene.budget.alone = false;
	scene.budget.now_ns = 4000;
	mms_store(&scene.word, 1);
	while (scene.budget.now_ns < 50000) {
		int64_t before = scene.budget.now_ns;

		CHECK(spin_until(&scene, MMS_NEVER));
		CHECK(scene.budget.now_ns > before);
	}
	/* Quick ones make no more of it than it was at first. */
	CHECK(scene.budget.now_ns < 100000);
	CHECK(spin_until(&scene, MMS_NEVER));
	CHECK(scene.budget.now_ns < 100000);
	/* What was given stays what it was. */
	setup(&scene, 4000);
	mms_store(&scene.word, 1);
	CHECK(spin_until(&scene, MMS_NEVER));
	CHECK_INT(scene.budget.now_ns, 4000);
}

/* How long a spin in vain takes right after somebody was woken. */
static int64_t spin_after_wake(struct scene *scene)
{
	int64_t start;

	announce_other(scene);
	fake_futex_add_sleepers(&scene->event.turn, 1);
	wake_one(scene);
	scene->budget.now_ns = 4000;
	start = mms_now_ns();
	CHECK(!spin_until(scene, MMS_NEVER));
	return mms_now_ns() - start;
}

static void test_grace(void)
{
	struct scene scene;
	int i;

	setup(&scene, MMSOCK_SPIN_ADAPTIVE);
	scene.budget.alone = false;
	/* Less what passes between the wake and the spin. */
	while (spin_after_wake(&scene) < 300000)
		;
	/* It is less each time that it was in vain, and never for long. */
	for (i = 0; i < 10; i++)
		spin_after_wake(&scene);
	while (spin_after_wake(&scene) > 100000)
		;
	/* Who was given a budget keeps to it, whatever he woke. */
	setup(&scene, 4000);
	while (spin_after_wake(&scene) > 100000)
		;
}

static void test_polls_learn(void)
{
	struct scene scene;

	setup(&scene, MMSOCK_SPIN_ADAPTIVE);
	CHECK_INT(scene.budget.polls, 1);
	scene.budget.now_ns = 1000000;
	CHECK(!spin_until(&scene, MMS_NEVER));
	CHECK(scene.budget.polls > 16);
	CHECK(scene.budget.polls <= 256);
	/* Somebody else had the CPU for that long. */
	scene.budget.now_ns = 500000;
	fake_futex_at_yield(0, (struct fake_deed){pass_a_millisecond, NULL});
	CHECK(!spin_until(&scene, MMS_NEVER));
	CHECK_INT(scene.budget.polls, 1);
}

/* Somebody has the CPU for a millisecond when the spinner gives way. */
static void spin_beside_others(struct scene *scene)
{
	scene->budget.now_ns = 500000;
	fake_futex_at_yield(0, (struct fake_deed){pass_a_millisecond, NULL});
	CHECK(!spin_until(scene, MMS_NEVER));
	CHECK_INT(scene->budget.polls, 1);
}

static void test_turns(void)
{
	struct scene scene;
	unsigned yields;
	int i;

	setup(&scene, MMSOCK_SPIN_ADAPTIVE);
	spin_beside_others(&scene);
	CHECK(!scene.budget.special);
	scene.budget.tries = true;
	spin_beside_others(&scene);
	CHECK(scene.budget.special);
	/* A try in vain: the next one is not yet due. */
	spin_beside_others(&scene);
	scene.budget.tried_ns = mms_now_ns();
	CHECK(!scene.budget.lucky);
	spin_beside_others(&scene);
	scene.budget.tried_ns = 0;
	spin_beside_others(&scene);
	commit(&scene);
	yields = fake_futex_calls()->yields;
	for (i = 0; i < 128; i++) {
		CHECK(spin_until(&scene, MMS_NEVER));
		CHECK(scene.budget.lucky);
		CHECK_INT(fake_futex_calls()->yields, yields);
	}
	fake_futex_at_yield(0, (struct fake_deed){pass_a_millisecond, NULL});
	CHECK(spin_until(&scene, MMS_NEVER));
	CHECK_INT(fake_futex_calls()->yields, yields + 1);
	CHECK(scene.budget.lucky);
	/* Nobody wants the CPU any more. */
	for (i = 0; i < 128; i++)
		CHECK(spin_until(&scene, MMS_NEVER));
	CHECK_INT(fake_futex_calls()->yields, yields + 2);
	CHECK(!scene.budget.lucky && !scene.budget.special);
	CHECK_INT(scene.budget.polls, 256);
}

static void test_alone(void)
{
	struct scene scene;

	setup(&scene, MMSOCK_SPIN_ADAPTIVE);
	scene.budget.alone = true;
	scene.budget.special = true;
	scene.budget.now_ns = 0;
	CHECK(!spin_until(&scene, MMS_NEVER));
	CHECK_INT(fake_futex_calls()->yields, 1);
	CHECK(!spin_until(&scene, MMS_NEVER));
	CHECK_INT(fake_futex_calls()->yields, 2);
}

/* Those whom it waits for may be on the others. */
static void test_one_of_several_cpus(void)
{
	struct scene scene;
	cpu_set_t one;
	int cpu = sched_getcpu();

	CPU_ZERO(&one);
	if (cpu >= 0)
		CPU_SET((size_t)cpu, &one);
	if (cpu < 0 || sched_setaffinity(0, sizeof(one), &one) ||
	    sysconf(_SC_NPROCESSORS_ONLN) == 1)
		SKIP("there are not several CPUs to choose from");
	setup(&scene, MMSOCK_SPIN_ADAPTIVE);
	CHECK(!scene.budget.alone);
	CHECK_INT(scene.budget.now_ns, 50000);
}

/* Busy, so that no timer of the system decides how long it takes. */
static void oversleep(void *context)
{
	int64_t start = mms_now_ns();

	(void)context;
	while (mms_now_ns() - start < SECOND / 1000)
		;
}

static void test_short_sleep(void)
{
	struct scene scene;

	setup(&scene, MMSOCK_SPIN_ADAPTIVE);
	scene.budget.alone = false;
	scene.budget.now_ns = 4000;
	fake_futex_sleep((struct fake_sleep){.asleep = {oversleep, NULL}});
	sleep_until(&scene, MMS_NEVER);
	CHECK_INT(scene.budget.now_ns, 4000);
	/* May be short only if nobody takes the CPU from us meanwhile. */
	while (scene.budget.now_ns == 4000) {
		fake_futex_sleep((struct fake_sleep){.result = 0});
		sleep_until(&scene, MMS_NEVER);
	}
	CHECK_INT(scene.budget.now_ns, 50000);
}

static void test_spin_then_sleep(void)
{
	struct scene scene;

	setup(&scene, 1000);
	fake_futex_sleep((struct fake_sleep){
		.asleep = {commit_and_wake, &scene},
	});
	CHECK_INT(
		mms_wait(&scene.waiter, &scene.budget, &scene.watch, MMS_NEVER),
		MMS_WAIT_CHANGED);
	CHECK_INT(fake_futex_calls()->waits, 1);
	CHECK_INT(
		mms_wait(&scene.waiter, &scene.budget, &scene.watch, MMS_NEVER),
		MMS_WAIT_CHANGED);
	CHECK_INT(fake_futex_calls()->waits, 1);
}

static const struct check_case cases[] = {
	{"a waiter announces himself before he looks again",
	 test_announces_first},
	{"a commit before the second look is not slept on", test_second_look},
	{"a wake between look and sleep refuses the sleep",
	 test_wake_before_sleep},
	{"a wake during the look refuses the sleep", test_wake_after_look},
	{"a sleeper is woken by a commit", test_woken_asleep},
	{"a wake for no reason is told as a change", test_spurious},
	{"a signal ends a sleep", test_signal},
	{"a sleep ends at the caller's deadline", test_deadline},
	{"a long sleep is cut into periods", test_period},
	{"a test can shorten the periods", test_cap},
	{"a test can switch the periods off", test_no_recheck},
	{"what only the period found is counted as a late wake",
	 test_late_wake},
	{"a sleeper's row says that he sleeps, and on what",
	 test_row_while_asleep},
	{"a waker makes no system call where nobody asked", test_nobody_asked},
	{"a waker raises turn before he wakes, and clears after",
	 test_wake_before_clear},
	{"a second sleeper is not lost", test_second_sleeper},
	{"as many are woken as there are messages", test_wake_several},
	{"waking everybody leaves nobody announced", test_wake_everybody},
	{"an announcement between wake and clear stays",
	 test_announced_meanwhile},
	{"every announcement makes another word", test_announcements_count},
	{"the count of announcements may wrap", test_announcements_wrap},
	{"a change of state wakes those who never announced themselves",
	 test_wake_regardless},
	{"an interrupt before the wait ends it, until it is reported",
	 test_interrupt_first},
	{"an interrupt during the second look ends the wait",
	 test_interrupt_at_look},
	{"an interrupt between look and sleep ends the wait",
	 test_interrupt_before_sleep},
	{"an interrupt during the sleep ends it", test_interrupt_asleep},
	{"an interrupt of somebody awake makes no system call",
	 test_interrupt_awake},
	{"a budget of nothing polls once", test_no_budget},
	{"a short wait costs neither a clock nor a yield", test_polls_first},
	{"a spinner offers the CPU to others", test_yields},
	{"a spinner asks for the whole truth too", test_spin_looks},
	{"a spin ends with its budget", test_spin_ends},
	{"a spin ends at the deadline", test_spin_deadline},
	{"who never sleeps looks up once a period", test_spin_period},
	{"an interrupt ends a spin", test_spin_interrupted},
	{"a fixed budget stays what it is", test_fixed_budget},
	{"a spin in vain halves the budget, down to 4 us", test_budget_shrinks},
	{"a spin that was nearly too short doubles it, up to 1 ms",
	 test_budget_grows},
	{"a spin that succeeds restores the budget", test_success_restores},
	{"whom we woke is given time to answer", test_grace},
	{"yields in vain make the polls longer, others make them short",
	 test_polls_learn},
	{"callers try long polls, and take turns", test_turns},
	{"on the only CPU a spin is one yield", test_alone},
	{"a process bound to one CPU of several spins all the same",
	 test_one_of_several_cpus},
	{"a sleep that was too short for one restores the budget",
	 test_short_sleep},
	{"a wait spins first and sleeps then", test_spin_then_sleep},
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, cases, CHECK_COUNT(cases));
}
