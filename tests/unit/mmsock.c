/* SPDX-License-Identifier: MIT */
/*
 * mmsock.c - handles: modes, options, roles, busy marks, interrupts, company
 */
#include "mmsock.h"

#include <ctype.h>
#include <pthread.h>

#include "handle.h"
#include "sandbox.h"

#define BOTH (MMSOCK_SENDER | MMSOCK_RECEIVER)

/* Modes and options. */

static void test_modes_of_nothing(void)
{
	const char *dir = fresh_dir();

	CHECK_INT(try_open("a", MMSOCK_CONNECT_TO_EXISTING), -ENOENT);
	CHECK_INT(count_entries(dir), 0);
	CHECK_INT(try_open("a", MMSOCK_CONNECT_OR_CREATE), 0);
	CHECK_INT(try_open("b", MMSOCK_CREATE_NEW_OVERWRITE), 0);
	CHECK_INT(try_open("c", MMSOCK_CREATE_NEW_EXCLUSIVE), 0);
	CHECK_INT(count_entries(dir), 3);
}

static void test_modes_of_existing(void)
{
	const char *path = join(fresh_dir(), "p");
	ino_t inode;

	create_port("p", 4096, 2);
	inode = inode_of(path);
	CHECK_INT(try_open("p", MMSOCK_CREATE_NEW_EXCLUSIVE), -EEXIST);
	CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), 0);
	CHECK_INT(try_open("p", MMSOCK_CONNECT_OR_CREATE), 0);
	CHECK_INT(inode_of(path), inode);
	CHECK_INT(inspect("p").ring_bytes, 4096);
	CHECK_INT(try_open("p", MMSOCK_CREATE_NEW_OVERWRITE), 0);
	CHECK(inode_of(path) != inode);
	CHECK_INT(inspect("p").ring_bytes, 1 << 20);
}

static void test_no_options(void)
{
	struct mmsock *handle;

	fresh_dir();
	CHECK_INT(mmsock_open("p", NULL, &handle), 0);
	send_text(handle, "x");
	expect_text(handle, "x");
	mmsock_close(handle);
	CHECK_INT(mmsock_create("q", NULL), 1);
	CHECK_INT(mmsock_create("q", NULL), 0);
}

static void expect_refusal(const struct mmsock_options *options,
			   const char *text)
{
	char mark;
	struct mmsock *handle = (void *)&mark;

	CHECK_INT(mmsock_open("p", options, &handle), -EINVAL);
	CHECK(handle == (void *)&mark);
	CHECK(strstr(mmsock_error_text(-EINVAL), text));
	CHECK_INT(count_entries(getenv("MMSOCK_DIR")), 0);
}

static void test_bad_options(void)
{
	struct mmsock_options options = MMSOCK_OPTIONS_INIT;

	fresh_dir();
	options.size = 0;
	expect_refusal(&options, "MMSOCK_OPTIONS_INIT");
	options = options_for(4, 0);
	expect_refusal(&options, "mode 4");
	options = options_for(0, 4);
	expect_refusal(&options, "role 4");
	options = options_for(0, 0);
	options.flags = 4;
	expect_refusal(&options, "flags 4");
	options = options_for(0, 0);
	options.slots = 1025;
	expect_refusal(&options, "1024 slots");
	options = options_for(0, 0);
	options.ring_bytes = UINT64_MAX;
	expect_refusal(&options, "64 GiB");
}

static void test_options_of_old_port(void)
{
	struct mmsock_options options =
		options_for(MMSOCK_CONNECT_OR_CREATE, BOTH);
	struct mmsock *handle;

	fresh_dir();
	create_port("p", 4096, 2);
	options.ring_bytes = UINT64_MAX;
	options.slots = 5000;
	options.type = 99;
	CHECK_INT(mmsock_open("p", &options, &handle), 0);
	CHECK_INT(mmsock_max_message(handle), 4080);
	mmsock_close(handle);
}

