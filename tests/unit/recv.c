/* SPDX-License-Identifier: MIT */
/*
 * recv.c - the receiving end: end of stream, loans, runs, dead and stopped
 * holders, lost ports
 */
#include "handle.h"
#include "sandbox.h"

#define BOTH (MMSOCK_SENDER | MMSOCK_RECEIVER)

static int64_t try_recv(struct mmsock *handle, int64_t timeout_ns)
{
	char buffer[4096];

	return mmsock_recv(handle, buffer, sizeof(buffer), timeout_ns);
}

static struct mmsock *open_keeping(void)
{
	struct mmsock_options options =
		options_for(MMSOCK_CONNECT_OR_CREATE, MMSOCK_RECEIVER);
	struct mmsock *handle;

	options.flags = MMSOCK_KEEP_OPEN;
	CHECK_INT(mmsock_open("p", &options, &handle), 0);
	return handle;
}

/* Waiting. */

static void test_empty(void)
{
	struct mmsock *handle;
	int64_t start;

	fresh_dir();
	handle = open_as("p", MMSOCK_RECEIVER);
	CHECK_INT(try_recv(handle, 0), -EAGAIN);
	start = now_ns();
	CHECK_INT(try_recv(handle, 50 * MS), -ETIMEDOUT);
	CHECK(now_ns() - start >= 50 * MS);
	CHECK_INT(try_recv(handle, 0), -EAGAIN);
	mmsock_close(handle);
}

struct receiving {
	int64_t timeout_ns;
	int64_t want;
	bool keep_open;
};

static void run_receiver(struct kid *self, void *context)
{
	struct receiving *receiving = context;
	struct mmsock *handle = receiving->keep_open
					? open_keeping()
					: open_as("p", MMSOCK_RECEIVER);

	tell(self);
	CHECK_INT(try_recv(handle, receiving->timeout_ns), receiving->want);
	mmsock_close(handle);
}

/* A receiver who is asleep, waiting for a message. */
static void start_receiver(struct kid *kid, int64_t timeout_ns, int64_t want,
			   bool keep_open)
{
	struct receiving receiving = {timeout_ns, want, keep_open};

	kid_start(kid, run_receiver, &receiving);
	CHECK(hear(kid));
	await_sleeper("p", kid->pid, MMSOCK_DATA);
}

static void test_waits(void)
{
	const int64_t spans[] = {MMSOCK_FOREVER, 60 * SECOND, INT64_MAX};
	struct mmsock *handle;
	struct kid kid;
	size_t i;

	fresh_dir();
	handle = open_as("p", MMSOCK_SENDER);
	for (i = 0; i < CHECK_COUNT(spans); i++) {
		start_receiver(&kid, spans[i], 5, false);
		send_text(handle, "hello");
		CHECK_INT(kid_reap(&kid), 0);
	}
	CHECK_INT(inspect("p").late_wakes, 0);
	mmsock_close(handle);
}

/* As many are woken as there are messages, also if they come as a run. */
static void test_many_wait(void)
{
	struct mmsock_run *run;
	struct mmsock *handle;
	struct kid kids[4];
	size_t i;

	fresh_dir();
	handle = open_as("p", MMSOCK_SENDER);
	for (i = 0; i < 4; i++)
		start_receiver(&kids[i], MMSOCK_FOREVER, 3, false);
	CHECK_INT(mmsock_run_new(1024, &run), 0);
	for (i = 0; i < 3; i++)
		CHECK_INT(mmsock_run_add(run, "abc", 3), 0);
	CHECK_INT(mmsock_run_send(handle, run, 0), 0);
	send_text(handle, "abc");
	for (i = 0; i < 4; i++)
		CHECK_INT(kid_reap(&kids[i]), 0);
	CHECK_INT(inspect("p").messages, 0);
	mmsock_run_free(run);
	mmsock_close(handle);
}

static void test_small_buffer(void)
{
	struct mmsock *handle;
	char buffer[16] = "";

	fresh_dir();
	handle = open_as("p", BOTH);
	send_text(handle, "twelve bytes");
	CHECK_INT(mmsock_recv(handle, buffer, 11, MMSOCK_FOREVER), -EMSGSIZE);
	CHECK_STR(mmsock_error_text(-EMSGSIZE),
		  "the message has 12 bytes, the buffer 11");
	CHECK_STR(buffer, "");
	CHECK_INT(mmsock_recv(handle, NULL, 0, 0), -EMSGSIZE);
	CHECK_INT(inspect("p").messages, 1);
	CHECK_INT(mmsock_recv(handle, buffer, 12, 0), 12);
	CHECK_STR(buffer, "twelve bytes");
	CHECK_INT(mmsock_send(handle, "", 0, 0), 0);
	CHECK_INT(mmsock_recv(handle, buffer, 0, 0), 0);
	mmsock_close(handle);
}

