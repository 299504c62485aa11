/* SPDX-License-Identifier: MIT */
/*
 * values.h - how the usual kinds of facts are written in a table (columns.h)
 */
#ifndef VALUES_H
#define VALUES_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "columns.h"

extern const struct column_kind value_name;   /* const char *; always known */
extern const struct column_kind value_string; /* char[] */
extern const struct column_kind value_number; /* unsigned */
extern const struct column_kind value_count;  /* uint64_t */
extern const struct column_kind value_size;   /* uint64_t, bytes */
extern const struct column_kind value_span;   /* int64_t, ns; < 0: not known */
extern const struct column_kind value_time;   /* int64_t, ns; 0: not known */
/* Facts of the file, which are known whatever is in it: unsigned. */
extern const struct column_kind value_mode;
extern const struct column_kind value_owner;

/* In a count or a size, and in a number: does not apply. */
#define VALUE_NONE      UINT64_MAX
#define VALUE_NO_NUMBER UINT_MAX

/* value_format - asprintf(3) that ends the tool when memory runs out */
char *value_format(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* value_word - the word for @value; a number where there are not so many */
char *value_word(const char *const *words, size_t count, unsigned value);

/*
 * value_since - the time since a moment of the wall clock, or -1
 *
 * A clock that was set back makes nothing negative.  A file may say any time, but
 * none before there were clocks.
 */
int64_t value_since(int64_t when_ns);

#endif
