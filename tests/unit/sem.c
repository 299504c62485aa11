/* SPDX-License-Identifier: MIT */
/*
 * sem.c - semaphores: modes, waiting, death, removal, threads and forks
 */
#include <limits.h>
#include <pthread.h>
#include <sys/wait.h>

#include "handle.h"
#include "sandbox.h"

static struct mmsock_sem_options sem_options(unsigned mode, unsigned flags)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;

	options.mode = mode;
	options.flags = flags;
	return options;
}

static void create_sem(const char *name, uint64_t value, uint64_t maximum)
{
	struct mmsock_sem_options options =
		sem_options(MMSOCK_CREATE_NEW_EXCLUSIVE, 0);

	options.value = value;
	options.maximum = maximum;
	CHECK_INT(mmsock_sem_create(name, &options), 1);
}

static struct mmsock_sem *open_sem(const char *name, unsigned flags)
{
	struct mmsock_sem_options options =
		sem_options(MMSOCK_CONNECT_TO_EXISTING, flags);
	struct mmsock_sem *sem = NULL;

	CHECK_INT(mmsock_sem_open(name, &options, &sem), 0);
	return sem;
}

static int try_sem_open(const char *name, unsigned mode)
{
	struct mmsock_sem_options options = sem_options(mode, 0);
	struct mmsock_sem *sem = NULL;
	int r = mmsock_sem_open(name, &options, &sem);

	mmsock_sem_close(sem);
	return r;
}

/* Opening. */

static void test_modes(void)
{
	struct mmsock_sem *sem;

	fresh_dir();
	CHECK_INT(try_sem_open("s", MMSOCK_CONNECT_TO_EXISTING), -ENOENT);
	CHECK_STR(mmsock_error_text(-ENOENT), "no such semaphore");
	CHECK_INT(mmsock_sem_open("s", NULL, &sem), 0);
	CHECK_INT(mmsock_sem_value(sem), 1);
	CHECK_INT(try_sem_open("s", MMSOCK_CREATE_NEW_EXCLUSIVE), -EEXIST);
	CHECK_STR(mmsock_error_text(-EEXIST), "the name is taken");
	CHECK_INT(try_sem_open("s", MMSOCK_CONNECT_TO_EXISTING), 0);
	CHECK_INT(mmsock_sem_wait(sem, 1, 0), 0);
	CHECK_INT(try_sem_open("s", MMSOCK_CONNECT_OR_CREATE), 0);
	CHECK_INT(mmsock_sem_value(sem), 0);
	CHECK_INT(try_sem_open("s", MMSOCK_CREATE_NEW_OVERWRITE), 0);
	CHECK_INT(mmsock_sem_value(sem), -ESTALE);
	CHECK_STR(mmsock_error_text(-ESTALE),
		  "the semaphore was replaced by a new one of the same name");
	CHECK_INT(mmsock_sem_wait(sem, 1, MMSOCK_FOREVER), -ESTALE);
	CHECK_INT(mmsock_sem_post(sem, 1), -ESTALE);
	CHECK_INT(mmsock_sem_destroy(sem), -ESTALE);
	mmsock_sem_close(sem);
	CHECK_INT(try_sem_open("s", MMSOCK_CONNECT_TO_EXISTING), 0);
	CHECK_INT(try_sem_open("s", 4), -EINVAL);
	CHECK_INT(count_entries(getenv("MMSOCK_DIR")), 1);
}

static void test_options(void)
{
	struct mmsock_sem_options options =
		sem_options(MMSOCK_CONNECT_OR_CREATE, 2);
	struct mmsock_sem *sem = NULL;

	fresh_dir();
	CHECK_INT(mmsock_sem_open("s", &options, &sem), -EINVAL);
	options.flags = 0;
	options.size--;
	CHECK_INT(mmsock_sem_open("s", &options, &sem), -EINVAL);
	options.size++;
	options.maximum = (uint64_t)MMSOCK_SEM_VALUE_MAX + 1;
	CHECK_INT(mmsock_sem_create("s", &options), -EINVAL);
	options.maximum = 3;
	options.value = 4;
	CHECK_INT(mmsock_sem_create("s", &options), -EINVAL);
	options.value = UINT64_MAX;
	CHECK_INT(mmsock_sem_create("s", &options), -EINVAL);
	options.value = 3;
	options.slots = MMSOCK_SLOTS_MAX + 1;
	CHECK_INT(mmsock_sem_create("s", &options), -EINVAL);
	options.slots = MMSOCK_SLOTS_MAX;
	options.permissions = 01000;
	CHECK_INT(mmsock_sem_create("s", &options), -EINVAL);
	options.permissions = 0640;
	options.mode = MMSOCK_CONNECT_TO_EXISTING;
	CHECK_INT(mmsock_sem_create("s", &options), -EINVAL);
	options.mode = MMSOCK_CONNECT_OR_CREATE;
	CHECK_INT(mmsock_sem_create("s", &options), 1);
	CHECK_INT(mmsock_sem_create("s", &options), 0);
	CHECK_INT(inspect("s").permissions, 0640);
	CHECK_INT(inspect("s").max_value, 3);
	CHECK(!sem);
}

static void test_types(void)
{
	struct mmsock_sem_options options =
		sem_options(MMSOCK_CREATE_NEW_OVERWRITE, 0);
	struct mmsock_options port =
		options_for(MMSOCK_CREATE_NEW_OVERWRITE, 0);

	fresh_dir();
	create_port("p", 4096, 2);
	create_sem("s", 1, 0);
	CHECK_INT(try_sem_open("p", MMSOCK_CONNECT_OR_CREATE), -ENOTSOCK);
	CHECK_STR(mmsock_error_text(-ENOTSOCK),
		  "the file is a port, not a semaphore");
	CHECK_INT(try_open("s", MMSOCK_CONNECT_OR_CREATE), -ENOTSOCK);
	CHECK_STR(mmsock_error_text(-ENOTSOCK),
		  "the file is a semaphore, not a port");
	CHECK_INT(mmsock_sem_create("p", &options), -ENOTSOCK);
	CHECK_INT(mmsock_create("s", &port), -ENOTSOCK);
	options.mode = port.mode = MMSOCK_CONNECT_OR_CREATE;
	CHECK_INT(mmsock_sem_create("p", &options), -ENOTSOCK);
	CHECK_INT(mmsock_create("s", &port), -ENOTSOCK);
	port.type = MMSOCK_SEMAPHORE;
	CHECK_INT(mmsock_create("new", &port), -EINVAL);
	CHECK_INT(mmsock_sem_remove("p", NULL, MMSOCK_REMOVE_ALWAYS),
		  -ENOTSOCK);
	CHECK_INT(inspect("s").type, MMSOCK_SEMAPHORE);
	CHECK_INT(mmsock_remove("s", NULL, MMSOCK_REMOVE_UNUSED), 0);
	CHECK_INT(count_entries(getenv("MMSOCK_DIR")), 1);
}

static void test_slots(void)
{
	struct mmsock_sem_options options =
		sem_options(MMSOCK_CREATE_NEW_EXCLUSIVE, MMSOCK_SEM_OWNED);
	struct mmsock_sem *first = NULL;
	struct mmsock_sem *second;

	fresh_dir();
	options.slots = 2;
	CHECK_INT(mmsock_sem_open("s", &options, &first), 0);
	second = open_sem("s", 0);
	CHECK_INT(try_sem_open("s", MMSOCK_CONNECT_TO_EXISTING), -EUSERS);
	mmsock_sem_close(second);
	CHECK_INT(try_sem_open("s", MMSOCK_CONNECT_TO_EXISTING), 0);
	mmsock_sem_close(first);
	mmsock_sem_close(NULL);
}

