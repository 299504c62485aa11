/* SPDX-License-Identifier: MIT */
/*
 * units.c - units in memory: nothing is lost or doubled, whoever stops where
 *
 * A death is a state of the words that a change leaves when it ends early, so the
 * states are made by hand here.
 */
#include "units.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "check.h"
#include "random.h"

#define SLOTS 4U
#define STEP  MMS_UNITS_VERSION_STEP

struct memory {
	struct mms_pool pool;
	struct mms_row rows[SLOTS];
};

static struct memory *fresh(uint64_t value)
{
	static struct memory memory;

	memset(&memory, 0, sizeof(memory));
	memory.pool.units = value;
	return &memory;
}

static struct mms_units view(struct memory *memory, unsigned slot, bool owned)
{
	return (struct mms_units){
		.pool = &memory->pool,
		.rows = memory->rows,
		.slots = SLOTS,
		.maximum = 10,
		.slot = slot,
		.owned = owned,
	};
}

static uint64_t value(const struct memory *memory)
{
	return mms_units_value(memory->pool.units);
}

static uint64_t word_of(uint64_t version, unsigned owner, uint64_t units)
{
	return version * STEP | (uint64_t)owner << MMS_UNITS_OWNER_SHIFT |
	       units;
}

static void test_plain(void)
{
	struct memory *memory = fresh(3);
	struct mms_units units = view(memory, 0, false);

	CHECK_INT(mms_units_take(&units, 2), 0);
	CHECK_INT(value(memory), 1);
	CHECK_INT(mms_units_take(&units, 2), -EAGAIN);
	CHECK_INT(mms_units_give(&units, 10), -EOVERFLOW);
	CHECK_INT(mms_units_give(&units, UINT64_MAX), -EOVERFLOW);
	CHECK_INT(value(memory), 1);
	CHECK_INT(mms_units_give(&units, 9), 0);
	CHECK_INT(value(memory), 10);
	CHECK_INT(mms_units_held(&units, 0), 0);
	CHECK(!mms_units_may_hold(&units, 0));
	CHECK(memory->pool.units == word_of(2, 0, 10));
}

static void test_owned(void)
{
	struct memory *memory = fresh(3);
	struct mms_units units = view(memory, 2, true);

	CHECK_INT(mms_units_give(&units, 1), -EPERM);
	CHECK_INT(mms_units_take(&units, 2), 0);
	CHECK_INT(mms_units_held(&units, 2), 2);
	CHECK(mms_units_may_hold(&units, 2));
	CHECK_INT(mms_units_give(&units, 3), -EPERM);
	CHECK_INT(mms_units_take(&units, 1), 0);
	CHECK_INT(mms_units_take(&units, 1), -EAGAIN);
	CHECK_INT(mms_units_give(&units, 1), 0);
	CHECK_INT(mms_units_held(&units, 2), 2);
	CHECK_INT(mms_units_settle(&units, 2), 2);
	CHECK_INT(mms_units_settle(&units, 2), 0);
	CHECK_INT(mms_units_held(&units, 2), 0);
	CHECK(!mms_units_may_hold(&units, 2));
	CHECK_INT(value(memory), 3);
}

static void test_both_modes(void)
{
	struct memory *memory = fresh(2);
	struct mms_units owner = view(memory, 0, true);
	struct mms_units other = view(memory, 1, true);
	struct mms_units plain = view(memory, 2, false);

	CHECK_INT(mms_units_take(&owner, 1), 0);
	CHECK_INT(mms_units_take(&other, 1), 0);
	CHECK_INT(mms_units_give(&plain, 5), 0);
	CHECK_INT(mms_units_take(&owner, 2), 0);
	CHECK_INT(mms_units_take(&plain, 3), 0);
	CHECK_INT(mms_units_held(&plain, 0), 3);
	CHECK_INT(mms_units_held(&plain, 1), 1);
	CHECK_INT(mms_units_settle(&plain, 0), 3);
	CHECK_INT(mms_units_settle(&plain, 1), 1);
	CHECK_INT(value(memory), 4);
}

