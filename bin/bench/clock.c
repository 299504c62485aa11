/* SPDX-License-Identifier: MIT */
/*
 * clock.c - choosing a clock and knowing what it costs
 */
#include "clock.h"

#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* Long enough that the two readings at its ends (0.1 us) do not matter. */
#define CALIBRATION_NS 20000000

#define COST_READINGS 10000

#define CLOCKSOURCES                                                           \
	"/sys/devices/system/clocksource/clocksource0/available_clocksource"

static int64_t read_clock(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int64_t clock_monotonic_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

double clock_cpu_seconds(void)
{
	return (double)read_clock(CLOCK_PROCESS_CPUTIME_ID) * 1e-9;
}

#if defined(__x86_64__)
/* The kernel strikes a counter that it found out of step off this list. */
static bool kernel_trusts_tsc(void)
{
	char line[256] = "";
	FILE *file = fopen(CLOCKSOURCES, "re");

	if (!file)
		return false;
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	(void)fclose(file);
	return strstr(line, "tsc") != NULL;
}

/* Invariant TSC is bit 8 of leaf 0x80000007. */
static bool has_tsc(void)
{
	unsigned a, b, c, d;

	if (!__get_cpuid(0x80000007, &a, &b, &c, &d) || !(d & 1U << 8))
		return false;
	return kernel_trusts_tsc();
}
#else
static bool has_tsc(void)
{
	return false;
}
#endif

static void calibrate(struct clock *clock)
{
	int64_t start_ns = clock_monotonic_ns(), now_ns;
	uint64_t start = clock_ticks(clock), now;

	do {
		now_ns = clock_monotonic_ns();
		now = clock_ticks(clock);
	} while (now_ns - start_ns < CALIBRATION_NS);
	clock->ns_per_tick =
		(double)(now_ns - start_ns) / (double)(now - start);
}

static void measure_cost(struct clock *clock)
{
	uint64_t start = clock_ticks(clock), now = start;

	for (int i = 0; i < COST_READINGS; i++)
		now = clock_ticks(clock);
	clock->cost_ns =
		(double)(now - start) * clock->ns_per_tick / COST_READINGS;
}

void clock_init(struct clock *clock)
{
	clock->tsc = has_tsc();
	clock->ns_per_tick = 1;
	if (clock->tsc)
		calibrate(clock);
	measure_cost(clock);
}

const char *clock_name(const struct clock *clock)
{
	return clock->tsc ? "TSC" : "clock_gettime";
}