static void test_nothing_left(void)
{
	unsigned descriptors;
	unsigned mappings;
	struct mmsock_sem *sem;

	fresh_dir();
	create_sem("s", 1, 0);
	sem = open_sem("s", MMSOCK_SEM_OWNED);
	mmsock_sem_close(sem);
	descriptors = count_descriptors();
	mappings = count_mappings();
	sem = open_sem("s", 0);
	CHECK_INT(mmsock_sem_destroy(sem), 0);
	mmsock_sem_close(sem);
	CHECK_INT(count_descriptors(), descriptors);
	CHECK_INT(count_mappings(), mappings);
}

/* Taking and giving. */

static void test_numbers(void)
{
	struct mmsock_sem *sem;

	fresh_dir();
	create_sem("s", 2, 5);
	sem = open_sem("s", 0);
	CHECK_INT(mmsock_sem_wait(sem, 0, 0), -EINVAL);
	CHECK_INT(mmsock_sem_wait(sem, 6, MMSOCK_FOREVER), -EINVAL);
	CHECK_INT(mmsock_sem_wait(sem, UINT64_MAX, 0), -EINVAL);
	CHECK_INT(mmsock_sem_post(sem, 0), -EINVAL);
	CHECK_INT(mmsock_sem_post(sem, 4), -EOVERFLOW);
	CHECK_INT(mmsock_sem_post(sem, UINT64_MAX), -EOVERFLOW);
	CHECK_INT(mmsock_sem_wait(sem, 3, 0), -EAGAIN);
	CHECK_INT(mmsock_sem_wait(sem, 3, 20 * MS), -ETIMEDOUT);
	CHECK_INT(mmsock_sem_post(sem, 3), 0);
	CHECK_INT(mmsock_sem_wait(sem, 5, 0), 0);
	CHECK_INT(mmsock_sem_value(sem), 0);
	mmsock_sem_close(sem);
	CHECK_INT(inspect("s").value, 0);
}

static void test_owned(void)
{
	struct mmsock_sem *owner;
	struct mmsock_sem *plain;

	fresh_dir();
	create_sem("s", 3, 0);
	owner = open_sem("s", MMSOCK_SEM_OWNED);
	plain = open_sem("s", 0);
	CHECK_INT(mmsock_sem_wait(owner, 2, 0), 0);
	CHECK_INT(inspect("s").held, 2);
	CHECK_INT(inspect("s").value, 1);
	CHECK_INT(mmsock_sem_post(owner, 3), -EPERM);
	CHECK_STR(mmsock_error_text(-EPERM),
		  "the handle does not hold so many units");
	CHECK_INT(mmsock_sem_post(owner, 1), 0);
	CHECK_INT(mmsock_sem_value(plain), 2);
	CHECK_INT(mmsock_sem_wait(plain, 2, 0), 0);
	mmsock_sem_close(owner);
	CHECK_INT(mmsock_sem_value(plain), 1);
	mmsock_sem_close(plain);
	CHECK_INT(inspect("s").value, 1);
}

struct waiting {
	uint64_t units;
	int64_t timeout_ns;
	int64_t spin_ns;
	unsigned flags;
	int want;
};

static void run_waiter(struct kid *self, void *context)
{
	struct waiting *waiting = context;
	struct mmsock_sem_options options =
		sem_options(MMSOCK_CONNECT_TO_EXISTING, waiting->flags);
	struct mmsock_sem *sem = NULL;

	options.spin_ns = waiting->spin_ns;
	CHECK_INT(mmsock_sem_open("s", &options, &sem), 0);
	/* A wake that is lost is a test that runs out of time. */
	((struct mmsock *)(void *)sem)->waiter.no_recheck =
		waiting->timeout_ns == MMSOCK_FOREVER;
	tell(self);
	CHECK_INT(mmsock_sem_wait(sem, waiting->units, waiting->timeout_ns),
		  waiting->want);
	tell(self);
	if (waiting->flags)
		CHECK(!hear(self));
	mmsock_sem_close(sem);
}