/* End of stream. */

static void test_end_of_stream(void)
{
	struct mmsock *receiver;
	struct mmsock *sender;

	fresh_dir();
	receiver = open_as("p", MMSOCK_RECEIVER);
	sender = open_as("p", MMSOCK_SENDER);
	CHECK_INT(try_recv(receiver, 0), -EAGAIN);
	send_text(sender, "one");
	send_text(sender, "two");
	mmsock_close(sender);
	expect_text(receiver, "one");
	expect_text(receiver, "two");
	CHECK_INT(try_recv(receiver, 0), -ENODATA);
	CHECK_INT(try_recv(receiver, 1), -ENODATA);
	CHECK_INT(try_recv(receiver, MMSOCK_FOREVER), -ENODATA);
	/* The next sender begins another stream. */
	sender = open_as("p", MMSOCK_SENDER);
	CHECK_INT(try_recv(receiver, 0), -EAGAIN);
	send_text(sender, "three");
	expect_text(receiver, "three");
	CHECK_INT(try_recv(receiver, MS), -ETIMEDOUT);
	mmsock_close(sender);
	CHECK_INT(try_recv(receiver, 0), -ENODATA);
	mmsock_close(receiver);
}

/* A sender who came and went and said nothing was a stream too. */
static void test_silent_sender(void)
{
	struct mmsock *receiver;

	fresh_dir();
	receiver = open_as("p", MMSOCK_RECEIVER);
	CHECK_INT(try_recv(receiver, 0), -EAGAIN);
	CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), 0);
	CHECK_INT(try_recv(receiver, MMSOCK_FOREVER), -ENODATA);
	mmsock_close(receiver);
}

static void test_left_behind(void)
{
	struct mmsock *handle;

	fresh_dir();
	handle = open_as("p", MMSOCK_SENDER);
	send_text(handle, "left behind");
	mmsock_close(handle);
	handle = open_as("p", MMSOCK_RECEIVER);
	expect_text(handle, "left behind");
	CHECK_INT(try_recv(handle, MMSOCK_FOREVER), -ENODATA);
	mmsock_close(handle);
	/* Who comes after everything was drained waits for the next. */
	handle = open_as("p", MMSOCK_RECEIVER);
	CHECK_INT(try_recv(handle, 0), -EAGAIN);
	CHECK_INT(try_recv(handle, 10 * MS), -ETIMEDOUT);
	mmsock_close(handle);
}

static void test_two_senders(void)
{
	struct mmsock *receiver;
	struct mmsock *one;
	struct mmsock *two;

	fresh_dir();
	receiver = open_as("p", MMSOCK_RECEIVER);
	one = open_as("p", MMSOCK_SENDER);
	two = open_as("p", MMSOCK_SENDER);
	send_text(one, "x");
	mmsock_close(one);
	expect_text(receiver, "x");
	CHECK_INT(try_recv(receiver, 0), -EAGAIN);
	mmsock_close(two);
	CHECK_INT(try_recv(receiver, 0), -ENODATA);
	mmsock_close(receiver);
}

/* One's own sending role keeps nobody waiting. */
static void test_own_role(void)
{
	struct mmsock *handle;
	struct mmsock *other;

	fresh_dir();
	handle = open_as("p", BOTH);
	CHECK_INT(try_recv(handle, 0), -EAGAIN);
	other = open_as("p", BOTH);
	CHECK_INT(try_recv(handle, 0), -EAGAIN);
	mmsock_close(other);
	CHECK_INT(try_recv(handle, 0), -ENODATA);
	send_text(handle, "x");
	expect_text(handle, "x");
	CHECK_INT(try_recv(handle, MMSOCK_FOREVER), -ENODATA);
	mmsock_close(handle);
}

