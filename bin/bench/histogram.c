/* SPDX-License-Identifier: MIT */
/*
 * histogram.c - how often each latency was seen, in fixed memory
 *
 * The first two powers of two have a bucket for each value; from there on the
 * buckets of a power of two are twice as wide as those of the one before.
 * Recording is a few instructions without a branch that depends on the past, so
 * that what is measured is not disturbed by being written down.
 */
#include "histogram.h"

#include <math.h>
#include <stddef.h>

#define HALF (UINT64_C(1) << HISTOGRAM_BITS) /* buckets a power of two */
#define TOP  (UINT64_C(1) << HISTOGRAM_TOP)

/* How far @ns is shifted so that HALF <= it < 2 * HALF; 0 for small ones. */
static unsigned shift_of(uint64_t ns)
{
	return 63 - HISTOGRAM_BITS - (unsigned)__builtin_clzll(ns | HALF);
}

static size_t bucket_of(uint64_t ns)
{
	unsigned shift;

	if (ns >= TOP)
		return HISTOGRAM_BUCKETS - 1;
	shift = shift_of(ns);
	return (size_t)((shift << HISTOGRAM_BITS) + (ns >> shift));
}

/* The largest value that falls into a bucket. */
static uint64_t top_of(size_t bucket)
{
	size_t power = bucket >> HISTOGRAM_BITS;
	unsigned shift = power ? (unsigned)(power - 1) : 0;
	uint64_t first = bucket - ((size_t)shift << HISTOGRAM_BITS);

	return ((first + 1) << shift) - 1;
}

void histogram_reset(struct histogram *histogram)
{
	*histogram = (struct histogram){.min = UINT64_MAX};
}

void histogram_record(struct histogram *histogram, uint64_t ns)
{
	histogram->count++;
	histogram->buckets[bucket_of(ns)]++;
	histogram->sum += (double)ns;
	histogram->sum_of_squares += (double)ns * (double)ns;
	if (ns < histogram->min)
		histogram->min = ns;
	if (ns > histogram->max)
		histogram->max = ns;
}

void histogram_add(struct histogram *histogram, const struct histogram *other)
{
	histogram->count += other->count;
	histogram->sum += other->sum;
	histogram->sum_of_squares += other->sum_of_squares;
	if (other->min < histogram->min)
		histogram->min = other->min;
	if (other->max > histogram->max)
		histogram->max = other->max;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		histogram->buckets[i] += other->buckets[i];
}

/*
 * 99.9 % of 1000 are 999, although 99.9 has no exact form in binary: what is
 * above a whole number by less than the error of the product is that number.
 */
static uint64_t rank_of(uint64_t count, double percent)
{
	double exact = percent / 100 * (double)count;
	uint64_t rank = (uint64_t)ceil(exact - exact * 1e-13);

	if (rank < 1)
		return 1;
	return rank < count ? rank : count;
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
	uint64_t rank, seen = 0;
	size_t bucket = 0;

	if (!histogram->count)
		return 0;
	rank = rank_of(histogram->count, percent);
	while ((seen += histogram->buckets[bucket]) < rank)
		bucket++;
	/* Values that were cut lie anywhere from here to the maximum. */
	if (bucket == HISTOGRAM_BUCKETS - 1 || top_of(bucket) > histogram->max)
		return histogram->max;
	return top_of(bucket);
}

uint64_t histogram_up_to(const struct histogram *histogram, uint64_t ns)
{
	uint64_t seen = 0;

	for (size_t i = 0; i <= bucket_of(ns); i++)
		seen += histogram->buckets[i];
	return seen;
}

double histogram_mean(const struct histogram *histogram)
{
	return histogram->count ? histogram->sum / (double)histogram->count : 0;
}

double histogram_stddev(const struct histogram *histogram)
{
	double mean = histogram_mean(histogram);
	double variance;

	if (!histogram->count)
		return 0;
	variance = histogram->sum_of_squares / (double)histogram->count -
		   mean * mean;
	/* Rounding may leave less than nothing where all are equal. */
	return variance > 0 ? sqrt(variance) : 0;
}
