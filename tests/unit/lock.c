/* SPDX-License-Identifier: MIT */
/*
 * lock.c - tests of the lock of an end, over a scripted kernel
 */
#include "lock.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "check.h"
#include "deadline.h"
#include "fake_futex.h"
#include "mmsock.h"
#include "random.h"

#define SLOTS 8U
#define ME    2U
#define OTHER 5U
#define THIRD 6U
#define MS    INT64_C(1000000)

/* Somebody in slot ME wants a lock; nobody spins, all is scripted. */
struct scene {
	struct mms_lock lock;
	struct mms_row row;
	struct mms_interrupt interrupt;
	struct mms_waiter waiter;
	struct mms_budget budget;
	struct mms_locker locker;
	uint64_t word;        /* what ME holds */
	uint64_t other_word;  /* what somebody else holds */
	unsigned owner;       /* told when the time is up */
	unsigned asked;       /* certifications so far */
	unsigned asked_about; /* the last one's slot */
	unsigned dies_after;  /* it says "dead" from this one on */
	int certify_error;
	struct fake_deed at_certify;
};

static int certify(void *context, unsigned slot)
{
	struct scene *scene = context;
	struct fake_deed deed = scene->at_certify;
	bool dead = ++scene->asked >= scene->dies_after;

	scene->asked_about = slot;
	scene->at_certify.act = NULL;
	if (deed.act)
		deed.act(deed.context);
	return scene->certify_error ? scene->certify_error : dead;
}

static void setup(struct scene *scene)
{
	*scene = (struct scene){.owner = UINT32_MAX, .dies_after = UINT32_MAX};
	mms_budget_init(&scene->budget, 0);
	scene->waiter.row = &scene->row;
	scene->waiter.interrupt = &scene->interrupt;
	scene->waiter.recheck_cap_ns = MMS_NEVER;
	scene->locker = (struct mms_locker){
		.waiter = &scene->waiter,
		.budget = &scene->budget,
		.slot = ME,
		.slots = SLOTS,
		.certify = certify,
		.context = scene,
	};
}

static void setup_held(struct scene *scene)
{
	setup(scene);
	CHECK(mms_lock_try(&scene->lock, OTHER, &scene->other_word));
}

static int take(struct scene *scene, int64_t deadline_ns)
{
	return mms_lock_take(&scene->lock, &scene->locker, MMSOCK_SEND_END,
			     deadline_ns, &scene->word, &scene->owner);
}

/* What others do. */

static void give(void *context)
{
	struct scene *scene = context;

	CHECK(mms_lock_give(&scene->lock, scene->other_word));
}

static void give_and_wake(void *context)
{
	struct scene *scene = context;

	give(scene);
	mms_fence();
	mms_wake(&scene->lock.event, 1);
}

/* OTHER is done, and takes the lock once more. */
static void give_and_retake(void *context)
{
	struct scene *scene = context;

	give(scene);
	CHECK(mms_lock_try(&scene->lock, OTHER, &scene->other_word));
}

/* Another thief is faster. */
static void third_steals(void *context)
{
	struct scene *scene = context;
	uint64_t seen = mms_load(&scene->lock.word);

	scene->other_word = mms_lock_next(seen, THIRD);
	CHECK(mms_cas_acquire(&scene->lock.word, seen, scene->other_word));
	scene->dies_after = UINT32_MAX;
}

static void interrupt(void *context)
{
	struct scene *scene = context;

	mms_interrupt(&scene->interrupt);
}

/* Taking and giving. */

static void test_free(void)
{
	struct scene scene;

	setup(&scene);
	CHECK_INT(take(&scene, MMS_NEVER), MMS_LOCK_TAKEN);
	CHECK_INT(mms_lock_owner(scene.word), ME);
	CHECK(mms_load(&scene.lock.word) == scene.word);
	CHECK_INT(scene.asked, 0);
	CHECK_INT(fake_futex_calls()->waits, 0);
}

static void test_count(void)
{
	struct scene scene;
	uint64_t last = 0;
	int i;

	setup(&scene);
	for (i = 0; i < 100; i++) {
		CHECK(mms_lock_try(&scene.lock, ME, &scene.word));
		CHECK(scene.word > last);
		last = scene.word;
		CHECK(mms_lock_give(&scene.lock, scene.word));
		CHECK(mms_lock_is_free(mms_load(&scene.lock.word)));
		CHECK(mms_load(&scene.lock.word) == (last & ~MMS_LOCK_OWNER));
	}
}

static void test_held(void)
{
	struct scene scene;
	uint64_t word = 77;

	setup_held(&scene);
	CHECK(!mms_lock_try(&scene.lock, ME, &word));
	CHECK(!mms_lock_try(&scene.lock, OTHER, &word));
	CHECK(mms_load(&scene.lock.word) == scene.other_word);
}