static void start_waiter(struct kid *kid, struct waiting *waiting)
{
	kid_start(kid, run_waiter, waiting);
	CHECK(hear(kid));
}

static void test_wakes(void)
{
	struct waiting one = {.units = 1, .timeout_ns = MMSOCK_FOREVER};
	struct waiting three = {.units = 3, .timeout_ns = MMSOCK_FOREVER};
	struct kid kids[3];
	struct mmsock_sem *sem;
	unsigned i;

	fresh_dir();
	create_sem("s", 0, 0);
	sem = open_sem("s", 0);
	for (i = 0; i < 3; i++) {
		start_waiter(&kids[i], i ? &one : &three);
		await_sleeper("s", kids[i].pid, MMSOCK_UNITS);
	}
	/* Too little for the first, and he does not keep it from the others. */
	CHECK_INT(mmsock_sem_post(sem, 2), 0);
	for (i = 1; i < 3; i++) {
		CHECK(hear(&kids[i]));
		CHECK_INT(kid_reap(&kids[i]), 0);
	}
	CHECK_INT(mmsock_sem_post(sem, 3), 0);
	CHECK_INT(kid_reap(&kids[0]), 0);
	CHECK_INT(mmsock_sem_value(sem), 0);
	mmsock_sem_close(sem);
}

static void test_spinning(void)
{
	struct waiting waiting = {
		.units = 1,
		.timeout_ns = SECOND * 20,
		.spin_ns = MMSOCK_SPIN_ONLY,
	};
	struct mmsock_sem *sem;
	struct kid kid;

	fresh_dir();
	create_sem("s", 0, 0);
	sem = open_sem("s", 0);
	start_waiter(&kid, &waiting);
	CHECK_INT(mmsock_sem_post(sem, 1), 0);
	CHECK_INT(kid_reap(&kid), 0);
	CHECK_INT(inspect("s").sleeps, 0);
	mmsock_sem_close(sem);
}

/* Deaths. */

/* A semaphore with so many units, all of which another process then holds. */
static struct mmsock_sem *open_beside_owner(struct kid *owner, uint64_t units,
					    unsigned flags)
{
	static struct waiting holding = {.flags = MMSOCK_SEM_OWNED};
	struct mmsock_sem *sem;

	holding.units = units;
	fresh_dir();
	create_sem("s", units, 0);
	sem = open_sem("s", flags);
	start_waiter(owner, &holding);
	CHECK(hear(owner));
	return sem;
}

static void test_dead_owner(void)
{
	struct waiting waiting = {.units = 1, .timeout_ns = SECOND * 20};
	struct kid owner;
	struct mmsock_sem *sem = open_beside_owner(&owner, 2, 0);
	struct kid waiter;
	int64_t start;

	CHECK_INT(mmsock_sem_wait(sem, 1, 0), -EAGAIN);
	start_waiter(&waiter, &waiting);
	await_sleeper("s", waiter.pid, MMSOCK_UNITS);
	kid_kill(&owner);
	start = now_ns();
	CHECK(hear(&waiter));
	CHECK(now_ns() - start < SECOND);
	CHECK_INT(kid_reap(&waiter), 0);
	CHECK_INT(mmsock_sem_value(sem), 1);
	CHECK_INT(inspect("s").takeovers, 1);
	mmsock_sem_close(sem);
}

/* The first owner comes when the waiter has gone to sleep for a second. */
static void test_owner_comes_late(void)
{
	struct waiting waiting = {.units = 2, .timeout_ns = SECOND * 20};
	struct waiting holding = {.units = 1, .flags = MMSOCK_SEM_OWNED};
	struct kid waiter;
	struct kid owner;

	fresh_dir();
	create_sem("s", 1, 0);
	start_waiter(&waiter, &waiting);
	await_sleeper("s", waiter.pid, MMSOCK_UNITS);
	start_waiter(&owner, &holding);
	CHECK(hear(&owner));
	kid_kill(&owner);
	/* The waiter finds the dead one, but still too little. */
	while (inspect("s").takeovers < 1)
		sched_yield();
	CHECK_INT(inspect("s").value, 1);
	kid_kill(&waiter);
}

