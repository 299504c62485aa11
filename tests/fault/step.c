/* SPDX-License-Identifier: MIT */
/*
 * step.c - children that make one instruction at a time
 *
 * It knows ptrace(2) and nothing of what the child does.
 */
#include "step.h"

#include <limits.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

#include "check.h"

/* Instructions before and behind a change that belong to it. */
#define NEAR 40

static void wait_for(struct step *step)
{
	int status = -1;

	CHECK_INT(waitpid(step->pid, &status, 0), step->pid);
	step->ended = !WIFSTOPPED(status);
	if (step->ended)
		CHECK_INT(status, 0);
	else
		CHECK(WSTOPSIG(status) == SIGTRAP ||
		      WSTOPSIG(status) == SIGSTOP);
}

void step_start(struct step *step, void (*prepare)(void *),
		void (*operation)(void *), void *context)
{
	fflush(stdout);
	step->pid = fork();
	CHECK(step->pid >= 0);
	if (!step->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prepare(context);
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(EXIT_SUCCESS);
		raise(SIGSTOP);
		operation(context);
		_exit(EXIT_SUCCESS);
	}
	wait_for(step);
	if (step->ended)
		SKIP("no process can be traced here");
}

bool step_forward(struct step *step, unsigned long count)
{
	while (count-- > 0 && !step->ended) {
		CHECK(!ptrace(PTRACE_SINGLESTEP, step->pid, NULL, NULL));
		wait_for(step);
	}
	return !step->ended;
}

void step_kill(struct step *step)
{
	int status = -1;

	if (step->ended)
		return;
	CHECK(!kill(step->pid, SIGKILL));
	CHECK_INT(waitpid(step->pid, &status, 0), step->pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	step->ended = true;
}

void step_finish(struct step *step)
{
	if (step->ended)
		return;
	CHECK(!ptrace(PTRACE_CONT, step->pid, NULL, NULL));
	wait_for(step);
	CHECK(step->ended);
}

unsigned long step_until_changed(struct step *step,
				 const _Atomic uint64_t *word)
{
	const uint64_t before = atomic_load(word);
	unsigned long count;

	for (count = 1; step_forward(step, 1); count++)
		if (atomic_load(word) != before)
			return count;
	return ULONG_MAX;
}

unsigned long step_next(unsigned long at, unsigned long stride,
			unsigned long hot)
{
	unsigned long next = at + stride;

	if (hot == ULONG_MAX || next + NEAR < hot || at > hot + NEAR)
		return next;
	return at + NEAR < hot ? hot - NEAR : at + 1;
}

unsigned long step_stride(unsigned long usual)
{
	const char *text = getenv("STRESS");
	unsigned long stress = text ? strtoul(text, NULL, 10) : 1;

	return stress > 0 && usual > stress ? usual / stress : 1;
}
