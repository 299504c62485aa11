/* SPDX-License-Identifier: MIT */
/*
 * clock.h - readings that cost little and mean the same on every CPU
 *
 * The time-stamp counter where the processor promises that it runs evenly and
 * through sleep states and the kernel has not found it out of step, else the
 * monotonic clock.  What a reading costs is measured, since it is part of
 * everything that is timed with it.
 */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

struct clock {
	bool tsc;
	double ns_per_tick;
	double cost_ns; /* of one reading */
};

/* clock_init - choose, calibrate (20 ms), measure the cost */
void clock_init(struct clock *clock);

/* clock_name - what it reads: "TSC", or "clock_gettime" */
const char *clock_name(const struct clock *clock);

/* clock_monotonic_ns - the kernel's clock, for what need not be cheap */
int64_t clock_monotonic_ns(void);

/* clock_cpu_seconds - CPU time of this process, all of its threads */
double clock_cpu_seconds(void);

/*
 * The plain instruction: one that waits for all before it would hold up what
 * comes after it, 80 ns a round trip on one machine.  Here it follows a branch
 * on the message that was waited for, which comes to the same.
 */
static inline uint64_t clock_ticks(const struct clock *clock)
{
#if defined(__x86_64__)
	if (clock->tsc)
		return __rdtsc();
#endif
	(void)clock;
	return (uint64_t)clock_monotonic_ns();
}

static inline uint64_t clock_ns(const struct clock *clock, uint64_t ticks)
{
	return (uint64_t)((double)ticks * clock->ns_per_tick);
}

static inline uint64_t clock_from_ns(const struct clock *clock, int64_t ns)
{
	return (uint64_t)((double)ns / clock->ns_per_tick);
}

/* clock_relax - between two looks at a word that another CPU will write */
static inline void clock_relax(void)
{
#if defined(__x86_64__)
	_mm_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif
