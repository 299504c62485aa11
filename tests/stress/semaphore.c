/* SPDX-License-Identifier: MIT */
/*
 * semaphore.c - many processes on one semaphore
 *
 * Where no period of sleep is left to look for oneself, a wake that is lost is a
 * test that runs out of time.  STRESS=34 makes ten million posts of it.
 */
#include <sched.h>

#include "handle.h"
#include "random.h"
#include "schedule.h"
#include "unit/sandbox.h"

#define NAME   "semaphore"
#define GUESTS 6U
#define ROOM   2U
#define VISITS 3000U
#define POSTS  100000U
#define RACES  100U
#define RACERS 10U
#define ROUNDS 20000U

/* What all processes of a case see. */
struct shared {
	_Atomic unsigned inside;
	_Atomic unsigned most;
	_Atomic uint64_t posted;
	_Atomic uint64_t taken;
	_Atomic unsigned created;
	ino_t inodes[RACERS];
};

struct party {
	struct kid kid;
	struct shared *shared;
	unsigned number;
	unsigned flags;
	int64_t spin_ns;
};

static struct shared *share(void)
{
	struct shared *shared =
		mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(shared != MAP_FAILED);
	return shared;
}

static void create(const char *name, uint64_t value)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;

	options.mode = MMSOCK_CREATE_NEW_EXCLUSIVE;
	options.value = value;
	CHECK_INT(mmsock_sem_create(name, &options), 1);
}

static struct mmsock_sem *join_in(const char *name, const struct party *party)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;
	struct mmsock_sem *sem = NULL;

	options.mode = MMSOCK_CONNECT_TO_EXISTING;
	options.flags = party->flags;
	options.spin_ns = party->spin_ns;
	CHECK_INT(mmsock_sem_open(name, &options, &sem), 0);
	return sem;
}

/* The handle comes first in a semaphore. */
static void sleep_till_woken(struct mmsock_sem *sem)
{
	((struct mmsock *)(void *)sem)->waiter.no_recheck = true;
}

static void start(struct party *parties, unsigned count, struct shared *shared,
		  void (*run)(struct kid *self, void *context))
{
	unsigned i;

	for (i = 0; i < count; i++) {
		parties[i].shared = shared;
		parties[i].number = i;
		kid_start(&parties[i].kid, run, &parties[i]);
	}
	for (i = 0; i < count; i++)
		CHECK(hear(&parties[i].kid));
	for (i = 0; i < count; i++)
		tell(&parties[i].kid);
}

static uint64_t value_left(void)
{
	return inspect(NAME).value;
}

/* Never more than so many inside. */

static void visit(struct shared *shared)
{
	unsigned now = atomic_fetch_add(&shared->inside, 1) + 1;

	CHECK(now <= ROOM);
	if (now > atomic_load(&shared->most))
		atomic_store(&shared->most, now);
	sched_yield();
	atomic_fetch_sub(&shared->inside, 1);
}

static void run_guest(struct kid *self, void *context)
{
	struct party *party = context;
	struct mmsock_sem *sem = join_in(NAME, party);
	unsigned i;

	if (!party->flags)
		sleep_till_woken(sem);
	meet(self);
	for (i = 0; i < VISITS * stress_scale(); i++) {
		CHECK_INT(mmsock_sem_wait(sem, 1, MMSOCK_FOREVER), 0);
		visit(party->shared);
		CHECK_INT(mmsock_sem_post(sem, 1), 0);
	}
	mmsock_sem_close(sem);
}

static void limit(unsigned owners, int64_t spin_ns)
{
	struct party guests[GUESTS] = {0};
	struct shared *shared = share();
	unsigned i;

	fresh_dir();
	create(NAME, ROOM);
	for (i = 0; i < GUESTS; i++) {
		guests[i].flags = i < owners ? MMSOCK_SEM_OWNED : 0;
		guests[i].spin_ns = spin_ns;
	}
	start(guests, GUESTS, shared, run_guest);
	for (i = 0; i < GUESTS; i++)
		CHECK_INT(kid_reap(&guests[i].kid), 0);
	CHECK_INT(value_left(), ROOM);
	printf("# %u inside at most\n", shared->most);
}

static void test_limit_plain(void)
{
	limit(0, MMSOCK_SPIN_ADAPTIVE);
}

static void test_limit_asleep(void)
{
	limit(0, 0);
}

static void test_limit_owned(void)
{
	limit(GUESTS, MMSOCK_SPIN_ADAPTIVE);
}

static void test_limit_mixed(void)
{
	limit(GUESTS / 2, MMSOCK_SPIN_ADAPTIVE);
}

