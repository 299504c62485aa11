/* SPDX-License-Identifier: MIT */
/*
 * step.c - children that make one instruction at a time
 *
 * It knows ptrace(2) and nothing of what the child does.
 */
#include "step.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#include "check.h"

/* Instructions before and behind a change that belong to it. */
#define NEAR 40

/* So far we step all the way: nothing is taken for granted. */
#define STEPS_RATHER 600

/* Stops at system calls are told from others by this bit. */
#define CALL_STOP (SIGTRAP | 0x80)

/* How the child has stopped, or 0 where it has ended, which it does well. */
static int wait_for(struct step *step)
{
	int status = -1;

	CHECK_INT(waitpid(step->pid, &status, 0), step->pid);
	step->ended = !WIFSTOPPED(status);
	if (step->ended) {
		CHECK_INT(status, 0);
		return 0;
	}
	CHECK(WSTOPSIG(status) == SIGTRAP || WSTOPSIG(status) == SIGSTOP ||
	      WSTOPSIG(status) == CALL_STOP);
	return WSTOPSIG(status);
}

static void resume(struct step *step, int how, int signal_number)
{
	CHECK(!ptrace(how, step->pid, NULL, (void *)(intptr_t)signal_number));
}

void step_start(struct step *step, void (*prepare)(void *),
		void (*operation)(void *), void *context)
{
	fflush(stdout);
	*step = (struct step){.pid = -1};
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
	CHECK(!ptrace(PTRACE_SETOPTIONS, step->pid, NULL,
		      (void *)PTRACE_O_TRACESYSGOOD));
}

/* On one CPU with the child, a step takes a quarter of the time. */
static void bind_to_one(pid_t pid, cpu_set_t *ret_before)
{
	int cpu = sched_getcpu();
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((size_t)(cpu < 0 ? 0 : cpu), &one);
	sched_getaffinity(0, sizeof(*ret_before), ret_before);
	sched_setaffinity(0, sizeof(one), &one);
	sched_setaffinity(pid, sizeof(one), &one);
}

static void unbind(pid_t pid, const cpu_set_t *before)
{
	sched_setaffinity(0, sizeof(*before), before);
	sched_setaffinity(pid, sizeof(*before), before);
}

static bool step_once(struct step *step)
{
	resume(step, PTRACE_SINGLESTEP, 0);
	return wait_for(step) != 0;
}

bool step_forward(struct step *step, unsigned long count)
{
	cpu_set_t before;

	if (step->ended)
		return false;
	bind_to_one(step->pid, &before);
	while (count > 0 && step_once(step))
		count--;
	unbind(step->pid, &before);
	return !step->ended;
}

bool step_forward_to_change(struct step *step, unsigned long count,
			    const _Atomic uint64_t *word)
{
	const uint64_t before = atomic_load(word);
	cpu_set_t cpus;

	if (step->ended)
		return false;
	bind_to_one(step->pid, &cpus);
	while (count > 0 && atomic_load(word) == before && step_once(step))
		count--;
	unbind(step->pid, &cpus);
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
	if (!step->loose)
		resume(step, PTRACE_CONT, 0);
	wait_for(step);
	CHECK(step->ended);
}

void step_stop(struct step *step)
{
	int status = -1;

	if (step->ended)
		return;
	resume(step, PTRACE_DETACH, SIGSTOP);
	step->loose = true;
	CHECK_INT(waitpid(step->pid, &status, WUNTRACED), step->pid);
	CHECK(WIFSTOPPED(status));
}

void step_release(struct step *step)
{
	if (step->ended)
		return;
	if (step->loose)
		CHECK(!kill(step->pid, SIGCONT));
	else
		resume(step, PTRACE_DETACH, 0);
	step->loose = true;
}

void step_signal(struct step *step, int number)
{
	if (step->ended)
		return;
	resume(step, PTRACE_DETACH, number);
	step->loose = true;
}

bool step_await(struct step *step)
{
	return wait_for(step) == CALL_STOP;
}

void step_begin_call(struct step *step)
{
	resume(step, PTRACE_SYSCALL, 0);
}

bool step_over_call(struct step *step)
{
	step_begin_call(step);
	return step_await(step);
}

#if defined(__x86_64__)
static uint64_t peek_user(const struct step *step, size_t offset)
{
	errno = 0;
	return (uint64_t)ptrace(PTRACE_PEEKUSER, step->pid, offset, NULL);
}

static uint64_t address_of(const struct step *step)
{
	return peek_user(step, offsetof(struct user, regs.rip));
}

static long call_of(const struct step *step)
{
	return (long)peek_user(step, offsetof(struct user, regs.orig_rax));
}

static bool poke_user(const struct step *step, size_t offset, uint64_t value)
{
	return !ptrace(PTRACE_POKEUSER, step->pid, offset, value);
}

