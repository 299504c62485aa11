/* SPDX-License-Identifier: MIT */
/*
 * signals.c - 10000 signals a second, and threads that are cancelled
 *
 * In every call that waits, for every thing that it can wait for.  That nothing is
 * lost meanwhile is seen by unit/mmsock and stress/processes.
 */
#include <pthread.h>

#include "unit/sandbox.h"

#define BOTH         (MMSOCK_SENDER | MMSOCK_RECEIVER)
#define STORM_NS     100000
#define PATIENCE_NS  (20 * MS)
#define LARGE_RING   (UINT64_C(64) << 20)
#define LONG_MESSAGE 2000

static volatile sig_atomic_t signals_seen;
static timer_t timer;

static void count_signal(int number)
{
	(void)number;
	signals_seen = signals_seen + 1;
}

static void make_timer(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
				 .sigev_signo = SIGUSR1};
	struct sigaction action = {.sa_handler = count_signal};

	CHECK(!sigaction(SIGUSR1, &action, NULL));
	CHECK(!timer_create(CLOCK_MONOTONIC, &event, &timer));
}

/* One signal after the other, or none any more. */
static void storm(bool on)
{
	struct itimerspec spec = {0};

	if (on)
		spec.it_interval.tv_nsec = spec.it_value.tv_nsec = STORM_NS;
	CHECK(!timer_settime(timer, 0, &spec, NULL));
}

/* What there is to wait for. */

static struct {
	struct mmsock *empty;
	struct mmsock *full;
	struct mmsock *held; /* both of its ends are, by others */
	struct mmsock_run *run;
	struct mmsock_sem *plain;
	struct mmsock_sem *owned;
	struct kid holders[2];
} scene;

static void run_holder(struct kid *self, void *context)
{
	unsigned role = *(unsigned *)context;
	struct mmsock *handle = open_as("held", role);
	const void *message;
	void *buffer;

	if (role == MMSOCK_SENDER)
		CHECK_INT(mmsock_reserve(handle, 8, &buffer, 0), 0);
	else
		CHECK_INT(mmsock_peek(handle, &message, 0), 7);
	meet(self);
}

static struct mmsock_sem *open_sem(unsigned flags)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;
	struct mmsock_sem *sem = NULL;

	options.flags = flags;
	options.value = 0;
	CHECK_INT(mmsock_sem_open("sem", &options, &sem), 0);
	return sem;
}

static void set_scene(void)
{
	unsigned roles[] = {MMSOCK_SENDER, MMSOCK_RECEIVER};
	char message[LONG_MESSAGE] = "";
	int i;

	fresh_dir();
	create_port("empty", 4096, 4);
	create_port("full", 4096, 4);
	create_port("held", 4096, 4);
	scene.empty = open_as("empty", BOTH);
	scene.full = open_as("full", BOTH);
	scene.held = open_as("held", BOTH);
	while (!mmsock_send(scene.full, message, LONG_MESSAGE, 0))
		;
	send_text(scene.held, "message");
	for (i = 0; i < 2; i++) {
		kid_start(&scene.holders[i], run_holder, &roles[i]);
		CHECK(hear(&scene.holders[i]));
	}
	CHECK_INT(mmsock_run_new(8192, &scene.run), 0);
	scene.plain = open_sem(0);
	scene.owned = open_sem(MMSOCK_SEM_OWNED);
	make_timer();
}

static void strike_scene(void)
{
	int i;

	for (i = 0; i < 2; i++)
		kid_end(&scene.holders[i]);
	mmsock_sem_close(scene.plain);
	mmsock_sem_close(scene.owned);
	mmsock_run_free(scene.run);
	mmsock_close(scene.empty);
	mmsock_close(scene.full);
	mmsock_close(scene.held);
}

static char buffer[LONG_MESSAGE];

static int64_t receive(int64_t timeout_ns)
{
	return mmsock_recv(scene.empty, buffer, sizeof(buffer), timeout_ns);
}

static int64_t receive_run(int64_t timeout_ns)
{
	return mmsock_run_recv(scene.empty, scene.run, 0, timeout_ns);
}

static int64_t peek(int64_t timeout_ns)
{
	const void *message;

	return mmsock_peek(scene.empty, &message, timeout_ns);
}

static int64_t send_it(int64_t timeout_ns)
{
	return mmsock_send(scene.full, buffer, sizeof(buffer), timeout_ns);
}

static int64_t send_run(int64_t timeout_ns)
{
	mmsock_run_clear(scene.run);
	CHECK_INT(mmsock_run_add(scene.run, buffer, sizeof(buffer)), 0);
	return mmsock_run_send(scene.full, scene.run, timeout_ns);
}