static void test_keep_open(void)
{
	struct mmsock *receiver;
	struct mmsock *sender;

	fresh_dir();
	receiver = open_keeping();
	sender = open_as("p", MMSOCK_SENDER);
	send_text(sender, "x");
	mmsock_close(sender);
	expect_text(receiver, "x");
	CHECK_INT(try_recv(receiver, 0), -EAGAIN);
	CHECK_INT(try_recv(receiver, 10 * MS), -ETIMEDOUT);
	mmsock_close(receiver);
}

static void test_end_wakes_all(void)
{
	struct mmsock *one;
	struct mmsock *two;
	struct kid kids[3];
	int64_t start;
	size_t i;

	fresh_dir();
	one = open_as("p", MMSOCK_SENDER);
	two = open_as("p", MMSOCK_SENDER);
	for (i = 0; i < 3; i++)
		start_receiver(&kids[i], MMSOCK_FOREVER, -ENODATA, false);
	mmsock_close(one);
	start = now_ns();
	mmsock_close(two);
	for (i = 0; i < 3; i++)
		CHECK_INT(kid_reap(&kids[i]), 0);
	CHECK(now_ns() - start < SECOND);
}

/* The first of the sleeping receivers came before any sender. */
static void test_end_wakes_the_early(void)
{
	struct mmsock *sender;
	struct kid kid;
	int64_t start;

	fresh_dir();
	create_port("p", 4096, 4);
	start_receiver(&kid, MMSOCK_FOREVER, -ENODATA, false);
	sender = open_as("p", MMSOCK_SENDER);
	start = now_ns();
	mmsock_close(sender);
	CHECK_INT(kid_reap(&kid), 0);
	CHECK(now_ns() - start < SECOND);
}

static void run_sender(struct kid *self, void *context)
{
	struct mmsock *handle = open_as("p", MMSOCK_SENDER);

	if (context)
		send_text(handle, context);
	meet(self);
	mmsock_close(handle);
}

static void start_sender(struct kid *kid, const char *text)
{
	char copy[64];

	if (text)
		strcpy(copy, text);
	kid_start(kid, run_sender, text ? copy : NULL);
	CHECK(hear(kid));
}

static void test_sender_is_killed(void)
{
	struct mmsock *handle;
	struct kid sender;
	struct kid kid;
	int64_t start;

	fresh_dir();
	handle = open_as("p", MMSOCK_RECEIVER);
	start_sender(&sender, "last words");
	expect_text(handle, "last words");
	start_receiver(&kid, MMSOCK_FOREVER, -ENODATA, false);
	start = now_ns();
	kid_kill(&sender);
	CHECK_INT(try_recv(handle, MMSOCK_FOREVER), -ENODATA);
	CHECK_INT(kid_reap(&kid), 0);
	CHECK(now_ns() - start < SECOND);
	CHECK_INT(mmsock_senders_died(handle), 1);
	mmsock_close(handle);
}

/* It comes, and is killed, while the receiver sleeps. */
static void test_sender_flashes_by(void)
{
	struct kid sender;
	struct kid kid;
	int64_t start;

	fresh_dir();
	create_port("p", 4096, 4);
	start_receiver(&kid, MMSOCK_FOREVER, -ENODATA, false);
	start_sender(&sender, NULL);
	start = now_ns();
	kid_kill(&sender);
	CHECK_INT(kid_reap(&kid), 0);
	CHECK(now_ns() - start < 5 * SECOND);
}

static void run_deaf(struct kid *self, void *context)
{
	struct mmsock *handle = open_as("p", MMSOCK_RECEIVER);

	(void)context;
	handle->waiter.no_recheck = true;
	tell(self);
	CHECK_INT(try_recv(handle, MMSOCK_FOREVER), -ENODATA);
	mmsock_close(handle);
}

static int add_sleeps(const struct mmsock_peer *peer, void *context)
{
	*(uint64_t *)context += peer->sleeps;
	return 0;
}

/*
 * Who sleeps before there is a sender is woken to look at him, and from then on
 * asks whether he is alive: with no other look, he sleeps a second time.
 */
static void test_sender_comes_late(void)
{
	struct mmsock *sender;
	uint64_t sleeps = 0;
	struct kid kid;

	fresh_dir();
	create_port("p", 4096, 4);
	kid_start(&kid, run_deaf, NULL);
	CHECK(hear(&kid));
	await_sleeper("p", kid.pid, MMSOCK_DATA);
	sender = open_as("p", MMSOCK_SENDER);
	while (sleeps < 2) {
		sched_yield();
		sleeps = 0;
		CHECK_INT(mmsock_inspect_peers("p", NULL, add_sleeps, &sleeps),
			  0);
	}
	mmsock_close(sender);
	CHECK_INT(kid_reap(&kid), 0);
}

