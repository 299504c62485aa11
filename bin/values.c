/* SPDX-License-Identifier: MIT */
/*
 * values.c - the usual kinds of facts, as text
 *
 * JSON has numbers as they are, for programs; a person gets a few digits.
 */
#include "values.h"

#include <err.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <bsd/pwd.h>
#include <bsd/stdlib.h>

#include "tool.h"

char *value_format(const char *format, ...)
{
	va_list arguments;
	char *text;
	int r;

	va_start(arguments, format);
	r = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (r < 0)
		err(TOOL_SYSTEM, NULL);
	return text;
}

char *value_word(const char *const *words, size_t count, unsigned value)
{
	if (value < count)
		return value_format("%s", words[value]);
	return value_format("%u", value);
}

int64_t value_since(int64_t when_ns)
{
	struct timespec now;
	int64_t since_ns;

	if (when_ns <= 0)
		return -1;
	clock_gettime(CLOCK_REALTIME, &now);
	since_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - when_ns;
	return since_ns < 0 ? 0 : since_ns;
}

static char *name_text(const void *field, const struct column_style *style)
{
	(void)style;
	return value_format("%s", *(const char *const *)field);
}

static char *string_text(const void *field, const struct column_style *style)
{
	(void)style;
	return value_format("%s", (const char *)field);
}

static char *number_text(const void *field, const struct column_style *style)
{
	unsigned number = *(const unsigned *)field;

	(void)style;
	return number == VALUE_NO_NUMBER ? NULL : value_format("%u", number);
}

static char *count_text(const void *field, const struct column_style *style)
{
	uint64_t count = *(const uint64_t *)field;

	(void)style;
	return count == VALUE_NONE ? NULL : value_format("%" PRIu64, count);
}

static char *size_text(const void *field, const struct column_style *style)
{
	uint64_t size = *(const uint64_t *)field;
	char text[5]; /* as 1.5M or 1023 */
	char *zero;

	if (style->json || style->bytes || size > INT64_MAX)
		return count_text(field, style);
	humanize_number(text, sizeof(text), (int64_t)size, "", HN_AUTOSCALE,
			HN_DECIMAL | HN_NOSPACE);
	zero = strstr(text, ".0");
	if (zero)
		memmove(zero, zero + 2, strlen(zero + 2) + 1);
	return value_format("%s", text);
}

/* In at most two units, the way one would say it. */
static char *span_text(const void *field, const struct column_style *style)
{
	int64_t ns = *(const int64_t *)field;
	int64_t s = ns / 1000000000;

	if (ns < 0)
		return NULL;
	if (style->json)
		return value_format("%" PRId64, ns);
	if (ns < 1000)
		return value_format("%" PRId64 "ns", ns);
	if (ns < 1000000)
		return value_format("%" PRId64 "us", ns / 1000);
	if (s < 1)
		return value_format("%" PRId64 "ms", ns / 1000000);
	if (s < 60)
		return value_format("%" PRId64 "s", s);
	if (s < 3600)
		return value_format("%" PRId64 "m%02" PRId64 "s", s / 60,
				    s % 60);
	if (s < 86400)
		return value_format("%" PRId64 "h%02" PRId64 "m", s / 3600,
				    s / 60 % 60);
	return value_format("%" PRId64 "d%02" PRId64 "h", s / 86400,
			    s / 3600 % 24);
}

static char *time_text(const void *field, const struct column_style *style)
{
	int64_t ns = *(const int64_t *)field;
	time_t seconds = (time_t)(ns / 1000000000);
	char text[40];
	struct tm tm;

	if (ns == 0)
		return NULL;
	if (style->json || !localtime_r(&seconds, &tm) ||
	    strftime(text, sizeof(text), "%FT%T%z", &tm) == 0)
		return value_format("%" PRId64, ns);
	return value_format("%s", text);
}

static char *mode_text(const void *field, const struct column_style *style)
{
	(void)style;
	return value_format("%04o", *(const unsigned *)field);
}

static char *owner_text(const void *field, const struct column_style *style)
{
	(void)style;
	return value_format("%s", user_from_uid(*(const unsigned *)field, 0));
}

const struct column_kind value_name = {.text = name_text, .always = true};
const struct column_kind value_string = {.text = string_text};
const struct column_kind value_number = {.text = number_text, .number = true};
const struct column_kind value_count = {.text = count_text, .number = true};
const struct column_kind value_size = {.text = size_text, .number = true};
const struct column_kind value_span = {.text = span_text, .number = true};
const struct column_kind value_time = {.text = time_text, .number = true};
const struct column_kind value_mode = {.text = mode_text, .always = true};
const struct column_kind value_owner = {.text = owner_text, .always = true};
