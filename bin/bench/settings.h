/* SPDX-License-Identifier: MIT */
/*
 * settings.h - what was asked for, and what every run needs
 */
#ifndef BENCH_SETTINGS_H
#define BENCH_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "histogram.h"
#include "result.h"
#include "transport.h"

struct cast;
struct pipeline;
struct stage;
struct tool;

#define SETTINGS_SIZES_MAX   16
#define SETTINGS_BATCHES_MAX 8
#define SETTINGS_CLIENTS_MAX 8

struct settings {
	const struct tool *tool;
	bool modes[BENCH_MODES];
	size_t size_count;
	uint64_t sizes[SETTINGS_SIZES_MAX];
	size_t batch_count;
	unsigned batches[SETTINGS_BATCHES_MAX];
	size_t clients_count;
	unsigned clients[SETTINGS_CLIENTS_MAX];
	const char *transports; /* as given; NULL: the default ones */
	uint64_t count;         /* messages a run; 0: by time */
	int64_t duration_ns;    /* of a run; 0: by count */
	int64_t warmup_ns;
	int64_t spin_ns;      /* as the library takes it */
	int64_t delay_ns;     /* of the consumer, after each message */
	int64_t intrinsic_ns; /* 0: not measured */
	uint64_t ring_bytes;
	uint64_t rate; /* messages a second; 0: as fast as it goes */
	unsigned producers;
	unsigned consumers;
	unsigned rounds;
	const char *cpus; /* as given; NULL: the first two */
	int cpu[2];       /* or ROLES_ANY_CPU */
	bool quiet;
};

/* settings_init - before the first option */
void settings_init(struct settings *settings, const struct tool *tool);

/* For options that are lists, and for operands; a bad one is a usage error. */
void settings_take_sizes(struct settings *settings, const char *list);
void settings_take_batches(struct settings *settings, const char *list);
void settings_take_clients(struct settings *settings, const char *list);
void settings_take_mode(struct settings *settings, const char *name);

/* settings_finish - fill in what was not given; refuse what makes no sense */
void settings_finish(struct settings *settings);

/* What a run is given. */
struct bench {
	const struct settings *settings;
	struct clock clock;
	struct stage *stage;
	const char *dir; /* of our own, for what needs a name */
	struct bench_report *report;
	/* All latencies of a run; count is 0 where there are none. */
	struct histogram latency;
	char failure[192]; /* why the last run failed */
};

/* What is measured again and again. */
struct job {
	struct bench_cell *cell;
	/* Two of these are NULL; the gaps of a CPU need none. */
	const struct transport *transport;
	const struct pipeline *pipeline;
	struct shape shape;
};

/*
 * latency_run, ... - one run; 0, -EINTR, or a negative errno with the reason in
 * bench->failure
 *
 * They fill in messages, bytes, seconds, cpu_seconds, memory, least and most,
 * and leave the latencies in bench->latency.
 */
int latency_run(struct bench *bench, const struct job *job,
		struct bench_run *ret_run);
int intrinsic_run(struct bench *bench, const struct job *job,
		  struct bench_run *ret_run);
int rpc_run(struct bench *bench, const struct job *job,
	    struct bench_run *ret_run);
int throughput_run(struct bench *bench, const struct job *job,
		   struct bench_run *ret_run);
int pipeline_run(struct bench *bench, const struct job *job,
		 struct bench_run *ret_run);
int uncontended_run(struct bench *bench, const struct job *job,
		    struct bench_run *ret_run);

/*
 * For those that are made of a transport: sets it up, makes the processes, and
 * takes it down.  @cast has the rest.
 */
int job_play(struct bench *bench, const struct job *job,
	     const struct cast *cast);

/* job_collect - CPU time, memory and latencies of all processes of a run */
void job_collect(struct bench *bench, const struct cast *cast,
		 struct bench_run *run);

/*
 * job_share - so many messages are of one of those who share them; the first of
 * them begins
 */
void job_share(struct bench_run *run, bool first, uint64_t messages);

/* job_fail - notes why; returns @error */
int job_fail(struct bench *bench, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