static void test_stopped_sender(void)
{
	struct mmsock *handle;
	struct kid sender;

	fresh_dir();
	handle = open_as("p", MMSOCK_RECEIVER);
	start_sender(&sender, "x");
	expect_text(handle, "x");
	kid_stop(&sender);
	CHECK_INT(try_recv(handle, 150 * MS), -ETIMEDOUT);
	kid_continue(&sender);
	kid_end(&sender);
	CHECK_INT(try_recv(handle, MMSOCK_FOREVER), -ENODATA);
	mmsock_close(handle);
}

enum {
	FAREWELLS = 300
};

static void run_farewells(struct kid *self, void *context)
{
	struct mmsock *handle;
	int i;

	(void)context;
	for (i = 0; i < FAREWELLS; i++) {
		CHECK(hear(self));
		handle = open_as("p", MMSOCK_SENDER);
		send_text(handle, "good-bye");
		mmsock_close(handle);
	}
}

/* The last message comes before the end, however close they follow. */
static void test_last_message(void)
{
	struct mmsock *handle;
	struct kid kid;
	int i;

	fresh_dir();
	kid_start(&kid, run_farewells, NULL);
	for (i = 0; i < FAREWELLS; i++) {
		handle = open_as("p", MMSOCK_RECEIVER);
		tell(&kid);
		expect_text(handle, "good-bye");
		CHECK_INT(try_recv(handle, MMSOCK_FOREVER), -ENODATA);
		mmsock_close(handle);
	}
	CHECK_INT(kid_reap(&kid), 0);
}

/* Loans. */

static void test_peek(void)
{
	struct mmsock *handle;
	const void *message;
	int i;

	fresh_dir();
	handle = open_as("p", BOTH);
	CHECK_INT(mmsock_peek(handle, &message, 0), -EAGAIN);
	CHECK_INT(mmsock_peek(handle, &message, MS), -ETIMEDOUT);
	send_text(handle, "one");
	send_text(handle, "two");
	for (i = 0; i < 3; i++) {
		CHECK_INT(mmsock_peek(handle, &message, 0), 3);
		CHECK(!memcmp(message, "one", 3));
		CHECK_INT(mmsock_cancel(handle), 0);
	}
	CHECK_INT(inspect("p").messages, 2);
	CHECK_INT(mmsock_peek(handle, &message, MMSOCK_FOREVER), 3);
	CHECK_INT(mmsock_release(handle), 0);
	CHECK_INT(inspect("p").messages, 1);
	CHECK_INT(mmsock_peek(handle, &message, 0), 3);
	CHECK(!memcmp(message, "two", 3));
	CHECK_INT(mmsock_release(handle), 0);
	CHECK_INT(mmsock_peek(handle, &message, 0), -ENODATA);
	mmsock_close(handle);
}

/* Also across the end of the ring. */
static void test_peek_is_whole(void)
{
	char text[1001];
	struct mmsock *handle;
	const void *message;
	int i;

	fresh_dir();
	create_port("p", 4096, 2);
	handle = open_as("p", BOTH);
	for (i = 0; i < 100; i++) {
		memset(text, 'a' + i % 26, 1000);
		CHECK_INT(mmsock_send(handle, text, 1000, 0), 0);
		CHECK_INT(mmsock_peek(handle, &message, 0), 1000);
		CHECK_INT((uintptr_t)message % 8, 0);
		CHECK(!memcmp(message, text, 1000));
		CHECK_INT(mmsock_release(handle), 0);
	}
	mmsock_close(handle);
}

static void test_close_with_loan(void)
{
	struct mmsock *handle;
	struct mmsock *other;
	const void *message;

	fresh_dir();
	handle = open_as("p", MMSOCK_RECEIVER);
	other = open_as("p", BOTH);
	send_text(other, "x");
	CHECK_INT(mmsock_peek(handle, &message, 0), 1);
	CHECK_INT(try_recv(other, 0), -EBUSY);
	CHECK_INT(try_recv(other, 10 * MS), -ETIMEDOUT);
	mmsock_close(handle);
	expect_text(other, "x");
	mmsock_close(other);
}

/* Runs. */

static struct mmsock_run *new_run(size_t bytes)
{
	struct mmsock_run *run;

