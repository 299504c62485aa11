/* SPDX-License-Identifier: MIT */
/*
 * bench_histogram.c - percentiles against those of the sorted values themselves
 */
#include "histogram.h"

#include <math.h>
#include <stdbool.h>

#include "check.h"
#include "random.h"

#define VALUES 20000

static const double percents[] = {0,  0.01, 1,    10,    25,     50, 75,
				  90, 99,   99.9, 99.99, 99.999, 100};

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static struct histogram *fresh(void)
{
	struct histogram *histogram = malloc(sizeof(*histogram));

	CHECK(histogram);
	histogram_reset(histogram);
	return histogram;
}

/* The rank in whole numbers: @percent has at most three decimals. */
static uint64_t exact(const uint64_t *sorted, size_t count, double percent)
{
	uint64_t thousandths = (uint64_t)llround(percent * 1000);
	uint64_t rank = (thousandths * count + 99999) / 100000;

	return sorted[rank > 0 ? rank - 1 : 0];
}

static void check_bounds(const struct histogram *histogram, uint64_t *values,
			 size_t count)
{
	qsort(values, count, sizeof(*values), by_value);
	for (size_t i = 0; i < CHECK_COUNT(percents); i++) {
		uint64_t want = exact(values, count, percents[i]);
		uint64_t got = histogram_percentile(histogram, percents[i]);

		CHECK(got >= want);
		CHECK(got - want <= want / 128);
	}
	CHECK_INT(histogram->count, count);
	CHECK_INT(histogram->min, values[0]);
	CHECK_INT(histogram->max, values[count - 1]);
	CHECK_INT(histogram_percentile(histogram, 100), values[count - 1]);
}

/* From a nanosecond to more than an hour, as many of each magnitude. */
static void test_magnitudes(void)
{
	struct histogram *histogram = fresh();
	static uint64_t values[VALUES];
	uint64_t state = 1;

	for (size_t i = 0; i < VALUES; i++) {
		values[i] = random_next(&state) >>
			    (64 - HISTOGRAM_TOP +
			     random_below(&state, HISTOGRAM_TOP));
		histogram_record(histogram, values[i]);
	}
	check_bounds(histogram, values, VALUES);
	free(histogram);
}

/* The neighbours of each power of two, where buckets change their width. */
static void test_edges(void)
{
	struct histogram *histogram = fresh();
	static uint64_t values[3 * HISTOGRAM_TOP];
	size_t count = 0;

	for (int power = 1; power < HISTOGRAM_TOP; power++)
		for (int off = -1; off <= 1; off++)
			values[count++] =
				(UINT64_C(1) << power) + (uint64_t)off;
	for (size_t i = 0; i < count; i++)
		histogram_record(histogram, values[i]);
	check_bounds(histogram, values, count);
	for (size_t i = 0; i < count; i++) {
		histogram_reset(histogram);
		histogram_record(histogram, values[i]);
		check_bounds(histogram, &values[i], 1);
	}
	free(histogram);
}

/* As latencies are: many close together, a few a thousand times as long. */
static void test_tail(void)
{
	struct histogram *histogram = fresh();
	static uint64_t values[VALUES];
	uint64_t state = 7;

	for (size_t i = 0; i < VALUES; i++) {
		values[i] = 200 + random_below(&state, 40);
		if (random_below(&state, 1000) == 0)
			values[i] *= 1000;
		histogram_record(histogram, values[i]);
	}
	check_bounds(histogram, values, VALUES);
	free(histogram);
}

static void test_small(void)
{
	struct histogram *histogram = fresh();

	for (uint64_t ns = 0; ns < 256; ns++)
		histogram_record(histogram, ns);
	for (uint64_t ns = 0; ns < 256; ns++) {
		CHECK_INT(histogram_percentile(histogram,
					       (double)(ns + 1) * 100 / 256),
			  ns);
		CHECK_INT(histogram_up_to(histogram, ns), ns + 1);
	}
	free(histogram);
}