/* Who dies holding gives back, and others go on. */

static void run_mortal(struct kid *self, void *context)
{
	struct party *party = context;
	struct mmsock_sem *sem = join_in(NAME, party);
	uint64_t seed = (uint64_t)getpid();
	unsigned i;

	(void)self;
	for (i = 0; i < 20; i++) {
		CHECK_INT(mmsock_sem_wait(sem, 1, MMSOCK_FOREVER), 0);
		visit(party->shared);
		if (random_next(&seed) % 20 == 0)
			raise(SIGKILL);
		CHECK_INT(mmsock_sem_post(sem, 1), 0);
	}
	mmsock_sem_close(sem);
}

static void test_deaths(void)
{
	struct party guests[GUESTS] = {0};
	struct shared *shared = share();
	unsigned dead = 0;
	unsigned round;
	unsigned i;

	fresh_dir();
	create(NAME, ROOM);
	for (round = 0; round < 10 * stress_scale(); round++) {
		for (i = 0; i < GUESTS; i++) {
			guests[i].shared = shared;
			guests[i].flags = MMSOCK_SEM_OWNED;
			kid_start(&guests[i].kid, run_mortal, &guests[i]);
		}
		for (i = 0; i < GUESTS; i++) {
			int status = kid_reap(&guests[i].kid);

			dead += WIFSIGNALED(status);
			CHECK(!status || WTERMSIG(status) == SIGKILL);
		}
		CHECK_INT(value_left(), ROOM);
	}
	printf("# %u died\n", dead);
	CHECK(dead > 0);
}

/* As many are taken as are posted. */

#define POSTERS 3U
#define TAKERS  3U

static void run_poster(struct mmsock_sem *sem, struct shared *shared,
		       uint64_t seed)
{
	uint64_t left = (uint64_t)POSTS * stress_scale();

	while (left > 0) {
		uint64_t count = random_next(&seed) % 4 + 1;

		if (count > left)
			count = left;
		CHECK_INT(mmsock_sem_post(sem, count), 0);
		atomic_fetch_add(&shared->posted, count);
		left -= count;
	}
}

static void run_taker(struct mmsock_sem *sem, struct shared *shared)
{
	uint64_t left = (uint64_t)POSTS * stress_scale() * POSTERS / TAKERS;

	sleep_till_woken(sem);
	while (left-- > 0) {
		CHECK_INT(mmsock_sem_wait(sem, 1, MMSOCK_FOREVER), 0);
		atomic_fetch_add(&shared->taken, 1);
	}
}

static void run_trader(struct kid *self, void *context)
{
	struct party *party = context;
	struct mmsock_sem *sem = join_in(NAME, party);

	meet(self);
	if (party->number < POSTERS)
		run_poster(sem, party->shared, party->number);
	else
		run_taker(sem, party->shared);
	mmsock_sem_close(sem);
}

static void trade(int64_t spin_ns)
{
	struct party parties[POSTERS + TAKERS] = {0};
	struct shared *shared = share();
	unsigned i;

	fresh_dir();
	create(NAME, 0);
	for (i = 0; i < POSTERS + TAKERS; i++)
		parties[i].spin_ns = spin_ns;
	start(parties, POSTERS + TAKERS, shared, run_trader);
	for (i = 0; i < POSTERS + TAKERS; i++)
		CHECK_INT(kid_reap(&parties[i].kid), 0);
	CHECK_INT(shared->posted, (uint64_t)POSTS * stress_scale() * POSTERS);
	CHECK_INT(shared->taken, shared->posted);
	CHECK_INT(value_left(), 0);
}

static void test_totals(void)
{
	trade(MMSOCK_SPIN_ADAPTIVE);
}

static void test_totals_asleep(void)
{
	trade(0);
}

/* Back and forth: every wake is needed. */

static void run_echo(struct kid *self, void *context)
{
	struct party *party = context;
	struct mmsock_sem *ping = join_in("ping", party);
	struct mmsock_sem *pong = join_in("pong", party);
	unsigned i;

	sleep_till_woken(ping);
	meet(self);
	for (i = 0; i < ROUNDS * stress_scale(); i++) {
		CHECK_INT(mmsock_sem_wait(ping, 1, MMSOCK_FOREVER), 0);
		CHECK_INT(mmsock_sem_post(pong, 1), 0);
	}
}