/* Let it run until it comes to @address; false where that cannot be done. */
static bool run_to(struct step *step, uint64_t address)
{
	const size_t where = offsetof(struct user, u_debugreg[0]);
	const size_t control = offsetof(struct user, u_debugreg[7]);

	if (!poke_user(step, where, address) || !poke_user(step, control, 1))
		return false;
	resume(step, PTRACE_CONT, 0);
	if (wait_for(step))
		CHECK(poke_user(step, control, 0));
	return true;
}
#else
/* Elsewhere every place is come to by steps. */
static uint64_t address_of(const struct step *step)
{
	(void)step;
	return 0;
}

static bool run_to(struct step *step, uint64_t address)
{
	(void)step;
	(void)address;
	return false;
}

static long call_of(const struct step *step)
{
	(void)step;
	SKIP("which system call it is cannot be told on this machine");
	return -1;
}
#endif

bool step_to_call(struct step *step, long number)
{
	while (step_over_call(step)) {
		if (call_of(step) == number)
			return true;
		if (!step_over_call(step))
			return false;
	}
	return false;
}

static void *grow(void *array, unsigned long count, size_t each)
{
	void *grown = array;

	if (count % 4096)
		return array;
	grown = realloc(array, (count + 4096) * each);
	CHECK(grown);
	return grown;
}

static void note_place(struct step_trace *trace, uint64_t address, bool changed)
{
	trace->address =
		grow(trace->address, trace->count, sizeof(*trace->address));
	trace->changed =
		grow(trace->changed, trace->count, sizeof(*trace->changed));
	trace->anchor =
		grow(trace->anchor, trace->count, sizeof(*trace->anchor));
	trace->address[trace->count] = address;
	trace->changed[trace->count] = changed;
	trace->changes += changed;
	trace->count++;
}

struct visit {
	uint64_t address;
	unsigned long place;
};

static int by_address(const void *a, const void *b)
{
	const struct visit *left = a;
	const struct visit *right = b;

	if (left->address != right->address)
		return left->address < right->address ? -1 : 1;
	return left->place < right->place ? -1 : left->place > right->place;
}

/* An anchor is a place that is the first at its address. */
static void find_anchors(struct step_trace *trace)
{
	struct visit *visits = calloc(trace->count, sizeof(*visits));
	unsigned long i;

	CHECK(visits);
	for (i = 0; i < trace->count; i++) {
		visits[i] = (struct visit){trace->address[i], i};
		trace->anchor[i] = ULONG_MAX;
	}
	qsort(visits, trace->count, sizeof(*visits), by_address);
	for (i = 0; i < trace->count; i++) {
		if (!i || visits[i].address != visits[i - 1].address)
			trace->anchor[visits[i].place] = visits[i].place;
	}
	free(visits);
	for (i = 0; i < trace->count; i++)
		if (trace->anchor[i] == ULONG_MAX)
			trace->anchor[i] = i ? trace->anchor[i - 1] : 0;
}

void step_record(struct step *step, const void *shared, size_t size,
		 struct step_trace *ret_trace)
{
	struct step_trace trace = {0};
	void *seen = malloc(size);
	cpu_set_t before;

	CHECK(seen);
	memcpy(seen, shared, size);
	bind_to_one(step->pid, &before);
	note_place(&trace, address_of(step), false);
	while (step_once(step)) {
		bool changed = memcmp(seen, shared, size) != 0;

		note_place(&trace, address_of(step), changed);
		if (changed)
			memcpy(seen, shared, size);
	}
	unbind(step->pid, &before);
	free(seen);
	find_anchors(&trace);
	*ret_trace = trace;
}

void step_forget(struct step_trace *trace)
{
	free(trace->address);
	free(trace->anchor);
	free(trace->changed);
	*trace = (struct step_trace){0};
}

bool step_to(struct step *step, const struct step_trace *trace,
	     unsigned long place)
{
	unsigned long last;
	unsigned long anchor;

	if (!trace || place <= STEPS_RATHER)
		return step_forward(step, place);
	last = trace->count - 1;
	anchor = trace->anchor[place < last ? place : last];
	if (!anchor || !run_to(step, trace->address[anchor]))
		anchor = 0;
	step->missed = step->ended;
	if (!step_forward(step, place - anchor))
		return false;
	step->stray = place > last || address_of(step) != trace->address[place];
	return true;
}

bool step_near(struct step *step, const struct step_trace *trace,
	       unsigned long place)
{
	unsigned long anchor = trace->anchor[place];

	if (!anchor || !run_to(step, trace->address[anchor]))
		return step_forward(step, anchor);
	return !step->ended;
}

unsigned long step_change_after(const struct step_trace *trace,
				unsigned long place)
{
	for (place++; place < trace->count; place++)
		if (trace->changed[place])
			return place;
	return ULONG_MAX;
}

unsigned long step_place_after(const struct step_trace *trace,
			       unsigned long place, unsigned long stride)
{
	unsigned long change = step_change_after(trace, place);
	unsigned long next = place + stride;

	if (change == ULONG_MAX || change > next)
		return next;
	return change > place + 1 ? change - 1 : change;
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
