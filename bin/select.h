/* SPDX-License-Identifier: MIT */
/*
 * select.h - which ports the operands of a tool stand for
 *
 * An operand with a '/' is the path of a port file and stands for that.  Any
 * other is a pattern, as in the shell, for names in the port directory.
 */
#ifndef SELECT_H
#define SELECT_H

#include <stdbool.h>

#include <sys/types.h>

#include <bsd/stringlist.h>

bool select_is_path(const char *operand);

/*
 * select_names - the names that some of @operands match
 *
 * Adds copies of them to @names, sorted; of all where there is no operand.  A
 * name need not be that of a port.  Returns the exit status, after a report
 * where it is not 0.
 */
int select_names(const char *dir, char *const *operands, StringList *names);

/* select_check - whether @operand stands for some of @ports; if not, say so */
bool select_check(const char *operand, const StringList *ports);

/* select_keep_first - of several failures the first is the exit status */
void select_keep_first(int *first, int status);

#endif
