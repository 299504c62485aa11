/* SPDX-License-Identifier: MIT */
/*
 * sem_moments.c - what others do to a semaphore while somebody is half way
 *
 * One process stands still between two instructions, others do what leads into the
 * one order of steps that would go wrong, and then it goes on.
 */
#include <limits.h>

#include "handle.h"
#include "step.h"
#include "unit/sandbox.h"

#define NAME "s"
#define ALL  4U

/* Slots, by the order of opening. */
enum {
	OWN,
	FIRST,
};

static struct mmsock_sem *own;  /* the test's */
static struct mmsock_sem *mine; /* each child's */
static unsigned char *file;

static struct mmsock_sem *open_sem(unsigned flags)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;
	struct mmsock_sem *sem = NULL;

	options.mode = MMSOCK_CONNECT_TO_EXISTING;
	options.flags = flags;
	options.spin_ns = 0;
	CHECK_INT(mmsock_sem_open(NAME, &options, &sem), 0);
	return sem;
}

static void setup(uint64_t value)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;

	fresh_dir();
	options.mode = MMSOCK_CREATE_NEW_EXCLUSIVE;
	options.value = value;
	options.maximum = 2 * ALL;
	options.slots = 8;
	CHECK_INT(mmsock_sem_create(NAME, &options), 1);
	own = open_sem(0);
	file = map_file(join(getenv("MMSOCK_DIR"), NAME));
}

static const struct mms_port *port_of(struct mmsock_sem *sem)
{
	/* A semaphore begins with its handle. */
	return &((struct mmsock *)(void *)sem)->port;
}

static const _Atomic uint64_t *word(void)
{
	return &((const struct mms_pool *)(const void *)(file +
							 MMS_POOL_OFFSET))
			->units;
}

static struct mms_row *row(unsigned slot)
{
	return (struct mms_row *)(void *)(file + MMS_ROWS_OFFSET) + slot;
}

/* Children. */

static void prepare_owner(void *context)
{
	(void)context;
	mine = open_sem(MMSOCK_SEM_OWNED);
	CHECK_INT(mmsock_sem_wait(mine, 1, 0), 0);
}

static void prepare_plain(void *context)
{
	(void)context;
	mine = open_sem(0);
}

static void take_one(void *context)
{
	(void)context;
	CHECK_INT(mmsock_sem_wait(mine, 1, 0), 0);
}

static void borrow_one(void *context)
{
	take_one(context);
	CHECK_INT(mmsock_sem_post(mine, 1), 0);
}

/* As who has found the dead owner in the first slot. */
static void settle(void *context)
{
	(void)context;
	CHECK_INT(mms_units_settle(&port_of(mine)->units, FIRST), 2);
}

static void wait_shortly(void *context)
{
	(void)context;
	CHECK_INT(mmsock_sem_wait(mine, 1, MS), 0);
}

/* In the place of the word there is another one, which names nobody. */
static void replace_word(void)
{
	CHECK_INT(mmsock_sem_wait(own, 1, 0), 0);
	CHECK_INT(mmsock_sem_post(own, 1), 0);
}

/* What he has taken stands in the word and in his journal only. */
static void die_behind_swap(struct step *owner)
{
	CHECK(step_until_changed(owner, word()) != ULONG_MAX);
	step_kill(owner);
}

static void audit(void)
{
	CHECK_INT(mmsock_sem_value(own), ALL);
	CHECK_INT(inspect(NAME).held, 0);
	CHECK_INT(mmsock_sem_wait(own, ALL, 0), 0);
	CHECK_INT(mmsock_sem_post(own, ALL), 0);
}

static void test_noted_while_buried(void)
{
	unsigned long at;
	struct step owner;
	struct step heir;
	bool goes_on = true;

	setup(ALL);
	for (at = 0; goes_on; at++) {
		step_start(&owner, prepare_owner, take_one, NULL);
		step_start(&heir, prepare_plain, settle, NULL);
		die_behind_swap(&owner);
		goes_on = step_forward(&heir, at);
		replace_word();
		step_finish(&heir);
		audit();
	}
	printf("# %lu instructions\n", at);
}