static void test_dropped(void)
{
	struct memory *memory = fresh(3);
	struct mms_units owner = view(memory, 0, true);
	struct mms_units plain = view(memory, 1, false);

	CHECK_INT(mms_units_take(&owner, 3), 0);
	CHECK_INT(mms_units_give(&plain, 9), 0);
	CHECK_INT(mms_units_give(&owner, 2), -EOVERFLOW);
	CHECK_INT(mms_units_held(&owner, 0), 3);
	CHECK_INT(mms_units_settle(&plain, 0), 3);
	CHECK_INT(value(memory), 10);
	CHECK_INT(mms_units_held(&owner, 0), 0);
}

/*
 * Slot 1 held one unit and was taking two of seven, as version 6, when it died
 * after so many steps; then others went on, so far.
 */
static struct memory *died_taking(unsigned steps, unsigned others)
{
	struct memory *memory = fresh(0);
	struct mms_row *row = &memory->rows[1];
	struct mms_units plain = view(memory, 2, false);

	memory->pool.units = word_of(5, 0, 7);
	row->held = 1;
	row->journal = word_of(3, 0, 1);
	row->confirmed = word_of(3, 0, 9);
	if (steps > 0)
		row->journal = word_of(6, 0, 3);
	if (steps > 1)
		memory->pool.units = word_of(6, 2, 5);
	if (steps > 2)
		row->held = 3;
	if (others > 0)
		CHECK_INT(mms_units_give(&plain, 1), 0);
	if (others > 1)
		CHECK_INT(mms_units_take(&plain, 1), 0);
	return memory;
}

static void test_every_death(void)
{
	unsigned steps;
	unsigned others;

	for (steps = 0; steps <= 3; steps++) {
		for (others = 0; others <= 2; others++) {
			struct memory *memory = died_taking(steps, others);
			struct mms_units heir = view(memory, 1, others);
			uint64_t held = steps > 1 ? 3 : 1;

			CHECK_INT(mms_units_held(&heir, 1), held);
			CHECK_INT(mms_units_settle(&heir, 1), held);
			CHECK_INT(mms_units_held(&heir, 1), 0);
			CHECK_INT(value(memory), 8 + (others == 1));
			CHECK_INT(mms_units_settle(&heir, 1), 0);
			CHECK_INT(value(memory), 8 + (others == 1));
		}
	}
}

/* Who buries dies in turn, after so many steps of it. */
static void test_every_death_while_burying(void)
{
	unsigned steps;
	unsigned others;

	for (steps = 0; steps <= 4; steps++) {
		for (others = 0; others <= 1; others++) {
			struct memory *memory = died_taking(2, 1);
			struct mms_row *row = &memory->rows[1];
			struct mms_units heir = view(memory, 1, false);
			struct mms_units plain = view(memory, 3, false);

			if (steps > 0)
				row->held = 3;
			if (steps > 1)
				row->journal = word_of(8, 0, 0);
			if (steps > 2)
				memory->pool.units = word_of(8, 2, 9);
			if (others)
				CHECK_INT(mms_units_give(&plain, 1), 0);
			if (steps > 3)
				row->held = 0;
			CHECK_INT(mms_units_settle(&heir, 1),
				  steps > 2 ? 0 : 3);
			CHECK_INT(value(memory), 9 + others);
			CHECK_INT(mms_units_settle(&heir, 1), 0);
			CHECK_INT(value(memory), 9 + others);
		}
	}
}

static void test_versions_come_round(void)
{
	struct memory *memory = fresh(0);
	struct mms_row *row = &memory->rows[1];
	struct mms_units owner = view(memory, 1, true);
	struct mms_units plain = view(memory, 0, false);

	memory->pool.units = word_of(UINT64_MAX, 0, 5);
	/* The note of a round ago would say that what comes has happened. */
	row->confirmed = word_of(0, 0, 7);
	CHECK_INT(mms_units_take(&owner, 2), 0);
	CHECK(memory->pool.units == word_of(0, 2, 3));
	CHECK(row->confirmed == word_of(UINT64_MAX, 0, 8));
	/* As if it had not: */
	memory->pool.units = word_of(UINT64_MAX, 0, 5);
	row->held = 0;
	CHECK_INT(mms_units_held(&plain, 1), 0);
}

