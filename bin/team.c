/* SPDX-License-Identifier: MIT */
/*
 * team.c - threads that each serve a source of a relay
 *
 * Signals come to the thread that started them.  It passes them on, because a
 * system call ends early only in the thread that gets one; waits in the library
 * end by mmsock_interrupt().
 */
#include "team.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>

#include <mmsock.h>

#include "tool.h"

/* How often a thread is told of a signal that came. */
#define POKE_NS (INT64_C(50) * 1000 * 1000)

#define SECOND_NS INT64_C(1000000000)

/* Those who wait for a message look again, and see that it is over. */
static void wake_others(const struct relay *relay)
{
	for (size_t i = 0; i < relay->source_count; i++)
		mmsock_interrupt(relay->sources[i].taker.handle);
}

static void *run(void *context)
{
	struct source *source = context;
	struct relay *relay = source->relay;
	bool over;

	source->status = relay_serve(source);
	pthread_mutex_lock(&relay->lock);
	over = relay_is_over(relay);
	pthread_mutex_unlock(&relay->lock);
	if (over)
		wake_others(relay);
	sem_post(&relay->done);
	return NULL;
}

/* All signals but those that a thread needs: see tool_catch_signals(). */
static void block_signals(sigset_t *ret_old)
{
	sigset_t set;

	sigfillset(&set);
	sigdelset(&set, SIGALRM);
	sigdelset(&set, SIGBUS);
	sigdelset(&set, SIGPIPE);
	pthread_sigmask(SIG_SETMASK, &set, ret_old);
}

static size_t start_threads(struct relay *relay)
{
	sigset_t old;
	size_t started;
	int error = 0;

	block_signals(&old);
	for (started = 0; started < relay->source_count; started++) {
		struct source *source = &relay->sources[started];

		error = pthread_create(&source->thread, NULL, run, source);
		if (error)
			break;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!error)
		return started;
	pthread_mutex_lock(&relay->lock);
	relay->status = stream_error(relay->config, TOOL_USE, -error);
	pthread_mutex_unlock(&relay->lock);
	wake_others(relay);
	return started;
}

/* One more has ended: 0, or -EINTR, -ETIMEDOUT. */
static int wait_for_one(struct relay *relay)
{
	struct timespec until;
	int r;

	if (tool_signal() == 0)
		return sem_wait(&relay->done) < 0 ? -errno : 0;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += POKE_NS;
	until.tv_sec += until.tv_nsec / SECOND_NS;
	until.tv_nsec %= SECOND_NS;
	r = sem_clockwait(&relay->done, CLOCK_MONOTONIC, &until);
	return r < 0 ? -errno : 0;
}

/* A signal came to this thread.  Writes of the others end by one of theirs. */
static void wait_for_threads(struct relay *relay, size_t count)
{
	size_t ended = 0;

	while (ended < count) {
		if (wait_for_one(relay) == 0)
			ended++;
		for (size_t i = 0; i < count && tool_signal(); i++)
			pthread_kill(relay->sources[i].thread, SIGALRM);
	}
	for (size_t i = 0; i < count; i++)
		pthread_join(relay->sources[i].thread, NULL);
}

void team_run(struct relay *relay)
{
	if (sem_init(&relay->done, 0, 0) < 0) {
		relay->status = stream_error(relay->config, TOOL_USE, -errno);
		return;
	}
	wait_for_threads(relay, start_threads(relay));
	sem_destroy(&relay->done);
}
