/* SPDX-License-Identifier: MIT */
/*
 * distance.h - how far away who reads a ring is, for copies into it
 *
 * Past the cache or through it (copy.h)?  That depends on where the other one's
 * CPU is, and processes are moved.  Measured with calls of 64 KiB each way: on one
 * CPU 126 k/s through the cache and 40 k/s past it, between cores of one die 66 k/s
 * and 40; with messages of 64 KiB between them 18 GB/s and 11, but between dies 3
 * and 17.
 *
 * So the sender measures now and then how long a line takes that the receiver has
 * written since, the one with the head: of the cycles of the time stamp counter 200
 * to 340 between cores of one die, next to none where both share a CPU; between
 * dies, where a line takes 160 ns, it must be more than 400.  Where head has not
 * moved on, or the sender has looked at it just before, as after a wait, nothing is
 * learned.  A single long one may be an interrupt; three in a row tell that somebody
 * has moved.  A wrong guess costs time and nothing else.  The first messages go past
 * the cache, which loses less where it is wrong.
 *
 * Not by asking on which CPUs both are: numbers tell the same CPU, not near ones.
 */
#ifndef MMS_DISTANCE_H
#define MMS_DISTANCE_H

#include "atomic.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#define MMS_NEAR_CYCLES 400U /* 100 to 200 ns; 40 of them to measure */

#define MMS_NEAR_ENOUGH 4U
#define MMS_NEAR_MOST   8U
#define MMS_FAR_WEIGHT  2U

/* The first few are measured each, later every so many. */
#define MMS_MEASURE_FIRST 16U
#define MMS_MEASURE_EVERY 16U

/* All zero in the beginning. */
struct mms_distance {
	uint64_t seen;  /* in the word, when it was measured */
	unsigned looks; /* wraps */
	unsigned near;  /* 0 to MMS_NEAR_MOST */
};

/* When all loads before it have ended, and before any later one begins. */
static inline uint64_t mms_cycles(void)
{
#if defined(__x86_64__)
	uint64_t now;

	_mm_lfence();
	now = __rdtsc();
	_mm_lfence();
	return now;
#else
	/* There is no way past the cache. */
	return 0;
#endif
}

static inline void mms_distance_note(struct mms_distance *distance,
				     uint64_t cycles)
{
	if (cycles > MMS_NEAR_CYCLES)
		distance->near -= distance->near < MMS_FAR_WEIGHT
					  ? distance->near
					  : MMS_FAR_WEIGHT;
	else if (distance->near < MMS_NEAR_MOST)
		distance->near++;
}

static inline bool mms_distance_is_due(struct mms_distance *distance)
{
	unsigned look = distance->looks++;

	return look < MMS_MEASURE_FIRST || look % MMS_MEASURE_EVERY == 0;
}

static inline bool mms_is_near(const struct mms_distance *distance)
{
	return distance->near >= MMS_NEAR_ENOUGH;
}

/* We have looked at the word by other means: it is not far any more. */
static inline void mms_distance_forget(struct mms_distance *distance,
				       const _Atomic uint64_t *word)
{
	distance->seen = mms_load(word);
}

/* Load-acquire @word, whose value we last knew as @known, and take the time. */
static inline uint64_t mms_distance_load(struct mms_distance *distance,
					 const _Atomic uint64_t *word,
					 uint64_t known)
{
	uint64_t start = mms_cycles();
	uint64_t value = mms_load_acquire(word);
	uint64_t end = mms_cycles();

	if (value != known && value != distance->seen)
		mms_distance_note(distance, end - start);
	distance->seen = value;
	return value;
}

#endif
