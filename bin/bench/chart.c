/* SPDX-License-Identifier: MIT */
/*
 * chart.c - one drawing with two axes and a few curves, as SVG
 *
 * The colours are those that people with any colour vision tell apart (Okabe
 * and Ito, and darker ones of Tol); since there are more curves than such
 * colours, neighbours differ in dashes and marks, too.  Texts are texts, dark
 * on the light ground that the drawing brings with it.
 */
#include "chart.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Where the curves are. */
#define LEFT       78
#define RIGHT      (CHART_WIDTH - 150)
#define ABOVE      56
#define BELOW      (CHART_HEIGHT - 50)
#define SPREAD     16 /* of the names */
#define NAME_WIDTH 46 /* of a size, at the axis */

struct style {
	const char *colour;
	const char *dashes;
	double width;
	int mark;
};

/* The main one and the floor first. */
static const struct style styles[] = {
	{"#d55e00", "none", 3.2, 0},    {"#555555", "2 3", 1.8, 1},
	{"#0072b2", "none", 1.8, 2},    {"#009e73", "7 3", 1.8, 3},
	{"#aa4499", "none", 1.8, 4},    {"#e69f00", "9 3 2 3", 1.8, 0},
	{"#332288", "4 3", 1.8, 1},     {"#56b4e9", "none", 1.8, 2},
	{"#882255", "9 3 2 3", 1.8, 3}, {"#117733", "none", 1.8, 4},
	{"#999933", "7 3", 1.8, 0},     {"#cc79a7", "4 3", 1.8, 1},
};

struct frame {
	double x_from, x_to;
	double y_from, y_to; /* their logarithms */
};

static const struct style *style_of(const struct chart_series *series)
{
	static const size_t others =
		sizeof(styles) / sizeof(*styles) - CHART_OTHERS;

	if (series->style < CHART_OTHERS)
		return &styles[series->style];
	return &styles[CHART_OTHERS + (series->style - CHART_OTHERS) % others];
}

static double to_x(const struct frame *frame, double x)
{
	return LEFT + (x - frame->x_from) / (frame->x_to - frame->x_from) *
			      (RIGHT - LEFT);
}

static double to_y(const struct frame *frame, double y)
{
	return BELOW - (log10(y) - frame->y_from) /
			       (frame->y_to - frame->y_from) * (BELOW - ABOVE);
}

void chart_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '<')
			(void)fputs("&lt;", out);
		else if (*text == '&')
			(void)fputs("&amp;", out);
		else
			(void)fputc(isascii(*text) && isprint(*text) ? *text
								     : '?',
				    out);
	}
}

static void put_text(FILE *out, double x, double y, const char *look,
		     const char *text)
{
	(void)fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, look);
	chart_text(out, text);
	(void)fputs("</text>\n", out);
}

/* The next of 1, 2 and 5 times a power of ten below, or above. */
static double round_scale(double value, int up)
{
	static const double steps[] = {1, 2, 5, 10};
	double decade = pow(10, floor(log10(value)));
	size_t i;

	if (up) {
		for (i = 0; i < 3 && steps[i] * decade < value * 0.999; i++)
			continue;
		return steps[i] * decade;
	}
	for (i = 3; i > 0 && steps[i] * decade > value * 1.001; i--)
		continue;
	return steps[i] * decade;
}

static struct frame frame_of(const struct chart *chart)
{
	double x_from = chart->ticks[0].x;
	double x_to = chart->ticks[chart->tick_count - 1].x;
	double low = chart->series[0].points[0].low;
	double high = low;

	for (size_t i = 0; i < chart->series_count; i++) {
		const struct chart_series *series = &chart->series[i];

		for (size_t j = 0; j < series->count; j++) {
			low = fmin(low, series->points[j].low);
			high = fmax(high, series->points[j].high);
		}
	}
	low = round_scale(low, 0);
	high = round_scale(high, 1);
	if (x_from == x_to) {
		x_from -= 1;
		x_to += 1;
	}
	return (struct frame){
		.x_from = x_from,
		.x_to = x_to,
		.y_from = log10(low),
		.y_to = log10(high > low ? high : low * 10),
	};
}