static void test_roles(void)
{
	struct mmsock *sender;
	struct mmsock *receiver;
	struct mmsock *neither;
	struct mmsock_run *run;
	const void *message;
	void *buffer;
	char byte;

	fresh_dir();
	CHECK_INT(mmsock_run_new(64, &run), 0);
	sender = open_as("p", MMSOCK_SENDER);
	receiver = open_as("p", MMSOCK_RECEIVER);
	neither = open_as("p", 0);
	CHECK_INT(mmsock_send(receiver, "x", 1, 0), -EPERM);
	CHECK_INT(mmsock_send(neither, "x", 1, 0), -EPERM);
	CHECK_INT(mmsock_reserve(receiver, 1, &buffer, 0), -EPERM);
	CHECK_INT(mmsock_commit(receiver, 1), -EPERM);
	CHECK_INT(mmsock_run_send(receiver, run, 0), -EPERM);
	CHECK_INT(mmsock_recv(sender, &byte, 1, 0), -EPERM);
	CHECK_INT(mmsock_recv(neither, &byte, 1, 0), -EPERM);
	CHECK_INT(mmsock_peek(sender, &message, 0), -EPERM);
	CHECK_INT(mmsock_release(sender), -EPERM);
	CHECK_INT(mmsock_run_recv(sender, run, 0, 0), -EPERM);
	CHECK(strstr(mmsock_error_text(-EPERM), "direction"));
	CHECK_INT(mmsock_wait_peers(neither, 2, 0), 0);
	mmsock_run_free(run);
	mmsock_close(sender);
	mmsock_close(receiver);
	mmsock_close(neither);
}

static void test_close(void)
{
	struct mmsock *handle;

	fresh_dir();
	mmsock_close(NULL);
	handle = open_as("p", BOTH);
	send_text(handle, "stays");
	errno = 12345;
	mmsock_close(handle);
	CHECK_INT(errno, 12345);
	handle = open_as("p", BOTH);
	expect_text(handle, "stays");
	mmsock_close(handle);
}

static void test_two_ports(void)
{
	struct mmsock *a;
	struct mmsock *b;

	fresh_dir();
	a = open_as("a", BOTH);
	b = open_as("b", BOTH);
	send_text(a, "to a");
	send_text(b, "to b");
	expect_text(b, "to b");
	expect_text(a, "to a");
	mmsock_close(a);
	mmsock_close(b);
}

/* Busy handles. */

static void expect_busy(struct mmsock *handle)
{
	struct mmsock_run *run;
	const void *message;
	void *buffer;
	char byte;

	CHECK_INT(mmsock_run_new(64, &run), 0);
	CHECK_INT(mmsock_send(handle, "x", 1, MMSOCK_FOREVER), -EDEADLK);
	CHECK_INT(mmsock_recv(handle, &byte, 1, MMSOCK_FOREVER), -EDEADLK);
	CHECK_INT(mmsock_reserve(handle, 1, &buffer, 0), -EDEADLK);
	CHECK_INT(mmsock_peek(handle, &message, 0), -EDEADLK);
	CHECK_INT(mmsock_run_send(handle, run, 0), -EDEADLK);
	CHECK_INT(mmsock_run_recv(handle, run, 0, 0), -EDEADLK);
	CHECK_INT(mmsock_wait_peers(handle, 0, 0), -EDEADLK);
	CHECK_INT(mmsock_senders_died(handle), -EDEADLK);
	CHECK(strstr(mmsock_error_text(-EDEADLK), "busy"));
	mmsock_run_free(run);
}

