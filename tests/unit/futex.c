/* SPDX-License-Identifier: MIT */
/*
 * futex.c - tests of the two system calls, with the real kernel
 *
 * Nobody sleeps here for a guessed time: a waker wakes until he has found the
 * sleeper, which tells that the sleeper slept.
 */
#include "futex.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>

#include "check.h"
#include "deadline.h"

#define MS INT64_C(1000000)

/* Two views of the same word, as two participants would have them. */
struct views {
	_Atomic uint32_t *first;
	_Atomic uint32_t *second;
};

static struct views map_views(void)
{
	const int access = PROT_READ | PROT_WRITE;
	int fd = memfd_create("word", MFD_CLOEXEC);
	void *first;
	void *second;

	CHECK(fd >= 0 && !ftruncate(fd, 4096));
	first = mmap(NULL, 4096, access, MAP_SHARED, fd, 0);
	second = mmap(NULL, 4096, access, MAP_SHARED, fd, 0);
	CHECK(first != MAP_FAILED && second != MAP_FAILED);
	close(fd);
	return (struct views){first, second};
}

/* A child that sleeps on the word; its exit status is -result. */
static pid_t sleep_in_child(_Atomic uint32_t *word)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid)
		_exit(-mms_futex_wait(word, 0, MMS_NEVER));
	return pid;
}

static int join(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static void test_other_value(void)
{
	_Atomic uint32_t word = 1;

	CHECK_INT(mms_futex_wait(&word, 0, MMS_NEVER), -EAGAIN);
}

static void test_past(void)
{
	_Atomic uint32_t word = 0;

	CHECK_INT(mms_futex_wait(&word, 0, 0), -ETIMEDOUT);
	CHECK_INT(mms_futex_wait(&word, 0, mms_now_ns() - MS), -ETIMEDOUT);
}

static void test_deadline(void)
{
	_Atomic uint32_t word = 0;
	int64_t deadline = mms_now_ns() + 20 * MS;

	CHECK_INT(mms_futex_wait(&word, 0, deadline), -ETIMEDOUT);
	CHECK(mms_now_ns() >= deadline);
}

static void test_nobody(void)
{
	_Atomic uint32_t word = 0;

	CHECK_INT(mms_futex_wake(&word, 1), 0);
	CHECK_INT(mms_futex_wake(&word, UINT_MAX), 0);
}

static void test_other_process(void)
{
	struct views views = map_views();
	pid_t pid = sleep_in_child(views.first);

	while (!mms_futex_wake(views.first, 1))
		mms_yield();
	CHECK_INT(join(pid), 0);
}

static void test_other_view(void)
{
	struct views views = map_views();
	pid_t pid = sleep_in_child(views.first);

	while (!mms_futex_wake(views.second, 1))
		mms_yield();
	CHECK_INT(join(pid), 0);
}

static void test_one_by_one(void)
{
	struct views views = map_views();
	pid_t pids[3];
	unsigned woken = 0;
	unsigned now;
	int i;

	for (i = 0; i < 3; i++)
		pids[i] = sleep_in_child(views.first);
	while (woken < 3) {
		now = mms_futex_wake(views.first, 1);
		CHECK(now <= 1);
		woken += now;
		mms_yield();
	}
	for (i = 0; i < 3; i++)
		CHECK_INT(join(pids[i]), 0);
	CHECK_INT(mms_futex_wake(views.first, 1), 0);
}

static void ignore_signal(int number)
{
	(void)number;
}

static void test_signal(void)
{
	struct sigaction action = {.sa_handler = ignore_signal};
	struct views views = map_views();
	pid_t pid;
	int status;

	CHECK(!sigaction(SIGUSR1, &action, NULL));
	pid = sleep_in_child(views.first);
	while (!waitpid(pid, &status, WNOHANG)) {
		kill(pid, SIGUSR1);
		mms_yield();
	}
	CHECK(WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), EINTR);
}

static void test_deadline_arithmetic(void)
{
	CHECK_INT(mms_deadline(1000, 5), 1005);
	CHECK_INT(mms_deadline(1000, 0), 1000);
	CHECK(mms_deadline(1000, -1) == MMS_NEVER);
	CHECK(mms_deadline(1000, MMS_NEVER) == MMS_NEVER);
	CHECK(mms_deadline(1000, MMS_NEVER - 999) == MMS_NEVER);
	CHECK(mms_deadline(1000, MMS_NEVER - 1001) == MMS_NEVER - 1);
}

static const struct check_case cases[] = {
	{"a sleep on another value is refused", test_other_value},
	{"a deadline in the past does not sleep", test_past},
	{"a sleep lasts until its deadline", test_deadline},
	{"a wake that finds nobody says so", test_nobody},
	{"a sleeper in another process is woken", test_other_process},
	{"a sleeper on another mapping is woken", test_other_view},
	{"a wake of one wakes one", test_one_by_one},
	{"a signal ends a sleep", test_signal},
	{"deadlines do not overflow", test_deadline_arithmetic},
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, cases, CHECK_COUNT(cases));
}
