/* SPDX-License-Identifier: MIT */
/*
 * number.c - strict numbers: counts, sizes, durations, modes, groups
 *
 * What a script passes by mistake (an empty variable, "-1", "010", "4kfoo") is
 * an error here and never some number.  strtonum(3) and expand_number(3) let
 * some of that through, and so are not used.
 */
#include "tool.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <mmsock.h>

/* Reads digits and moves *@text behind them. */
static int parse_digits(const char **text, uint64_t *ret_value)
{
	const char *at = *text;
	uint64_t value = 0;

	if (!isdigit((unsigned char)at[0]))
		return -EINVAL;
	if (at[0] == '0' && isdigit((unsigned char)at[1]))
		return -EINVAL;
	for (; isdigit((unsigned char)*at); at++) {
		if (__builtin_mul_overflow(value, 10U, &value) ||
		    __builtin_add_overflow(value, (unsigned)(*at - '0'),
					   &value))
			return -ERANGE;
	}
	*text = at;
	*ret_value = value;
	return 0;
}

int tool_parse_count(const char *text, uint64_t *ret_count)
{
	uint64_t value;
	int r = parse_digits(&text, &value);

	if (r < 0)
		return r;
	if (*text)
		return -EINVAL;
	*ret_count = value;
	return 0;
}

int tool_parse_size(const char *text, uint64_t *ret_size)
{
	static const char letters[] = "KMGT";
	const char *letter;
	uint64_t value;
	int r = parse_digits(&text, &value);

	if (r < 0)
		return r;
	if (*text) {
		letter = strchr(letters, toupper((unsigned char)*text));
		text++;
		if (!letter || (*text && strcmp(text, "B") != 0 &&
				strcmp(text, "iB") != 0))
			return -EINVAL;
		if (__builtin_mul_overflow(
			    value, (uint64_t)1 << 10 * (letter - letters + 1),
			    &value))
			return -ERANGE;
	}
	*ret_size = value;
	return 0;
}

static uint64_t unit_ns(const char *unit)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{"", 1000000000},     {"s", 1000000000}, {"ms", 1000000},
		{"us", 1000},         {"ns", 1},         {"m", 60000000000},
		{"h", 3600000000000},
	};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(unit, units[i].name) == 0)
			return units[i].ns;
	}
	return 0;
}

/*
 * The digits from @first to @last are a fraction of @unit.  From the last one
 * on, so that no step can overflow.  Rounded up: a timeout that was asked for
 * must not become 0, which means not to wait.
 */
static uint64_t fraction_ns(const char *first, const char *last, uint64_t unit)
{
	uint64_t value = 0;
	bool exact = true;

	while (last > first) {
		value += (unsigned)(*--last - '0') * unit;
		exact &= value % 10 == 0;
		value /= 10;
	}
	return value + !exact;
}

int tool_parse_duration(const char *text, int64_t *ret_ns)
{
	const char *fraction, *unit;
	uint64_t value, ns;
	int r;

	if (strcmp(text, "inf") == 0) {
		*ret_ns = INT64_MAX;
		return 0;
	}
	r = parse_digits(&text, &value);
	if (r < 0)
		return r;
	fraction = text;
	if (*text == '.')
		fraction++;
	unit = fraction + strspn(fraction, "0123456789");
	if (unit == fraction && fraction != text)
		return -EINVAL;
	ns = unit_ns(unit);
	if (!ns)
		return -EINVAL;
	if (__builtin_mul_overflow(value, ns, &value) ||
	    __builtin_add_overflow(value, fraction_ns(fraction, unit, ns),
				   &value) ||
	    value >= INT64_MAX)
		return -ERANGE;
	*ret_ns = (int64_t)value;
	return 0;
}

int tool_parse_mode(const char *text, unsigned *ret_mode)
{
	size_t digits = strspn(text, "01234567");
	unsigned long mode;

	if (digits == 0 || digits > 4 || text[digits])
		return -EINVAL;
	mode = strtoul(text, NULL, 8);
	if (mode > 0777)
		return -ERANGE;
	*ret_mode = (unsigned)mode;
	return 0;
}

noreturn static void refuse(const struct tool_seen *seen, int error,
			    const char *kind)
{
	if (error == -ERANGE)
		tool_usage(seen->tool, "%s%s: '%s' is too large", seen->dashes,
			   seen->name, seen->argument);
	tool_usage(seen->tool, "%s%s: '%s' is not a %s", seen->dashes,
		   seen->name, seen->argument, kind);
}

uint64_t tool_count(const struct tool_seen *seen, uint64_t least, uint64_t most)
{
	uint64_t count = 0;
	int r = tool_parse_count(seen->argument, &count);

	if (r == -EINVAL)
		refuse(seen, r, "whole number");
	if (r == -ERANGE || count > most)
		tool_usage(seen->tool,
			   "%s%s: '%s' is too large (at most %" PRIu64 ")",
			   seen->dashes, seen->name, seen->argument, most);
	if (count < least)
		tool_usage(seen->tool,
			   "%s%s: '%s' is too small (at least %" PRIu64 ")",
			   seen->dashes, seen->name, seen->argument, least);
	return count;
}

uint64_t tool_size(const struct tool_seen *seen)
{
	uint64_t size;
	int r = tool_parse_size(seen->argument, &size);

	if (r < 0)
		refuse(seen, r, "size (as 4096, 64K, 16M)");
	return size;
}

int64_t tool_duration(const struct tool_seen *seen)
{
	int64_t ns;
	int r = tool_parse_duration(seen->argument, &ns);

	if (r < 0)
		refuse(seen, r, "duration (as 250us, 10ms, 1.5, 2s, 1m, inf)");
	return ns;
}

/* No permissions stand for the default in the library, so nobody may ask so. */
unsigned tool_mode(const struct tool_seen *seen)
{
	unsigned mode;
	int r = tool_parse_mode(seen->argument, &mode);

	if (r < 0)
		refuse(seen, r, "mode (as 0600, 0660)");
	if (mode == 0)
		tool_usage(seen->tool, "%s%s: nobody could use it",
			   seen->dashes, seen->name);
	return mode;
}

int64_t tool_env_duration(const struct tool *tool, const char *variable,
			  int64_t otherwise)
{
	const char *text = getenv(variable);

	if (!text || !*text)
		return otherwise;
	return tool_duration(&(struct tool_seen){tool, 0, "", variable, text});
}

int64_t tool_timeout(int64_t duration_ns)
{
	return duration_ns == INT64_MAX ? MMSOCK_FOREVER : duration_ns;
}