static void test_loans(void)
{
	struct mmsock *handle;
	const void *message;
	void *buffer;

	fresh_dir();
	handle = open_as("p", BOTH);
	CHECK_INT(mmsock_commit(handle, 0), -EINVAL);
	CHECK_INT(mmsock_release(handle), -EINVAL);
	CHECK_INT(mmsock_cancel(handle), -EINVAL);
	CHECK_INT(mmsock_reserve(handle, 3, &buffer, 0), 0);
	expect_busy(handle);
	CHECK_INT(mmsock_release(handle), -EDEADLK);
	memcpy(buffer, "abc", 3);
	CHECK_INT(mmsock_commit(handle, 3), 0);
	CHECK_INT(mmsock_peek(handle, &message, 0), 3);
	expect_busy(handle);
	CHECK_INT(mmsock_commit(handle, 0), -EDEADLK);
	CHECK_INT(mmsock_release(handle), 0);
	CHECK_INT(mmsock_cancel(handle), -EINVAL);
	mmsock_close(handle);
}

/* What a signal handler looks at; it has no other way to know. */
static struct mmsock *handlers_handle;
static volatile sig_atomic_t handlers_results;
static volatile sig_atomic_t signals_seen;

static void send_from_handler(int number)
{
	char byte;

	(void)number;
	signals_seen = signals_seen + 1;
	handlers_results =
		mmsock_send(handlers_handle, "x", 1, 0) == -EDEADLK &&
		mmsock_recv(handlers_handle, &byte, 1, 0) == -EDEADLK &&
		mmsock_wait_peers(handlers_handle, 1, 0) == -EDEADLK &&
		mmsock_cancel(handlers_handle) == -EDEADLK;
}

static void interrupt_from_handler(int number)
{
	(void)number;
	signals_seen = signals_seen + 1;
	mmsock_interrupt(handlers_handle);
}

static void just_count(int number)
{
	(void)number;
	signals_seen = signals_seen + 1;
}

static void handle_signal(int number, void (*handler)(int), int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

	CHECK(!sigaction(number, &action, NULL));
}

/* When our parent sleeps, send it a signal. */
static void run_signaller(struct kid *self, void *context)
{
	(void)self;
	await_sleeper("p", getppid(), *(unsigned *)context);
	CHECK(!kill(getppid(), SIGUSR1));
}

static void start_signaller(struct kid *kid, unsigned object)
{
	kid_start(kid, run_signaller, &object);
}

static void fill(struct mmsock *handle)
{
	while (!mmsock_send(handle, "0123456789012345678901234567890", 31, 0))
		;
}

static void test_handler_is_refused(void)
{
	char buffer[64];
	struct kid kid;

	fresh_dir();
	create_port("p", 4096, 4);
	handlers_handle = open_as("p", BOTH);
	handle_signal(SIGUSR1, send_from_handler, 0);
	start_signaller(&kid, MMSOCK_DATA);
	CHECK_INT(mmsock_recv(handlers_handle, buffer, 64, MMSOCK_FOREVER),
		  -EINTR);
	CHECK_INT(handlers_results, 1);
	CHECK_INT(kid_reap(&kid), 0);
	handlers_results = 0;
	start_signaller(&kid, MMSOCK_PEERS);
	CHECK_INT(mmsock_wait_peers(handlers_handle, 1, MMSOCK_FOREVER),
		  -EINTR);
	CHECK_INT(handlers_results, 1);
	CHECK_INT(kid_reap(&kid), 0);
	handlers_results = 0;
	fill(handlers_handle);
	start_signaller(&kid, MMSOCK_SPACE);
	CHECK_INT(mmsock_send(handlers_handle, buffer, 64, MMSOCK_FOREVER),
		  -EINTR);
	CHECK_INT(handlers_results, 1);
	CHECK_INT(kid_reap(&kid), 0);
	mmsock_close(handlers_handle);
}

/* Interrupts. */

