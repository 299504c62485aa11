/* SPDX-License-Identifier: MIT */
/*
 * send.c - the sending end: room, loans, runs, dead and stopped holders, lost
 * ports
 */
#include "handle.h"
#include "sandbox.h"

#define BOTH (MMSOCK_SENDER | MMSOCK_RECEIVER)

static unsigned char pattern(uint64_t seed, size_t i)
{
	return (unsigned char)(seed * 31 + i * 7 + (i >> 8));
}

static void make_message(unsigned char *buffer, size_t length, uint64_t seed)
{
	size_t i;

	for (i = 0; i < length; i++)
		buffer[i] = pattern(seed, i);
}

static bool is_message(const unsigned char *buffer, size_t length,
		       uint64_t seed)
{
	size_t i;

	for (i = 0; i < length; i++) {
		if (buffer[i] != pattern(seed, i))
			return false;
	}
	return true;
}

static void expect_message(struct mmsock *handle, size_t length, uint64_t seed)
{
	static unsigned char buffer[1 << 16];

	CHECK_INT(mmsock_recv(handle, buffer, sizeof(buffer), 0), length);
	CHECK(is_message(buffer, length, seed));
}

/* Messages. */

/* Of all small lengths and some large ones, across the ring's end too. */
static void test_lengths(void)
{
	static unsigned char buffer[1 << 16];
	struct mmsock *handle;
	size_t length;

	fresh_dir();
	create_port("p", 1 << 16, 2);
	handle = open_as("p", BOTH);
	for (length = 0; length <= 65520; length += length < 300 ? 1 : 997) {
		make_message(buffer, length, length);
		CHECK_INT(mmsock_send(handle, buffer, length, 0), 0);
		expect_message(handle, length, length);
	}
	CHECK_INT(inspect("p").messages, 0);
	mmsock_close(handle);
}

static void test_empty_message(void)
{
	struct mmsock *handle;
	struct mmsock_run *run;
	const void *message;
	size_t length;

	fresh_dir();
	handle = open_as("p", BOTH);
	CHECK_INT(mmsock_send(handle, NULL, 0, 0), 0);
	CHECK_INT(mmsock_recv(handle, NULL, 0, 0), 0);
	CHECK_INT(mmsock_run_new(0, &run), 0);
	CHECK_INT(mmsock_run_add(run, NULL, 0), 0);
	CHECK_INT(mmsock_run_send(handle, run, 0), 0);
	CHECK_INT(mmsock_run_recv(handle, run, 0, 0), 1);
	CHECK_INT(mmsock_run_next(run, &message, &length), 1);
	CHECK_INT(length, 0);
	mmsock_run_free(run);
	mmsock_close(handle);
}

static void test_too_large(void)
{
	static unsigned char buffer[4096];
	struct mmsock *handle;
	void *loan;

	fresh_dir();
	create_port("p", 4096, 2);
	handle = open_as("p", BOTH);
	CHECK_INT(mmsock_max_message(handle), 4080);
	CHECK_INT(mmsock_send(handle, buffer, 4081, MMSOCK_FOREVER), -EMSGSIZE);
	CHECK(strstr(mmsock_error_text(-EMSGSIZE), "4081"));
	CHECK(strstr(mmsock_error_text(-EMSGSIZE), "4080"));
	CHECK_INT(mmsock_send(handle, buffer, SIZE_MAX, 0), -EMSGSIZE);
	CHECK_INT(mmsock_reserve(handle, 4081, &loan, 0), -EMSGSIZE);
	CHECK_INT(mmsock_send(handle, buffer, 4080, 0), 0);
	CHECK_INT(mmsock_recv(handle, buffer, 4096, 0), 4080);
	mmsock_close(handle);
}

/* Room. */

static void test_full(void)
{
	static unsigned char buffer[4096];
	struct mmsock *handle;
	int64_t start;

	fresh_dir();
	create_port("p", 4096, 2);
	handle = open_as("p", BOTH);
	make_message(buffer, 4080, 1);
	CHECK_INT(mmsock_send(handle, buffer, 4080, 0), 0);
	CHECK_INT(mmsock_send(handle, "", 0, 0), -EAGAIN);
	start = now_ns();
	CHECK_INT(mmsock_send(handle, "", 0, 50 * MS), -ETIMEDOUT);
	CHECK(now_ns() - start >= 50 * MS);
	expect_message(handle, 4080, 1);
	CHECK_INT(mmsock_send(handle, "", 0, 0), 0);
	CHECK_INT(mmsock_send(handle, buffer, 4073, 0), -EAGAIN);
	CHECK_INT(mmsock_send(handle, buffer, 4072, 0), 0);
	mmsock_close(handle);
}

