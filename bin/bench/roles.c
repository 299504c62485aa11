/* SPDX-License-Identifier: MIT */
/*
 * roles.c - processes, their barrier and their end
 *
 * The barrier is a futex word, so that who waits there takes no CPU from who
 * still attaches.  A role that dies by a signal is noticed within a moment, also
 * by a parent that waits at the barrier.
 */
#include "roles.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "tool.h"

/* How often a parent at the barrier looks whether a child has died. */
#define LOOK_NS 20000000

static void wait_while(_Atomic uint32_t *word, uint32_t value, long most_ns)
{
	struct timespec timeout = {.tv_nsec = most_ns};

	syscall(SYS_futex, word, FUTEX_WAIT, value, &timeout, NULL, 0);
}

static void wake_all(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void raise_word(_Atomic uint32_t *word)
{
	atomic_fetch_add(word, 1);
	wake_all(word);
}

static void await(_Atomic uint32_t *word, uint32_t least)
{
	for (;;) {
		uint32_t value = atomic_load(word);

		if (value >= least)
			return;
		wait_while(word, value, LOOK_NS);
	}
}

struct stage *roles_make_stage(void)
{
	void *stage = mmap(NULL, sizeof(struct stage), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return stage == MAP_FAILED ? NULL : stage;
}

static void reset_stage(struct stage *stage, unsigned count)
{
	atomic_store(&stage->ready, 0);
	atomic_store(&stage->go, 0);
	atomic_store(&stage->sent, 0);
	atomic_store(&stage->received, 0);
	atomic_store(&stage->failed, 0);
	atomic_store(&stage->start, 0);
	for (unsigned i = 0; i < count; i++) {
		struct finding *finding = &stage->findings[i];

		atomic_store(&stage->progress[i], 0);
		memset(finding, 0, offsetof(struct finding, latency));
		histogram_reset(&finding->latency);
	}
}

void role_memory(struct role *role)
{
	uint64_t now = host_resident(getpid());

	if (now > role->memory_before)
		role->finding->memory = now - role->memory_before;
}

static void default_signals(void)
{
	static const int numbers[] = {SIGALRM, SIGBUS, SIGHUP, SIGINT, SIGTERM};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		signal(numbers[i], SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
}

static int bind_to(const int *cpus, size_t count)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (size_t i = 0; i < count; i++) {
		if (cpus[i] >= 0)
			CPU_SET((size_t)cpus[i], &set);
	}
	if (CPU_COUNT(&set) == 0)
		return 0;
	return sched_setaffinity(0, sizeof(set), &set);
}

pid_t role_fork(const int *cpus, size_t cpu_count)
{
	pid_t parent = getpid(), pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(TOOL_SYSTEM);
	default_signals();
	if (bind_to(cpus, cpu_count) < 0)
		_exit(TOOL_SYSTEM);
	return 0;
}

void role_kill(pid_t *pids, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (pids[i] > 0)
			kill(pids[i], SIGKILL);
	}
	for (size_t i = 0; i < count; i++) {
		while (pids[i] > 0 && waitpid(pids[i], NULL, 0) < 0 &&
		       errno == EINTR)
			;
		pids[i] = 0;
	}
}

/* Everything that is measured later is touched before it is measured. */
noreturn static void play(struct stage *stage, const struct cast *cast,
			  unsigned number)
{
	bool producer = number < cast->producers;
	struct role role = {
		.index = producer ? number : number - cast->producers,
		.producer = producer,
		.second = producer == cast->consumers_first,
		.producers = cast->producers,
		.consumers = cast->consumers,
		.stage = stage,
		.finding = &stage->findings[number],
	};

	histogram_reset(&role.finding->latency);
	role.memory_before = host_resident(getpid());
	cast->work(&role, cast->context);
	_exit(TOOL_OK);
}

static int make_all(struct stage *stage, const struct cast *cast, pid_t *pids)
{
	unsigned count = cast->producers + cast->consumers;

	for (unsigned i = 0; i < count; i++) {
		const int *cpu = &cast->cpu[i < cast->producers ? 0 : 1];
		pid_t pid = role_fork(cpu, 1);

		if (pid < 0)
			return -errno;
		if (pid == 0)
			play(stage, cast, i);
		pids[i] = pid;
	}
	return 0;
}

/*
 * Takes note of a child that has ended: 1 if there was one, 0 if not, or a
 * negative errno if it failed.
 */
static int reap(pid_t *pids, unsigned count, int flags)
{
	int status;
	pid_t pid = waitpid(-1, &status, flags);

	if (tool_signal())
		return -EINTR;
	if (pid <= 0)
		return pid < 0 && errno != EINTR ? -errno : 0;
	for (unsigned i = 0; i < count; i++) {
		if (pids[i] != pid)
			continue;
		pids[i] = 0;
		if (!WIFEXITED(status) || WEXITSTATUS(status) != TOOL_OK)
			return -ECHILD;
		return 1;
	}
	return 0;
}

static int await_ready(struct stage *stage, pid_t *pids, unsigned count)
{
	for (;;) {
		uint32_t ready = atomic_load(&stage->ready);
		int r;

		if (ready >= count)
			return 0;
		wait_while(&stage->ready, ready, LOOK_NS);
		r = reap(pids, count, WNOHANG);
		if (r < 0)
			return r;
	}
}

static int await_end(pid_t *pids, unsigned count)
{
	unsigned left = count;

	while (left > 0) {
		int r = reap(pids, count, 0);

		if (r < 0)
			return r;
		left -= (unsigned)r;
	}
	return 0;
}

/* The error that a role left, rather than that it has died. */
static int find_failed(const struct stage *stage, unsigned count, int error,
		       const struct finding **ret_failed)
{
	uint32_t number = atomic_load(&stage->failed);

	*ret_failed = NULL;
	if (error != -ECHILD || number == 0 || number > count)
		return error;
	*ret_failed = &stage->findings[number - 1];
	return (*ret_failed)->error;
}

int roles_run(struct stage *stage, const struct cast *cast,
	      const struct finding **ret_failed)
{
	unsigned count = cast->producers + cast->consumers;
	pid_t pids[ROLES_MAX] = {0};
	int r;

	reset_stage(stage, count);
	r = make_all(stage, cast, pids);
	if (r == 0)
		r = await_ready(stage, pids, count);
	if (r == 0 && cast->all_ready)
		cast->all_ready(cast->context);
	if (r == 0) {
		raise_word(&stage->go);
		r = await_end(pids, count);
	}
	role_kill(pids, count);
	return find_failed(stage, count, r, ret_failed);
}

struct finding *roles_finding(struct stage *stage, const struct cast *cast,
			      bool producer, unsigned index)
{
	return &stage->findings[producer ? index : cast->producers + index];
}

static unsigned number_of(const struct role *role)
{
	return role->producer ? role->index : role->producers + role->index;
}

void role_await_turn(const struct role *role)
{
	if (role->second)
		await(&role->stage->ready,
		      role->producer ? role->consumers : role->producers);
}

void role_ready(struct role *role)
{
	raise_word(&role->stage->ready);
	await(&role->stage->go, 1);
}

uint64_t role_start(const struct role *role, uint64_t now)
{
	uint64_t start = 0;

	if (atomic_compare_exchange_strong(&role->stage->start, &start, now))
		return now;
	return start;
}

/* The first failure is the cause of the others. */
noreturn void role_fail(struct role *role, int error, const char *text)
{
	struct finding *finding = role->finding;
	uint32_t none = 0;

	finding->error = error;
	(void)snprintf(finding->text, sizeof(finding->text), "%s", text);
	atomic_compare_exchange_strong(&role->stage->failed, &none,
				       number_of(role) + 1);
	wake_all(&role->stage->ready);
	_exit(TOOL_SYSTEM);
}

void role_sent(struct role *role, uint64_t messages)
{
	atomic_store(&role->stage->progress[number_of(role)], messages);
	raise_word(&role->stage->sent);
}

static uint64_t sum_of(struct stage *stage, unsigned from, unsigned count)
{
	uint64_t sum = 0;

	for (unsigned i = from; i < from + count; i++)
		sum += atomic_load(&stage->progress[i]);
	return sum;
}

bool role_all_sent(const struct role *role)
{
	return atomic_load(&role->stage->sent) >= role->producers;
}

void role_await_sent(const struct role *role)
{
	await(&role->stage->sent, role->producers);
}

bool role_drained(struct role *role, uint64_t messages)
{
	struct stage *stage = role->stage;

	atomic_store(&stage->progress[number_of(role)], messages);
	if (!role_all_sent(role))
		return false;
	return sum_of(stage, role->producers, role->consumers) ==
	       sum_of(stage, 0, role->producers);
}

void role_received(const struct role *role)
{
	raise_word(&role->stage->received);
}

void role_await_consumers(const struct role *role)
{
	await(&role->stage->received, role->consumers);
}