static void test_looking_on_demand(void)
{
	struct kid owner;
	struct mmsock_sem *sem = open_beside_owner(&owner, 2, MMSOCK_SEM_OWNED);

	CHECK_INT(mmsock_sem_value(sem), 0);
	kid_kill(&owner);
	CHECK_INT(inspect("s").value, 2);
	CHECK_INT(inspect("s").takeovers, 0);
	CHECK_INT(mmsock_sem_value(sem), 2);
	CHECK_INT(mmsock_sem_wait(sem, 2, 0), 0);
	CHECK_INT(inspect("s").held, 2);
	mmsock_sem_close(sem);
}

/* A newcomer gets the dead one's slot before anybody has looked. */
static void test_slot_is_inherited(void)
{
	struct waiting holding = {.units = 2, .flags = MMSOCK_SEM_OWNED};
	struct mmsock_sem *sem;
	struct kid owner;

	fresh_dir();
	create_sem("s", 2, 0);
	start_waiter(&owner, &holding);
	CHECK(hear(&owner));
	kid_kill(&owner);
	sem = open_sem("s", MMSOCK_SEM_OWNED);
	CHECK_INT(inspect("s").value, 2);
	CHECK_INT(inspect("s").takeovers, 1);
	CHECK_INT(mmsock_sem_post(sem, 1), -EPERM);
	mmsock_sem_close(sem);
}

static void test_stopped_owner(void)
{
	struct kid owner;
	struct mmsock_sem *sem = open_beside_owner(&owner, 1, 0);

	kid_stop(&owner);
	CHECK_INT(mmsock_sem_wait(sem, 1, 250 * MS), -ETIMEDOUT);
	kid_continue(&owner);
	kid_kill(&owner);
	CHECK_INT(mmsock_sem_wait(sem, 1, 0), 0);
	mmsock_sem_close(sem);
}

static void test_plain_death(void)
{
	struct waiting taking = {.units = 1, .want = 0};
	struct mmsock_sem *sem;
	struct kid kid;

	fresh_dir();
	create_sem("s", 1, 0);
	sem = open_sem("s", 0);
	start_waiter(&kid, &taking);
	CHECK_INT(kid_reap(&kid), 0);
	CHECK_INT(mmsock_sem_wait(sem, 1, 0), -EAGAIN);
	mmsock_sem_close(sem);
}

static void run_execute(struct kid *self, void *context)
{
	struct mmsock_sem *sem = open_sem("s", MMSOCK_SEM_OWNED);

	(void)context;
	CHECK_INT(mmsock_sem_wait(sem, 1, 0), 0);
	meet(self);
	fcntl(self->to, F_SETFD, 0);
	execl("/bin/sleep", "sleep", "60", (char *)NULL);
}

static void test_execute(void)
{
	struct mmsock_sem *sem;
	struct kid kid;

	fresh_dir();
	create_sem("s", 1, 0);
	sem = open_sem("s", 0);
	kid_start(&kid, run_execute, NULL);
	CHECK(hear(&kid));
	CHECK_INT(mmsock_sem_wait(sem, 1, 0), -EAGAIN);
	tell(&kid);
	CHECK_INT(mmsock_sem_wait(sem, 1, 20 * SECOND), 0);
	CHECK(!kill(kid.pid, 0));
	kid_kill(&kid);
	mmsock_sem_close(sem);
}

/* Removal. */

