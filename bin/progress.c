/* SPDX-License-Identifier: MIT */
/*
 * progress.c - how much went through, how long it took, how fast it is
 *
 * A line every second, as pv(1) has it: over the last one on a terminal, one
 * after the other elsewhere.
 */
#include "progress.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <bsd/stdlib.h>

#include "tool.h"

#define SECOND_NS INT64_C(1000000000)

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* As 12B, 1.5KiB, 640MiB; @text has room for 7. */
static const char *amount(char *text, double bytes)
{
	int64_t whole = bytes < (double)INT64_MAX ? (int64_t)bytes : INT64_MAX;

	if (humanize_number(text, 7, whole, "B", HN_AUTOSCALE,
			    HN_DECIMAL | HN_NOSPACE | HN_IEC_PREFIXES) < 0)
		text[0] = '\0';
	return text;
}

/* What has gone through since @from_ns and @from_bytes makes the rate. */
static void draw(struct progress *progress, int64_t now, uint64_t bytes,
		 int64_t from_ns, uint64_t from_bytes)
{
	int64_t seconds = (now - progress->started_ns) / SECOND_NS;
	double span = (double)(now - from_ns) / (double)SECOND_NS;
	double rate = span > 0 ? (double)(bytes - from_bytes) / span : 0;
	char total[7], speed[7];

	fprintf(stderr, "%s%6s %" PRId64 ":%02d:%02d [%6s/s]%s",
		progress->on_terminal ? "\r" : "", amount(total, (double)bytes),
		seconds / 3600, (int)(seconds / 60 % 60), (int)(seconds % 60),
		amount(speed, rate), progress->on_terminal ? "" : "\n");
	/* Standard error is buffered by lines. */
	if (progress->on_terminal)
		(void)fflush(stderr);
	progress->shown = true;
	progress->last_ns = now;
	progress->last_bytes = bytes;
}

static void *run(void *context)
{
	struct progress *progress = context;
	struct timespec next;

	clock_gettime(CLOCK_MONOTONIC, &next);
	next.tv_sec++;
	while (sem_clockwait(&progress->stop, CLOCK_MONOTONIC, &next) < 0) {
		if (errno == EINTR)
			continue;
		draw(progress, now_ns(), atomic_load(&progress->bytes),
		     progress->last_ns, progress->last_bytes);
		next.tv_sec++;
	}
	return NULL;
}

bool progress_wanted(enum progress_when when)
{
	if (when != PROGRESS_AUTO)
		return when == PROGRESS_ALWAYS;
	return isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO);
}

int progress_start(struct progress *progress, enum progress_when when)
{
	sigset_t all, old;
	int error;

	if (!progress_wanted(when))
		return 0;
	progress->on_terminal = isatty(STDERR_FILENO);
	progress->shown = when == PROGRESS_ALWAYS;
	progress->started_ns = progress->last_ns = now_ns();
	if (sem_init(&progress->stop, 0, 0) < 0)
		return -errno;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&progress->thread, NULL, run, progress);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	progress->running = error == 0;
	return -error;
}

void progress_stop(struct progress *progress)
{
	if (!progress->running)
		return;
	progress->running = false;
	sem_post(&progress->stop);
	pthread_join(progress->thread, NULL);
	sem_destroy(&progress->stop);
	if (!progress->shown)
		return;
	/* The last line is the whole: its rate is the average. */
	draw(progress, now_ns(), atomic_load(&progress->bytes),
	     progress->started_ns, 0);
	if (progress->on_terminal)
		fputc('\n', stderr);
}