static void test_slot_0(void)
{
	struct scene scene;

	setup(&scene);
	CHECK(mms_lock_try(&scene.lock, 0, &scene.word));
	CHECK(!mms_lock_is_free(mms_load(&scene.lock.word)));
	CHECK_INT(mms_lock_owner(scene.word), 0);
	CHECK(mms_lock_give(&scene.lock, scene.word));
}

static void test_give_stolen(void)
{
	struct scene scene;
	uint64_t mine;

	setup_held(&scene);
	mine = scene.other_word;
	third_steals(&scene);
	CHECK(!mms_lock_give(&scene.lock, mine));
	CHECK(mms_load(&scene.lock.word) == scene.other_word);
}

/* Waiting. */

static void test_given_asleep(void)
{
	struct scene scene;

	setup_held(&scene);
	fake_futex_sleep((struct fake_sleep){
		.asleep = {give_and_wake, &scene},
	});
	CHECK_INT(take(&scene, MMS_NEVER), MMS_LOCK_TAKEN);
	CHECK_INT(fake_futex_calls()->woken, 1);
	CHECK(scene.word > scene.other_word);
}

static void test_given_before_sleep(void)
{
	struct scene scene;

	setup_held(&scene);
	fake_futex_sleep((struct fake_sleep){
		.before = {give_and_wake, &scene},
	});
	CHECK_INT(take(&scene, MMS_NEVER), MMS_LOCK_TAKEN);
	CHECK_INT(fake_futex_calls()->refused, 1);
}

static void test_given_at_certify(void)
{
	struct scene scene;

	setup_held(&scene);
	scene.at_certify = (struct fake_deed){give_and_wake, &scene};
	CHECK_INT(take(&scene, MMS_NEVER), MMS_LOCK_TAKEN);
	CHECK_INT(fake_futex_calls()->waits, 0);
}

static void test_time_up(void)
{
	struct scene scene;

	setup_held(&scene);
	fake_futex_sleep((struct fake_sleep){.result = -ETIMEDOUT});
	CHECK_INT(take(&scene, mms_now_ns() + MS), -ETIMEDOUT);
	CHECK_INT(scene.owner, OTHER);
	CHECK_INT(scene.asked_about, OTHER);
	CHECK(mms_load(&scene.lock.word) == scene.other_word);
}

static void test_given_as_time_went(void)
{
	struct scene scene;

	setup_held(&scene);
	fake_futex_sleep((struct fake_sleep){
		.asleep = {give, &scene},
		.result = -ETIMEDOUT,
	});
	CHECK_INT(take(&scene, mms_now_ns() + MS), MMS_LOCK_TAKEN);
}

static void test_given_at_signal(void)
{
	struct scene scene;

	setup_held(&scene);
	fake_futex_sleep((struct fake_sleep){
		.asleep = {give, &scene},
		.result = -EINTR,
	});
	CHECK_INT(take(&scene, MMS_NEVER), MMS_LOCK_TAKEN);
}

static void test_signal(void)
{
	struct scene scene;

	setup_held(&scene);
	fake_futex_sleep((struct fake_sleep){.result = -EINTR});
	CHECK_INT(take(&scene, MMS_NEVER), -EINTR);
	CHECK(mms_load(&scene.lock.word) == scene.other_word);
}

static void test_interrupt(void)
{
	struct scene scene;

	setup_held(&scene);
	fake_futex_sleep((struct fake_sleep){
		.asleep = {interrupt, &scene},
	});
	CHECK_INT(take(&scene, MMS_NEVER), -EINTR);
	CHECK_INT(fake_futex_calls()->woken, 1);
}

/* The lock is given back and taken again whenever we look. */
static int never_the_same(void *context, unsigned slot)
{
	struct scene *scene = context;

	(void)slot;
	CHECK(++scene->asked < 1000000);
	give_and_retake(scene);
	return 0;
}

static void test_busy(void)
{
	struct scene scene;

	setup_held(&scene);
	scene.locker.certify = never_the_same;
	CHECK_INT(take(&scene, mms_now_ns()), -ETIMEDOUT);
	CHECK_INT(scene.owner, OTHER);
}

static void test_passed_on(void)
{
	struct scene scene;

	setup_held(&scene);
	fake_futex_sleep((struct fake_sleep){
		.asleep = {give_and_retake, &scene},
		.result = 0,
	});
	fake_futex_sleep((struct fake_sleep){
		.asleep = {give_and_wake, &scene},
	});
	CHECK_INT(take(&scene, MMS_NEVER), MMS_LOCK_TAKEN);
	CHECK_INT(fake_futex_calls()->waits, 2);
}

/* Outliving the owner. */