	CHECK_INT(mmsock_run_new(bytes, &run), 0);
	return run;
}

static void send_numbers(struct mmsock *handle, int from, int to)
{
	for (; from < to; from++)
		CHECK_INT(mmsock_send(handle, &from, sizeof(from), 0), 0);
}

static void expect_numbers(struct mmsock_run *run, int from, int to)
{
	const void *message;
	size_t length;

	CHECK_INT(mmsock_run_count(run), to - from);
	for (; from < to; from++) {
		CHECK_INT(mmsock_run_next(run, &message, &length), 1);
		CHECK_INT(length, sizeof(from));
		CHECK(!memcmp(message, &from, sizeof(from)));
	}
	CHECK_INT(mmsock_run_next(run, &message, &length), 0);
	CHECK_INT(mmsock_run_count(run), 0);
}

static void test_run(void)
{
	struct mmsock_run *run = new_run(1 << 16);
	struct mmsock *handle;

	fresh_dir();
	create_port("p", 1 << 16, 2);
	handle = open_as("p", BOTH);
	CHECK_INT(mmsock_run_recv(handle, run, 0, 0), -EAGAIN);
	CHECK_INT(mmsock_run_recv(handle, run, 0, MS), -ETIMEDOUT);
	send_numbers(handle, 0, 500);
	CHECK_INT(mmsock_run_recv(handle, run, 1, MMSOCK_FOREVER), 1);
	expect_numbers(run, 0, 1);
	CHECK_INT(mmsock_run_recv(handle, run, 64, 0), 64);
	expect_numbers(run, 1, 65);
	CHECK_INT(mmsock_run_recv(handle, run, 100, 0), 100);
	expect_numbers(run, 65, 165);
	/* What was not read is forgotten, not received twice. */
	CHECK_INT(mmsock_run_recv(handle, run, 5, 0), 5);
	CHECK_INT(mmsock_run_recv(handle, run, 0, 0), 330);
	expect_numbers(run, 170, 500);
	CHECK_INT(mmsock_run_recv(handle, run, 0, 0), -ENODATA);
	mmsock_run_free(run);
	mmsock_close(handle);
}

static void test_run_is_small(void)
{
	struct mmsock_run *run = new_run(160);
	struct mmsock *handle;
	const void *message;
	char text[2000];
	size_t length;

	fresh_dir();
	create_port("p", 4096, 2);
	handle = open_as("p", BOTH);
	send_numbers(handle, 0, 25);
	CHECK_INT(mmsock_run_recv(handle, run, 0, 0), 10);
	expect_numbers(run, 0, 10);
	CHECK_INT(mmsock_run_recv(handle, run, 0, 0), 10);
	expect_numbers(run, 10, 20);
	CHECK_INT(mmsock_run_recv(handle, run, 0, 0), 5);
	/* It grows for one that is larger by itself, not for more. */
	memset(text, 'x', sizeof(text));
	CHECK_INT(mmsock_send(handle, text, sizeof(text), 0), 0);
	send_numbers(handle, 0, 25);
	CHECK_INT(mmsock_run_recv(handle, run, 0, 0), 1);
	CHECK_INT(mmsock_run_next(run, &message, &length), 1);
	CHECK_INT(length, sizeof(text));
	CHECK(!memcmp(message, text, sizeof(text)));
	CHECK_INT(mmsock_run_recv(handle, run, 0, 0), 10);
	expect_numbers(run, 0, 10);
	mmsock_run_free(run);
	mmsock_close(handle);
}

static void test_run_waits(void)
{
	struct mmsock_run *run = new_run(1024);
	struct mmsock *handle;
	struct kid kid;

	fresh_dir();
	handle = open_as("p", MMSOCK_RECEIVER);
	kid_start(&kid, run_sender, "hello");
	CHECK_INT(mmsock_run_recv(handle, run, 0, MMSOCK_FOREVER), 1);
	CHECK(hear(&kid));
	kid_end(&kid);
	CHECK_INT(mmsock_run_recv(handle, run, 0, MMSOCK_FOREVER), -ENODATA);
	CHECK_INT(mmsock_run_count(run), 0);
	mmsock_run_free(run);
	mmsock_close(handle);
}

/* Who holds the end and does not let go, alive or dead. */