static void test_interrupt_before(void)
{
	struct mmsock *handle;
	char buffer[64];

	fresh_dir();
	handle = open_as("p", BOTH);
	mmsock_interrupt(handle);
	CHECK_INT(mmsock_recv(handle, buffer, 64, MMSOCK_FOREVER), -EINTR);
	CHECK_INT(mmsock_recv(handle, buffer, 64, 0), -EAGAIN);
	CHECK_INT(mmsock_recv(handle, buffer, 64, MS), -ETIMEDOUT);
	mmsock_interrupt(handle);
	mmsock_interrupt(handle);
	CHECK_INT(mmsock_wait_peers(handle, 1, SECOND), -EINTR);
	CHECK_INT(mmsock_wait_peers(handle, 1, MS), -ETIMEDOUT);
	mmsock_close(handle);
}

/* One that hits nothing waits for the next call that would block. */
static void test_interrupt_waits(void)
{
	struct mmsock *handle;
	struct mmsock *sender;
	char buffer[64];

	fresh_dir();
	handle = open_as("p", BOTH);
	sender = open_as("p", MMSOCK_SENDER);
	mmsock_interrupt(handle);
	CHECK_INT(mmsock_recv(handle, buffer, 64, 0), -EAGAIN);
	send_text(handle, "x");
	expect_text(handle, "x");
	CHECK_INT(mmsock_wait_peers(handle, 0, MMSOCK_FOREVER), 0);
	CHECK_INT(mmsock_recv(handle, buffer, 64, MMSOCK_FOREVER), -EINTR);
	mmsock_interrupt(handle);
	fill(handle);
	CHECK_INT(mmsock_send(handle, buffer, 64, MMSOCK_FOREVER), -EINTR);
	CHECK_INT(mmsock_send(handle, buffer, 64, 0), -EAGAIN);
	mmsock_close(sender);
	mmsock_close(handle);
}

static void test_interrupt_from_handler(void)
{
	char buffer[64];
	struct kid kid;

	fresh_dir();
	handlers_handle = open_as("p", BOTH);
	handle_signal(SIGUSR1, interrupt_from_handler, SA_RESTART);
	start_signaller(&kid, MMSOCK_DATA);
	CHECK_INT(mmsock_recv(handlers_handle, buffer, 64, MMSOCK_FOREVER),
		  -EINTR);
	CHECK_INT(signals_seen, 1);
	CHECK_INT(kid_reap(&kid), 0);
	CHECK_INT(mmsock_recv(handlers_handle, buffer, 64, MS), -ETIMEDOUT);
	mmsock_close(handlers_handle);
}

/* Another thread that interrupts or signals, once a round. */
struct heckler {
	struct mmsock *handle;
	pthread_t victim;
	int number; /* signal to send, or 0 to interrupt */
	_Atomic int round;
};

enum {
	ROUNDS = 1000
};

/*
 * The thread sanitizer runs a handler when the thread next calls a function that
 * it knows, and a futex is none: a signal that comes right before is seen only
 * when the sleep is over.  That the call ends with -EINTR holds there too.
 */
#if defined(__SANITIZE_THREAD__)
#define SIGNALS_ARE_HELD_BACK true
#else
#define SIGNALS_ARE_HELD_BACK false
#endif

static void heckle_once(struct heckler *heckler, int round)
{
	/* From the entry of the call into its spin and beyond. */
	int64_t until = now_ns() + (int64_t)(round * 7919 % 200) * 1000;

	while (now_ns() < until)
		;
	if (heckler->number)
		pthread_kill(heckler->victim, heckler->number);
	else
		mmsock_interrupt(heckler->handle);
}

static void *heckle(void *context)
{
	struct heckler *heckler = context;
	int round;

	for (round = 1; round <= ROUNDS; round++) {
		while (heckler->round < round)
			sched_yield();
		heckle_once(heckler, round);
	}
	return NULL;
}

