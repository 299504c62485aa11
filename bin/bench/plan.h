/* SPDX-License-Identifier: MIT */
/*
 * plan.h - all that will be measured, and measuring it
 */
#ifndef BENCH_PLAN_H
#define BENCH_PLAN_H

#include <stddef.h>
#include <stdio.h>

#include "settings.h"

struct plan {
	size_t count;
	struct job jobs[BENCH_CELLS_MAX];
};

/*
 * plan_make - one cell for each transport, size and so on, in the report
 *
 * What was asked for by name and cannot be is a usage error; what is only in
 * the default set stays in the report as missing, with the reason.
 */
void plan_make(struct plan *plan, const struct settings *settings,
	       const char *dir, struct bench_report *report);

/*
 * plan_run - all rounds; in each, all jobs, in another order each time
 *
 * 0; -EINTR if a signal came, which is noted in the report; -EIO if a job
 * failed, which was reported.
 */
int plan_run(const struct plan *plan, struct bench *bench);

/* plan_list_transports - for the help text */
void plan_list_transports(FILE *out);

#endif
