/* SPDX-License-Identifier: MIT */
/*
 * intrinsic.c - the gaps that a loop sees which does nothing but read the clock
 *
 * What the machine takes away from a process that wants nothing of it.  No
 * transport can have a smaller maximum than that.
 */
#include "settings.h"

#include "roles.h"

static void watch_clock(struct role *role, void *context)
{
	const struct bench *bench = context;
	const struct clock *clock = &bench->clock;
	struct finding *finding = role->finding;
	double cpu = clock_cpu_seconds();
	uint64_t last, end;

	role_ready(role);
	last = clock_ticks(clock);
	finding->first = last;
	end = last + clock_from_ns(clock, bench->settings->intrinsic_ns);
	while (last < end) {
		uint64_t now = clock_ticks(clock);

		histogram_record(&finding->latency,
				 clock_ns(clock, now - last));
		last = now;
	}
	finding->last = last;
	finding->cpu_seconds = clock_cpu_seconds() - cpu;
}

int intrinsic_run(struct bench *bench, const struct job *job,
		  struct bench_run *ret_run)
{
	const int *cpu = bench->settings->cpu;
	struct cast cast = {
		.producers = 1,
		.consumers = cpu[0] != cpu[1],
		.cpu = {cpu[0], cpu[1]},
		.work = watch_clock,
		.context = bench,
	};
	const struct finding *failed;
	int r = roles_run(bench->stage, &cast, &failed);

	(void)job;
	if (r < 0)
		return job_fail(bench, r, "cannot make its processes");
	job_collect(bench, &cast, ret_run);
	ret_run->messages = bench->latency.count;
	ret_run->seconds = (double)bench->settings->intrinsic_ns * 1e-9;
	return 0;
}