/* @call would block for ever but for the heckler, and does where one is lost. */
static void be_heckled(int64_t spin_ns, int number,
		       int (*call)(struct mmsock *handle))
{
	struct mmsock_options options =
		options_for(MMSOCK_CONNECT_OR_CREATE, BOTH);
	struct heckler heckler = {.number = number};
	pthread_t thread;
	int round;

	fresh_dir();
	options.spin_ns = spin_ns;
	options.ring_bytes = 4096;
	CHECK_INT(mmsock_open("p", &options, &heckler.handle), 0);
	heckler.handle->waiter.no_recheck = !number || !SIGNALS_ARE_HELD_BACK;
	handlers_handle = heckler.handle;
	handle_signal(SIGUSR1, interrupt_from_handler, SA_RESTART);
	heckler.victim = pthread_self();
	CHECK(!pthread_create(&thread, NULL, heckle, &heckler));
	for (round = 1; round <= ROUNDS; round++) {
		heckler.round = round;
		CHECK_INT(call(heckler.handle), -EINTR);
	}
	CHECK(!pthread_join(thread, NULL));
	mmsock_close(heckler.handle);
}

static int receive(struct mmsock *handle)
{
	char buffer[64];

	return (int)mmsock_recv(handle, buffer, 64, MMSOCK_FOREVER);
}

static int await_company(struct mmsock *handle)
{
	return mmsock_wait_peers(handle, 1, MMSOCK_FOREVER);
}

static int send_too_much(struct mmsock *handle)
{
	char buffer[1000] = "";
	int r;

	do {
		r = mmsock_send(handle, buffer, 1000, MMSOCK_FOREVER);
	} while (!r);
	return r;
}

static void test_interrupt_any_time(void)
{
	be_heckled(MMSOCK_SPIN_ADAPTIVE, 0, receive);
	be_heckled(0, 0, receive);
	be_heckled(MMSOCK_SPIN_ONLY, 0, receive);
	be_heckled(0, 0, send_too_much);
	be_heckled(0, 0, await_company);
}

static void test_interrupt_signal_any_time(void)
{
	be_heckled(MMSOCK_SPIN_ADAPTIVE, SIGUSR1, receive);
	be_heckled(0, SIGUSR1, receive);
	be_heckled(MMSOCK_SPIN_ADAPTIVE, SIGUSR1, send_too_much);
	CHECK_INT(signals_seen, 3 * ROUNDS);
}

/* Plain signals. */

static void test_signal(void)
{
	struct mmsock *handle;
	char buffer[64];
	struct kid kid;

	fresh_dir();
	handle = open_as("p", BOTH);
	handle_signal(SIGUSR1, just_count, 0);
	start_signaller(&kid, MMSOCK_DATA);
	CHECK_INT(mmsock_recv(handle, buffer, 64, 60 * SECOND), -EINTR);
	CHECK_INT(signals_seen, 1);
	CHECK_INT(kid_reap(&kid), 0);
	send_text(handle, "x");
	expect_text(handle, "x");
	mmsock_close(handle);
}

static void set_timer(int64_t period_ns)
{
	struct itimerspec spec = {0};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
				 .sigev_signo = SIGUSR1};
	timer_t timer;

	spec.it_interval.tv_nsec = spec.it_value.tv_nsec = period_ns;
	CHECK(!timer_create(CLOCK_MONOTONIC, &event, &timer));
	CHECK(!timer_settime(timer, 0, &spec, NULL));
}

/* One that never sleeps is never interrupted, and ends on time. */
static void test_deadline_under_signals(void)
{
	struct mmsock_options options =
		options_for(MMSOCK_CONNECT_OR_CREATE, BOTH);
	struct mmsock *handle;
	char buffer[64];
	int64_t start;

	fresh_dir();
	options.spin_ns = MMSOCK_SPIN_ONLY;
	CHECK_INT(mmsock_open("p", &options, &handle), 0);
	handle_signal(SIGUSR1, just_count, SA_RESTART);
	set_timer(100000);
	do {
		start = now_ns();
		CHECK_INT(mmsock_recv(handle, buffer, 64, 100 * MS),
			  -ETIMEDOUT);
		CHECK(now_ns() - start >= 100 * MS);
		CHECK(now_ns() - start < 10 * SECOND);
	} while (signals_seen <= 10);
	mmsock_close(handle);
}

