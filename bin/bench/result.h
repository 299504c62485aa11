/* SPDX-License-Identifier: MIT */
/*
 * result.h - what was measured: between the runs and the reports
 *
 * A cell is one transport with one size in one mode; its runs are spread over
 * the rounds of the whole benchmark, so that drift of the machine meets all
 * cells alike.  All sizes are fixed: no count and no duration makes the
 * benchmark larger.
 */
#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "histogram.h"

#define BENCH_RUNS_MAX  100
#define BENCH_CELLS_MAX 512
#define BENCH_NOTES_MAX 64

enum bench_mode {
	BENCH_LATENCY,
	BENCH_THROUGHPUT,
	BENCH_FANOUT,
	BENCH_RPC,
	BENCH_PIPELINE,
	BENCH_UNCONTENDED
};

#define BENCH_MODES (BENCH_UNCONTENDED + 1)

/*
 * How near the two CPUs are: on shared hosts a virtual CPU moves, and with it
 * the time that a cache line takes.  Told from a probe before and after a run.
 */
enum bench_placement {
	BENCH_UNKNOWN, /* one CPU, or no pinning */
	BENCH_NEAR,
	BENCH_FAR,
	BENCH_MIXED /* the two probes disagree */
};

struct bench_run {
	unsigned round;
	enum bench_placement placement;
	double line_before_ns; /* a hand-off of a cache line, one way; 0: none */
	double line_after_ns;
	uint64_t messages;
	uint64_t bytes; /* of payload */
	double seconds;
	double cpu_seconds; /* user and system, all processes of the run */
	/*
	 * Bytes of RssAnon + RssShmem, of the process that has most: what the
	 * transport added to it; in a pipeline all it has.
	 */
	uint64_t memory;
	uint64_t least; /* messages of the sharer who got the fewest */
	uint64_t most;  /* ... the most */
	/* Percentiles in ns, where the mode has latencies; else count is 0. */
	uint64_t latency_count;
	uint64_t p50, p90, p99, p99_9, p99_99, min, max;
	double mean, stddev;
};

struct bench_cell {
	enum bench_mode mode;
	const char *transport; /* "port", "pipe", ... */
	/*
	 * What a pipeline does: "lines" (64 bytes each), "stream" (size: of
	 * dd's blocks), "command" (a process a message, with its latency),
	 * "calls" (32 bytes each); NULL in other modes.
	 */
	const char *task;
	uint64_t size;      /* bytes a message; 0: there are none */
	unsigned producers; /* in rpc, the clients, and their server is ... */
	unsigned consumers; /* ... the only one */
	unsigned batch;     /* messages a call */
	/*
	 * Messages a second; 0: as fast as it goes.  Latencies are round trips
	 * without a rate; with one they are one way, from when the message
	 * should have been sent.
	 */
	double rate;
	/* Why there are no (more) runs: "no message queues here"; or NULL. */
	const char *missing;
	unsigned run_count;
	struct bench_run runs[BENCH_RUNS_MAX];
	/* All runs together, and those that were near and far throughout. */
	struct histogram *latency[3]; /* [0] all, [1] near, [2] far; or NULL */
};

struct bench_host {
	char name[65];
	char kernel[128];    /* "Linux 6.1.0-18-amd64 x86_64" */
	char cpu[128];       /* model name */
	unsigned cpus;       /* that this process may use */
	char hypervisor[32]; /* "KVM", or "" */
	char time[32];       /* RFC 3339, start of the benchmark */
};

struct bench_report {
	struct bench_host host;
	char *command_line; /* as typed, quoted for a shell where needed */
	unsigned rounds;    /* asked for */
	unsigned rounds_done;
	bool interrupted;
	int cpu[2];      /* where producers and consumers run; -1: unpinned */
	int64_t spin_ns; /* as given; -1: the library's own */
	int64_t warmup_ns;
	const char *clock;    /* "TSC" or "clock_gettime" */
	double clock_cost_ns; /* of one reading: it is in each latency */
	double near_below_ns; /* a hand-off faster than this is near */
	size_t cell_count;
	struct bench_cell *cells[BENCH_CELLS_MAX];
	/* Warnings, in words, each once. */
	size_t note_count;
	char *notes[BENCH_NOTES_MAX];
};

/*
 * What the reports say of a cell: medians over its runs
 *
 * With a probability of at least 93 % the median of ever more such runs would
 * lie between @low and @high, whatever their distribution.  Up to eight runs
 * these are the smallest and the largest (and fewer than five promise less).
 */
struct bench_figure {
	double median, min, max; /* 0 where there are no runs */
	double low, high;
	unsigned count;
};

enum bench_quantity {
	BENCH_P50,
	BENCH_P90,
	BENCH_P99,
	BENCH_P99_9,
	BENCH_P99_99,
	BENCH_LARGEST, /* latency */
	BENCH_MESSAGES_PER_S,
	BENCH_BYTES_PER_S,
	BENCH_CPU_NS, /* CPU time a message */
	BENCH_MEMORY,
	BENCH_SHARE /* of the least served sharer in the most served one's */
};

extern const char *const bench_mode_names[];      /* by enum bench_mode */
extern const char *const bench_placement_names[]; /* by enum bench_placement */

/* bench_sharers - how many share the messages: consumers, in rpc the clients */
unsigned bench_sharers(const struct bench_cell *cell);

/* bench_main_quantity - what a cell is about: P50, or messages a second */
enum bench_quantity bench_main_quantity(const struct bench_cell *cell);

/* bench_figure - of runs with that placement; BENCH_UNKNOWN: of all */
struct bench_figure bench_figure(const struct bench_cell *cell,
				 enum bench_quantity quantity,
				 enum bench_placement placement);

/*
 * bench_ratio - how a cell compares with another, round by round
 *
 * The median of (cell / base) over the rounds in which both have a run, and
 * with the same placement: drift between rounds cancels, and what is compared
 * is the two cells, not near with far.
 */
struct bench_figure bench_ratio(const struct bench_cell *cell,
				const struct bench_cell *base,
				enum bench_quantity quantity,
				enum bench_placement placement);

/*
 * bench_base - the cell that others of its mode, size and shape compare with:
 * that of the transport "port", or NULL
 *
 * Where none has as many messages a call, the one with the fewest.
 */
const struct bench_cell *bench_base(const struct bench_report *report,
				    const struct bench_cell *cell);

/*
 * bench_places - how the runs of a cell are reported: near and far apart
 *
 * Stores the placements that get a line of their own and returns how many:
 * near, far, or both, if there are such runs (mixed ones are then in no line);
 * else one, BENCH_UNKNOWN, for all; 0 where there are no runs.
 */
size_t bench_places(const struct bench_cell *cell,
		    enum bench_placement places[2]);

/*
 * bench_find_outliers - add a note for each cell with a run far from its others
 *
 * Of four or more runs of one placement, a run is one whose main quantity is
 * more than 15 % off their median, and by more than five times their median
 * absolute deviation from it (scaled by 1.4826, so that it would be a standard
 * deviation if they were spread normally).  Nothing is left out for it.
 */
void bench_find_outliers(struct bench_report *report);

/* bench_note - add a note, unless there is the same one */
void bench_note(struct bench_report *report, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
