/* SPDX-License-Identifier: MIT */
/*
 * output.h - the reports: where they go, and comparing two of them
 *
 * What main calls: output_want() while it parses options, output_open() before
 * anything runs, output_write() when all is measured or Ctrl-C came.  How each
 * kind of report looks is for the file of its name (table.c, json.c, ...),
 * which gets a stream and the results and knows nothing of files.
 */
#ifndef BENCH_OUTPUT_H
#define BENCH_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct bench_report;
struct tool;

enum output_kind {
	OUTPUT_TABLE,
	OUTPUT_JSON,
	OUTPUT_CSV,
	OUTPUT_MARKDOWN,
	OUTPUT_HGRM,
	OUTPUT_PLOT
};

#define OUTPUT_MAX 16

struct output {
	enum output_kind kind;
	const char *path; /* "-": standard output */
	FILE *file;
	bool created; /* by output_open() */
};

/* All zero to begin with. */
struct outputs {
	size_t count;
	struct output list[OUTPUT_MAX];
	bool quiet; /* no notes on standard error */
};

/*
 * output_want - ask for a report in the file @path
 *
 * "-" is standard output, in place of the table that is printed there
 * otherwise; --json is output_want(..., OUTPUT_JSON, "-").  A second one for
 * standard output, or too many, are usage errors of @tool.  @path must stay
 * valid.
 */
void output_want(struct outputs *outputs, const struct tool *tool,
		 enum output_kind kind, const char *path);

/*
 * output_open - open all files
 *
 * What they hold stays until output_write(), so that a report is not lost when
 * its successor does not come about.  Returns 0, or an exit status after
 * saying which file cannot be written; then none is open, and none was made.
 */
int output_open(struct outputs *outputs);

/*
 * output_write - write all reports of what was measured, and close them
 *
 * Finds the outliers first; the notes go to standard error.  Returns 0, or an
 * exit status after saying what could not be written.  Standard output is left
 * to tool_close_stdout().
 */
int output_write(struct outputs *outputs, struct bench_report *report);

/* output_discard - nothing was measured: close the files, remove the new ones */
void output_discard(struct outputs *outputs);

/* In percent.  Runs of one program on one machine differ by as much. */
#define COMPARE_THRESHOLD 10.0

/*
 * compare_files - print how the report @new differs from @old, both of --json
 *
 * @threshold is in percent.  Reports of different machines are refused, unless
 * @force is set.  Returns the exit status: 0; 1 if anything is worse by more
 * than the threshold; 65 for a file that is no such report, or of another
 * machine; 66 for one that cannot be read.
 */
int compare_files(const char *old, const char *new, double threshold,
		  bool force);

#endif
