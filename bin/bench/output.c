/* SPDX-License-Identifier: MIT */
/*
 * output.c - where the reports go
 *
 * Files are opened before anything runs and emptied when their report is
 * written: a wrong name shows at once and costs no minutes, and what is in a
 * file stays if the run comes to nothing.  They are not replaced by a new file,
 * so that links, permissions, pipes and devices do what they do elsewhere.
 */
#include "output.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reports.h"
#include "result.h"
#include "tool.h"

static bool is_stdout(const struct output *output)
{
	return !strcmp(output->path, "-");
}

static bool takes_stdout(const struct outputs *outputs)
{
	for (size_t i = 0; i < outputs->count; i++)
		if (is_stdout(&outputs->list[i]))
			return true;
	return false;
}

void output_want(struct outputs *outputs, const struct tool *tool,
		 enum output_kind kind, const char *path)
{
	struct output output = {.kind = kind, .path = path};

	if (outputs->count == OUTPUT_MAX)
		tool_usage(tool, "more than %d reports", OUTPUT_MAX);
	if (is_stdout(&output) && takes_stdout(outputs))
		tool_usage(tool, "only one report can go to standard output");
	outputs->list[outputs->count++] = output;
}

/* A descriptor, or a negative errno. */
static int open_file(struct output *output)
{
	const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY;
	int fd = open(output->path, flags | O_EXCL, 0666);

	output->created = fd >= 0;
	if (fd < 0 && errno == EEXIST)
		fd = open(output->path, flags, 0666);
	return fd < 0 ? -errno : fd;
}

static int open_stream(struct output *output)
{
	int fd = open_file(output), r;

	if (fd < 0)
		return fd;
	output->file = fdopen(fd, "w");
	if (output->file)
		return 0;
	r = -errno;
	(void)close(fd);
	return r;
}

static bool are_same(const struct output *a, const struct output *b)
{
	struct stat x, y;

	return a->file && b->file && !fstat(fileno(a->file), &x) &&
	       !fstat(fileno(b->file), &y) && S_ISREG(x.st_mode) &&
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool is_taken(const struct outputs *outputs, size_t position)
{
	for (size_t i = 0; i < position; i++)
		if (are_same(&outputs->list[i], &outputs->list[position]))
			return true;
	return false;
}

static int open_one(struct outputs *outputs, size_t position)
{
	struct output *output = &outputs->list[position];
	int r;

	if (is_stdout(output))
		return 0;
	r = open_stream(output);
	if (r < 0) {
		errno = -r;
		warn("'%s'", output->path);
		return r == -EACCES || r == -EPERM ? TOOL_DENIED
						   : TOOL_CANNOT_CREATE;
	}
	if (is_taken(outputs, position)) {
		warnx("'%s': two reports cannot go to one file", output->path);
		return TOOL_USAGE;
	}
	return 0;
}

int output_open(struct outputs *outputs)
{
	for (size_t i = 0; i < outputs->count; i++) {
		int status = open_one(outputs, i);

		if (status) {
			output_discard(outputs);
			return status;
		}
	}
	return 0;
}

void output_discard(struct outputs *outputs)
{
	for (size_t i = 0; i < outputs->count; i++) {
		struct output *output = &outputs->list[i];

		if (output->file)
			(void)fclose(output->file);
		if (output->created)
			(void)unlink(output->path);
		output->file = NULL;
		output->created = false;
	}
}

static void write_to(FILE *out, enum output_kind kind,
		     const struct bench_report *report)
{
	static void (*const write[])(FILE * out,
				     const struct bench_report *report) = {
		[OUTPUT_TABLE] = table_write,       [OUTPUT_JSON] = json_write,
		[OUTPUT_CSV] = csv_write,           [OUTPUT_HGRM] = hgrm_write,
		[OUTPUT_MARKDOWN] = markdown_write, [OUTPUT_PLOT] = plot_write,
	};

	write[kind](out, report);
}

/* Pipes and devices cannot be cut and need not be. */
static int empty(FILE *file)
{
	struct stat stat;

	if (fstat(fileno(file), &stat) < 0 || !S_ISREG(stat.st_mode))
		return 0;
	return ftruncate(fileno(file), 0) < 0 ? -errno : 0;
}

static int write_file(struct output *output, const struct bench_report *report)
{
	int r = empty(output->file);

	if (r == 0) {
		write_to(output->file, output->kind, report);
		errno = EIO;
		if (fflush(output->file) == EOF || ferror(output->file))
			r = -errno;
	}
	if (fclose(output->file) == EOF && r == 0)
		r = -errno;
	output->file = NULL;
	output->created = false;
	return r == 0 ? 0 : tool_io_error(output->path, r);
}

int output_write(struct outputs *outputs, struct bench_report *report)
{
	int status = 0;

	bench_find_outliers(report);
	if (!takes_stdout(outputs))
		write_to(stdout, OUTPUT_TABLE, report);
	for (size_t i = 0; i < outputs->count; i++) {
		struct output *output = &outputs->list[i];

		if (is_stdout(output))
			write_to(stdout, output->kind, report);
		else if (write_file(output, report) != 0)
			status = TOOL_IO;
	}
	/* Standard output first, where both are one terminal. */
	(void)fflush(stdout);
	for (size_t i = 0; i < report->note_count && !outputs->quiet; i++)
		warnx("%s", report->notes[i]);
	return status;
}
