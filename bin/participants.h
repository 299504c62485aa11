/* SPDX-License-Identifier: MIT */
/*
 * participants.h - a table with a line for each participant of a port
 */
#ifndef PARTICIPANTS_H
#define PARTICIPANTS_H

#include "columns.h"

extern const struct column_set participants_columns;

/* participants_add - add a line for each of @port's; 0 or a negative errno */
int participants_add(struct columns *columns, const char *port,
		     const char *dir);

#endif
