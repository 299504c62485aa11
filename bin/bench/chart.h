/* SPDX-License-Identifier: MIT */
/*
 * chart.h - one drawing with two axes and a few curves, as SVG
 *
 * The vertical axis is logarithmic.  Along the other the caller says what is
 * where, in a measure of its own.  A curve is known by its colour, its dashes
 * and its mark, and is named where it ends.
 */
#ifndef BENCH_CHART_H
#define BENCH_CHART_H

#include <stddef.h>
#include <stdio.h>

#include "format.h"

#define CHART_POINTS_MAX 128
#define CHART_SERIES_MAX 48
#define CHART_TICKS_MAX  16

#define CHART_WIDTH  840
#define CHART_HEIGHT 410

enum {
	CHART_MAIN,  /* what the chart is about */
	CHART_FLOOR, /* what cannot be reached */
	CHART_OTHERS
};

struct chart_point {
	double x;
	double y;         /* above 0 */
	double low, high; /* of a bar across the point; equal: none */
};

struct chart_series {
	struct unit_text name;
	size_t style; /* from CHART_OTHERS on, one for each looks */
	size_t count;
	struct chart_point points[CHART_POINTS_MAX];
};

struct chart_tick {
	double x;
	struct unit_text text;
};

struct chart {
	const char *title;
	char subtitle[160];
	const char *x_title;
	struct unit_text (*unit)(double y);
	int has_marks; /* on all points, not only on the last */
	size_t tick_count;
	struct chart_tick ticks[CHART_TICKS_MAX];
	size_t series_count;
	struct chart_series series[CHART_SERIES_MAX];
};

/* chart_text - with what XML does not have as it is replaced */
void chart_text(FILE *out, const char *text);

/* chart_draw - one with ticks and points, its upper edge at @top */
void chart_draw(FILE *out, const struct chart *chart, double top);

#endif