static void run_holder(struct kid *self, void *context)
{
	struct mmsock *handle = open_as("p", MMSOCK_RECEIVER);
	const void *message;

	(void)context;
	CHECK_INT(mmsock_peek(handle, &message, MMSOCK_FOREVER), 3);
	meet(self);
	CHECK(!memcmp(message, "one", 3));
	CHECK_INT(mmsock_release(handle), 0);
	mmsock_close(handle);
}

static void start_holder(struct kid *kid)
{
	kid_start(kid, run_holder, NULL);
	CHECK(hear(kid));
}

static void expect_named(int error, pid_t pid)
{
	char want[32];

	snprintf(want, sizeof(want), "pid %d ", (int)pid);
	CHECK(strstr(mmsock_error_text(error), want));
}

static void test_stopped_holder(void)
{
	struct mmsock *handle;
	struct kid kid;
	int64_t start;

	fresh_dir();
	handle = open_as("p", BOTH);
	send_text(handle, "one");
	send_text(handle, "two");
	start_holder(&kid);
	kid_stop(&kid);
	CHECK_INT(try_recv(handle, 0), -EBUSY);
	expect_named(-EBUSY, kid.pid);
	start = now_ns();
	CHECK_INT(try_recv(handle, 200 * MS), -ETIMEDOUT);
	expect_named(-ETIMEDOUT, kid.pid);
	CHECK(now_ns() - start >= 200 * MS);
	/* The other end is not concerned. */
	send_text(handle, "three");
	CHECK_INT(inspect("p").takeovers, 0);
	kid_continue(&kid);
	kid_end(&kid);
	expect_text(handle, "two");
	expect_text(handle, "three");
	mmsock_close(handle);
}

static void test_dead_holder(void)
{
	struct mmsock *handle;
	struct kid kid;
	int64_t start;

	fresh_dir();
	handle = open_as("p", BOTH);
	send_text(handle, "one");
	send_text(handle, "two");
	start_holder(&kid);
	kid_kill(&kid);
	start = now_ns();
	expect_text(handle, "one");
	CHECK(now_ns() - start < SECOND);
	CHECK_INT(inspect("p").takeovers, 1);
	expect_text(handle, "two");
	send_text(handle, "one");
	start_holder(&kid);
	kid_kill(&kid);
	CHECK_INT(try_recv(handle, 0), 3);
	CHECK_INT(inspect("p").takeovers, 2);
	mmsock_close(handle);
}

enum {
	PARCELS = 40000,
	DEATHS = 20
};

static void run_supplier(struct kid *self, void *context)
{
	struct mmsock *handle = open_as("p", MMSOCK_SENDER);
	int64_t number;

	(void)context;
	tell(self);
	for (number = 1; number <= PARCELS; number++)
		CHECK_INT(mmsock_send(handle, &number, sizeof(number),
				      MMSOCK_FOREVER),
			  0);
	mmsock_close(handle);
}

/* Reports each message that it has, so that what it takes along is known. */
static void run_consumer(struct kid *self, void *context)
{
	struct mmsock *handle = open_as("p", MMSOCK_RECEIVER);
	int *report = context;
	int64_t number;

	tell(self);
	while (mmsock_recv(handle, &number, sizeof(number), MMSOCK_FOREVER) > 0)
		CHECK_INT(write(report[1], &number, sizeof(number)),
			  sizeof(number));
	mmsock_close(handle);
}

/* Count reports until the pipe is empty or @most have come. */
static int read_reports(int fd, int64_t *last, int most)
{
	int64_t number;
	int count = 0;

	while (count < most && read(fd, &number, sizeof(number)) > 0) {
		CHECK(number > *last);
		*last = number;
		count++;
	}
	return count;
}

/*
 * Of one stream every message is received once, in order, but for one a death:
 * that which was taken and not yet reported.
 */