static void test_stopped(void)
{
	struct scene scene;
	int i;

	setup_held(&scene);
	for (i = 0; i < 20; i++)
		fake_futex_sleep((struct fake_sleep){.result = -ETIMEDOUT});
	fake_futex_sleep((struct fake_sleep){
		.asleep = {give_and_wake, &scene},
	});
	CHECK_INT(take(&scene, MMS_NEVER), MMS_LOCK_TAKEN);
	CHECK_INT(scene.asked, 21);
	CHECK(scene.word == mms_lock_next(scene.other_word, ME));
}

static void test_dead(void)
{
	struct scene scene;

	setup_held(&scene);
	scene.dies_after = 1;
	CHECK_INT(take(&scene, MMS_NEVER), MMS_LOCK_INHERITED);
	CHECK_INT(scene.asked_about, OTHER);
	CHECK_INT(mms_lock_owner(scene.word), ME);
	CHECK(scene.word > scene.other_word);
	CHECK(mms_load(&scene.lock.word) == scene.word);
	CHECK(!mms_lock_give(&scene.lock, scene.other_word));
	CHECK(mms_lock_give(&scene.lock, scene.word));
}

static void test_looks_every_50_ms(void)
{
	struct scene scene;
	int64_t start = mms_now_ns();

	setup_held(&scene);
	scene.dies_after = 2;
	fake_futex_sleep((struct fake_sleep){.result = -ETIMEDOUT});
	CHECK_INT(take(&scene, MMS_NEVER), MMS_LOCK_INHERITED);
	CHECK_INT(scene.asked, 2);
	CHECK(fake_futex_calls()->deadline_ns >= start + 50 * MS);
	CHECK(fake_futex_calls()->deadline_ns <= mms_now_ns() + 50 * MS);
}

static void test_one_thief(void)
{
	struct scene scene;

	setup_held(&scene);
	scene.dies_after = 1;
	scene.at_certify = (struct fake_deed){third_steals, &scene};
	fake_futex_sleep((struct fake_sleep){
		.asleep = {give_and_wake, &scene},
	});
	CHECK_INT(take(&scene, MMS_NEVER), MMS_LOCK_TAKEN);
	CHECK_INT(mms_lock_owner(scene.other_word), THIRD);
}

/* The certificate was about an owner who has long given the lock back. */
static void test_old_certificate(void)
{
	struct scene scene;

	setup_held(&scene);
	scene.dies_after = 1;
	scene.at_certify = (struct fake_deed){give_and_retake, &scene};
	CHECK_INT(take(&scene, MMS_NEVER), MMS_LOCK_INHERITED);
	CHECK_INT(scene.asked, 2);
	CHECK(scene.word == mms_lock_next(scene.other_word, ME));
}

static void test_not_oneself(void)
{
	struct scene scene;
	uint64_t word;

	setup(&scene);
	scene.dies_after = 1;
	CHECK(mms_lock_try(&scene.lock, ME, &word));
	CHECK_INT(take(&scene, MMS_NEVER), -EBADMSG);
	CHECK_INT(scene.asked, 0);
	CHECK(mms_load(&scene.lock.word) == word);
}

static void test_impossible_owner(void)
{
	struct scene scene;

	setup(&scene);
	scene.dies_after = 1;
	mms_store(&scene.lock.word, 3 * MMS_LOCK_STEP | (SLOTS + 1));
	CHECK_INT(take(&scene, MMS_NEVER), -EBADMSG);
	mms_store(&scene.lock.word, UINT64_MAX);
	CHECK_INT(take(&scene, MMS_NEVER), -EBADMSG);
	CHECK_INT(scene.asked, 0);
}

static void test_certify_error(void)
{
	struct scene scene;

	setup_held(&scene);
	scene.certify_error = -EIO;
	CHECK_INT(take(&scene, MMS_NEVER), -EIO);
	CHECK(mms_load(&scene.lock.word) == scene.other_word);
}

static void test_newcomer(void)
{
	struct scene scene;

	setup_held(&scene);
	CHECK(!mms_lock_inherit(&scene.lock, ME, &scene.word));
	CHECK(mms_load(&scene.lock.word) == scene.other_word);
	CHECK(mms_lock_inherit(&scene.lock, OTHER, &scene.word));
	CHECK(scene.word == mms_lock_next(scene.other_word, OTHER));
	CHECK(!mms_lock_give(&scene.lock, scene.other_word));
	CHECK(mms_lock_give(&scene.lock, scene.word));
	CHECK(!mms_lock_inherit(&scene.lock, OTHER, &scene.word));
}

/* A thief has certified the dead one before the newcomer got his slot. */
static void newcomer_settles(void *context)
{
	struct scene *scene = context;

	CHECK(mms_lock_inherit(&scene->lock, OTHER, &scene->other_word));
	give_and_wake(scene);
}

