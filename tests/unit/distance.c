/* SPDX-License-Identifier: MIT */
/* Whether who reads a ring counts as near; lib/distance.h. */
#include "distance.h"

#include "check.h"

static const uint64_t near_one = 100;
static const uint64_t far_one = 1000;

static void note(struct mms_distance *distance, uint64_t cycles, unsigned count)
{
	while (count-- > 0)
		mms_distance_note(distance, cycles);
}

static void test_far_at_first(void)
{
	struct mms_distance distance = {0};

	CHECK(!mms_is_near(&distance));
	note(&distance, far_one, 100);
	CHECK(!mms_is_near(&distance));
}

static void test_comes_near(void)
{
	struct mms_distance distance = {0};

	note(&distance, far_one, 100);
	note(&distance, near_one, MMS_NEAR_ENOUGH - 1);
	CHECK(!mms_is_near(&distance));
	note(&distance, near_one, 1);
	CHECK(mms_is_near(&distance));
	note(&distance, near_one, 100);
	CHECK(mms_is_near(&distance));
}

static void test_goes_away(void)
{
	struct mms_distance distance = {0};

	note(&distance, near_one, 100);
	note(&distance, far_one, 2);
	CHECK(mms_is_near(&distance));
	note(&distance, far_one, 1);
	CHECK(!mms_is_near(&distance));
}

/* An interrupt now and then looks like one who is far away. */
static void test_outliers(void)
{
	struct mms_distance distance = {0};
	unsigned i;

	note(&distance, near_one, 100);
	for (i = 0; i < 100; i++) {
		note(&distance, far_one, 1);
		CHECK(mms_is_near(&distance));
		note(&distance, near_one, 3);
	}
}

static void test_most_looks_are_free(void)
{
	struct mms_distance distance = {0};
	unsigned due = 0;
	unsigned i;

	for (i = 0; i < MMS_MEASURE_FIRST; i++)
		CHECK(mms_distance_is_due(&distance));
	for (i = 0; i < 100 * MMS_MEASURE_EVERY; i++)
		due += mms_distance_is_due(&distance);
	CHECK_INT(due, 100);
}

/* The line is ours here, so that each look that counts finds it near. */
static void test_load(void)
{
	_Atomic uint64_t word = 5;
	struct mms_distance distance = {0};
	uint64_t i;

	CHECK_INT(mms_distance_load(&distance, &word, 0), 5);
	for (i = 6; i < 1000; i++) {
		mms_store(&word, i);
		CHECK_INT(mms_distance_load(&distance, &word, 0), i);
	}
	CHECK(mms_is_near(&distance));
}

/* What we have looked at before tells nothing. */
static void test_load_of_known(void)
{
	_Atomic uint64_t word = 0;
	struct mms_distance distance = {0};
	uint64_t i;

	for (i = 1; i < 1000; i++) {
		mms_store(&word, i);
		CHECK_INT(mms_distance_load(&distance, &word, i), i);
		CHECK_INT(mms_distance_load(&distance, &word, 0), i);
		mms_store(&word, i + 1000);
		mms_distance_forget(&distance, &word);
		CHECK_INT(mms_distance_load(&distance, &word, 0), i + 1000);
	}
	CHECK_INT(distance.near, 0);
}

static const struct check_case cases[] = {
	{"who reads counts as far away at first", test_far_at_first},
	{"a few short looks make him near", test_comes_near},
	{"three long ones in a row make him far", test_goes_away},
	{"single long ones do not", test_outliers},
	{"few of many looks are measured", test_most_looks_are_free},
	{"a look gives the word, and learns", test_load},
	{"from a word that is known nothing is learned", test_load_of_known},
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, cases, CHECK_COUNT(cases));
}
