/* SPDX-License-Identifier: MIT */
/*
 * number.c - the tools' numbers, each parsed a second time in a simpler way
 */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>

#include "check.h"
#include "fuzz.h"
#include "tool.h"

static size_t digits_in(const char *text)
{
	return strspn(text, "0123456789");
}

/* Digits as they are written: no sign, no zero in front. */
static bool begins_well(const char *text)
{
	return digits_in(text) && (*text != '0' || digits_in(text) == 1);
}

/* What does not fit has many digits; what has too few is never too large. */
static void check_refusal(const char *text, int r, size_t least_digits)
{
	if (r == -ERANGE)
		CHECK(begins_well(text) && digits_in(text) >= least_digits);
	else
		CHECK_INT(r, -EINVAL);
}

static void check_count(const char *text)
{
	uint64_t count;
	char again[24];
	int r = tool_parse_count(text, &count);

	if (r) {
		check_refusal(text, r, 20);
		CHECK(r != -EINVAL || !begins_well(text) ||
		      text[digits_in(text)]);
		return;
	}
	snprintf(again, sizeof(again), "%" PRIu64, count);
	CHECK_STR(again, text);
}

/* 2 to this, or -1. */
static int shift_of(const char *unit)
{
	static const char letters[] = "KMGT";
	const char *letter;

	if (!*unit)
		return 0;
	letter = strchr(letters, toupper((unsigned char)*unit));
	if (!letter || (unit[1] && strcmp(unit + 1, "B") != 0 &&
			strcmp(unit + 1, "iB") != 0))
		return -1;
	return 10 * (int)(letter - letters + 1);
}

static void check_size(const char *text)
{
	int shift = shift_of(text + digits_in(text));
	uint64_t size;
	int r = tool_parse_size(text, &size);

	if (r) {
		check_refusal(text, r, 8);
		CHECK(r != -EINVAL || !begins_well(text) || shift < 0);
		return;
	}
	CHECK(begins_well(text) && shift >= 0);
	CHECK(size >> shift == strtoull(text, NULL, 10));
	CHECK(size == size >> shift << shift);
}

static uint64_t unit_of(const char *unit)
{
	static const char *const names[] = {"",  "ns", "us", "ms",
					    "s", "m",  "h"};
	static const uint64_t ns[] = {1000000000,   1,          1000,
				      1000000,      1000000000, 60000000000,
				      3600000000000};

	for (size_t i = 0; i < CHECK_COUNT(names); i++) {
		if (!strcmp(unit, names[i]))
			return ns[i];
	}
	return 0;
}

/* With so many digits behind the point that 64 bits hold all of it. */
#define EXACT_DIGITS 6

static void check_exactly(const char *text, const char *fraction, uint64_t unit,
			  int64_t ns)
{
	uint64_t whole = strtoull(text, NULL, 10);
	uint64_t part = 0;
	uint64_t scale = 1;

	for (; isdigit((unsigned char)*fraction); fraction++) {
		part = part * 10 + (unsigned)(*fraction - '0');
		scale *= 10;
	}
	part = (part * unit + scale - 1) / scale;
	CHECK(!__builtin_mul_overflow(whole, unit, &whole));
	CHECK(whole + part == (uint64_t)ns);
}

static void check_duration(const char *text)
{
	const char *point = text + digits_in(text);
	const char *fraction = point + (*point == '.');
	const char *unit = fraction + (*point == '.' ? digits_in(fraction) : 0);
	int64_t ns = -1;
	int r = tool_parse_duration(text, &ns);

	if (!strcmp(text, "inf")) {
		CHECK(!r && ns == INT64_MAX);
		return;
	}
	if (r) {
		check_refusal(text, r, 7);
		CHECK(r != -EINVAL || !begins_well(text) || !unit_of(unit) ||
		      (*point == '.' && unit == fraction));
		return;
	}
	CHECK(begins_well(text) && unit_of(unit) && ns >= 0 && ns < INT64_MAX);
	if (unit - fraction <= EXACT_DIGITS)
		check_exactly(text, fraction, unit_of(unit), ns);
}

static void check_mode(const char *text)
{
	unsigned mode;
	int r = tool_parse_mode(text, &mode);
	bool octal = *text && strspn(text, "01234567") == strlen(text) &&
		     strlen(text) <= 4;

	CHECK_INT(r, !octal                          ? -EINVAL
		     : strtoul(text, NULL, 8) > 0777 ? -ERANGE
						     : 0);
	CHECK(r || mode == strtoul(text, NULL, 8));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	CHECK(text);
	memcpy(text, data, size);
	text[size] = '\0';
	check_count(text);
	check_size(text);
	check_duration(text);
	check_mode(text);
	free(text);
	return 0;
}