static void test_destroy(void)
{
	struct waiting waiting = {
		.units = 1,
		.timeout_ns = MMSOCK_FOREVER,
		.want = -EIDRM,
	};
	struct mmsock_sem *sem;
	struct kid kids[2];
	unsigned i;

	fresh_dir();
	create_sem("s", 0, 0);
	sem = open_sem("s", 0);
	for (i = 0; i < 2; i++) {
		start_waiter(&kids[i], &waiting);
		await_sleeper("s", kids[i].pid, MMSOCK_UNITS);
	}
	CHECK_INT(mmsock_sem_destroy(sem), 0);
	for (i = 0; i < 2; i++)
		CHECK_INT(kid_reap(&kids[i]), 0);
	CHECK_INT(mmsock_sem_wait(sem, 1, 0), -EIDRM);
	CHECK_STR(mmsock_error_text(-EIDRM), "the semaphore was removed");
	CHECK_INT(mmsock_sem_post(sem, 1), -EIDRM);
	CHECK_INT(mmsock_sem_value(sem), -EIDRM);
	CHECK_INT(mmsock_sem_destroy(sem), -EIDRM);
	mmsock_sem_close(sem);
	CHECK_INT(count_entries(getenv("MMSOCK_DIR")), 0);
	/* Units that are there are not taken any more. */
	create_sem("t", 1, 0);
	sem = open_sem("t", 0);
	CHECK_INT(mmsock_sem_destroy(sem), 0);
	CHECK_INT(mmsock_sem_wait(sem, 1, 0), -EIDRM);
	mmsock_sem_close(sem);
}

static void test_unlinked(void)
{
	struct mmsock_sem *sem;
	const char *path;

	path = join(fresh_dir(), "s");
	create_sem("s", 0, 0);
	sem = open_sem("s", 0);
	CHECK(!unlink(path));
	CHECK_INT(mmsock_sem_wait(sem, 1, 20 * SECOND), -EIDRM);
	mmsock_sem_close(sem);
	create_sem("s", 0, 0);
	sem = open_sem("s", 0);
	CHECK(!unlink(path));
	create_sem("s", 1, 0);
	CHECK_INT(mmsock_sem_destroy(sem), -ESTALE);
	mmsock_sem_close(sem);
	CHECK_INT(inspect("s").value, 1);
}

static void test_remove(void)
{
	struct mmsock_sem *sem;

	fresh_dir();
	CHECK_INT(mmsock_sem_remove("s", NULL, MMSOCK_REMOVE_ALWAYS), -ENOENT);
	create_sem("s", 0, 0);
	sem = open_sem("s", 0);
	CHECK_INT(mmsock_sem_remove("s", NULL, MMSOCK_REMOVE_UNUSED), -EBUSY);
	CHECK_STR(mmsock_error_text(-EBUSY), "the semaphore is in use");
	CHECK_INT(mmsock_sem_remove("s", NULL, MMSOCK_REMOVE_STALE), -EBUSY);
	CHECK_INT(mmsock_sem_remove("s", NULL, MMSOCK_REMOVE_ALWAYS), 0);
	CHECK_INT(mmsock_sem_post(sem, 1), -EIDRM);
	mmsock_sem_close(sem);
}

/* Interrupts, threads, forks. */

static struct mmsock_sem *handler_sem;

static void on_alarm(int number)
{
	(void)number;
	mmsock_sem_interrupt(handler_sem);
}

static void post_on_alarm(int number)
{
	(void)number;
	if (mmsock_sem_post(handler_sem, 1))
		_exit(EXIT_FAILURE);
}

static void test_interrupt(void)
{
	fresh_dir();
	create_sem("s", 0, 0);
	handler_sem = open_sem("s", 0);
	mmsock_sem_interrupt(handler_sem);
	CHECK_INT(mmsock_sem_wait(handler_sem, 1, MMSOCK_FOREVER), -EINTR);
	CHECK_INT(mmsock_sem_wait(handler_sem, 1, 10 * MS), -ETIMEDOUT);
	signal(SIGUSR1, on_alarm);
	mmsock_sem_post(handler_sem, 1);
	raise(SIGUSR1);
	/* One that is not needed is left to the next wait. */
	CHECK_INT(mmsock_sem_wait(handler_sem, 1, MMSOCK_FOREVER), 0);
	CHECK_INT(mmsock_sem_wait(handler_sem, 1, MMSOCK_FOREVER), -EINTR);
	mmsock_sem_close(handler_sem);
}