static void test_back_and_forth(void)
{
	struct party party = {.spin_ns = 0};
	struct mmsock_sem *ping;
	struct mmsock_sem *pong;
	unsigned i;

	fresh_dir();
	create("ping", 0);
	create("pong", 0);
	ping = join_in("ping", &party);
	pong = join_in("pong", &party);
	sleep_till_woken(pong);
	start(&party, 1, share(), run_echo);
	for (i = 0; i < ROUNDS * stress_scale(); i++) {
		CHECK_INT(mmsock_sem_post(ping, 1), 0);
		CHECK_INT(mmsock_sem_wait(pong, 1, MMSOCK_FOREVER), 0);
	}
	CHECK_INT(kid_reap(&party.kid), 0);
	mmsock_sem_close(ping);
	mmsock_sem_close(pong);
}

/* Of many who create one, one does. */

static void run_racer(struct kid *self, void *context)
{
	struct party *party = context;
	struct shared *shared = party->shared;
	struct mmsock_sem *sem = NULL;
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;
	int r;

	meet(self);
	options.mode = party->number % 2 ? MMSOCK_CREATE_NEW_EXCLUSIVE
					 : MMSOCK_CONNECT_OR_CREATE;
	r = mmsock_sem_create(NAME, &options);
	CHECK(r == 1 || r == (party->number % 2 ? -EEXIST : 0));
	shared->created += r == 1;
	CHECK_INT(mmsock_sem_open(NAME, NULL, &sem), 0);
	shared->inodes[party->number] =
		inode_of(join(getenv("MMSOCK_DIR"), NAME));
	CHECK_INT(mmsock_sem_post(sem, 1), 0);
	mmsock_sem_close(sem);
}

static void test_creators(void)
{
	struct party racers[RACERS] = {0};
	struct shared *shared = share();
	unsigned round;
	unsigned i;

	fresh_dir();
	for (round = 0; round < RACES * stress_scale(); round++) {
		shared->created = 0;
		start(racers, RACERS, shared, run_racer);
		for (i = 0; i < RACERS; i++)
			CHECK_INT(kid_reap(&racers[i].kid), 0);
		CHECK_INT(shared->created, 1);
		for (i = 1; i < RACERS; i++)
			CHECK(shared->inodes[i] == shared->inodes[0]);
		CHECK_INT(value_left(), 1 + RACERS);
		CHECK_INT(mmsock_sem_remove(NAME, NULL, MMSOCK_REMOVE_UNUSED),
			  0);
	}
}

/* While it is used, it is replaced and removed again and again. */

static void run_nomad(struct kid *self, void *context)
{
	struct party *party = context;
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;
	struct mmsock_sem *sem = NULL;
	int r;

	meet(self);
	options.value = 0;
	while (!atomic_load(&party->shared->posted)) {
		r = mmsock_sem_open(NAME, &options, &sem);
		/* Ours, and lost again before we were in. */
		if (r == -ESTALE)
			continue;
		CHECK_INT(r, 0);
		do {
			r = mmsock_sem_wait(sem, 1, 100 * MS);
		} while (r == -ETIMEDOUT &&
			 !atomic_load(&party->shared->posted));
		CHECK(r == -EIDRM || r == -ESTALE || r == -ETIMEDOUT);
		mmsock_sem_close(sem);
	}
}

static void test_replacing(void)
{
	struct party nomads[GUESTS] = {0};
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;
	struct shared *shared = share();
	unsigned i;
	int r;

	fresh_dir();
	options.mode = MMSOCK_CREATE_NEW_OVERWRITE;
	options.value = 0;
	start(nomads, GUESTS, shared, run_nomad);
	for (i = 0; i < 200 * stress_scale(); i++) {
		CHECK_INT(mmsock_sem_create(NAME, &options), 1);
		if (i % 3)
			continue;
		r = mmsock_sem_remove(NAME, NULL, MMSOCK_REMOVE_ALWAYS);
		CHECK_INT(r, 0);
	}
	atomic_store(&shared->posted, 1);
	for (i = 0; i < GUESTS; i++)
		CHECK_INT(kid_reap(&nomads[i].kid), 0);
}

static const struct check_case cases[] = {
	{"never more than two inside, plain", test_limit_plain},
	{"never more than two inside, always asleep", test_limit_asleep},
	{"never more than two inside, owned", test_limit_owned},
	{"never more than two inside, both modes", test_limit_mixed},
	{"who dies inside makes room", test_deaths},
	{"as many are taken as are posted", test_totals},
	{"as many are taken as are posted, always asleep", test_totals_asleep},
	{"back and forth, always asleep", test_back_and_forth},
	{"of many creators one creates", test_creators},
	{"users survive that it is replaced and removed", test_replacing},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