struct sending {
	size_t length;
	int64_t timeout_ns;
	int want;
};

static void run_sender(struct kid *self, void *context)
{
	struct sending *sending = context;
	struct mmsock *handle = open_as("p", MMSOCK_SENDER);
	unsigned char buffer[4096];

	make_message(buffer, sending->length, 7);
	tell(self);
	CHECK_INT(mmsock_send(handle, buffer, sending->length,
			      sending->timeout_ns),
		  sending->want);
	mmsock_close(handle);
}

static void start_sender(struct kid *kid, size_t length, int64_t timeout_ns,
			 int want)
{
	struct sending sending = {length, timeout_ns, want};

	kid_start(kid, run_sender, &sending);
	CHECK(hear(kid));
}

static void test_waits_for_room(void)
{
	const int64_t spans[] = {MMSOCK_FOREVER, 60 * SECOND, INT64_MAX};
	static unsigned char buffer[4096];
	struct mmsock *handle;
	struct kid kid;
	size_t i;

	fresh_dir();
	create_port("p", 4096, 4);
	handle = open_as("p", BOTH);
	for (i = 0; i < CHECK_COUNT(spans); i++) {
		CHECK_INT(mmsock_send(handle, buffer, 4000, 0), 0);
		start_sender(&kid, 1000, spans[i], 0);
		await_sleeper("p", kid.pid, MMSOCK_SPACE);
		CHECK_INT(mmsock_recv(handle, buffer, 4096, 0), 4000);
		CHECK_INT(kid_reap(&kid), 0);
		expect_message(handle, 1000, 7);
	}
	CHECK_INT(inspect("p").late_wakes, 0);
	mmsock_close(handle);
}

/* Room for one of three, who wants more than the others. */
static void test_all_are_woken(void)
{
	static unsigned char buffer[4096];
	struct mmsock *handle;
	struct kid kids[3];
	size_t i;

	fresh_dir();
	create_port("p", 4096, 8);
	handle = open_as("p", BOTH);
	CHECK_INT(mmsock_send(handle, buffer, 1000, 0), 0);
	CHECK_INT(mmsock_send(handle, buffer, 3000, 0), 0);
	start_sender(&kids[0], 3000, MMSOCK_FOREVER, 0);
	start_sender(&kids[1], 3000, MMSOCK_FOREVER, 0);
	start_sender(&kids[2], 500, MMSOCK_FOREVER, 0);
	for (i = 0; i < 3; i++)
		await_sleeper("p", kids[i].pid, MMSOCK_SPACE);
	CHECK_INT(mmsock_recv(handle, buffer, 4096, 0), 1000);
	CHECK_INT(kid_reap(&kids[2]), 0);
	CHECK_INT(mmsock_recv(handle, buffer, 4096, 0), 3000);
	CHECK_INT(mmsock_recv(handle, buffer, 4096, 0), 500);
	CHECK_INT(mmsock_recv(handle, buffer, 4096, MMSOCK_FOREVER), 3000);
	CHECK_INT(mmsock_recv(handle, buffer, 4096, MMSOCK_FOREVER), 3000);
	CHECK_INT(kid_reap(&kids[0]), 0);
	CHECK_INT(kid_reap(&kids[1]), 0);
	CHECK_INT(inspect("p").late_wakes, 0);
	mmsock_close(handle);
}

/* Loans. */

static void test_reserve(void)
{
	struct mmsock *handle;
	void *buffer;
	size_t length;

	fresh_dir();
	create_port("p", 4096, 2);
	handle = open_as("p", BOTH);
	for (length = 0; length < 2000; length += 37) {
		CHECK_INT(mmsock_reserve(handle, length, &buffer, 0), 0);
		CHECK_INT((uintptr_t)buffer % 8, 0);
		make_message(buffer, length, length);
		CHECK_INT(inspect("p").messages, 0);
		CHECK_INT(mmsock_commit(handle, length), 0);
		CHECK_INT(inspect("p").messages, 1);
		expect_message(handle, length, length);
	}
	mmsock_close(handle);
}