/* Into our own wait, which it ends. */
static void test_post_from_handler(void)
{
	struct itimerspec span = {.it_value.tv_nsec = 20 * MS};
	struct sigaction action = {
		.sa_handler = post_on_alarm,
		.sa_flags = SA_RESTART,
	};
	timer_t timer;

	fresh_dir();
	create_sem("s", 0, 0);
	handler_sem = open_sem("s", 0);
	sigaction(SIGALRM, &action, NULL);
	CHECK(!timer_create(CLOCK_MONOTONIC, NULL, &timer));
	CHECK(!timer_settime(timer, 0, &span, NULL));
	CHECK_INT(mmsock_sem_wait(handler_sem, 1, MMSOCK_FOREVER), 0);
	mmsock_sem_close(handler_sem);
}

#define POSTERS 3
#define POSTS   20000

static void *post_many(void *context)
{
	unsigned i;

	for (i = 0; i < POSTS; i++)
		CHECK_INT(mmsock_sem_post(context, 1), 0);
	return NULL;
}

static void test_posts_from_threads(void)
{
	pthread_t threads[POSTERS];
	struct mmsock_sem *sem;
	unsigned i;

	fresh_dir();
	create_sem("s", 0, 0);
	sem = open_sem("s", 0);
	((struct mmsock *)(void *)sem)->waiter.no_recheck = true;
	for (i = 0; i < POSTERS; i++)
		CHECK(!pthread_create(&threads[i], NULL, post_many, sem));
	for (i = 0; i < POSTERS * POSTS; i++)
		CHECK_INT(mmsock_sem_wait(sem, 1, MMSOCK_FOREVER), 0);
	for (i = 0; i < POSTERS; i++)
		CHECK(!pthread_join(threads[i], NULL));
	CHECK_INT(mmsock_sem_value(sem), 0);
	mmsock_sem_close(sem);
}

static void reenter(int number)
{
	(void)number;
	if (mmsock_sem_wait(handler_sem, 1, 0) != -EDEADLK ||
	    mmsock_sem_post(handler_sem, 1) != -EDEADLK ||
	    mmsock_sem_value(handler_sem) != -EDEADLK)
		_exit(EXIT_FAILURE);
	mmsock_sem_interrupt(handler_sem);
}

static void test_reentry(void)
{
	struct itimerspec span = {.it_value.tv_nsec = 20 * MS};
	timer_t timer;

	fresh_dir();
	create_sem("s", 0, 0);
	handler_sem = open_sem("s", MMSOCK_SEM_OWNED);
	signal(SIGALRM, reenter);
	CHECK(!timer_create(CLOCK_MONOTONIC, NULL, &timer));
	CHECK(!timer_settime(timer, 0, &span, NULL));
	CHECK_INT(mmsock_sem_wait(handler_sem, 1, MMSOCK_FOREVER), -EINTR);
	mmsock_sem_close(handler_sem);
}

static void run_child(struct kid *self, void *context)
{
	struct mmsock_sem *sem = context;

	(void)self;
	CHECK_INT(mmsock_sem_wait(sem, 1, 0), -ECHILD);
	CHECK_INT(mmsock_sem_post(sem, 1), -ECHILD);
	CHECK_INT(mmsock_sem_value(sem), -ECHILD);
	CHECK_INT(mmsock_sem_destroy(sem), -ECHILD);
	mmsock_sem_interrupt(sem);
	mmsock_sem_close(sem);
}

static void test_fork(void)
{
	unsigned flags;

	fresh_dir();
	create_sem("s", 2, 0);
	for (flags = 0; flags < 2; flags++) {
		struct mmsock_sem *sem = open_sem("s", flags);
		struct kid kid;

		CHECK_INT(mmsock_sem_wait(sem, 1, 0), 0);
		kid_start(&kid, run_child, sem);
		CHECK_INT(kid_reap(&kid), 0);
		CHECK_INT(mmsock_sem_post(sem, 1), 0);
		mmsock_sem_close(sem);
		CHECK_INT(inspect("s").value, 2);
	}
}

