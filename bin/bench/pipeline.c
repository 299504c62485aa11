/* SPDX-License-Identifier: MIT */
/*
 * pipeline.c - whole pipelines of real programs, timed from the start of the
 * sending part to the end of the last process
 *
 * lines    64-byte lines as messages, from a source that lends its pages to a
 *          pipe and so costs next to nothing
 * stream   dd(1) with blocks of 128 KiB, through a program on each side
 * command  one message by one short-lived process, again and again
 * calls    lines as requests, answered by a command that runs all the time, or
 *          by one run each
 *
 * The processes may use both CPUs: who moves where is up to the scheduler, as
 * in a shell.  That all bytes have come out is told by the kernel's count of
 * what the last process wrote.
 */
#include "pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mmsock.h>

#include "plumbing.h"
#include "roles.h"
#include "settings.h"
#include "tool.h"

#define LINE_BYTES 64U
#define CALL_BYTES 32U
#define BLOCK      131072U

/* Lines that the source lends, over and over. */
#define SOURCE_BYTES (1U << 20)

/* Of one count all tasks are made: one message each so many lines. */
#define DEFAULT_LINES     1000000U
#define LINES_PER_LINE    1U
#define LINES_PER_BLOCK   256U
#define LINES_PER_COMMAND 10000U
#define LINES_PER_CALL    100U
#define LINES_PER_RUN     2000U

/* clang-format off */
const struct pipeline pipelines[] = {
	{"lines", "port", {"mmsock-send @/port"}, {"mmsock-recv @/port"},
	 PIPELINE_PORT, LINE_BYTES, LINES_PER_LINE},
	{"lines", "fifo", {"cat"}, {"cat"}, PIPELINE_FIFO, LINE_BYTES,
	 LINES_PER_LINE},
	{"stream", "port",
	 {"dd if=/dev/zero bs=128K count=# status=none",
	  "mmsock-cat -o @/port"},
	 {"mmsock-cat -i @/port", "cat"}, PIPELINE_PORT, BLOCK, LINES_PER_BLOCK},
	{"stream", "pipe", {"dd if=/dev/zero bs=128K count=# status=none"},
	 {"cat"}, PIPELINE_PIPE, BLOCK, LINES_PER_BLOCK},
	{"stream", "mbuffer",
	 {"dd if=/dev/zero bs=128K count=# status=none",
	  "mbuffer -q -m 64M"},
	 {"cat"}, PIPELINE_PIPE, BLOCK, LINES_PER_BLOCK},
	{"stream", "pv",
	 {"dd if=/dev/zero bs=128K count=# status=none", "pv -q"},
	 {"cat"}, PIPELINE_PIPE, BLOCK, LINES_PER_BLOCK},
	{"stream", "socat",
	 {"dd if=/dev/zero bs=128K count=# status=none",
	  "socat -u -b 131072 STDIN UNIX-CONNECT:@/socket"},
	 {"socat -u -b 131072 UNIX-LISTEN:@/socket STDOUT", "cat"},
	 PIPELINE_SOCKET, BLOCK, LINES_PER_BLOCK},
	{"stream", "nc",
	 {"dd if=/dev/zero bs=128K count=# status=none",
	  "nc -N -U @/socket"},
	 {"nc -l -U @/socket", "cat"}, PIPELINE_SOCKET, BLOCK, LINES_PER_BLOCK},
	{"command", "port", {"mmsock-send @/port hello"},
	 {"mmsock-recv -k -c # @/port"}, PIPELINE_PORT, sizeof("hello"),
	 LINES_PER_COMMAND},
	{"command", "fifo", {"echo hello"}, {"cat"}, PIPELINE_FIFO,
	 sizeof("hello"), LINES_PER_COMMAND},
	{"calls", "port", {"mmsock-call -l -w 1m @/port"},
	 {"mmsock-serve --persistent -c # @/port -- cat"},
	 PIPELINE_SERVICE, CALL_BYTES, LINES_PER_CALL},
	{"calls", "port-run", {"mmsock-call -l -w 1m @/port"},
	 {"mmsock-serve -c # @/port -- cat"}, PIPELINE_SERVICE, CALL_BYTES,
	 LINES_PER_RUN},
};
/* clang-format on */
const size_t pipeline_count = ARRAY_SIZE(pipelines);

static bool check_all(const char *const *commands, struct reason *ret_reason)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < PIPELINE_STAGES && commands[i]; i++) {
		if (!plumbing_find(commands[i], path))
			return transport_refuse(
				ret_reason, "%.*s is not installed",
				(int)strcspn(commands[i], " "), commands[i]);
	}
	return true;
}

bool pipeline_check(const struct pipeline *pipeline, struct reason *ret_reason)
{
	return check_all(pipeline->senders, ret_reason) &&
	       check_all(pipeline->receivers, ret_reason);
}

/* Lends the same pages again and again. */
noreturn static void lend(int file, int out, uint64_t bytes)
{
	signal(SIGPIPE, SIG_DFL);
	while (bytes > 0) {
		loff_t offset = 0;

		while (offset < SOURCE_BYTES && bytes > 0) {
			size_t most = SOURCE_BYTES - (size_t)offset;
			ssize_t put = splice(file, &offset, out, NULL,
					     most < bytes ? most : bytes, 0);

			if (put <= 0)
				_exit(TOOL_IO);
			bytes -= (size_t)put;
		}
	}
	_exit(TOOL_OK);
}

