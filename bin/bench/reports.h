/* SPDX-License-Identifier: MIT */
/*
 * reports.h - one function for each kind of report; see output.h
 *
 * Each writes all of it to a stream.  That the stream failed is seen when it is
 * closed.
 */
#ifndef BENCH_REPORTS_H
#define BENCH_REPORTS_H

#include <stdio.h>

struct bench_report;

void table_write(FILE *out, const struct bench_report *report);
void json_write(FILE *out, const struct bench_report *report);
void csv_write(FILE *out, const struct bench_report *report);
void markdown_write(FILE *out, const struct bench_report *report);
void hgrm_write(FILE *out, const struct bench_report *report);
void plot_write(FILE *out, const struct bench_report *report);

/*
 * json_read - a report that json_write() made; histograms are not in it
 *
 * Returns it, for report_free(); or NULL after storing an exit status and
 * saying what is wrong.
 */
struct bench_report *json_read(const char *path, int *ret_status);

/* report_free - a report of json_read(); NULL is none */
void report_free(struct bench_report *report);

#endif