/* What was written and not sent is never taken for messages. */
static void test_commit_less(void)
{
	struct mmsock *handle;
	void *buffer;
	size_t length;
	int lap;

	fresh_dir();
	create_port("p", 4096, 2);
	handle = open_as("p", BOTH);
	for (lap = 0; lap < 50; lap++) {
		for (length = 0; length <= 64; length += 8) {
			CHECK_INT(mmsock_reserve(handle, 1000, &buffer, 0), 0);
			memset(buffer, 0xa5, 1000);
			make_message(buffer, length, length);
			CHECK_INT(mmsock_commit(handle, length), 0);
			CHECK_INT(inspect("p").used_bytes, 8 + length);
			expect_message(handle, length, length);
			CHECK_INT(inspect("p").used_bytes, 0);
		}
	}
	mmsock_close(handle);
}

static void test_commit_more(void)
{
	struct mmsock *handle;
	void *buffer;

	fresh_dir();
	handle = open_as("p", BOTH);
	CHECK_INT(mmsock_reserve(handle, 8, &buffer, 0), 0);
	CHECK_INT(mmsock_commit(handle, 9), -EINVAL);
	CHECK_INT(mmsock_commit(handle, SIZE_MAX), -EINVAL);
	make_message(buffer, 8, 1);
	CHECK_INT(mmsock_commit(handle, 8), 0);
	expect_message(handle, 8, 1);
	mmsock_close(handle);
}

static void test_cancel(void)
{
	struct mmsock *handle;
	struct mmsock *other;
	void *buffer;
	int i;

	fresh_dir();
	create_port("p", 4096, 2);
	handle = open_as("p", BOTH);
	other = open_as("p", MMSOCK_SENDER);
	for (i = 0; i < 100; i++) {
		CHECK_INT(mmsock_reserve(handle, 1000, &buffer, 0), 0);
		memset(buffer, 0xa5, 1000);
		CHECK_INT(mmsock_cancel(handle), 0);
		CHECK_INT(inspect("p").messages, 0);
		CHECK_INT(mmsock_send(i % 2 ? handle : other, "x", 1, 0), 0);
		CHECK_INT(inspect("p").messages, 1);
		expect_text(handle, "x");
	}
	mmsock_close(other);
	mmsock_close(handle);
}

