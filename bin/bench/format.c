/* SPDX-License-Identifier: MIT */
/*
 * format.c - figures as a person reads them
 */
#include "format.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

/* So that there are three digits, rounding included: 9.996 is 10.0. */
static int decimals_of(double value)
{
	if (value >= 99.95)
		return 0;
	return value >= 9.995 ? 1 : 2;
}

/*
 * The last unit takes what is larger.  The first is written without a point
 * where its value is whole.
 */
static struct unit_text scale(double value, double step,
			      const char *const *units, size_t count)
{
	struct unit_text unit;
	int decimals;
	size_t i = 0;

	for (; i + 1 < count && value >= step * 0.9995; i++)
		value /= step;
	decimals = decimals_of(value);
	if (i == 0 && value < 1000 && value == (double)(unsigned)value)
		decimals = 0;
	(void)snprintf(unit.text, sizeof(unit.text), "%.*f%s", decimals, value,
		       units[i]);
	return unit;
}

struct unit_text unit_time(double ns)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};

	return scale(ns, 1000, units, 4);
}

struct unit_text unit_messages(double per_second)
{
	static const char *const units[] = {"/s", "k/s", "M/s", "G/s"};

	return scale(per_second, 1000, units, 4);
}

struct unit_text unit_bytes(double per_second)
{
	static const char *const units[] = {"B/s", "kB/s", "MB/s", "GB/s",
					    "TB/s"};

	return scale(per_second, 1000, units, 5);
}

struct unit_text unit_memory(uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};

	return scale((double)bytes, 1024, units, 5);
}

struct unit_text unit_size(uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	struct unit_text unit;
	size_t i = 0;

	for (; i < 4 && bytes && bytes % 1024 == 0; i++)
		bytes /= 1024;
	(void)snprintf(unit.text, sizeof(unit.text), "%" PRIu64 "%s", bytes,
		       units[i]);
	return unit;
}

struct unit_text unit_ratio(double ratio)
{
	struct unit_text unit;

	if (ratio > 0 && ratio < 0.00995)
		(void)snprintf(unit.text, sizeof(unit.text), "%.1gx", ratio);
	else if (ratio > 0 && ratio < 0.0995)
		(void)snprintf(unit.text, sizeof(unit.text), "%.3fx", ratio);
	else
		(void)snprintf(unit.text, sizeof(unit.text), "%.*fx",
			       decimals_of(ratio), ratio);
	return unit;
}