/*
 * Somebody has seen the owner's first change and is about to note it.  Others note
 * it before him; the owner makes another change, which they note too.
 */
static void test_late_note(void)
{
	unsigned long at;
	struct step owner;
	struct step late;
	bool goes_on = true;

	setup(ALL);
	for (at = 0; goes_on; at++) {
		step_start(&owner, prepare_owner, take_one, NULL);
		step_start(&late, prepare_plain, borrow_one, NULL);
		/* The child has come to life behind the owner's change. */
		goes_on = step_forward(&late, at);
		replace_word();
		die_behind_swap(&owner);
		replace_word();
		step_finish(&late);
		audit();
	}
	printf("# %lu instructions\n", at);
}

/*
 * Versions have come round: of the change to come there is a note already, and the
 * last change was tried in vain, since another was faster.
 */
static void come_round(void)
{
	struct mms_row *owner = row(FIRST);
	uint64_t version = mms_load(word()) & MMS_UNITS_VERSION;

	mms_store(&owner->journal, version | 2);
	mms_store(&owner->confirmed, version + MMS_UNITS_VERSION_STEP);
}

static void test_come_round(void)
{
	unsigned long at;
	struct step owner;
	bool goes_on = true;

	setup(ALL);
	for (at = 0; goes_on; at++) {
		step_start(&owner, prepare_owner, take_one, NULL);
		replace_word();
		come_round();
		goes_on = step_forward(&owner, at);
		step_kill(&owner);
		audit();
	}
	printf("# %lu instructions\n", at);
}

static void look(void *context)
{
	(void)context;
	CHECK(mmsock_sem_value(mine) >= 0);
}

static struct step_trace record_burial(void)
{
	struct step_trace trace;
	struct step owner;
	struct step heir;

	step_start(&owner, prepare_owner, take_one, NULL);
	step_start(&heir, prepare_plain, look, NULL);
	die_behind_swap(&owner);
	step_record(&heir, file, MMS_ROWS_OFFSET + 3 * sizeof(struct mms_row),
		    &trace);
	audit();
	return trace;
}

/* One stands still in what he changes, another one looks for the dead, too. */
static void test_two_bury(void)
{
	struct step_trace trace;
	unsigned long at = 0;
	struct step owner;
	struct step heir;

	setup(ALL);
	trace = record_burial();
	CHECK(trace.changes > 2);
	while ((at = step_change_after(&trace, at)) != ULONG_MAX) {
		step_start(&owner, prepare_owner, take_one, NULL);
		step_start(&heir, prepare_plain, look, NULL);
		die_behind_swap(&owner);
		step_to(&heir, &trace, at);
		CHECK(mmsock_sem_value(own) >= 0);
		step_finish(&heir);
		audit();
	}
	step_forget(&trace);
}

/* He who posts stands between his swap and his wake, until the time is up. */
static void test_last_try(void)
{
	struct step waiter;
	int64_t late;

	setup(0);
	step_start(&waiter, prepare_plain, wait_shortly, NULL);
	CHECK(step_until_changed(&waiter, &row(FIRST)->sleeps) != ULONG_MAX);
	for (late = now_ns() + MS; now_ns() < late;)
		sched_yield();
	CHECK_INT(mms_units_give(&port_of(own)->units, 1), 0);
	step_finish(&waiter);
}

static const struct check_case cases[] = {
	{"a change is noted while its owner is buried",
	 test_noted_while_buried},
	{"a late note does not take the place of a newer one", test_late_note},
	{"an owner is killed where versions come round", test_come_round},
	{"of two who bury one gives back", test_two_bury},
	{"a unit that comes as the time goes is taken", test_last_try},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
