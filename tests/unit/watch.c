/* SPDX-License-Identifier: MIT */
/*
 * watch.c - waiting for a port that does not exist yet
 */
#include <sys/resource.h>

#include "sandbox.h"

static int wait_for(const char *port, int64_t timeout_ns)
{
	return mmsock_wait_port(port, NULL, timeout_ns);
}

static void test_there(void)
{
	const char *path = join(fresh_dir(), "p");

	create_port("p", 4096, 1);
	CHECK_INT(wait_for("p", 0), 0);
	CHECK_INT(wait_for("p", 1), 0);
	CHECK_INT(wait_for("p", MMSOCK_FOREVER), 0);
	CHECK_INT(wait_for(path, 0), 0);
}

static void test_no_waiting(void)
{
	const char *dir = fresh_dir();
	unsigned descriptors = count_descriptors();

	CHECK_INT(wait_for("p", 0), -EAGAIN);
	CHECK_INT(wait_for(join(dir, "p"), 0), -EAGAIN);
	CHECK_INT(wait_for(join(dir, "no/p"), MMSOCK_FOREVER), -ENOENT);
	CHECK_INT(wait_for("", MMSOCK_FOREVER), -EINVAL);
	CHECK_INT(count_descriptors(), descriptors);
}

/* Sleeps the whole time: whoever polls would wake up again and again. */
static void test_timeout(void)
{
	struct rusage before;
	struct rusage after;
	unsigned descriptors;
	int64_t start;

	fresh_dir();
	descriptors = count_descriptors();
	CHECK(!getrusage(RUSAGE_THREAD, &before));
	start = now_ns();
	CHECK_INT(wait_for("p", 200 * MS), -ETIMEDOUT);
	CHECK(now_ns() - start >= 200 * MS);
	CHECK(!getrusage(RUSAGE_THREAD, &after));
	CHECK(after.ru_nvcsw - before.ru_nvcsw <= 4);
	CHECK_INT(count_descriptors(), descriptors);
}

struct waiting {
	const char *port;
	int64_t timeout_ns;
	int want;
};

static void run_waiter(struct kid *self, void *context)
{
	const struct waiting *waiting = context;

	tell(self);
	CHECK_INT(wait_for(waiting->port, waiting->timeout_ns), waiting->want);
}

/* Until the helper sleeps in poll(2). */
static void await_poll(pid_t pid)
{
	char path[64];
	char text[64] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/wchan", (int)pid);
	while (!strstr(text, "poll")) {
		sched_yield();
		file = fopen(path, "re");
		if (!file || !fgets(text, sizeof(text), file))
			SKIP("the kernel does not tell who waits");
		fclose(file);
	}
}

static void start_waiter(struct kid *kid, const char *port, int64_t timeout_ns,
			 int want)
{
	struct waiting waiting = {port, timeout_ns, want};

	kid_start(kid, run_waiter, &waiting);
	CHECK(hear(kid));
	await_poll(kid->pid);
}

static void test_appears(void)
{
	const int64_t spans[] = {MMSOCK_FOREVER, INT64_MAX, 30 * SECOND};
	struct kid kid;
	size_t i;

	fresh_dir();
	for (i = 0; i < CHECK_COUNT(spans); i++) {
		start_waiter(&kid, "p", spans[i], 0);
		create_port("q", 4096, 1);
		CHECK_INT(waitpid(kid.pid, NULL, WNOHANG), 0);
		create_port("p", 4096, 1);
		CHECK_INT(kid_reap(&kid), 0);
		CHECK(!unlink(join(getenv("MMSOCK_DIR"), "p")));
		CHECK(!unlink(join(getenv("MMSOCK_DIR"), "q")));
	}
}

static void test_renamed(void)
{
	const char *dir = fresh_dir();
	struct kid kid;

	create_port("q", 4096, 1);
	start_waiter(&kid, join(dir, "p"), MMSOCK_FOREVER, 0);
	CHECK(!rename(join(dir, "q"), join(dir, "p")));
	CHECK_INT(kid_reap(&kid), 0);
}

static void test_new_directory(void)
{
	const char *dir = join(fresh_dir(), "new");
	struct kid kid;

	setenv("MMSOCK_DIR", dir, 1);
	start_waiter(&kid, "p", MMSOCK_FOREVER, 0);
	create_port("p", 4096, 1);
	CHECK_INT(kid_reap(&kid), 0);
}

static void ignore(int number)
{
	(void)number;
}

static void run_interrupted(struct kid *self, void *context)
{
	struct sigaction action = {.sa_handler = ignore};

	sigaction(SIGUSR1, &action, NULL);
	run_waiter(self, context);
}

static void test_signal(void)
{
	struct waiting waiting = {"p", MMSOCK_FOREVER, -EINTR};
	struct kid kid;

	fresh_dir();
	kid_start(&kid, run_interrupted, &waiting);
	CHECK(hear(&kid));
	await_poll(kid.pid);
	kill(kid.pid, SIGUSR1);
	CHECK_INT(kid_reap(&kid), 0);
}

/* Others' ports do not lengthen the wait. */
static void test_busy_directory(void)
{
	siginfo_t ended = {0};
	struct kid kid;

	fresh_dir();
	start_waiter(&kid, "p", 100 * MS, -ETIMEDOUT);
	while (!ended.si_pid) {
		create_port("q", 4096, 1);
		CHECK_INT(mmsock_remove("q", NULL, MMSOCK_REMOVE_UNUSED), 0);
		CHECK(!waitid(P_PID, (id_t)kid.pid, &ended,
			      WEXITED | WNOHANG | WNOWAIT));
	}
	CHECK_INT(kid_reap(&kid), 0);
}

static const struct check_case cases[] = {
	{"a port that is there is not waited for", test_there},
	{"a call that may not wait says that it would", test_no_waiting},
	{"the time runs out, asleep", test_timeout},
	{"a port that is created is noticed", test_appears},
	{"a port that is renamed there is noticed", test_renamed},
	{"a port directory is made for waiting", test_new_directory},
	{"a signal ends the wait", test_signal},
	{"other ports that come do not lengthen the wait", test_busy_directory},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
