/* SPDX-License-Identifier: MIT */
/*
 * tools.c - the programs that the soak starts, and what they complain of
 *
 * What a tool says to standard error goes into memory of its own, which its seat
 * keeps, so that a failure can be told with its reason.
 */
#include "soak.h"

#define WORDS_MOST 7

/* A free seat for the program that these words call. */
struct seat *tool_seat(const char *const *words)
{
	struct seat *seat = seat_free();
	size_t used = 0;
	size_t i;

	seat->command[0] = 0;
	for (i = 0; words[i] && used < sizeof(seat->command); i++)
		used += (size_t)snprintf(seat->command + used,
					 sizeof(seat->command) - used, "%s%s",
					 i ? " " : "", words[i]);
	seat->errors = memfd_create("errors", MFD_CLOEXEC);
	CHECK(seat->errors >= 0);
	return seat;
}

/* In the child.  A program of ours, or one that the system has; -1: nothing. */
void tool_become(const struct seat *seat, const char *const *words, int from,
		 int to)
{
	char path[4096];
	char *arguments[WORDS_MOST + 1] = {NULL};
	int nothing = open("/dev/null", O_RDWR);
	size_t i;

	for (i = 0; words[i] && i < WORDS_MOST; i++)
		arguments[i] = strdup(words[i]);
	dup2(from < 0 ? nothing : from, STDIN_FILENO);
	dup2(to < 0 ? nothing : to, STDOUT_FILENO);
	dup2(seat->errors, STDERR_FILENO);
	snprintf(path, sizeof(path), "%s/%s", getenv("MMSOCK_BIN"), words[0]);
	if (!strncmp(words[0], "mmsock-", 7))
		execv(path, arguments);
	else
		execvp(words[0], arguments);
	_exit(127);
}

/* Note what is wrong with a tool that has ended, in its own words. */
void tool_wrong(const struct seat *seat, enum verdict verdict, int status)
{
	char said[200];
	ssize_t length = pread(seat->errors, said, sizeof(said) - 1, 0);

	said[length > 0 ? length : 0] = 0;
	said[strcspn(said, "\n")] = 0;
	wrong(verdict, "%s ended with %#x, and said: %s", seat->command,
	      (unsigned)status, *said ? said : "nothing");
}

void tool_forget(struct seat *seat)
{
	close(seat->errors);
}