/* 10.0us and 1.00ms are 10us and 1ms. */
static struct unit_text round_text(struct unit_text unit)
{
	char *point = strchr(unit.text, '.');
	size_t zeros = point ? strspn(point + 1, "0") : 0;

	if (zeros)
		memmove(point, point + 1 + zeros, strlen(point + zeros));
	return unit;
}

/* A line for each 1, 2 and 5; named where there is room. */
static void draw_scale(FILE *out, const struct chart *chart,
		       const struct frame *frame)
{
	static const double steps[] = {1, 2, 5};
	double decades = frame->y_to - frame->y_from;

	for (int power = (int)floor(frame->y_from);
	     power <= (int)ceil(frame->y_to); power++) {
		for (size_t i = 0; i < 3; i++) {
			double value = steps[i] * pow(10, power);
			double y = to_y(frame, value);

			if (y < ABOVE - 0.5 || y > BELOW + 0.5)
				continue;
			(void)fprintf(
				out, "<path class=\"%s\" d=\"M%d %.1fH%d\"/>\n",
				i ? "h" : "g", LEFT, y, RIGHT);
			if (i == 0 || decades < 2.5)
				put_text(out, LEFT - 8, y + 4, "class=\"e\"",
					 round_text(chart->unit(value)).text);
		}
	}
}

static void draw_axes(FILE *out, const struct chart *chart,
		      const struct frame *frame)
{
	double clear = 0;

	draw_scale(out, chart, frame);
	for (size_t i = 0; i < chart->tick_count; i++) {
		double x = to_x(frame, chart->ticks[i].x);

		(void)fprintf(out, "<path class=\"g\" d=\"M%.1f %dV%d\"/>\n", x,
			      ABOVE, BELOW);
		if (x < clear)
			continue;
		put_text(out, x, BELOW + 18, "class=\"m\"",
			 chart->ticks[i].text.text);
		clear = x + NAME_WIDTH;
	}
	put_text(out, (LEFT + RIGHT) / 2.0, BELOW + 38, "class=\"m\"",
		 chart->x_title);
}

static void draw_mark(FILE *out, double x, double y, const struct style *style)
{
	static const char *const shapes[] = {
		"m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
		"m-3.5-3.5h7v7h-7z",
		"m0-4.5l4.5 8h-9z",
		"m0-5l5 5l-5 5l-5-5z",
		"m0 4.5l4.5-8h-9z",
	};

	(void)fprintf(out, "<path d=\"M%.1f %.1f%s\" fill=\"%s\"/>\n", x, y,
		      shapes[style->mark], style->colour);
}

static void draw_bars(FILE *out, const struct chart_series *series,
		      const struct frame *frame, const struct style *style)
{
	for (size_t i = 0; i < series->count; i++) {
		const struct chart_point *point = &series->points[i];

		if (point->low < point->high)
			(void)fprintf(out,
				      "<path d=\"M%.1f %.1fV%.1f\" "
				      "stroke=\"%s\" stroke-opacity=\".45\" "
				      "stroke-width=\"2\"/>\n",
				      to_x(frame, point->x),
				      to_y(frame, point->low),
				      to_y(frame, point->high), style->colour);
	}
}

static void draw_series(FILE *out, const struct chart *chart,
			const struct chart_series *series,
			const struct frame *frame)
{
	const struct style *style = style_of(series);

	draw_bars(out, series, frame, style);
	(void)fputs("<polyline points=\"", out);
	for (size_t i = 0; i < series->count; i++)
		(void)fprintf(out, "%s%.1f,%.1f", i ? " " : "",
			      to_x(frame, series->points[i].x),
			      to_y(frame, series->points[i].y));
	(void)fprintf(out,
		      "\" stroke=\"%s\" stroke-width=\"%.1f\" "
		      "stroke-dasharray=\"%s\"/>\n",
		      style->colour, style->width, style->dashes);
	for (size_t i = chart->has_marks ? 0 : series->count - 1;
	     i < series->count; i++)
		draw_mark(out, to_x(frame, series->points[i].x),
			  to_y(frame, series->points[i].y), style);
}

