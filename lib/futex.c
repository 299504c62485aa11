/* SPDX-License-Identifier: MIT */
/*
 * futex.c - the kernel's side of waiting
 *
 * Futexes are the shared kind (no FUTEX_PRIVATE_FLAG): the word lies in a file
 * that several processes map.  FUTEX_WAIT_BITSET takes an absolute deadline on
 * the monotonic clock, so a wait that is resumed does not become longer.
 */
#include "futex.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "deadline.h"

/* Where a long is shorter than a time, such times take a call of their own. */
static long call_number(void)
{
#ifdef SYS_futex_time64
	if (sizeof(time_t) > sizeof(long))
		return SYS_futex_time64;
#endif
	return SYS_futex;
}

int mms_futex_wait(_Atomic uint32_t *word, uint32_t expected,
		   int64_t deadline_ns)
{
	struct timespec at = {
		.tv_sec = (time_t)(deadline_ns / MMS_NS_PER_S),
		.tv_nsec = (long)(deadline_ns % MMS_NS_PER_S),
	};
	const struct timespec *limit = deadline_ns == MMS_NEVER ? NULL : &at;

	if (!syscall(call_number(), word, FUTEX_WAIT_BITSET, expected, limit,
		     NULL, FUTEX_BITSET_MATCH_ANY))
		return 0;
	return -errno;
}

unsigned mms_futex_wake(_Atomic uint32_t *word, unsigned most)
{
	long woken;

	if (most > INT_MAX)
		most = INT_MAX;
	woken = syscall(call_number(), word, FUTEX_WAKE, most, NULL, NULL, 0);
	return woken > 0 ? (unsigned)woken : 0;
}

void mms_yield(void)
{
	sched_yield();
}