static void test_close_with_loan(void)
{
	struct mmsock *handle;
	struct mmsock *other;
	void *buffer;

	fresh_dir();
	handle = open_as("p", MMSOCK_SENDER);
	other = open_as("p", BOTH);
	CHECK_INT(mmsock_reserve(handle, 100, &buffer, 0), 0);
	memset(buffer, 0xff, 100);
	mmsock_close(handle);
	CHECK_INT(inspect("p").takeovers, 0);
	send_text(other, "x");
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

static void add_messages(struct mmsock_run *run, size_t count, size_t length,
			 uint64_t seed)
{
	unsigned char buffer[4096];

	while (count-- > 0) {
		make_message(buffer, length, seed++);
		CHECK_INT(mmsock_run_add(run, buffer, length), 0);
	}
}

static void test_run(void)
{
	struct mmsock_run *run = new_run(4096);
	struct mmsock *handle;
	uint64_t i;

	fresh_dir();
	create_port("p", 4096, 2);
	handle = open_as("p", BOTH);
	CHECK_INT(mmsock_run_send(handle, run, 0), 0);
	add_messages(run, 30, 100, 0);
	CHECK_INT(mmsock_run_count(run), 30);
	CHECK_INT(mmsock_run_send(handle, run, 0), 0);
	CHECK_INT(mmsock_run_count(run), 0);
	CHECK_INT(inspect("p").messages, 30);
	for (i = 0; i < 30; i++)
		expect_message(handle, 100, i);
	mmsock_run_free(run);
	mmsock_close(handle);
}

static void test_run_is_cut(void)
{
	struct mmsock_run *run = new_run(1 << 16);
	struct mmsock *handle;
	uint64_t received = 0;
	uint64_t went;
	int rounds = 0;
	int r;

	fresh_dir();
	create_port("p", 4096, 2);
	handle = open_as("p", BOTH);
	add_messages(run, 300, 100, 0);
	do {
		went = mmsock_run_count(run);
		r = mmsock_run_send(handle, run, 0);
		CHECK(!r || r == -EAGAIN);
		went -= mmsock_run_count(run);
		CHECK_INT(inspect("p").messages, went);
		while (went-- > 0)
			expect_message(handle, 100, received++);
		rounds++;
	} while (r);
	CHECK_INT(received, 300);
	/* 36 records of 112 bytes and a terminator fit. */
	CHECK_INT(rounds, 9);
	CHECK_INT(mmsock_run_count(run), 0);
	mmsock_run_free(run);
	mmsock_close(handle);
}

static void run_run_sender(struct kid *self, void *context)
{
	struct mmsock_run *run = new_run(1 << 20);
	struct mmsock *handle = open_as("p", MMSOCK_SENDER);

	(void)context;
	add_messages(run, 5000, 100, 0);
	tell(self);
	CHECK_INT(mmsock_run_send(handle, run, MMSOCK_FOREVER), 0);
	mmsock_run_free(run);
	mmsock_close(handle);
}

static void test_run_waits(void)
{
	unsigned char buffer[128];
	struct mmsock *handle;
	struct kid kid;
	uint64_t i;

	fresh_dir();
	create_port("p", 4096, 2);
	handle = open_as("p", MMSOCK_RECEIVER);
	kid_start(&kid, run_run_sender, NULL);
	CHECK(hear(&kid));
	for (i = 0; i < 5000; i++) {
		CHECK_INT(mmsock_recv(handle, buffer, 128, MMSOCK_FOREVER),
			  100);
		CHECK(is_message(buffer, 100, i));
	}
	CHECK_INT(kid_reap(&kid), 0);
	mmsock_close(handle);
}

static void test_run_too_large(void)
{
	struct mmsock_run *run = new_run(8192);
	struct mmsock *handle;

	fresh_dir();
	create_port("p", 4096, 2);
	handle = open_as("p", BOTH);
	add_messages(run, 3, 10, 0);
	CHECK_INT(mmsock_run_add(run, (char[4081]){0}, 4081), 0);
	CHECK_INT(mmsock_run_send(handle, run, MMSOCK_FOREVER), -EMSGSIZE);
	CHECK(strstr(mmsock_error_text(-EMSGSIZE), "4081"));
	CHECK_INT(mmsock_run_count(run), 4);
	CHECK_INT(inspect("p").messages, 0);
	mmsock_run_free(run);
	mmsock_close(handle);
}

/* A large one that is no longer in the run is not in the way. */
static void test_run_without_the_large(void)
{
	struct mmsock_run *run = new_run(8192);
	struct mmsock *handle;
	const void *message;
	size_t length;

	fresh_dir();
	create_port("p", 4096, 2);
	handle = open_as("p", BOTH);
	CHECK_INT(mmsock_run_add(run, (char[4081]){0}, 4081), 0);
	add_messages(run, 3, 10, 0);
	CHECK_INT(mmsock_run_next(run, &message, &length), 1);
	CHECK_INT(length, 4081);
	CHECK_INT(mmsock_run_send(handle, run, 0), 0);
	CHECK_INT(inspect("p").messages, 3);
	mmsock_run_free(run);
	mmsock_close(handle);
}

static void test_run_grows_for_one(void)
{
	struct mmsock_run *run = new_run(64);
	struct mmsock *handle;

	fresh_dir();
	create_port("p", 4096, 2);
	handle = open_as("p", BOTH);
	add_messages(run, 1, 3000, 5);
	CHECK_INT(mmsock_run_add(run, "x", 1), -ENOBUFS);
	CHECK_STR(mmsock_error_text(-ENOBUFS), "the run is full");
	CHECK_INT(mmsock_run_send(handle, run, 0), 0);
	CHECK_INT(mmsock_run_recv(handle, run, 0, 0), 1);
	CHECK_INT(mmsock_run_send(handle, run, 0), 0);
	expect_message(handle, 3000, 5);
	mmsock_run_free(run);
	mmsock_close(handle);
}

/* A received run is sent on as it is, and names its new sender. */
static void test_run_sent_on(void)
{
	struct mmsock_run *run = new_run(4096);
	struct mmsock *from;
	struct mmsock *other;
	struct mmsock *to;
	uint64_t header;
	uint64_t i;

	fresh_dir();
	from = open_as("from", BOTH);
	other = open_as("to", MMSOCK_SENDER);
	to = open_as("to", BOTH);
	CHECK_INT(to->port.slot, 1);
	add_messages(run, 20, 33, 0);
	CHECK_INT(mmsock_run_send(from, run, 0), 0);
	CHECK_INT(mmsock_run_recv(from, run, 15, 0), 15);
	CHECK_INT(mmsock_run_send(to, run, 0), 0);
	CHECK_INT(mmsock_run_recv(from, run, 0, 0), 5);
	add_messages(run, 1, 33, 20);
	CHECK_INT(mmsock_run_send(to, run, 0), 0);
	for (i = 0; i < 21; i++) {
		header = *mms_ring_next_header(&to->port.ring);
		CHECK_INT(header >> MMS_RECORD_SLOT_SHIFT & MMS_SLOT_MASK, 1);
		expect_message(to, 33, i);
	}
	mmsock_run_free(run);
	mmsock_close(from);
	mmsock_close(other);
	mmsock_close(to);
}

static void test_run_limits(void)
{
	struct mmsock_run *run = NULL;

	CHECK_INT(mmsock_run_new(((size_t)1 << 30) + 1, &run), -EINVAL);
	CHECK(strstr(mmsock_error_text(-EINVAL), "1 GiB"));
	CHECK(!run);
	mmsock_run_free(NULL);
	run = new_run(0);
	CHECK_INT(mmsock_run_add(run, "", (size_t)1 << 32), -EMSGSIZE);
	CHECK_INT(mmsock_run_add(run, "", SIZE_MAX), -EMSGSIZE);
	CHECK_INT(mmsock_run_count(run), 0);
	mmsock_run_free(run);
}

/* Who holds the end and does not let go, alive or dead. */

static void run_holder(struct kid *self, void *context)
{
	struct mmsock *handle = open_as("p", MMSOCK_SENDER);
	void *buffer;

	(void)context;
	CHECK_INT(mmsock_reserve(handle, 500, &buffer, MMSOCK_FOREVER), 0);
	/* As much like messages as it can be. */
	memset(buffer, 0xa5, 500);
	meet(self);
	make_message(buffer, 500, 9);
	CHECK_INT(mmsock_commit(handle, 500), 0);
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
	printf("# %s\n", mmsock_error_text(error));
	CHECK(strstr(mmsock_error_text(error), want));
}

static void test_stopped_holder(void)
{
	struct mmsock *handle;
	struct kid kid;
	int64_t start;

	fresh_dir();
	handle = open_as("p", BOTH);
	start_holder(&kid);
	kid_stop(&kid);
	CHECK_INT(mmsock_send(handle, "x", 1, 0), -EBUSY);
	expect_named(-EBUSY, kid.pid);
	start = now_ns();
	CHECK_INT(mmsock_send(handle, "x", 1, 200 * MS), -ETIMEDOUT);
	expect_named(-ETIMEDOUT, kid.pid);
	CHECK(now_ns() - start >= 200 * MS);
	CHECK_INT(inspect("p").takeovers, 0);
	kid_continue(&kid);
	kid_end(&kid);
	CHECK_INT(mmsock_send(handle, "x", 1, 0), 0);
	expect_message(handle, 500, 9);
	expect_text(handle, "x");
	CHECK_INT(inspect("p").takeovers, 0);
	mmsock_close(handle);
}

static void test_dead_holder(void)
{
	struct mmsock *handle;
	struct kid kid;
	int64_t start;

	fresh_dir();
	handle = open_as("p", BOTH);
	send_text(handle, "before");
	start_holder(&kid);
	kid_kill(&kid);
	start = now_ns();
	CHECK_INT(mmsock_send(handle, "after", 5, MMSOCK_FOREVER), 0);
	CHECK(now_ns() - start < SECOND);
	CHECK_INT(inspect("p").takeovers, 1);
	CHECK_INT(inspect("p").messages, 2);
	expect_text(handle, "before");
	expect_text(handle, "after");
	/* The same again for a call that may not wait. */
	start_holder(&kid);
	kid_kill(&kid);
	CHECK_INT(mmsock_send(handle, "at once", 7, 0), 0);
	expect_text(handle, "at once");
	CHECK_INT(inspect("p").takeovers, 2);
	CHECK_INT(inspect("p").used_bytes, 0);
	mmsock_close(handle);
}

static void test_dead_holder_of_many(void)
{
	struct mmsock *handle;
	struct kid holder;
	struct kid kids[5];
	int64_t start;
	size_t i;

	fresh_dir();
	handle = open_as("p", MMSOCK_RECEIVER);
	start_holder(&holder);
	for (i = 0; i < CHECK_COUNT(kids); i++)
		start_sender(&kids[i], 100, MMSOCK_FOREVER, 0);
	for (i = 0; i < CHECK_COUNT(kids); i++)
		await_sleeper("p", kids[i].pid, MMSOCK_SEND_END);
	start = now_ns();
	kid_kill(&holder);
	for (i = 0; i < CHECK_COUNT(kids); i++)
		CHECK_INT(kid_reap(&kids[i]), 0);
	CHECK(now_ns() - start < SECOND);
	CHECK_INT(inspect("p").takeovers, 1);
	for (i = 0; i < CHECK_COUNT(kids); i++)
		expect_message(handle, 100, 7);
	CHECK_INT(inspect("p").used_bytes, 0);
	mmsock_close(handle);
}

/* Lengths of all kinds, so that every part of a send takes its time. */
static size_t length_of(uint64_t number)
{
	return 8 + number * 7919 % 3000;
}

static void run_endless_sender(struct kid *self, void *context)
{
	struct mmsock *handle = open_as("p", MMSOCK_SENDER);
	unsigned char buffer[4096];
	uint64_t number;

	(void)context;
	tell(self);
	for (number = 0;; number++) {
		make_message(buffer, length_of(number), number);
		memcpy(buffer, &number, 8);
		CHECK_INT(mmsock_send(handle, buffer, length_of(number),
				      MMSOCK_FOREVER),
			  0);
	}
}

static bool is_numbered(const unsigned char *buffer, uint64_t number)
{
	size_t i;

	for (i = 8; i < length_of(number); i++) {
		if (buffer[i] != pattern(number, i))
			return false;
	}
	return !memcmp(buffer, &number, 8);
}

/* Every message whole and in order, up to some point, whenever it dies. */
static void test_killed_senders(void)
{
	unsigned char buffer[4096];
	struct mmsock *handle;
	struct kid kid;
	uint64_t number;
	ssize_t length;
	uint64_t round;

	fresh_dir();
	create_port("p", 16384, 4);
	handle = open_as("p", BOTH);
	for (round = 0; round < 60; round++) {
		kid_start(&kid, run_endless_sender, NULL);
		CHECK(hear(&kid));
		for (number = 0;; number++) {
			if (number == round * 5)
				kid_kill(&kid);
			length = mmsock_recv(handle, buffer, 4096,
					     MMSOCK_FOREVER);
			if (length < 0)
				break;
			CHECK_INT(length, length_of(number));
			CHECK(is_numbered(buffer, number));
		}
		CHECK_INT(length, -ENODATA);
		send_text(handle, "still works");
		expect_text(handle, "still works");
	}
	CHECK_INT(inspect("p").used_bytes, 0);
	mmsock_close(handle);
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

static void test_lost_at_once(void)
{
	struct mmsock *handle;
	struct mmsock_run *run = new_run(64);
	enum fate fate;
	void *buffer;

	for (fate = REMOVED; fate <= OVERWRITTEN; fate++) {
		fresh_dir();
		handle = open_as("p", MMSOCK_SENDER);
		strike(getenv("MMSOCK_DIR"), fate);
		CHECK_INT(mmsock_send(handle, "x", 1, 0), error_of(fate));
		CHECK_INT(mmsock_send(handle, "x", 1, MMSOCK_FOREVER),
			  error_of(fate));
		CHECK_INT(mmsock_reserve(handle, 1, &buffer, 0),
			  error_of(fate));
		mmsock_run_clear(run);
		CHECK_INT(mmsock_run_add(run, "x", 1), 0);
		CHECK_INT(mmsock_run_send(handle, run, 0), error_of(fate));
		CHECK_INT(mmsock_run_count(run), 1);
		CHECK(strstr(mmsock_error_text(error_of(fate)),
			     "the port was"));
		mmsock_close(handle);
	}
	mmsock_run_free(run);
}

static void test_lost_while_blocked(void)
{
	static unsigned char buffer[4096];
	const char *dir;
	struct mmsock *handle;
	enum fate fate;
	struct kid kid;
	int64_t start;

	for (fate = REMOVED; fate <= RENAMED_OVER; fate++) {
		dir = fresh_dir();
		create_port("p", 4096, 4);
		handle = open_as("p", MMSOCK_SENDER);
		CHECK_INT(mmsock_send(handle, buffer, 4080, 0), 0);
		start_sender(&kid, 1, MMSOCK_FOREVER, error_of(fate));
		await_sleeper("p", kid.pid, MMSOCK_SPACE);
		start = now_ns();
		strike(dir, fate);
		CHECK_INT(kid_reap(&kid), 0);
		CHECK(now_ns() - start < 5 * SECOND);
		if (fate <= OVERWRITTEN)
			CHECK(now_ns() - start < SECOND);
		mmsock_close(handle);
	}
}

/* A sender that never waits finds out too, after a while. */
static void test_lost_while_streaming(void)
{
	struct mmsock *handle;
	char byte;
	int r;

	handle = open_as(join(fresh_dir(), "p"), BOTH);
	CHECK(!unlink(join(getenv("MMSOCK_DIR"), "p")));
	do {
		r = mmsock_send(handle, "x", 1, 0);
		if (!r)
			CHECK_INT(mmsock_recv(handle, &byte, 1, 0), 1);
	} while (!r);
	CHECK_INT(r, -EIDRM);
	mmsock_close(handle);
}

/* A loan that is out when the port goes can still be ended. */
static void test_lost_with_loan(void)
{
	struct mmsock *handle;
	void *buffer;

	fresh_dir();
	handle = open_as("p", BOTH);
	CHECK_INT(mmsock_reserve(handle, 3, &buffer, 0), 0);
	strike(NULL, REMOVED);
	memcpy(buffer, "abc", 3);
	CHECK_INT(mmsock_commit(handle, 3), 0);
	expect_text(handle, "abc");
	mmsock_close(handle);
}

/* Scribbled ports. */

static void test_bad_lock(void)
{
	const char *path = join(fresh_dir(), "p");
	struct mms_control *control;
	struct mmsock *handle;

	create_port("p", 4096, 2);
	handle = open_as("p", MMSOCK_SENDER);
	control = map_control(path);
	control->send.lock.word = 1000;
	CHECK_INT(mmsock_send(handle, "x", 1, MMSOCK_FOREVER), -EBADMSG);
	CHECK(strstr(mmsock_error_text(-EBADMSG), "slot 999"));
	control->send.lock.word = 1;
	CHECK_INT(mmsock_send(handle, "x", 1, MMSOCK_FOREVER), -EBADMSG);
	control->send.lock.word = 0;
	CHECK_INT(mmsock_send(handle, "x", 1, 0), 0);
	mmsock_close(handle);
}

static void test_bad_positions(void)
{
	static const uint64_t values[] = {
		UINT64_MAX, UINT64_MAX - 7, UINT64_C(1) << 63, 1 << 20, 4104,
	};
	struct mms_control *control;
	struct mmsock *handle;
	const char *path;
	size_t i;

	for (i = 0; i < CHECK_COUNT(values); i++) {
		path = join(fresh_dir(), "p");
		create_port("p", 4096, 2);
		control = map_control(path);
		handle = open_as("p", MMSOCK_SENDER);
		control->send.at = values[i];
		CHECK_INT(mmsock_send(handle, "x", 1, 0), -EBADMSG);
		mmsock_close(handle);
	}
}

/*
 * The first message of a run fits what is known of the room, so that head is
 * loaded for the rest of it only, and is a lie.
 */
static void test_bad_head_for_run(void)
{
	/* Ahead of all that was sent; so far behind that the ring is full. */
	static const uint64_t values[] = {UINT64_C(1) << 40,
					  UINT64_C(16) - 4088};
	struct mmsock_run *run = new_run(1 << 16);
	struct mms_control *control;
	struct mmsock *handle;
	size_t i;

	fresh_dir();
	create_port("p", 4096, 2);
	control = map_control(join(getenv("MMSOCK_DIR"), "p"));
	handle = open_as("p", MMSOCK_SENDER);
	send_text(handle, "x");
	add_messages(run, 500, 100, 0);
	for (i = 0; i < CHECK_COUNT(values); i++) {
		control->recv.at = values[i];
		CHECK_INT(mmsock_run_send(handle, run, 0), -EBADMSG);
		CHECK_INT(mmsock_run_count(run), 500);
	}
	control->recv.at = 0;
	CHECK_INT(mmsock_run_send(handle, run, 0), -EAGAIN);
	CHECK_INT(mmsock_run_count(run), 464);
	mmsock_run_free(run);
	mmsock_close(handle);
}

/* Any word of the control block and the ring, at any time: only errors. */
static void test_scribbling(void)
{
	struct mmsock_run *run = new_run(1 << 14);
	unsigned char buffer[4096];
	const void *message;
	struct mmsock *handle;
	uint64_t random = 1;
	uint64_t *words;
	unsigned round;

	fresh_dir();
	create_port("p", 4096, 2);
	handle = open_as("p", BOTH);
	words = (void *)handle->port.control;
	for (round = 0; round < 20000; round++) {
		random = random * UINT64_C(6364136223846793005) + 1;
		if (round % 2)
			words[(random >> 40) % 32] = random >> (random >> 58);
		else
			((uint64_t *)(void *)
				 handle->port.ring.data)[(random >> 40) % 512] =
				random;
		/* Nobody holds an end for ever. */
		handle->port.control->send.lock.word = 0;
		handle->port.control->recv.lock.word = 0;
		mmsock_send(handle, buffer, (random >> 33) % 4096, 0);
		mmsock_recv(handle, buffer, sizeof(buffer), 0);
		if (mmsock_peek(handle, &message, 0) >= 0)
			mmsock_release(handle);
		mmsock_run_clear(run);
		add_messages(run, 40, 100, 0);
		mmsock_run_send(handle, run, 0);
		mmsock_run_recv(handle, run, round % 70, 0);
	}
	mmsock_run_free(run);
	mmsock_close(handle);
}

static const struct check_case cases[] = {
	{"messages of all lengths arrive", test_lengths},
	{"an empty message is a message", test_empty_message},
	{"a message that is too large is told with both sizes", test_too_large},
	{"a full port is told at once or when time is up", test_full},
	{"a sender waits for room and is woken", test_waits_for_room},
	{"all who wait for room are woken", test_all_are_woken},
	{"a loan becomes a message by its commit", test_reserve},
	{"less than was lent can be sent", test_commit_less},
	{"more than was lent cannot", test_commit_more},
	{"a cancelled loan leaves nothing", test_cancel},
	{"closing gives a loan back", test_close_with_loan},
	{"a run is sent as a whole", test_run},
	{"a run is cut between messages where room is short", test_run_is_cut},
	{"a run waits for room, part by part", test_run_waits},
	{"nothing of a run with too large a message is sent",
	 test_run_too_large},
	{"a large message that was taken out is not in the way",
	 test_run_without_the_large},
	{"a run grows for one large message", test_run_grows_for_one},
	{"a received run can be sent on", test_run_sent_on},
	{"runs have limits", test_run_limits},
	{"a stopped holder is named and keeps the end", test_stopped_holder},
	{"a dead holder's end is taken over, its message absent",
	 test_dead_holder},
	{"of many who wait for a dead holder one takes over",
	 test_dead_holder_of_many},
	{"killed senders leave whole messages", test_killed_senders},
	{"senders learn at once that a port is gone", test_lost_at_once},
	{"blocked senders learn that a port is gone", test_lost_while_blocked},
	{"streaming senders learn that a port is gone",
	 test_lost_while_streaming},
	{"a loan can be ended in a lost port", test_lost_with_loan},
	{"an impossible lock is told", test_bad_lock},
	{"impossible positions are told", test_bad_positions},
	{"an impossible head does not let a run overflow",
	 test_bad_head_for_run},
	{"scribbling makes errors and no crash", test_scribbling},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