static void test_killed_receivers(void)
{
	struct kid supplier;
	struct kid kid;
	int64_t last = 0;
	int report[2];
	int deaths = 0;
	int count = 0;

	fresh_dir();
	create_port("p", 4096, 8);
	CHECK(!pipe2(report, O_CLOEXEC));
	/* So that none gets far ahead of what we have heard. */
	CHECK(fcntl(report[1], F_SETPIPE_SZ, 4096) > 0);
	kid_start(&supplier, run_supplier, NULL);
	CHECK(hear(&supplier));
	while (deaths < DEATHS) {
		kid_start(&kid, run_consumer, report);
		CHECK(hear(&kid));
		count += read_reports(report[0], &last, 100 + 7 * deaths);
		kid_kill(&kid);
		deaths++;
		CHECK(!fcntl(report[0], F_SETFL, O_NONBLOCK));
		count += read_reports(report[0], &last, PARCELS);
		CHECK(!fcntl(report[0], F_SETFL, 0));
	}
	kid_start(&kid, run_consumer, report);
	close(report[1]);
	count += read_reports(report[0], &last, PARCELS);
	CHECK_INT(last, PARCELS);
	CHECK(count >= PARCELS - deaths);
	CHECK_INT(kid_reap(&kid), 0);
	CHECK_INT(kid_reap(&supplier), 0);
	CHECK_INT(inspect("p").sent, PARCELS);
	CHECK_INT(inspect("p").received, PARCELS);
	CHECK_INT(inspect("p").died, deaths);
}

/* Every message goes to exactly one of four. */
static void test_shared_work(void)
{
	static bool seen[PARCELS + 1];
	struct kid supplier;
	struct kid kids[4];
	int64_t number;
	int report[2];
	size_t i;
	int count = 0;

	fresh_dir();
	create_port("p", 4096, 8);
	CHECK(!pipe2(report, O_CLOEXEC));
	for (i = 0; i < 4; i++) {
		kid_start(&kids[i], run_consumer, report);
		CHECK(hear(&kids[i]));
	}
	close(report[1]);
	kid_start(&supplier, run_supplier, NULL);
	while (read(report[0], &number, sizeof(number)) > 0) {
		CHECK(number >= 1 && number <= PARCELS && !seen[number]);
		seen[number] = true;
		count++;
	}
	CHECK_INT(count, PARCELS);
	for (i = 0; i < 4; i++)
		CHECK_INT(kid_reap(&kids[i]), 0);
	CHECK_INT(kid_reap(&supplier), 0);
}

/* Lost ports. */

/* What becomes of the port "p" of @dir. */
enum fate {
	REMOVED,
	OVERWRITTEN,
	UNLINKED,
	RENAMED_OVER
};

static void strike(const char *dir, enum fate fate)
{
	switch (fate) {
	case REMOVED:
		CHECK_INT(mmsock_remove("p", NULL, MMSOCK_REMOVE_ALWAYS), 0);
		break;
	case OVERWRITTEN:
		CHECK_INT(try_open("p", MMSOCK_CREATE_NEW_OVERWRITE), 0);
		break;
	case UNLINKED:
		CHECK(!unlink(join(dir, "p")));
		break;
	case RENAMED_OVER:
		create_port("q", 4096, 1);
		CHECK(!rename(join(dir, "q"), join(dir, "p")));
		break;
	}
}

static int error_of(enum fate fate)
{
	return fate == REMOVED || fate == UNLINKED ? -EIDRM : -ESTALE;
}

static void test_lost_after_draining(void)
{
	struct mmsock *handle;
	const char *dir;
	enum fate fate;

	for (fate = REMOVED; fate <= OVERWRITTEN; fate++) {
		dir = fresh_dir();
		handle = open_as("p", BOTH);
		send_text(handle, "one");
		send_text(handle, "two");
		strike(dir, fate);
		expect_text(handle, "one");
		expect_text(handle, "two");
		CHECK_INT(try_recv(handle, 0), error_of(fate));
		CHECK_INT(try_recv(handle, MMSOCK_FOREVER), error_of(fate));
		mmsock_close(handle);
	}
}

static void test_lost_while_blocked(void)
{
	struct mmsock *sender;
	const char *dir;
	enum fate fate;
	struct kid kids[2];
	int64_t start;

	for (fate = REMOVED; fate <= RENAMED_OVER; fate++) {
		dir = fresh_dir();
		create_port("p", 4096, 8);
		sender = open_as("p", MMSOCK_SENDER);
		start_receiver(&kids[0], MMSOCK_FOREVER, error_of(fate), false);
		start_receiver(&kids[1], MMSOCK_FOREVER, error_of(fate), true);
		start = now_ns();
		strike(dir, fate);
		CHECK_INT(kid_reap(&kids[0]), 0);
		CHECK_INT(kid_reap(&kids[1]), 0);
		CHECK(now_ns() - start < 5 * SECOND);
		if (fate <= OVERWRITTEN)
			CHECK(now_ns() - start < SECOND);
		mmsock_close(sender);
	}
}