static void test_closefrom(void)
{
	struct kid owner;
	struct mmsock_sem *sem = open_beside_owner(&owner, 1, 0);

	kid_stop(&owner);
	/* All but what leads to the helper. */
	for (int fd = 3; fd < 100; fd++)
		if (fd != owner.to && fd != owner.from)
			close(fd);
	CHECK_INT(mmsock_sem_wait(sem, 1, 0), -EAGAIN);
	kid_kill(&owner);
	CHECK_INT(mmsock_sem_wait(sem, 1, 0), 0);
	mmsock_sem_close(sem);
}

static void test_damage(void)
{
	struct mmsock_sem *sem;
	struct mms_pool *pool;

	fresh_dir();
	create_sem("s", 1, 5);
	sem = open_sem("s", 0);
	pool = (void *)(map_file(join(getenv("MMSOCK_DIR"), "s")) +
			MMS_POOL_OFFSET);
	pool->units = 6;
	CHECK_INT(mmsock_sem_wait(sem, 1, 0), -EBADMSG);
	CHECK_INT(mmsock_sem_post(sem, 1), -EBADMSG);
	CHECK_INT(mmsock_sem_value(sem), -EBADMSG);
	CHECK_INT(try_sem_open("s", MMSOCK_CONNECT_TO_EXISTING), -EBADMSG);
	CHECK_INT(inspect("s").value, 5);
	mmsock_sem_close(sem);
}

/* A file on a disk, and the boot of its creator is over. */
static void test_reboot(void)
{
	struct waiting holding = {.units = 2, .flags = MMSOCK_SEM_OWNED};
	struct mms_control *control;
	struct mmsock_sem *sem;
	struct kid owner;
	const char *dir = fresh_disk_dir();

	setenv("MMSOCK_DIR", dir, 1);
	create_sem("s", 3, 0);
	start_waiter(&owner, &holding);
	CHECK(hear(&owner));
	kid_kill(&owner);
	control = map_control(join(dir, "s"));
	control->census.boot_id[0]++;
	sem = open_sem("s", 0);
	CHECK_INT(mmsock_sem_wait(sem, 3, 0), 0);
	CHECK_INT(inspect("s").died, 0);
	mmsock_sem_close(sem);
}

static const struct check_case cases[] = {
	{"the four modes", test_modes},
	{"options that cannot be are refused", test_options},
	{"ports and semaphores are told apart", test_types},
	{"a full table of handles is told", test_slots},
	{"closing leaves nothing behind", test_nothing_left},
	{"numbers that cannot be are refused", test_numbers},
	{"owned units are the owner's, until he closes", test_owned},
	{"a post wakes who can use it", test_wakes},
	{"a wait that never sleeps sees a post", test_spinning},
	{"a sleeper takes what a dead owner held", test_dead_owner},
	{"a sleeper looks for owners who came later", test_owner_comes_late},
	{"try and value look for the dead at once", test_looking_on_demand},
	{"who gets a dead owner's slot gives back his units",
	 test_slot_is_inherited},
	{"a stopped owner keeps what he holds", test_stopped_owner},
	{"a plain unit is not given back", test_plain_death},
	{"who executes another program gives back", test_execute},
	{"destroying tells waiters and later callers", test_destroy},
	{"a plain unlink is noticed", test_unlinked},
	{"removing by name minds who uses it", test_remove},
	{"an interrupt ends one wait", test_interrupt},
	{"a handler may post into a wait", test_post_from_handler},
	{"threads may post on one handle", test_posts_from_threads},
	{"a busy handle refuses a second call", test_reentry},
	{"a child cannot use the handle", test_fork},
	{"closed descriptors do not matter", test_closefrom},
	{"an impossible value is told", test_damage},
	{"a reboot gives back what owners held", test_reboot},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