static void test_thief_and_newcomer(void)
{
	struct scene scene;

	setup_held(&scene);
	scene.dies_after = 1;
	scene.at_certify = (struct fake_deed){newcomer_settles, &scene};
	CHECK_INT(take(&scene, MMS_NEVER), MMS_LOCK_TAKEN);
	CHECK(scene.word == mms_lock_next(scene.other_word, ME));
}

static void test_garbage(void)
{
	struct scene scene;
	uint64_t random = 1;
	uint64_t word;
	int i;
	int r;

	for (i = 0; i < 20; i++) {
		setup(&scene);
		word = random_next(&random) >> random_below(&random, 64);
		mms_store(&scene.lock.word, word);
		mms_store32(&scene.lock.event.asked,
			    (uint32_t)random_next(&random));
		mms_store32(&scene.lock.event.turn,
			    (uint32_t)random_next(&random));
		fake_futex_sleep((struct fake_sleep){.result = -ETIMEDOUT});
		r = take(&scene, mms_now_ns() + MS);
		CHECK(r == MMS_LOCK_TAKEN || r == -ETIMEDOUT || r == -EBADMSG);
		CHECK((r == MMS_LOCK_TAKEN) == mms_lock_is_free(word));
	}
}

/*
 * Threads, between whom nothing is ordered but by the lock: where that does not
 * order what an earlier owner wrote, the thread sanitizer sees it.
 */
struct inheritance {
	struct scene scene;
	unsigned char written[64];
};

/* One who gives the lock back, and one who dies with it. */
static void *write_and_die(void *context)
{
	struct inheritance *left = context;
	struct mms_lock *lock = &left->scene.lock;
	uint64_t word;

	CHECK(mms_lock_try(lock, OTHER, &word));
	memset(left->written, 1, sizeof(left->written));
	CHECK(mms_lock_give(lock, word));
	CHECK(mms_lock_try(lock, THIRD, &word));
	return NULL;
}

static void leave_behind(struct inheritance *left, pthread_t *thread)
{
	const _Atomic uint64_t *word = &left->scene.lock.word;

	setup(&left->scene);
	left->scene.dies_after = 1;
	CHECK(!pthread_create(thread, NULL, write_and_die, left));
	while (mms_lock_owner(mms_load(word)) != THIRD)
		sched_yield();
}

static void test_thief_sees(void)
{
	struct inheritance left;
	pthread_t thread;

	leave_behind(&left, &thread);
	CHECK_INT(take(&left.scene, 0), MMS_LOCK_INHERITED);
	CHECK_INT(left.written[7], 1);
	CHECK(!pthread_join(thread, NULL));
}

static void test_newcomer_sees(void)
{
	struct inheritance left;
	pthread_t thread;
	uint64_t word;

	leave_behind(&left, &thread);
	CHECK(mms_lock_inherit(&left.scene.lock, THIRD, &word));
	CHECK_INT(left.written[7], 1);
	CHECK(!pthread_join(thread, NULL));
}

static const struct check_case cases[] = {
	{"a free lock is taken without a system call", test_free},
	{"no lock word ever comes back", test_count},
	{"a held lock is not taken", test_held},
	{"a lock held by slot 0 is not free", test_slot_0},
	{"a lock that was stolen cannot be given back", test_give_stolen},
	{"a sleeper is woken when the lock is given back", test_given_asleep},
	{"a lock given back between look and sleep is not slept on",
	 test_given_before_sleep},
	{"a lock given back while its owner is certified is taken",
	 test_given_at_certify},
	{"when the time is up the owner is named", test_time_up},
	{"a lock that is free as the time goes is taken",
	 test_given_as_time_went},
	{"a lock that is free as a signal comes is taken",
	 test_given_at_signal},
	{"a signal ends the wait for a lock", test_signal},
	{"an interrupt ends the wait for a lock", test_interrupt},
	{"a time-out holds although the lock never stays the same", test_busy},
	{"a sleeper who finds another owner sleeps again", test_passed_on},
	{"a stopped owner keeps what he holds", test_stopped},
	{"a dead owner's lock is inherited", test_dead},
	{"a waiter looks for a dead owner every 50 ms", test_looks_every_50_ms},
	{"of two thieves one wins", test_one_thief},
	{"a lock that was given back meanwhile is not stolen",
	 test_old_certificate},
	{"nobody certifies himself", test_not_oneself},
	{"an owner that cannot be gives EBADMSG", test_impossible_owner},
	{"an error of certification is passed on", test_certify_error},
	{"a newcomer finishes his predecessor, and nobody else", test_newcomer},
	{"a thief who is slower than a newcomer gets nothing",
	 test_thief_and_newcomer},
	{"garbage in a lock is an error or a time-out", test_garbage},
	{"a thief sees what earlier owners wrote", test_thief_sees},
	{"so does a newcomer", test_newcomer_sees},
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, cases, CHECK_COUNT(cases));
}
