/* SPDX-License-Identifier: MIT */
/*
 * ports.h - a table with a line for each port
 */
#ifndef PORTS_H
#define PORTS_H

#include "columns.h"

extern const struct column_set ports_columns;

/* ports_add - look at @port and add its line; 0 or a negative errno */
int ports_add(struct columns *columns, const char *port, const char *dir);

#endif
