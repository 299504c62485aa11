/* SPDX-License-Identifier: MIT */
/*
 * futex.h - sleep on a word and wake who sleeps on it
 *
 * The two system calls, shared between processes, and the yield.  Unit tests
 * link a scripted stand-in instead of futex.c.
 */
#ifndef MMS_FUTEX_H
#define MMS_FUTEX_H

#include <stdatomic.h>
#include <stdint.h>

/*
 * Sleep while *word is expected, until deadline_ns of the monotonic clock at
 * the latest.  0 when woken (perhaps for no reason), -EAGAIN when the word had
 * another value, -ETIMEDOUT, -EINTR.
 */
int mms_futex_wait(_Atomic uint32_t *word, uint32_t expected,
		   int64_t deadline_ns);

/* Wake up to most sleepers; returns how many there were. */
unsigned mms_futex_wake(_Atomic uint32_t *word, unsigned most);

/* Let someone else have the CPU. */
void mms_yield(void);

#endif
