/* SPDX-License-Identifier: MIT */
/*
 * framing.c - the table of framings
 *
 * What a row does is in reader.c and writer.c.
 */
#include "framing.h"

#include <string.h>

#include "tool.h"

/* In raw framing: what a pipe holds, so that one write tends to be one read. */
#define RAW_BYTES ((size_t)64 << 10)

/* clang-format off */
static const struct framing framings[] = {
	{"line", "a newline ends each message",
	 "\n", 0, framing_cut_delimited, framing_put_delimited},
	{"null", "a zero byte ends each message",
	 "\0", 0, framing_cut_delimited, framing_put_delimited},
	{"raw", "none: each read is a message, payloads are written as they are",
	 NULL, RAW_BYTES, framing_cut_raw, framing_put_raw},
	{"slurp", "none: all input is one message, output as raw",
	 NULL, 0, framing_cut_slurp, framing_put_raw},
	{"lp32be", "a length of 4 bytes, most significant first, then the payload",
	 NULL, 0, framing_cut_lp32be, framing_put_lp32be},
	{"lp32le", "a length of 4 bytes, least significant first, then the payload",
	 NULL, 0, framing_cut_lp32le, framing_put_lp32le},
};
/* clang-format on */

const char framing_names[] = "line, null, raw, slurp, lp32be, lp32le";

const struct framing *framing_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(framings); i++) {
		if (strcmp(framings[i].name, name) == 0)
			return &framings[i];
	}
	return NULL;
}

void framing_list(FILE *out)
{
	fputs("\nFramings:\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(framings); i++)
		fprintf(out, "  %-6s  %s\n", framings[i].name,
			framings[i].help);
}

const char *framing_search(const char *delimiter, size_t delimiter_length,
			   const char *text, size_t length)
{
	if (delimiter_length == 1)
		return memchr(text, *delimiter, length);
	return memmem(text, length, delimiter, delimiter_length);
}

/*
 * Where the delimiter begins as it ends, a payload that ends like that makes one
 * with the delimiter behind it, before its own: "a" with "aa", "xab" with "abab".
 */
static bool makes_delimiter(const char *delimiter, size_t delimiter_length,
			    const char *message, size_t length)
{
	for (size_t tail = 1; tail < delimiter_length && tail <= length; tail++)
		if (memcmp(message + length - tail, delimiter, tail) == 0 &&
		    memcmp(delimiter + tail, delimiter,
			   delimiter_length - tail) == 0)
			return true;
	return false;
}

bool framing_holds(const char *delimiter, size_t delimiter_length,
		   const void *message, size_t length)
{
	return delimiter &&
	       (framing_search(delimiter, delimiter_length, message, length) ||
		makes_delimiter(delimiter, delimiter_length, message, length));
}