enum {
	STREAM = 50000
};

static void run_streamer(struct kid *self, void *context)
{
	struct mmsock *handle = open_as("p", MMSOCK_SENDER);
	int64_t number = 0;
	int r;

	(void)self;
	(void)context;
	handle_signal(SIGUSR1, just_count, 0);
	set_timer(100000);
	while (number < STREAM) {
		r = mmsock_send(handle, &number, sizeof(number),
				MMSOCK_FOREVER);
		CHECK(!r || r == -EINTR);
		number += !r;
	}
	mmsock_close(handle);
}

static void test_stream_under_signals(void)
{
	struct mmsock *handle;
	int64_t expected = 0;
	int64_t number = 0;
	struct kid kid;
	ssize_t length;
	int status;

	fresh_dir();
	create_port("p", 4096, 2);
	handle = open_as("p", MMSOCK_RECEIVER);
	handle_signal(SIGUSR1, just_count, 0);
	kid_start(&kid, run_streamer, NULL);
	set_timer(100000);
	while (expected < STREAM) {
		length = mmsock_recv(handle, &number, sizeof(number),
				     MMSOCK_FOREVER);
		if (length == -EINTR)
			continue;
		CHECK_INT(length, sizeof(number));
		CHECK_INT(number, expected++);
	}
	do {
		length = mmsock_recv(handle, &number, sizeof(number),
				     MMSOCK_FOREVER);
	} while (length == -EINTR);
	CHECK_INT(length, -ENODATA);
	while (waitpid(kid.pid, &status, 0) < 0 && errno == EINTR)
		;
	CHECK_INT(status, 0);
	mmsock_close(handle);
}

/* Company. */

static void run_member(struct kid *self, void *context)
{
	struct mmsock *handle = open_as("p", *(unsigned *)context);

	meet(self);
	mmsock_close(handle);
}

static void start_member(struct kid *kid, unsigned role)
{
	kid_start(kid, run_member, &role);
	CHECK(hear(kid));
}

static void test_company(void)
{
	struct mmsock *sender;
	struct mmsock *receiver;
	struct mmsock *both;

	fresh_dir();
	sender = open_as("p", MMSOCK_SENDER);
	CHECK_INT(mmsock_wait_peers(sender, 0, 0), 0);
	CHECK_INT(mmsock_wait_peers(sender, 1, 0), -EAGAIN);
	CHECK_INT(mmsock_wait_peers(sender, 1, MS), -ETIMEDOUT);
	receiver = open_as("p", MMSOCK_RECEIVER);
	CHECK_INT(mmsock_wait_peers(sender, 1, 0), 0);
	CHECK_INT(mmsock_wait_peers(sender, 1, MMSOCK_FOREVER), 0);
	CHECK_INT(mmsock_wait_peers(receiver, 1, 0), 0);
	CHECK_INT(mmsock_wait_peers(sender, 2, 0), -EAGAIN);
	CHECK_INT(mmsock_wait_peers(receiver, 2, 0), -EAGAIN);
	both = open_as("p", BOTH);
	CHECK_INT(mmsock_wait_peers(both, 2, 0), 0);
	CHECK_INT(mmsock_wait_peers(both, 3, 0), -EAGAIN);
	CHECK_INT(mmsock_wait_peers(sender, 2, 0), 0);
	CHECK_INT(mmsock_wait_peers(receiver, 2, 0), 0);
	mmsock_close(both);
	mmsock_close(receiver);
	CHECK_INT(mmsock_wait_peers(sender, 1, 0), -EAGAIN);
	mmsock_close(sender);
}

