/* SPDX-License-Identifier: MIT */
/*
 * copy.h - copying into the ring, past the cache where that is faster
 *
 * Large copies to somebody far away use non-temporal stores: the lines go to
 * memory and do not stay dirty in the sender's core, from where the receiver would
 * have to fetch them one by one.  Measured with 64 KiB records on two CPUs of
 * different core complexes: 17 GB/s against 3; the price is 2 us of round trip.
 * Below about 4 KiB ordinary stores win, in between they are even, hence the
 * limit.  Who is far away: distance.h.
 */
#ifndef MMS_COPY_H
#define MMS_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#define MMS_STREAM_FROM ((size_t)16 * 1024)
#define MMS_LINE        ((size_t)64)

/* Copy without leaving the target in the cache; mms_copy_drain() must follow. */
static inline void mms_copy_stream(unsigned char *to, const unsigned char *from,
				   size_t length)
{
#if defined(__x86_64__)
	size_t ahead = (MMS_LINE - (uintptr_t)to % MMS_LINE) % MMS_LINE;

	memcpy(to, from, ahead);
	to += ahead;
	from += ahead;
	length -= ahead;
	for (; length >= MMS_LINE; length -= MMS_LINE) {
		__m128i a =
			_mm_loadu_si128((const __m128i *)(const void *)from);
		__m128i b = _mm_loadu_si128(
			(const __m128i *)(const void *)(from + 16));
		__m128i c = _mm_loadu_si128(
			(const __m128i *)(const void *)(from + 32));
		__m128i d = _mm_loadu_si128(
			(const __m128i *)(const void *)(from + 48));

		_mm_stream_si128((__m128i *)(void *)to, a);
		_mm_stream_si128((__m128i *)(void *)(to + 16), b);
		_mm_stream_si128((__m128i *)(void *)(to + 32), c);
		_mm_stream_si128((__m128i *)(void *)(to + 48), d);
		to += MMS_LINE;
		from += MMS_LINE;
	}
#endif
	memcpy(to, from, length);
}

/* Non-temporal stores are in memory before any store that follows. */
static inline void mms_copy_drain(void)
{
#if defined(__x86_64__)
	_mm_sfence();
#endif
}

#endif
