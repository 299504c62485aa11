/* SPDX-License-Identifier: MIT */
/*
 * check.h - what a test program needs, and no more
 *
 * A program is a table of cases, each a sentence about behaviour and a
 * function:
 *
 *	static const struct check_case cases[] = {
 *		{ "an empty ring has nothing to read", test_empty },
 *	};
 *
 *	int main(int argc, char **argv)
 *	{
 *		return check_main(argc, argv, cases, CHECK_COUNT(cases));
 *	}
 *
 * Every case runs in a child process of its own, so that one that crashes,
 * hangs or leaves threads behind fails alone.  The first check that does not
 * hold ends the case.  The output is TAP; the exit status is 0, 1 when a case
 * failed, 77 when all were skipped.  With a number as argument only that case
 * runs, in the same process, for a debugger; with a case's name only that one.
 *
 * CHECK_TIMEOUT in the environment is the time for a case in seconds (60).
 */
#ifndef CHECK_H
#define CHECK_H

#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct check_case {
	const char *name;
	void (*run)(void);
};

enum {
	CHECK_SKIPPED = 77
};

#define CHECK_COUNT(cases) (sizeof(cases) / sizeof((cases)[0]))

/* The condition holds. */
#define CHECK(condition)                                                       \
	check_true((condition) ? 1 : 0, __FILE__, __LINE__, #condition)

/* Two integers are equal: what came out first, what it should be second. */
#define CHECK_INT(got, want)                                                   \
	check_int((intmax_t)(got), (intmax_t)(want), __FILE__, __LINE__, #got)

/* Two strings are equal; either may be NULL. */
#define CHECK_STR(got, want) check_str((got), (want), __FILE__, __LINE__, #got)

/* This machine cannot run the case. */
#define SKIP(reason) check_skip(reason)

static inline void check_true(int holds, const char *file, int line,
			      const char *text)
{
	if (holds)
		return;
	printf("# %s:%d: %s does not hold\n", file, line, text);
	exit(EXIT_FAILURE);
}

static inline void check_int(intmax_t got, intmax_t want, const char *file,
			     int line, const char *text)
{
	if (got == want)
		return;
	printf("# %s:%d: %s is %" PRIdMAX ", not %" PRIdMAX "\n", file, line,
	       text, got, want);
	exit(EXIT_FAILURE);
}

static inline void check_str(const char *got, const char *want,
			     const char *file, int line, const char *text)
{
	if (got && want && !strcmp(got, want))
		return;
	if (!got && !want)
		return;
	printf("# %s:%d: %s is \"%s\", not \"%s\"\n", file, line, text,
	       got ? got : "(null)", want ? want : "(null)");
	exit(EXIT_FAILURE);
}

static inline void check_skip(const char *reason)
{
	printf("# skipped: %s\n", reason);
	exit(CHECK_SKIPPED);
}

/*
 * End a case in a process that cannot look at itself any more, as a search for
 * leaks at its end would.
 */
static inline void end_case(void)
{
	fflush(stdout);
	_exit(EXIT_SUCCESS);
}

/* Run one case in a child; its wait status, or -1 where there is no child. */
static inline int check_fork(const struct check_case *c, unsigned seconds)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return -1;
	if (!pid) {
		alarm(seconds);
		c->run();
		exit(EXIT_SUCCESS);
	}
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

/* Print the line of one case; 0 passed, 1 failed, 77 skipped. */
static inline int check_report(size_t number, const char *name, int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == CHECK_SKIPPED) {
		printf("ok %zu - %s # SKIP\n", number, name);
		return CHECK_SKIPPED;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS) {
		printf("ok %zu - %s\n", number, name);
		return EXIT_SUCCESS;
	}
	if (status != -1 && WIFSIGNALED(status))
		printf("# ended by signal %d (%s)\n", WTERMSIG(status),
		       WTERMSIG(status) == SIGALRM
			       ? "out of time"
			       : strsignal(WTERMSIG(status)));
	printf("not ok %zu - %s\n", number, name);
	return EXIT_FAILURE;
}

/* 0 where it is none, as in "1024 slots are 1024 slots". */
static inline size_t check_number(const char *text)
{
	char *end;
	size_t number = text ? strtoul(text, &end, 10) : 0;

	return number && !*end ? number : 0;
}

/* The one case of that name; *count is 1 then. */
static inline const struct check_case *
check_find(const struct check_case *cases, size_t *count, const char *name)
{
	for (size_t i = 0; i < *count; i++) {
		if (strcmp(cases[i].name, name))
			continue;
		*count = 1;
		return &cases[i];
	}
	printf("# no such case: %s\n", name);
	return NULL;
}

static inline int check_main(int argc, char **argv,
			     const struct check_case *cases, size_t count)
{
	const char *limit = getenv("CHECK_TIMEOUT");
	unsigned seconds = limit ? (unsigned)strtoul(limit, NULL, 10) : 60;
	const char *wanted = argc > 1 ? argv[1] : NULL;
	size_t only = check_number(wanted);
	size_t failed = 0;
	size_t skipped = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (only > 0 && only <= count) {
		cases[only - 1].run();
		return EXIT_SUCCESS;
	}
	if (wanted) {
		cases = check_find(cases, &count, wanted);
		if (!cases)
			return EXIT_FAILURE;
	}
	printf("1..%zu\n", count);
	for (size_t i = 0; i < count; i++) {
		int status = check_fork(&cases[i], seconds);
		int result = check_report(i + 1, cases[i].name, status);

		failed += result == EXIT_FAILURE;
		skipped += result == CHECK_SKIPPED;
	}
	if (failed)
		return EXIT_FAILURE;
	return skipped == count ? CHECK_SKIPPED : EXIT_SUCCESS;
}

#endif
