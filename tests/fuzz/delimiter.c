/* SPDX-License-Identifier: MIT */
/*
 * delimiter.c - the argument of -d, taken apart a second time in a simpler way
 */
#include <ctype.h>

#include "check.h"
#include "exits.h"
#include "fuzz.h"
#include "stream.h"

static const struct tool tool = {.name = "fuzz"};
static int id; /* of the option */

struct taken {
	struct stream_config config;
	const char *text;
};

static int take(void *context)
{
	struct taken *taken = context;
	const struct tool_seen seen = {&tool, id, "--", "delimiter",
				       taken->text};

	stream_take(&seen, &taken->config);
	return TOOL_OK;
}

/* How many characters of @at make its first byte; 0 where they make none. */
static size_t decode(const char *at, char *ret_byte)
{
	static const char *const escapes[] = {"n\n", "t\t", "r\r", "\\\\"};
	char digits[3] = "";

	*ret_byte = *at;
	if (*at != '\\')
		return 1;
	for (size_t i = 0; i < CHECK_COUNT(escapes); i++) {
		*ret_byte = escapes[i][1];
		if (at[1] == escapes[i][0])
			return 2;
	}
	*ret_byte = '\0';
	if (at[1] == '0')
		return 2;
	if (at[1] != 'x' || !isxdigit((unsigned char)at[2]) ||
	    !isxdigit((unsigned char)at[3]))
		return 0;
	memcpy(digits, at + 2, 2);
	*ret_byte = (char)strtoul(digits, NULL, 16);
	return 4;
}

/* The bytes that @text stands for, or -1. */
static int decode_all(const char *text, char *bytes)
{
	int count = 0;

	while (*text) {
		size_t used = decode(text, &bytes[count]);

		if (!used || ++count > STREAM_DELIMITER_MAX)
			return -1;
		text += used;
	}
	return count ? count : -1;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	for (size_t i = 0; i < STREAM_OPTION_COUNT; i++) {
		if (!strcmp(stream_options[i].name, "delimiter"))
			id = stream_options[i].id;
	}
	CHECK(id);
	return 0;
}

/* What is refused is reported, which is not to be seen here. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct taken taken = {.config = {.delimiter = NULL}};
	char bytes[STREAM_DELIMITER_MAX + 1];
	char *text = malloc(size + 1);
	FILE *errors = stderr;
	int status;
	int count;

	CHECK(text);
	memcpy(text, data, size);
	text[size] = '\0';
	taken.text = text;
	stderr = fopen("/dev/null", "we");
	CHECK(stderr);
	status = exits_call(take, &taken);
	fclose(stderr);
	stderr = errors;
	count = decode_all(text, bytes);
	CHECK_INT(status, count < 0 ? TOOL_USAGE : TOOL_OK);
	if (count > 0) {
		CHECK_INT(taken.config.delimiter_length, count);
		CHECK(!memcmp(taken.config.delimiter, bytes, (size_t)count));
	}
	free(text);
	return 0;
}