static void test_nonsense(void)
{
	struct memory *memory = fresh(11);
	struct mms_units units = view(memory, 0, false);

	CHECK_INT(mms_units_take(&units, 1), -EBADMSG);
	CHECK_INT(mms_units_give(&units, 1), -EBADMSG);
	memory->pool.units = word_of(1, SLOTS + 1, 5);
	CHECK_INT(mms_units_take(&units, 1), -EBADMSG);
	CHECK_INT(mms_units_give(&units, 1), -EBADMSG);
	memory->rows[1].held = 2;
	CHECK_INT(mms_units_settle(&units, 1), 0);
	memory->pool.units = word_of(1, SLOTS, 5);
	memory->rows[0].held = MMS_UNITS_VALUE;
	units.owned = true;
	CHECK_INT(mms_units_take(&units, 1), -EOVERFLOW);
}

/* Threads on one memory: nothing is lost, and no data race. */

#define ROUNDS 20000

struct worker {
	struct mms_units units;
	pthread_t thread;
};

static void *work(void *context)
{
	struct worker *worker = context;
	uint64_t seed = worker->units.slot;
	uint64_t held = 0;
	unsigned i;

	for (i = 0; i < ROUNDS; i++) {
		uint64_t count = random_next(&seed) % 3 + 1;

		if (held >= count && random_next(&seed) % 2) {
			CHECK_INT(mms_units_give(&worker->units, count), 0);
			held -= count;
		} else if (!mms_units_take(&worker->units, count)) {
			held += count;
		}
	}
	if (worker->units.owned)
		CHECK_INT(mms_units_settle(&worker->units, worker->units.slot),
			  held);
	else if (held)
		CHECK_INT(mms_units_give(&worker->units, held), 0);
	return NULL;
}

static void race(unsigned owners)
{
	struct memory *memory = fresh(6);
	struct worker workers[SLOTS];
	unsigned i;

	for (i = 0; i < SLOTS; i++) {
		workers[i].units = view(memory, i, i < owners);
		CHECK(!pthread_create(&workers[i].thread, NULL, work,
				      &workers[i]));
	}
	for (i = 0; i < SLOTS; i++)
		CHECK(!pthread_join(workers[i].thread, NULL));
	CHECK_INT(value(memory), 6);
}

static void test_races(void)
{
	race(0);
	race(2);
	race(SLOTS);
}

/*
 * One unit, and something that only its holder touches: where a change of the
 * units does not order that, the thread sanitizer sees it.
 */
struct guest {
	struct mms_units units;
	unsigned *guarded;
	pthread_t thread;
};

static void *use_alone(void *context)
{
	struct guest *guest = context;
	unsigned i;

	for (i = 0; i < ROUNDS / 20; i++) {
		while (mms_units_take(&guest->units, 1))
			sched_yield();
		++*guest->guarded;
		CHECK_INT(mms_units_give(&guest->units, 1), 0);
	}
	return NULL;
}

static void share_one(unsigned owners)
{
	struct memory *memory = fresh(1);
	struct guest guests[SLOTS];
	unsigned guarded = 0;
	unsigned i;

	for (i = 0; i < SLOTS; i++) {
		guests[i].units = view(memory, i, i < owners);
		guests[i].guarded = &guarded;
		CHECK(!pthread_create(&guests[i].thread, NULL, use_alone,
				      &guests[i]));
	}
	for (i = 0; i < SLOTS; i++)
		CHECK(!pthread_join(guests[i].thread, NULL));
	CHECK_INT(guarded, SLOTS * (ROUNDS / 20));
}

static void test_guarded(void)
{
	share_one(0);
	share_one(2);
	share_one(SLOTS);
}

static const struct check_case cases[] = {
	{"plain units are a number", test_plain},
	{"owned units stand in a row too", test_owned},
	{"both modes work on one value", test_both_modes},
	{"what comes back above the maximum is dropped", test_dropped},
	{"an owner who dies at any step holds what he took", test_every_death},
	{"who dies while burying leaves the rest to the next one",
	 test_every_death_while_burying},
	{"versions come round", test_versions_come_round},
	{"nonsense is refused, and nothing beyond the table touched",
	 test_nonsense},
	{"threads lose nothing", test_races},
	{"who has the only unit is alone", test_guarded},
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, cases, CHECK_COUNT(cases));
}
