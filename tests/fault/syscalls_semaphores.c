/* SPDX-License-Identifier: MIT */
/*
 * syscalls_semaphores.c - each system call of what a semaphore does fails
 */
#include <errno.h>

#include "scenes.h"

#define UNITS 4U

static struct mmsock_sem *sem;

static struct mmsock_sem_options sem_options(unsigned mode, unsigned flags)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;

	options.mode = mode;
	options.flags = flags;
	options.value = UNITS;
	options.slots = SLOTS;
	options.spin_ns = 0;
	return options;
}

static struct mmsock_sem *open_sem(unsigned flags)
{
	struct mmsock_sem_options options =
		sem_options(MMSOCK_CONNECT_TO_EXISTING, flags);
	struct mmsock_sem *opened = NULL;

	CHECK_INT(mmsock_sem_open(port, &options, &opened), 0);
	return opened;
}

static int take(struct mmsock_sem *from, uint64_t units, int64_t timeout_ns)
{
	int r = mmsock_sem_wait(from, units, timeout_ns);

	if (!r)
		ledger->received += units;
	return r;
}

static void lay_sem(void)
{
	struct mmsock_sem_options options =
		sem_options(MMSOCK_CREATE_NEW_EXCLUSIVE, 0);

	CHECK_INT(mmsock_sem_create(port, &options), 1);
	ledger->sent = UNITS;
}

static void lay_empty_sem(void)
{
	struct mmsock_sem *taker;

	lay_sem();
	taker = open_sem(0);
	CHECK_INT(take(taker, UNITS, 0), 0);
	mmsock_sem_close(taker);
}

static void run_owner(struct kid *self, void *context)
{
	struct mmsock_sem *other = open_sem(MMSOCK_SEM_OWNED);

	(void)context;
	CHECK_INT(mmsock_sem_wait(other, UNITS, 0), 0);
	meet(self);
}

/* An owner of all who is dead, in the first slot or behind ours. */
static void lay_dead_owner(void)
{
	lay_sem();
	leave_dead(run_owner, NULL);
}

static void close_sem(void)
{
	mmsock_sem_close(sem);
	sem = NULL;
}

static int open_sem_in_mode(unsigned mode, unsigned flags)
{
	struct mmsock_sem_options options = sem_options(mode, flags);
	int r = mmsock_sem_open(port, &options, &sem);

	if (!r && mode != MMSOCK_CONNECT_TO_EXISTING) {
		ledger->sent = UNITS;
		ledger->received = 0;
	}
	return r;
}

static int sem_connect(void)
{
	return open_sem_in_mode(MMSOCK_CONNECT_TO_EXISTING, MMSOCK_SEM_OWNED);
}

static int sem_open_new(void)
{
	return open_sem_in_mode(MMSOCK_CREATE_NEW_EXCLUSIVE, 0);
}

static int sem_open_in_its_place(void)
{
	return open_sem_in_mode(MMSOCK_CREATE_NEW_OVERWRITE, 0);
}

static int sem_create_new(void)
{
	struct mmsock_sem_options options =
		sem_options(MMSOCK_CREATE_NEW_EXCLUSIVE, 0);
	int r = mmsock_sem_create(port, &options);

	if (r >= 0)
		ledger->sent = UNITS;
	return r;
}

static void prepare_plain(void)
{
	sem = open_sem(0);
}

static void prepare_owner(void)
{
	sem = open_sem(MMSOCK_SEM_OWNED);
	CHECK_INT(mmsock_sem_wait(sem, 3, 0), 0);
}

static void prepare_plain_dead_owner(void)
{
	prepare_plain();
	leave_dead(run_owner, NULL);
}

static int take_two(void)
{
	return take(sem, 2, SHORTLY);
}

/* The dead are looked for again after a while, if that failed. */
static int take_two_patiently(void)
{
	return take(sem, 2, MMSOCK_FOREVER);
}

static int take_two_at_once(void)
{
	return take(sem, 2, 0);
}

static int take_patiently(void)
{
	return take(sem, 1, MMSOCK_FOREVER);
}

static int post_one(void)
{
	int r = mmsock_sem_post(sem, 1);

	if (!r)
		ledger->sent++;
	return r;
}

static int sem_value(void)
{
	return (int)mmsock_sem_value(sem);
}

static int close_sem_now(void)
{
	close_sem();
	return 0;
}

static int destroy_sem(void)
{
	return mmsock_sem_destroy(sem);
}

static int remove_sem(void)
{
	return mmsock_sem_remove(port, NULL, MMSOCK_REMOVE_UNUSED);
}

static void run_late_poster(struct kid *self, void *context)
{
	struct mmsock_sem *other = open_sem(0);

	(void)self;
	(void)context;
	await_sleeper(port, getppid(), MMSOCK_UNITS);
	CHECK_INT(mmsock_sem_post(other, 1), 0);
	ledger->sent++;
	mmsock_sem_close(other);
}

static void prepare_plain_late_poster(void)
{
	prepare_plain();
	send_out(run_late_poster, NULL);
}

static void audit_sem(void)
{
	CHECK_INT(inspect(port).held, 0);
	sem = open_sem(0);
	CHECK_INT(mmsock_sem_value(sem), ledger->sent - ledger->received);
	CHECK_INT(mmsock_sem_post(sem, 1), 0);
	CHECK_INT(mmsock_sem_wait(sem, 1, 0), 0);
	close_sem();
}

static void test_new(void)
{
	static const struct theme theme = {NULL, close_sem, audit_sem};
	static const struct scene scenes[] = {
		{.name = "opening a new one",
		 .operate = sem_open_new,
		 .opens = true,
		 .creates = true},
		{.name = "creating",
		 .operate = sem_create_new,
		 .creates = true,
		 .result = 1},
	};

	play_scenes(&theme, scenes, CHECK_COUNT(scenes));
}

static void test_semaphores(void)
{
	static const struct theme theme = {lay_sem, close_sem, audit_sem};
	static const struct scene scenes[] = {
		{.name = "opening", .operate = sem_connect, .opens = true},
		{.name = "opening in the place of a dead owner",
		 .lay = lay_dead_owner,
		 .operate = sem_connect,
		 .opens = true},
		{.name = "opening in the place of an old one",
		 .operate = sem_open_in_its_place,
		 .opens = true},
		{.name = "taking",
		 .prepare = prepare_plain,
		 .operate = take_two},
		{.name = "taking in vain",
		 .lay = lay_empty_sem,
		 .prepare = prepare_plain,
		 .operate = take_two,
		 .result = -ETIMEDOUT},
		{.name = "taking asleep",
		 .lay = lay_empty_sem,
		 .prepare = prepare_plain_late_poster,
		 .operate = take_patiently,
		 .finish = await_kid},
		{.name = "taking from the dead",
		 .prepare = prepare_plain_dead_owner,
		 .operate = take_two_patiently,
		 .is_patient = true},
		{.name = "taking from them at once",
		 .prepare = prepare_plain_dead_owner,
		 .operate = take_two_at_once},
		{.name = "taking from them with no descriptor",
		 .prepare = prepare_plain_dead_owner,
		 .blind = true,
		 .operate = take_two_patiently,
		 .is_patient = true,
		 .more = 1},
		{.name = "giving",
		 .prepare = prepare_plain,
		 .operate = post_one},
		{.name = "looking",
		 .prepare = prepare_plain_dead_owner,
		 .or_less = true,
		 .operate = sem_value,
		 .result = UNITS},
		{.name = "closing as an owner",
		 .prepare = prepare_owner,
		 .operate = close_sem_now},
		{.name = "destroying",
		 .prepare = prepare_plain,
		 .operate = destroy_sem,
		 .goes = true},
		{.name = "removing",
		 .operate = remove_sem,
		 .goes = true,
		 .creates = true},
	};

	play_scenes(&theme, scenes, CHECK_COUNT(scenes));
}

static const struct check_case cases[] = {
	{"new semaphores", test_new},
	{"semaphores", test_semaphores},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