static void test_dead_are_no_company(void)
{
	struct mmsock *handle;
	struct kid kid;

	fresh_dir();
	handle = open_as("p", MMSOCK_SENDER);
	start_member(&kid, MMSOCK_RECEIVER);
	CHECK_INT(mmsock_wait_peers(handle, 1, 0), 0);
	kid_stop(&kid);
	CHECK_INT(mmsock_wait_peers(handle, 1, 0), 0);
	kid_kill(&kid);
	CHECK_INT(mmsock_wait_peers(handle, 1, 0), -EAGAIN);
	mmsock_close(handle);
}

/* Comes when our parent sleeps waiting for peers. */
static void run_late_member(struct kid *self, void *context)
{
	await_sleeper("p", getppid(), MMSOCK_PEERS);
	run_member(self, context);
}

static void test_company_comes(void)
{
	unsigned role = MMSOCK_RECEIVER;
	struct mmsock *handle;
	struct kid kid;
	int64_t start;

	fresh_dir();
	handle = open_as("p", MMSOCK_SENDER);
	kid_start(&kid, run_late_member, &role);
	CHECK_INT(mmsock_wait_peers(handle, 1, MMSOCK_FOREVER), 0);
	CHECK_INT(handle->port.row->late_wakes, 0);
	CHECK(hear(&kid));
	kid_end(&kid);
	/* One who comes and is of the wrong role does not count. */
	role = MMSOCK_SENDER;
	start = now_ns();
	kid_start(&kid, run_late_member, &role);
	CHECK_INT(mmsock_wait_peers(handle, 1, 100 * MS), -ETIMEDOUT);
	CHECK(now_ns() - start >= 100 * MS);
	kill(kid.pid, SIGKILL);
	kid_reap(&kid);
	mmsock_close(handle);
}

static void run_ender(struct kid *self, void *context)
{
	const unsigned *mode = context;

	(void)self;
	await_sleeper("p", getppid(), MMSOCK_PEERS);
	if (*mode)
		CHECK_INT(try_open("p", *mode), 0);
	else
		CHECK_INT(mmsock_remove("p", NULL, MMSOCK_REMOVE_ALWAYS), 0);
}

static void test_company_of_lost_port(void)
{
	unsigned modes[] = {0, MMSOCK_CREATE_NEW_OVERWRITE};
	int errors[] = {-EIDRM, -ESTALE};
	struct mmsock *handle;
	struct kid kid;
	size_t i;

	for (i = 0; i < 2; i++) {
		fresh_dir();
		handle = open_as("p", MMSOCK_SENDER);
		kid_start(&kid, run_ender, &modes[i]);
		CHECK_INT(mmsock_wait_peers(handle, 1, MMSOCK_FOREVER),
			  errors[i]);
		CHECK_INT(mmsock_wait_peers(handle, 1, 0), errors[i]);
		CHECK_INT(kid_reap(&kid), 0);
		mmsock_close(handle);
	}
}

/* Texts. */

static void test_texts(void)
{
	static const int errors[] = {
		EACCES,   EAGAIN,       EBADMSG, EBUSY,     ECHILD,
		EDEADLK,  EEXIST,       EIDRM,   EINTR,     EINVAL,
		EMSGSIZE, ENOBUFS,      ENODATA, ENOENT,    ENOSPC,
		ENOTSOCK, EPERM,        ESTALE,  ETIMEDOUT, EPROTONOSUPPORT,
		EUSERS,   ENAMETOOLONG,
	};
	const char *text;
	size_t i;
	size_t j;

	for (i = 0; i < CHECK_COUNT(errors); i++) {
		text = mmsock_error_text(errors[i]);
		CHECK_STR(mmsock_error_text(-errors[i]), text);
		CHECK(islower(text[0]));
		CHECK(text[strlen(text) - 1] != '.');
		CHECK(strcmp(text, strerror(errors[i])));
		for (j = 0; j < i; j++)
			CHECK(strcmp(text, mmsock_error_text(errors[j])));
	}
	CHECK_STR(mmsock_error_text(0), "no error");
	CHECK(mmsock_error_text(INT32_MIN + 1)[0]);
}

