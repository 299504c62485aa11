/* SPDX-License-Identifier: MIT */
/*
 * histogram.h - how often each latency was seen, in fixed memory
 *
 * Log-linear: each power of two is cut into the same number of equal buckets,
 * so that a value is known to 1 part in 128 whatever its size.  A plain array
 * without pointers: it may lie in memory that is shared between processes, is
 * filled by one of them, and read when that one is done.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

/* 128 buckets a power of two; values from 2^42 ns (73 minutes) are cut there. */
#define HISTOGRAM_BITS 7
#define HISTOGRAM_TOP  42
#define HISTOGRAM_BUCKETS                                                      \
	((HISTOGRAM_TOP - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS)

struct histogram {
	uint64_t count;
	uint64_t min; /* exact; UINT64_MAX while empty */
	uint64_t max; /* exact, also where it was cut for its bucket */
	double sum;
	double sum_of_squares;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_reset(struct histogram *histogram);
void histogram_record(struct histogram *histogram, uint64_t ns);

/* histogram_add - add all that @other holds */
void histogram_add(struct histogram *histogram, const struct histogram *other);

/*
 * histogram_percentile - the smallest value that @percent of all do not exceed
 *
 * Never below the true one, at most 1 part in 128 above it, and never above
 * the maximum.  0 where nothing was recorded.
 */
uint64_t histogram_percentile(const struct histogram *histogram,
			      double percent);

/* histogram_up_to - how many lie in the bucket of @ns or below */
uint64_t histogram_up_to(const struct histogram *histogram, uint64_t ns);

/* 0 where nothing was recorded; the deviation is that of all values. */
double histogram_mean(const struct histogram *histogram);
double histogram_stddev(const struct histogram *histogram);

#endif