/* Nobody is there but the one who sleeps, and nobody marks anything. */
static void test_lost_while_alone(void)
{
	struct kid kid;

	fresh_dir();
	create_port("p", 4096, 2);
	start_receiver(&kid, MMSOCK_FOREVER, -EIDRM, true);
	CHECK(!unlink(join(getenv("MMSOCK_DIR"), "p")));
	CHECK_INT(kid_reap(&kid), 0);
}

/* Scribbled ports. */

static void test_bad_record(void)
{
	static const uint64_t headers[] = {
		1,
		0xa5,
		MMS_RECORD_MARK | 5000,
		MMS_RECORD_MARK | UINT32_MAX,
		UINT64_MAX,
		MMS_RECORD_MARK | UINT64_C(1) << 48,
	};
	struct mmsock_run *run = new_run(1024);
	struct mmsock *handle;
	const void *message;
	size_t i;

	fresh_dir();
	create_port("p", 4096, 2);
	handle = open_as("p", BOTH);
	for (i = 0; i < CHECK_COUNT(headers); i++) {
		memcpy(handle->port.ring.data, &headers[i], 8);
		CHECK_INT(try_recv(handle, MMSOCK_FOREVER), -EBADMSG);
		CHECK(strstr(mmsock_error_text(-EBADMSG), "record"));
		CHECK_INT(mmsock_peek(handle, &message, 0), -EBADMSG);
		CHECK_INT(mmsock_run_recv(handle, run, 0, 0), -EBADMSG);
		CHECK_INT(mmsock_run_recv(handle, run, 1, 0), -EBADMSG);
	}
	memset(handle->port.ring.data, 0, 8);
	send_text(handle, "good again");
	expect_text(handle, "good again");
	CHECK_INT(inspect("p").corrupt, 4 * CHECK_COUNT(headers));
	mmsock_run_free(run);
	mmsock_close(handle);
}

static void test_bad_lock(void)
{
	struct mmsock *handle;

	fresh_dir();
	create_port("p", 4096, 2);
	handle = open_as("p", BOTH);
	send_text(handle, "x");
	handle->port.control->recv.lock.word = MMS_LOCK_OWNER;
	CHECK_INT(try_recv(handle, MMSOCK_FOREVER), -EBADMSG);
	CHECK(strstr(mmsock_error_text(-EBADMSG), "slot 65534"));
	handle->port.control->recv.lock.word = 0;
	expect_text(handle, "x");
	mmsock_close(handle);
}

static const struct check_case cases[] = {
	{"an empty port is told at once or when time is up", test_empty},
	{"a receiver waits for a message and is woken", test_waits},
	{"all who wait get one each", test_many_wait},
	{"a message that does not fit the buffer stays", test_small_buffer},
	{"the last sender ends the stream", test_end_of_stream},
	{"so does one who said nothing", test_silent_sender},
	{"what was left behind is delivered, then the stream ends",
	 test_left_behind},
	{"one of two senders does not end it", test_two_senders},
	{"one's own role does not count", test_own_role},
	{"a port that is kept open has no end", test_keep_open},
	{"the end wakes all who wait", test_end_wakes_all},
	{"also who came before the sender", test_end_wakes_the_early},
	{"a killed sender ends the stream", test_sender_is_killed},
	{"also one who was there for a moment only", test_sender_flashes_by},
	{"who sleeps learns that a sender has come", test_sender_comes_late},
	{"a stopped sender does not end it", test_stopped_sender},
	{"the last message comes before the end", test_last_message},
	{"a message is looked at, left there, and taken", test_peek},
	{"a message that is looked at lies in one piece", test_peek_is_whole},
	{"closing gives a message back", test_close_with_loan},
	{"a run takes what is there, or as many as asked", test_run},
	{"a small run takes what fits, or one", test_run_is_small},
	{"a run waits for its first message", test_run_waits},
	{"a stopped holder is named and keeps the end", test_stopped_holder},
	{"a dead holder's end is taken over, its message there",
	 test_dead_holder},
	{"killed receivers lose what they had taken, no more",
	 test_killed_receivers},
	{"every message goes to one of four", test_shared_work},
	{"receivers drain a lost port, then learn of it",
	 test_lost_after_draining},
	{"blocked receivers learn that a port is gone",
	 test_lost_while_blocked},
	{"also one who is alone", test_lost_while_alone},
	{"an impossible record is told", test_bad_record},
	{"an impossible lock is told", test_bad_lock},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