static void *fail_elsewhere(void *context)
{
	(void)context;
	CHECK_INT(mmsock_create("", NULL), -EINVAL);
	CHECK(strstr(mmsock_error_text(-EINVAL), "empty"));
	return NULL;
}

static void test_texts_of_threads(void)
{
	pthread_t thread;

	fresh_dir();
	CHECK_INT(mmsock_create("a b", NULL), -EINVAL);
	CHECK(!pthread_create(&thread, NULL, fail_elsewhere, NULL));
	CHECK(!pthread_join(thread, NULL));
	CHECK(strstr(mmsock_error_text(-EINVAL), "letters"));
}

/* A text is of the last failure, not of one before, nor of a success. */
static void test_texts_are_fresh(void)
{
	const char *path = join(fresh_dir(), "p");
	struct mmsock_info info = {.size = sizeof(info)};
	struct mms_control *control;
	struct mmsock *handle;

	CHECK_INT(mmsock_create("", NULL), -EINVAL);
	CHECK_INT(mmsock_remove("p", NULL, 99), -EINVAL);
	CHECK_STR(mmsock_error_text(-EINVAL), "invalid argument");
	create_port("q", 4096, 1);
	CHECK(!truncate(join(getenv("MMSOCK_DIR"), "q"), 100));
	create_port("p", 4096, 2);
	handle = open_as("p", MMSOCK_SENDER);
	CHECK_INT(mmsock_inspect("q", NULL, &info), 0);
	control = map_control(path);
	control->send.at = 1 << 20;
	CHECK_INT(mmsock_send(handle, "x", 1, 0), -EBADMSG);
	CHECK(!strstr(mmsock_error_text(-EBADMSG), "cut short"));
	mmsock_close(handle);
}

static void test_facts(void)
{
	struct mmsock *handle;

	fresh_dir();
	CHECK_STR(mmsock_version(), MMSOCK_VERSION);
	handle = open_as("p", 0);
	CHECK_INT(mmsock_max_message(handle), 1 << 19);
	CHECK_INT(mmsock_senders_died(handle), 0);
	mmsock_close(handle);
}

static const struct check_case cases[] = {
	{"the four modes where there is nothing", test_modes_of_nothing},
	{"the four modes where there is a port", test_modes_of_existing},
	{"no options are good options", test_no_options},
	{"bad options are refused by name", test_bad_options},
	{"an old port's sizes are its own", test_options_of_old_port},
	{"a handle does what it was opened for", test_roles},
	{"closing keeps the messages and errno", test_close},
	{"two ports are two ports", test_two_ports},
	{"while something is lent only its end is allowed", test_loans},
	{"a signal handler cannot use a busy handle", test_handler_is_refused},
	{"an interrupt before the call ends it", test_interrupt_before},
	{"an interrupt waits for a call that blocks", test_interrupt_waits},
	{"an interrupt from a signal handler ends the call",
	 test_interrupt_from_handler},
	{"no interrupt is lost at any moment", test_interrupt_any_time},
	{"nor from a signal handler", test_interrupt_signal_any_time},
	{"a plain signal ends a blocked call, and nothing is lost",
	 test_signal},
	{"signals do not stretch a deadline", test_deadline_under_signals},
	{"10000 signals a second lose nothing", test_stream_under_signals},
	{"company is counted by role", test_company},
	{"the dead are no company, the stopped are", test_dead_are_no_company},
	{"who waits for company is woken by it", test_company_comes},
	{"who waits for company learns that the port is gone",
	 test_company_of_lost_port},
	{"every error has a sentence of its own", test_texts},
	{"a thread has its own texts", test_texts_of_threads},
	{"a text belongs to the last failure", test_texts_are_fresh},
	{"facts about a handle", test_facts},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