static int64_t reserve(int64_t timeout_ns)
{
	void *space;

	return mmsock_reserve(scene.full, sizeof(buffer), &space, timeout_ns);
}

static int64_t send_beside(int64_t timeout_ns)
{
	return mmsock_send(scene.held, "x", 1, timeout_ns);
}

static int64_t receive_beside(int64_t timeout_ns)
{
	return mmsock_recv(scene.held, buffer, sizeof(buffer), timeout_ns);
}

static int64_t wait_for_peers(int64_t timeout_ns)
{
	return mmsock_wait_peers(scene.empty, 1, timeout_ns);
}

static int64_t wait_for_port(int64_t timeout_ns)
{
	return mmsock_wait_port("missing", NULL, timeout_ns);
}

static int64_t take(int64_t timeout_ns)
{
	return mmsock_sem_wait(scene.plain, 1, timeout_ns);
}

static int64_t take_and_own(int64_t timeout_ns)
{
	return mmsock_sem_wait(scene.owned, 1, timeout_ns);
}

static const struct {
	const char *name;
	int64_t (*call)(int64_t timeout_ns);
} waits[] = {
	{"a message", receive},
	{"messages", receive_run},
	{"a message to look at", peek},
	{"room", send_it},
	{"room for a run", send_run},
	{"room to write in", reserve},
	{"the sending end", send_beside},
	{"the receiving end", receive_beside},
	{"participants", wait_for_peers},
	{"a port", wait_for_port},
	{"a unit", take},
	{"a unit to own", take_and_own},
};

/* The one that was not ended by a signal is not ended by an earlier one. */
static void test_once(void)
{
	size_t i;

	set_scene();
	for (i = 0; i < CHECK_COUNT(waits); i++) {
		printf("# %s\n", waits[i].name);
		storm(true);
		CHECK_INT(waits[i].call(MMSOCK_FOREVER), -EINTR);
		storm(false);
		CHECK_INT(waits[i].call(PATIENCE_NS), -ETIMEDOUT);
		CHECK_INT(waits[i].call(0) == -EBUSY ||
				  waits[i].call(0) == -EAGAIN,
			  1);
	}
	strike_scene();
}

/* Every call ends by a signal or by its time, and not before that. */
static void test_deadlines(void)
{
	int64_t end;
	int64_t left;
	int64_t r;
	unsigned ended;
	size_t i;

	set_scene();
	for (i = 0; i < CHECK_COUNT(waits); i++) {
		storm(true);
		end = now_ns() + PATIENCE_NS;
		for (ended = 0;; ended++) {
			left = end - now_ns();
			r = waits[i].call(left > 0 ? left : 1);
			if (r != -EINTR)
				break;
		}
		storm(false);
		CHECK_INT(r, -ETIMEDOUT);
		CHECK(now_ns() >= end);
		printf("# %s: %u times interrupted\n", waits[i].name, ended);
	}
	strike_scene();
}

/* Setting aside the space takes longer than there is between two signals. */
static void test_large_port(void)
{
	struct mmsock_options options =
		options_for(MMSOCK_CREATE_NEW_OVERWRITE, 0);
	int i;

	fresh_dir();
	make_timer();
	options.ring_bytes = LARGE_RING;
	storm(true);
	for (i = 0; i < 3; i++)
		CHECK_INT(mmsock_create("p", &options), 1);
	storm(false);
	CHECK(signals_seen > 0);
	CHECK_INT(inspect("p").ring_bytes, LARGE_RING);
}

/* Names come and go meanwhile; whoever waits for a lock may be interrupted. */
static void test_names(void)
{
	struct mmsock_options options =
		options_for(MMSOCK_CREATE_NEW_OVERWRITE, BOTH);
	const char *dir = fresh_dir();
	struct mmsock *handle;
	int i;
	int r;

	make_timer();
	options.ring_bytes = 4096;
	storm(true);
	for (i = 0; i < 300; i++) {
		CHECK_INT(mmsock_open("p", &options, &handle), 0);
		send_text(handle, "x");
		expect_text(handle, "x");
		mmsock_close(handle);
		r = mmsock_remove("p", NULL, MMSOCK_REMOVE_ALWAYS);
		CHECK_INT(r, 0);
	}
	storm(false);
	CHECK_INT(count_entries(dir), 0);
}

/* Cancelled threads. */

static _Atomic int calls_survived;

static void survive(int64_t result, int64_t expected)
{
	CHECK_INT(result, expected);
	calls_survived++;
}

