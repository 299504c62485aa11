/* SPDX-License-Identifier: MIT */
/*
 * exits.h - calls that may end the program, as tools do, and go on after it
 *
 * The linker puts these in the place of exit(3) and _exit(2) (--wrap).  What was
 * allocated on the way there is lost, so leaks are not looked for.
 */
#ifndef EXITS_H
#define EXITS_H

/* What @run returns, or the status that it exits with. */
int exits_call(int (*run)(void *context), void *context);

#endif