static int make_lines(size_t size)
{
	int file = memfd_create("lines", MFD_CLOEXEC), r = 0;
	char line[LINE_BYTES];

	if (file < 0)
		return -errno;
	memset(line, 'x', size);
	line[size - 1] = '\n';
	for (size_t i = 0; i < SOURCE_BYTES / size && r == 0; i++)
		r = tool_write(file, line, size);
	if (r == 0)
		return file;
	close(file);
	return r;
}

/* A pipe from which the lines come, in *@ret_in. */
static int start_source(struct plumbing *plumbing, int *ret_in)
{
	size_t size = plumbing->pipeline->size;
	int file = make_lines(size), ends[2], r;
	pid_t pid;

	if (file < 0)
		return file;
	if (pipe2(ends, O_CLOEXEC) < 0) {
		r = -errno;
		close(file);
		return r;
	}
	(void)fcntl(ends[1], F_SETPIPE_SZ, SOURCE_BYTES);
	pid = role_fork(plumbing->bench->settings->cpu, 2);
	if (pid == 0)
		lend(file, ends[1], plumbing->count * size);
	r = plumbing_note(plumbing, pid, "source");
	close(file);
	close(ends[1]);
	if (r < 0)
		close(ends[0]);
	else
		*ret_in = ends[0];
	return r;
}