/* With a request for its end pending all the time, each call comes back. */
static void *run_cancelled(void *context)
{
	const void *message;
	void *space;

	(void)context;
	pthread_cancel(pthread_self());
	survive(receive(PATIENCE_NS), -ETIMEDOUT);
	survive(receive_run(PATIENCE_NS), -ETIMEDOUT);
	survive(send_it(PATIENCE_NS), -ETIMEDOUT);
	survive(send_beside(PATIENCE_NS), -ETIMEDOUT);
	survive(receive_beside(PATIENCE_NS), -ETIMEDOUT);
	survive(wait_for_peers(PATIENCE_NS), -ETIMEDOUT);
	survive(take(PATIENCE_NS), -ETIMEDOUT);
	survive(mmsock_sem_post(scene.plain, 1), 0);
	survive(take(MMSOCK_FOREVER), 0);
	survive(mmsock_send(scene.empty, "x", 1, MMSOCK_FOREVER), 0);
	survive(mmsock_peek(scene.empty, &message, MMSOCK_FOREVER), 1);
	survive(mmsock_cancel(scene.empty), 0);
	survive(receive(MMSOCK_FOREVER), 1);
	survive(mmsock_reserve(scene.empty, 1, &space, MMSOCK_FOREVER), 0);
	survive(mmsock_commit(scene.empty, 0), 0);
	survive(receive(MMSOCK_FOREVER), 0);
	pthread_testcancel();
	return NULL;
}

static void test_cancelled(void)
{
	pthread_t thread;
	void *result;

	set_scene();
	CHECK(!pthread_create(&thread, NULL, run_cancelled, NULL));
	CHECK(!pthread_join(thread, &result));
	CHECK(result == PTHREAD_CANCELED);
	CHECK_INT(calls_survived, 16);
	strike_scene();
}

static int ignore_name(const char *name, void *context)
{
	(void)name;
	(void)context;
	return 0;
}

static int ignore_peer(const struct mmsock_peer *peer, void *context)
{
	(void)peer;
	(void)context;
	return 0;
}

/* So do those that open files and close them. */
static void *run_cancelled_opener(void *context)
{
	struct mmsock_options options =
		options_for(MMSOCK_CREATE_NEW_OVERWRITE, BOTH);
	struct mmsock_info info = {.size = sizeof(info)};
	struct mmsock_sem *sem;
	struct mmsock *handle;
	char path[4096];

	(void)context;
	pthread_cancel(pthread_self());
	survive(mmsock_create("p", &options), 1);
	survive(mmsock_open("p", &options, &handle), 0);
	survive(mmsock_open("no name", &options, &handle), -EINVAL);
	survive(mmsock_inspect("p", NULL, &info), 0);
	survive(mmsock_inspect_peers("p", NULL, ignore_peer, NULL), 0);
	survive(mmsock_list(NULL, ignore_name, NULL), 0);
	survive(mmsock_path("p", NULL, path, sizeof(path)), 0);
	survive(mmsock_wait_port("missing", NULL, PATIENCE_NS), -ETIMEDOUT);
	/* Others are asked about through a descriptor, which may be gone. */
	CHECK(!close_range(3, ~0U, 0));
	survive(mmsock_wait_peers(handle, 1, PATIENCE_NS), -ETIMEDOUT);
	survive(mmsock_senders_died(handle), 0);
	survive(mmsock_remove("p", NULL, MMSOCK_REMOVE_ALWAYS), 0);
	mmsock_close(handle);
	survive(mmsock_sem_create("s", NULL), 1);
	survive(mmsock_sem_open("s", NULL, &sem), 0);
	survive(mmsock_sem_destroy(sem), 0);
	mmsock_sem_close(sem);
	survive(mmsock_sem_remove("s", NULL, MMSOCK_REMOVE_ALWAYS), -ENOENT);
	survive(0, 0);
	pthread_testcancel();
	return NULL;
}

static void test_cancelled_opener(void)
{
	const char *dir = fresh_dir();
	pthread_t thread;
	void *result;

	CHECK(!pthread_create(&thread, NULL, run_cancelled_opener, NULL));
	CHECK(!pthread_join(thread, &result));
	CHECK(result == PTHREAD_CANCELED);
	CHECK_INT(calls_survived, 16);
	CHECK_INT(count_entries(dir), 0);
}

static const struct check_case cases[] = {
	{"a signal ends the wait that it finds, and no other", test_once},
	{"a deadline is kept whatever comes", test_deadlines},
	{"a large port is made whatever comes", test_large_port},
	{"ports come and go whatever comes", test_names},
	{"a thread is not cancelled within a call", test_cancelled},
	{"nor within one that opens files", test_cancelled_opener},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
