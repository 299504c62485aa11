/* SPDX-License-Identifier: MIT */
/*
 * exits.c - see exits.h
 */
#include "exits.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <stdnoreturn.h>

static jmp_buf caller;
static bool called; /* and not back yet */

/* By the names that the linker and the sanitizer look for. */
noreturn void __real_exit(int status);
noreturn void __wrap_exit(int status);
noreturn void __wrap__exit(int status);
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

/* Never 0 to setjmp(). */
noreturn static void leave(int status)
{
	if (!called)
		__real_exit(status);
	longjmp(caller, status + 1);
}

noreturn void __wrap_exit(int status)
{
	leave(status);
}

noreturn void __wrap__exit(int status)
{
	leave(status);
}

int exits_call(int (*run)(void *context), void *context)
{
	int status = setjmp(caller);

	if (status) {
		status--;
	} else {
		called = true;
		status = run(context);
	}
	called = false;
	return status;
}