static int make_fifo(struct plumbing *plumbing, int ends[2])
{
	if (mkfifo(plumbing->fifo, 0600) < 0)
		return -errno;
	ends[0] = open(plumbing->fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (ends[0] < 0)
		return -errno;
	ends[1] = open(plumbing->fifo, O_WRONLY | O_CLOEXEC);
	if (ends[1] < 0 || fcntl(ends[0], F_SETFL, 0) < 0)
		return -errno;
	return 0;
}

static int make_port(const struct plumbing *plumbing)
{
	struct mmsock_options options = MMSOCK_OPTIONS_INIT;
	int r;

	options.dir = plumbing->bench->dir;
	options.mode = MMSOCK_CREATE_NEW_EXCLUSIVE;
	if (plumbing->pipeline->joint == PIPELINE_SERVICE)
		options.type = MMSOCK_RPC;
	options.ring_bytes = plumbing->bench->settings->ring_bytes;
	r = mmsock_create("port", &options);
	return r < 0 ? r : 0;
}

/* What is between the parts; the ends are -1 where it has a name only. */
static int make_joint(struct plumbing *plumbing, int ends[2])
{
	ends[0] = -1;
	ends[1] = -1;
	switch (plumbing->pipeline->joint) {
	case PIPELINE_PIPE:
		return pipe2(ends, O_CLOEXEC) < 0 ? -errno : 0;
	case PIPELINE_FIFO:
		return make_fifo(plumbing, ends);
	case PIPELINE_PORT:
	case PIPELINE_SERVICE:
		return make_port(plumbing);
	case PIPELINE_SOCKET:
		break;
	}
	return 0;
}

static void remove_joint(const struct plumbing *plumbing)
{
	char path[PATH_MAX];

	unlink(plumbing->fifo);
	(void)mmsock_remove("port", plumbing->bench->dir, MMSOCK_REMOVE_ALWAYS);
	if (snprintf(path, sizeof(path), "%s/socket", plumbing->bench->dir) <
	    (int)sizeof(path))
		unlink(path);
}

/* Of a line of /proc/net/unix: the fourth word has a bit for it. */
static bool is_listener(const char *line)
{
	const unsigned long accepts = 1UL << 16;

	for (int i = 0; i < 3; i++) {
		line += strcspn(line, " ");
		line += strspn(line, " ");
	}
	return strtoul(line, NULL, 16) & accepts;
}

/* The kernel's list says whether somebody listens, and disturbs nobody. */
static bool listens(const char *dir)
{
	FILE *file = fopen("/proc/net/unix", "re");
	char line[512];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = strstr(line, dir) && is_listener(line);
	if (file)
		(void)fclose(file);
	return found;
}

static bool serves(const char *dir)
{
	struct mmsock_info info = {.size = sizeof(info)};

	return mmsock_inspect("port", dir, &info) == 0 && info.receivers > 0;
}

static int await_listener(struct plumbing *plumbing)
{
	struct pollfd ended = {.events = POLLIN};
	bool (*is_there)(const char *dir) = listens;

	if (plumbing->pipeline->joint == PIPELINE_SERVICE)
		is_there = serves;
	else if (plumbing->pipeline->joint != PIPELINE_SOCKET)
		return 0;
	ended.fd = plumbing->processes[0].pidfd;
	while (!is_there(plumbing->bench->dir)) {
		if (poll(&ended, 1, 1) > 0)
			break;
		if (tool_signal())
			return -EINTR;
	}
	return 0;
}

static int start_receivers(struct plumbing *plumbing, int in)
{
	int r = plumbing_spawn(plumbing, plumbing->pipeline->receivers, in, -1);

	if (r < 0)
		return r;
	plumbing->last = &plumbing->processes[plumbing->process_count - 1];
	return await_listener(plumbing);
}

static int spawn_senders(struct plumbing *plumbing, int in, int out)
{
	int r = plumbing_spawn(plumbing, plumbing->pipeline->senders, in, out);

	if (plumbing->pipeline->joint == PIPELINE_SERVICE)
		plumbing->last =
			&plumbing->processes[plumbing->process_count - 1];
	return r;
}

static int start_senders(struct plumbing *plumbing, int out)
{
	const char *task = plumbing->pipeline->task;
	bool lines = strcmp(task, "lines") == 0 || strcmp(task, "calls") == 0;
	int in = -1, r = lines ? start_source(plumbing, &in) : 0;

	if (r == 0)
		return spawn_senders(plumbing, in, out);
	if (out >= 0)
		close(out);
	return r;
}

/* Lines and streams: the time ends with the last process. */
static int flow(struct plumbing *plumbing, int out, uint64_t *ret_ticks)
{
	uint64_t start = clock_ticks(&plumbing->bench->clock);
	int r = start_senders(plumbing, out);

	if (r == 0)
		r = plumbing_await_all(plumbing);
	*ret_ticks = clock_ticks(&plumbing->bench->clock) - start;
	return r;
}

/* As a shell does it: the child opens what its output goes to. */
static int run_command(struct plumbing *plumbing)
{
	const char *command = plumbing->pipeline->senders[0];
	pid_t pid = role_fork(plumbing->bench->settings->cpu, 2);
	int out = -1, r;

	if (pid == 0) {
		if (plumbing->pipeline->joint == PIPELINE_FIFO)
			out = open(plumbing->fifo, O_WRONLY | O_CLOEXEC);
		plumbing_become(plumbing, command, -1, out);
	}
	r = plumbing_note(plumbing, pid, command);
	return r < 0 ? r : plumbing_await_last(plumbing);
}

/* The end of the FIFO that we hold keeps its reader from seeing an end. */
static int repeat(struct plumbing *plumbing, int out, uint64_t *ret_ticks)
{
	const struct clock *clock = &plumbing->bench->clock;
	uint64_t start = clock_ticks(clock), last = start;
	int r = 0;

	for (uint64_t i = 0; i < plumbing->count && r == 0; i++) {
		uint64_t now;

		r = run_command(plumbing);
		now = clock_ticks(clock);
		histogram_record(&plumbing->bench->latency,
				 clock_ns(clock, now - last));
		last = now;
	}
	*ret_ticks = last - start;
	if (out >= 0)
		close(out);
	return r < 0 ? r : plumbing_await_all(plumbing);
}

static int run(struct plumbing *plumbing, uint64_t *ret_ticks)
{
	int ends[2], r = make_joint(plumbing, ends);

	if (r == 0)
		r = start_receivers(plumbing, ends[0]);
	if (r < 0) {
		if (ends[1] >= 0)
			close(ends[1]);
		return r;
	}
	if (strcmp(plumbing->pipeline->task, "command") == 0)
		return repeat(plumbing, ends[1], ret_ticks);
	return flow(plumbing, ends[1], ret_ticks);
}

static uint64_t count_for(const struct settings *settings,
			  const struct pipeline *pipeline)
{
	uint64_t lines = settings->count ? settings->count : DEFAULT_LINES;
	uint64_t count = lines / pipeline->lines;

	return count ? count : 1;
}

static int check_bytes(struct plumbing *plumbing)
{
	uint64_t bytes = plumbing->count * plumbing->pipeline->size;

	if (plumbing->written == bytes ||
	    (plumbing->written == 0 && access("/proc/self/io", R_OK) < 0))
		return 0;
	return job_fail(plumbing->bench, -EPROTO,
			"%" PRIu64 " bytes went in, %" PRIu64 " came out",
			bytes, plumbing->written);
}

int pipeline_run(struct bench *bench, const struct job *job,
		 struct bench_run *ret_run)
{
	struct plumbing plumbing = {
		.bench = bench,
		.pipeline = job->pipeline,
		.count = count_for(bench->settings, job->pipeline),
	};
	uint64_t ticks = 0;
	int r;

	(void)snprintf(plumbing.fifo, sizeof(plumbing.fifo), "%s/fifo",
		       bench->dir);
	histogram_reset(&bench->latency);
	job_fail(bench, 0, "cannot set it up");
	r = run(&plumbing, &ticks);
	plumbing_kill(&plumbing);
	remove_joint(&plumbing);
	if (r == 0)
		r = check_bytes(&plumbing);
	ret_run->messages = plumbing.count;
	ret_run->bytes = plumbing.count * plumbing.pipeline->size;
	ret_run->seconds = (double)clock_ns(&bench->clock, ticks) * 1e-9;
	ret_run->cpu_seconds = plumbing.cpu_seconds;
	ret_run->memory = plumbing.memory;
	ret_run->least = plumbing.count;
	ret_run->most = plumbing.count;
	return r;
}