/* 99.9 % of 1000 are 999, not 1000: doubles do not have 99.9. */
static void test_rank(void)
{
	struct histogram *histogram = fresh();

	for (uint64_t ns = 1; ns <= 200; ns++)
		for (int i = 0; i < 5; i++)
			histogram_record(histogram, ns);
	CHECK_INT(histogram_percentile(histogram, 99.5), 199);
	CHECK_INT(histogram_percentile(histogram, 99.6), 200);
	histogram_reset(histogram);
	for (int i = 0; i < 999; i++)
		histogram_record(histogram, 1);
	histogram_record(histogram, 100);
	CHECK_INT(histogram_percentile(histogram, 99.9), 1);
	CHECK_INT(histogram_percentile(histogram, 99.91), 100);
	free(histogram);
}

static void test_empty(void)
{
	struct histogram *histogram = fresh();

	CHECK_INT(histogram_percentile(histogram, 50), 0);
	CHECK(histogram_mean(histogram) == 0);
	CHECK(histogram_stddev(histogram) == 0);
	CHECK_INT(histogram_up_to(histogram, UINT64_MAX), 0);
	CHECK(histogram->min == UINT64_MAX);
	free(histogram);
}

static void test_one(void)
{
	struct histogram *histogram = fresh();

	histogram_record(histogram, 123456789);
	for (size_t i = 0; i < CHECK_COUNT(percents); i++)
		CHECK_INT(histogram_percentile(histogram, percents[i]),
			  123456789);
	CHECK(histogram_mean(histogram) == 123456789);
	CHECK(histogram_stddev(histogram) == 0);
	free(histogram);
}

static void test_cut(void)
{
	const uint64_t top = UINT64_C(1) << HISTOGRAM_TOP;
	struct histogram *histogram = fresh();

	histogram_record(histogram, 5);
	histogram_record(histogram, top);
	histogram_record(histogram, UINT64_MAX);
	CHECK_INT(histogram->count, 3);
	CHECK(histogram->max == UINT64_MAX);
	CHECK_INT(histogram_percentile(histogram, 33), 5);
	/* Never below the true value, and that is all that is known. */
	CHECK(histogram_percentile(histogram, 60) >= top);
	CHECK(histogram_percentile(histogram, 100) == UINT64_MAX);
	free(histogram);
}

static void test_add(void)
{
	struct histogram *all = fresh(), *one = fresh(), *other = fresh();
	uint64_t state = 3;

	for (int i = 0; i < 5000; i++) {
		uint64_t ns = random_next(&state) >> 30;

		histogram_record(all, ns);
		histogram_record(i % 3 ? one : other, ns);
	}
	histogram_add(one, other);
	CHECK_INT(one->count, all->count);
	CHECK_INT(one->min, all->min);
	CHECK_INT(one->max, all->max);
	CHECK(fabs(one->sum - all->sum) <= all->sum * 1e-9);
	CHECK(memcmp(one->buckets, all->buckets, sizeof(all->buckets)) == 0);
	/* An empty one changes nothing, the least value not either. */
	histogram_reset(other);
	histogram_add(one, other);
	CHECK_INT(one->count, all->count);
	CHECK_INT(one->min, all->min);
	free(all);
	free(one);
	free(other);
}

static void test_moments(void)
{
	struct histogram *histogram = fresh();

	for (int i = 0; i < 1000; i++) {
		histogram_record(histogram, 900);
		histogram_record(histogram, 1100);
	}
	CHECK(fabs(histogram_mean(histogram) - 1000) < 1e-9);
	CHECK(fabs(histogram_stddev(histogram) - 100) < 1e-6);
	free(histogram);
}

static const struct check_case cases[] = {
	{"values of all magnitudes: at most 1 in 128 above", test_magnitudes},
	{"values beside powers of two: the same", test_edges},
	{"a long tail: the same", test_tail},
	{"values below 256 are exact", test_small},
	{"a percentile that is a whole rank is that one", test_rank},
	{"an empty histogram says 0", test_empty},
	{"one value is every percentile of itself", test_one},
	{"what is cut at the top keeps its count and the maximum", test_cut},
	{"two histograms added are one of all values", test_add},
	{"mean and deviation are those of the values", test_moments},
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, cases, CHECK_COUNT(cases));
}
