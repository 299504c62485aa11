/* SPDX-License-Identifier: MIT */
/*
 * remarks.h - what the figures hold for, and what is not among them
 *
 * For the reports that people read.
 */
#ifndef BENCH_REMARKS_H
#define BENCH_REMARKS_H

#include <stdio.h>

struct bench_report;

/* remarks_machine - the machine and the CPUs that were used; no newline */
void remarks_machine(FILE *out, const struct bench_report *report);

/*
 * remarks_write - how calls compare with round trips, what was not measured and
 * why, and which runs are in no line; a remark a line, with @bullet before each
 */
void remarks_write(FILE *out, const struct bench_report *report,
		   const char *bullet);

#endif