struct name {
	const struct chart_series *series;
	double x, end; /* where the curve ends */
	double y;      /* where the name is */
};

static int by_end(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return (x->end > y->end) - (x->end < y->end);
}

/* Names that touch each other: so many, from the one that is first. */
struct cluster {
	size_t first, count;
	double top; /* where the first name is */
};

static void join(struct cluster *above, const struct cluster *below,
		 double spread)
{
	double above_count = (double)above->count;
	double below_count = (double)below->count;

	above->top = (above->top * above_count +
		      (below->top - above_count * spread) * below_count) /
		     (above_count + below_count);
	above->count += below->count;
}

/* All between the upper and the lower edge; they are in order. */
static void keep_inside(struct name *names, size_t count, double spread)
{
	double limit = ABOVE;

	for (size_t i = 0; i < count; i++) {
		names[i].y = fmax(names[i].y, limit);
		limit = names[i].y + spread;
	}
	limit = BELOW;
	for (size_t i = count; i-- > 0;) {
		names[i].y = fmin(names[i].y, limit);
		limit = names[i].y - spread;
	}
}

static bool touch(const struct cluster *above, const struct cluster *below,
		  double spread)
{
	return above->top + (double)above->count * spread > below->top;
}

/* Each name as near to its curve's end as the others let it. */
static void spread_names(struct name *names, size_t count)
{
	double spread = fmin(SPREAD, (BELOW - ABOVE) / (double)count);
	struct cluster clusters[CHART_SERIES_MAX];
	size_t last = 0;

	qsort(names, count, sizeof(*names), by_end);
	for (size_t i = 0; i < count; i++, last++) {
		clusters[last] = (struct cluster){i, 1, names[i].end};
		for (; last > 0 &&
		       touch(&clusters[last - 1], &clusters[last], spread);
		     last--)
			join(&clusters[last - 1], &clusters[last], spread);
	}
	for (size_t i = 0; i < last; i++)
		for (size_t j = 0; j < clusters[i].count; j++)
			names[clusters[i].first + j].y =
				clusters[i].top + (double)j * spread;
	keep_inside(names, count, spread);
}

static void draw_name(FILE *out, const struct name *name)
{
	const struct style *style = style_of(name->series);

	(void)fprintf(out, "<path class=\"l\" d=\"M%.1f %.1fH%dL%d %.1f\"/>\n",
		      name->x + 6, name->end, RIGHT + 6, RIGHT + 22, name->y);
	draw_mark(out, RIGHT + 29, name->y, style);
	put_text(out, RIGHT + 39, name->y + 4,
		 name->series->style == CHART_MAIN ? "font-weight=\"bold\""
						   : "",
		 name->series->name.text);
}

static void draw_names(FILE *out, const struct chart *chart,
		       const struct frame *frame)
{
	struct name names[CHART_SERIES_MAX] = {{.series = NULL}};
	size_t count = chart->series_count;

	for (size_t i = 0; i < count; i++) {
		const struct chart_series *series = &chart->series[i];
		const struct chart_point *last =
			&series->points[series->count - 1];

		names[i] = (struct name){.series = series,
					 .x = to_x(frame, last->x),
					 .end = to_y(frame, last->y)};
	}
	spread_names(names, count);
	for (size_t i = 0; i < count; i++)
		draw_name(out, &names[i]);
}

/* The first is drawn last and lies above the others. */
void chart_draw(FILE *out, const struct chart *chart, double top)
{
	struct frame frame = frame_of(chart);

	(void)fprintf(out, "<g transform=\"translate(0 %.0f)\">\n", top);
	put_text(out, LEFT, 22, "class=\"t\"", chart->title);
	put_text(out, LEFT, 39, "class=\"s\"", chart->subtitle);
	draw_axes(out, chart, &frame);
	draw_names(out, chart, &frame);
	for (size_t i = chart->series_count; i-- > 0;)
		draw_series(out, chart, &chart->series[i], &frame);
	(void)fputs("</g>\n", out);
}
