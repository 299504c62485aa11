/* SPDX-License-Identifier: MIT */
/*
 * grid.h - a table of texts, aligned
 *
 * Only grid.c knows libsmartcols.  Nothing here returns when memory runs out:
 * it ends the tool.  That the stream failed is seen when it is closed.
 */
#ifndef BENCH_GRID_H
#define BENCH_GRID_H

#include <stdbool.h>
#include <stdio.h>

struct grid;

struct grid *grid_open(FILE *out);
void grid_column(struct grid *grid, const char *heading, bool right);
void grid_line(struct grid *grid);
void grid_text(struct grid *grid, const char *text); /* left to right */
void grid_close(struct grid *grid);                  /* prints it */

#endif
