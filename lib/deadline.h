/* SPDX-License-Identifier: MIT */
/*
 * deadline.h - time-outs as points in time
 *
 * A time-out becomes a deadline once, when a call first has to wait, and is a
 * deadline from there on: no wake-up or retry lengthens it.  Everything is kept
 * on the monotonic clock, which no one sets.
 */
#ifndef MMS_DEADLINE_H
#define MMS_DEADLINE_H

#include <stdint.h>
#include <time.h>

#define MMS_NEVER    INT64_MAX
#define MMS_NS_PER_S INT64_C(1000000000)

static inline int64_t mms_clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * MMS_NS_PER_S + now.tv_nsec;
}

static inline int64_t mms_now_ns(void)
{
	return mms_clock_ns(CLOCK_MONOTONIC);
}

/* To a tick (1-4 ms) and five times cheaper: for stamps in every operation. */
static inline int64_t mms_coarse_ns(void)
{
	return mms_clock_ns(CLOCK_MONOTONIC_COARSE);
}

/* now + span, or never where that is out of range or span is negative. */
static inline int64_t mms_deadline(int64_t now_ns, int64_t span_ns)
{
	if (span_ns < 0 || span_ns > MMS_NEVER - now_ns)
		return MMS_NEVER;
	return now_ns + span_ns;
}

#endif
