/* SPDX-License-Identifier: MIT */
/*
 * service.c - calls and replies: every way that a call can end
 *
 * Client and server are mostly two handles of one thread, so that each step stands
 * where the case says; where somebody dies, stops or sleeps it is a process.
 */
#include <limits.h>
#include <pthread.h>

#include "caller.h"
#include "handle.h"
#include "header.h"
#include "lane.h"
#include "sandbox.h"

#define PORT "rpc"

static void create_service_with(struct mmsock_options options)
{
	options.mode = MMSOCK_CREATE_NEW_EXCLUSIVE;
	options.type = MMSOCK_RPC;
	CHECK_INT(mmsock_create(PORT, &options), 1);
}

static void create_service(void)
{
	struct mmsock_options options = MMSOCK_OPTIONS_INIT;

	fresh_dir();
	create_service_with(options);
}

/* Handles of a case, which are closed at its end. */
static struct mmsock *_Atomic entered[128];
static _Atomic unsigned entries;

static void leave(struct mmsock *handle)
{
	unsigned i;

	for (i = 0; i < CHECK_COUNT(entered); i++)
		if (entered[i] == handle)
			entered[i] = NULL;
	mmsock_close(handle);
}

static void leave_all(void)
{
	unsigned i;

	for (i = 0; i < CHECK_COUNT(entered); i++)
		mmsock_close(entered[i]);
}

static struct mmsock *enter(unsigned role)
{
	struct mmsock_options options =
		options_for(MMSOCK_CONNECT_TO_EXISTING, role);
	struct mmsock *handle = NULL;
	unsigned entry = entries++;

	CHECK_INT(mmsock_open(PORT, &options, &handle), 0);
	CHECK(entry < CHECK_COUNT(entered));
	CHECK(entry || !atexit(leave_all));
	entered[entry] = handle;
	return handle;
}

/* A new service, one who calls and one who serves. */
static void create_service_for(struct mmsock **ret_client,
			       struct mmsock **ret_server)
{
	create_service();
	*ret_client = enter(MMSOCK_CLIENT);
	*ret_server = enter(MMSOCK_SERVER);
}

static int try_enter(unsigned role)
{
	struct mmsock_options options =
		options_for(MMSOCK_CONNECT_TO_EXISTING, role);
	struct mmsock *handle = NULL;
	int r = mmsock_open(PORT, &options, &handle);

	mmsock_close(handle);
	return r;
}

static uint64_t ask(struct mmsock *client, const char *text)
{
	uint64_t call = 0;

	CHECK_INT(mmsock_call_send(client, text, strlen(text), &call, 0), 0);
	CHECK(call);
	return call;
}

static struct mmsock_request take(struct mmsock *server, const char *text)
{
	struct mmsock_request request = {0};
	char buffer[256] = "";

	CHECK_INT(mmsock_serve_recv(server, buffer, sizeof(buffer) - 1,
				    &request, 10 * SECOND),
		  strlen(text));
	CHECK_STR(buffer, text);
	return request;
}

static void answer(struct mmsock *server, const struct mmsock_request *request,
		   const char *text)
{
	CHECK_INT(mmsock_reply(server, request, text, strlen(text), 0), 0);
}

static void expect_reply(struct mmsock *client, uint64_t call, const char *text)
{
	char buffer[256] = "";

	CHECK_INT(mmsock_call_recv(client, &call, buffer, sizeof(buffer) - 1,
				   10 * SECOND),
		  strlen(text));
	CHECK_STR(buffer, text);
}

static ssize_t collect(struct mmsock *client, uint64_t call, int64_t timeout_ns)
{
	char buffer[256];

	return mmsock_call_recv(client, &call, buffer, sizeof(buffer),
				timeout_ns);
}

static bool nothing_to_serve(struct mmsock *server)
{
	struct mmsock_request request;
	char buffer[16];

	return mmsock_serve_recv(server, buffer, sizeof(buffer), &request, 0) ==
	       -EAGAIN;
}

/* A server that echoes what comes until it is interrupted or told to end. */
static void echo(struct mmsock *server)
{
	struct mmsock_request request;
	char buffer[256];
	ssize_t length;

	for (;;) {
		length = mmsock_serve_recv(server, buffer, sizeof(buffer),
					   &request, MMSOCK_FOREVER);
		if (length < 0)
			return;
		(void)mmsock_reply(server, &request, buffer, (size_t)length,
				   MMSOCK_FOREVER);
	}
}

static void run_echo(struct kid *self, void *context)
{
	struct mmsock *server = enter(MMSOCK_SERVER);

	(void)context;
	tell(self);
	echo(server);
}

static void start_echo(struct kid *kid)
{
	kid_start(kid, run_echo, NULL);
	CHECK(hear(kid));
}

/* Opening. */

static void test_types(void)
{
	struct mmsock_options options = MMSOCK_OPTIONS_INIT;
	struct mmsock *handle = NULL;

	create_service();
	create_port("queue", 4096, 4);
	CHECK_INT(inspect(PORT).type, MMSOCK_RPC);
	CHECK_INT(try_enter(MMSOCK_CLIENT), 0);
	CHECK_INT(try_enter(MMSOCK_SERVER), 0);
	CHECK_INT(try_enter(MMSOCK_SENDER), -ENOTSOCK);
	CHECK_STR(mmsock_error_text(-ENOTSOCK),
		  "the port is a service, not a queue");
	options.role = MMSOCK_CLIENT;
	options.mode = MMSOCK_CONNECT_TO_EXISTING;
	CHECK_INT(mmsock_open("queue", &options, &handle), -ENOTSOCK);
	CHECK_STR(mmsock_error_text(-ENOTSOCK),
		  "the port is a queue, not a service");
	options.role = MMSOCK_CLIENT | MMSOCK_SERVER;
	CHECK_INT(mmsock_open(PORT, &options, &handle), -EINVAL);
	options.role = MMSOCK_CLIENT | MMSOCK_SENDER;
	CHECK_INT(mmsock_open(PORT, &options, &handle), -EINVAL);
	options.role = 0;
	options.type = MMSOCK_RPC;
	CHECK_INT(mmsock_open(PORT, &options, &handle), -EINVAL);
	options.role = MMSOCK_SERVER;
	options.mode = MMSOCK_CREATE_NEW_EXCLUSIVE;
	CHECK_INT(mmsock_open("made", &options, &handle), 0);
	mmsock_close(handle);
	CHECK_INT(inspect("made").type, MMSOCK_RPC);
}

static void test_sizes(void)
{
	struct mmsock_options options = MMSOCK_OPTIONS_INIT;

	fresh_dir();
	options.mode = MMSOCK_CREATE_NEW_OVERWRITE;
	options.type = MMSOCK_RPC;
	options.clients = 3;
	options.slots = 3;
	CHECK_INT(mmsock_create(PORT, &options), -EINVAL);
	CHECK_STR(mmsock_error_text(-EINVAL),
		  "3 slots leave none for servers beside 3 clients");
	options.slots = 5;
	options.reply_bytes = 100000;
	options.max_message = 1000;
	CHECK_INT(mmsock_create(PORT, &options), 1);
	CHECK_INT(inspect(PORT).clients, 3);
	CHECK_INT(inspect(PORT).slots, 5);
	CHECK_INT(inspect(PORT).max_reply, 100000);
	CHECK_INT(inspect(PORT).lane_bytes, 262144);
	CHECK_INT(inspect(PORT).max_message, 1000);
	options.clients = MMSOCK_SLOTS_MAX;
	CHECK_INT(mmsock_create(PORT, &options), -EINVAL);
	options.clients = 0;
	options.reply_bytes = UINT64_MAX;
	CHECK_INT(mmsock_create(PORT, &options), -EINVAL);
	options.reply_bytes = 1;
	options.slots = 0;
	CHECK_INT(mmsock_create(PORT, &options), 1);
	CHECK_INT(inspect(PORT).max_reply, 1024);
	CHECK_INT(inspect(PORT).clients, 32);
	CHECK_INT(inspect(PORT).slots, 64);
	options.ring_bytes = 4096;
	options.max_message = 4096 - 16 - 8 + 1;
	CHECK_INT(mmsock_create(PORT, &options), -EINVAL);
	options.max_message--;
	CHECK_INT(mmsock_create(PORT, &options), 1);
}

/* Programs that were built with the structure of 0.2. */
static void test_older_options(void)
{
	struct mmsock_options options = MMSOCK_OPTIONS_INIT;

	fresh_dir();
	options.size = offsetof(struct mmsock_options, clients);
	options.clients = UINT_MAX;
	options.type = MMSOCK_RPC;
	CHECK_INT(mmsock_create(PORT, &options), 1);
	CHECK_INT(inspect(PORT).clients, 32);
	options.size--;
	CHECK_INT(mmsock_create(PORT, &options), -EINVAL);
}

static void test_slots(void)
{
	struct mmsock_options options = MMSOCK_OPTIONS_INIT;
	struct mmsock *client;
	struct mmsock *server;

	fresh_dir();
	options.clients = 1;
	options.slots = 2;
	create_service_with(options);
	client = enter(MMSOCK_CLIENT);
	CHECK_INT(try_enter(MMSOCK_CLIENT), -EUSERS);
	CHECK_STR(mmsock_error_text(-EUSERS),
		  "all 1 slots for clients are held by live participants");
	server = enter(MMSOCK_SERVER);
	CHECK_INT(try_enter(MMSOCK_SERVER), -EUSERS);
	leave(client);
	CHECK_INT(try_enter(MMSOCK_CLIENT), 0);
	leave(server);
	CHECK_INT(try_enter(MMSOCK_SERVER), 0);
}

static void test_nothing_left(void)
{
	struct mmsock *client;
	struct mmsock *server;
	unsigned descriptors;
	unsigned mappings;

	create_service();
	descriptors = count_descriptors();
	mappings = count_mappings();
	client = enter(MMSOCK_CLIENT);
	server = enter(MMSOCK_SERVER);
	leave(client);
	leave(server);
	CHECK_INT(count_descriptors(), descriptors);
	CHECK_INT(count_mappings(), mappings);
}

/* Calls. */

static void echo_once(struct mmsock *client, struct mmsock *server,
		      const char *bytes, size_t length)
{
	static char request[1 << 20];
	static char reply[1 << 20];
	struct mmsock_request taken;
	uint64_t call;

	CHECK_INT(mmsock_call_send(client, bytes, length, &call, 0), 0);
	CHECK_INT(
		mmsock_serve_recv(server, request, sizeof(request), &taken, 0),
		length);
	CHECK(!memcmp(request, bytes, length));
	CHECK_INT(mmsock_reply(server, &taken, request, length, 0), 0);
	CHECK_INT(mmsock_call_recv(client, &call, reply, sizeof(reply), 0),
		  length);
	CHECK(!memcmp(reply, bytes, length));
}

static void test_echo(void)
{
	static const size_t around[] = {4096,  5000,  8192, 16384,
					32768, 61440, 65536};
	struct mmsock *client;
	struct mmsock *server;
	char *bytes = malloc(1 << 17);
	size_t length;
	size_t i;

	for (i = 0; i < 1 << 17; i++)
		bytes[i] = (char)(i * 7 + i / 256);
	create_service_for(&client, &server);
	CHECK_INT(mmsock_max_reply(client), 65536);
	CHECK_INT(mmsock_max_message(client), (1 << 21) - 8);
	for (length = 0; length < 300; length++)
		echo_once(client, server, bytes, length);
	for (i = 0; i < CHECK_COUNT(around); i++)
		for (length = around[i] - 20; length <= around[i] + 20;
		     length++)
			if (length <= 65536)
				echo_once(client, server, bytes + i, length);
	CHECK_INT(mmsock_call_count(client), 0);
	CHECK_INT(inspect(PORT).messages, 0);
	free(bytes);
}

static void *serve_in_thread(void *context)
{
	(void)context;
	echo(enter(MMSOCK_SERVER));
	return NULL;
}

static void test_call(void)
{
	struct mmsock *client;
	char reply[8];
	struct kid server;

	create_service();
	start_echo(&server);
	client = enter(MMSOCK_CLIENT);
	CHECK_INT(mmsock_call(client, "question", 8, reply, 8, MMSOCK_FOREVER),
		  8);
	CHECK(!memcmp(reply, "question", 8));
	CHECK_INT(mmsock_call(client, NULL, 0, NULL, 0, 10 * SECOND), 0);
	CHECK_INT(mmsock_call(client, "question", 8, reply, 7, MMSOCK_FOREVER),
		  -EMSGSIZE);
	CHECK_INT(mmsock_call(client, "q", 1, reply, 8, MMSOCK_FOREVER), 1);
	CHECK_INT(mmsock_call_count(client), 0);
	kid_kill(&server);
}

static void test_any_order(void)
{
	struct mmsock_request requests[3];
	struct mmsock *client;
	struct mmsock *server;
	uint64_t calls[3];
	uint64_t any = 0;
	char buffer[8];

	create_service_for(&client, &server);
	CHECK_INT(collect(client, 0, 0), -EINVAL);
	calls[0] = ask(client, "a");
	calls[1] = ask(client, "b");
	calls[2] = ask(client, "c");
	CHECK_INT(mmsock_call_count(client), 3);
	CHECK_INT(collect(client, 0, 0), -EAGAIN);
	requests[0] = take(server, "a");
	requests[1] = take(server, "b");
	requests[2] = take(server, "c");
	answer(server, &requests[2], "C");
	answer(server, &requests[0], "A");
	CHECK_INT(collect(client, calls[1], 0), -EAGAIN);
	CHECK_INT(mmsock_call_recv(client, &any, buffer, 8, 0), 1);
	CHECK(any == calls[0] || any == calls[2]);
	answer(server, &requests[1], "B");
	expect_reply(client, calls[1], "B");
	any = 0;
	CHECK_INT(mmsock_call_recv(client, &any, buffer, 8, 0), 1);
	CHECK_INT(collect(client, any, 0), -EINVAL);
	CHECK_INT(collect(client, 0, 0), -EINVAL);
	CHECK_INT(mmsock_call_count(client), 0);
}

static void test_too_many(void)
{
	struct mmsock_request requests[MMSOCK_REQUESTS_MAX];
	struct mmsock *client;
	struct mmsock *server;
	struct mmsock_request one;
	uint64_t first;
	uint64_t call;
	unsigned i;
	char byte;

	create_service_for(&client, &server);
	first = ask(client, "x");
	for (i = 1; i < MMSOCK_CALLS_MAX; i++)
		ask(client, "x");
	CHECK_INT(mmsock_call_send(client, "x", 1, &call, 0), -ENOBUFS);
	for (i = 0; i < MMSOCK_REQUESTS_MAX; i++)
		requests[i] = take(server, "x");
	CHECK_INT(mmsock_serve_recv(server, &byte, 1, &one, 0), -ENOBUFS);
	answer(server, &requests[1], "y");
	requests[1] = take(server, "x");
	CHECK_INT(mmsock_call_send(client, "x", 1, &call, 0), -ENOBUFS);
	answer(server, &requests[0], "z");
	expect_reply(client, first, "z");
	CHECK_INT(mmsock_call_send(client, "x", 1, &call, 0), 0);
}

/* Numbers go on for ever; the window moves with the oldest call. */
static void test_many_calls(void)
{
	struct mmsock *client;
	struct mmsock *server;
	struct mmsock_request request;
	uint64_t call;
	unsigned i;

	create_service_for(&client, &server);
	for (i = 0; i < 1000; i++) {
		call = ask(client, "x");
		if (i % 3 == 2) {
			CHECK_INT(mmsock_call_cancel(client, call), 1);
			continue;
		}
		request = take(server, "x");
		answer(server, &request, "y");
		expect_reply(client, call, "y");
	}
	CHECK(nothing_to_serve(server));
	CHECK_INT(mmsock_call_count(client), 0);
}

static void test_old_call(void)
{
	struct mmsock_request old;
	struct mmsock_request request;
	struct mmsock *client;
	struct mmsock *server;
	uint64_t first;
	uint64_t call;
	unsigned i;

	create_service_for(&client, &server);
	first = ask(client, "long");
	old = take(server, "long");
	for (i = 1; i < MMSOCK_CALLS_MAX; i++) {
		call = ask(client, "short");
		request = take(server, "short");
		answer(server, &request, "y");
		expect_reply(client, call, "y");
	}
	CHECK_INT(mmsock_call_count(client), 1);
	CHECK_INT(mmsock_call_send(client, "x", 1, &call, 0), -ENOBUFS);
	CHECK_STR(mmsock_error_text(-ENOBUFS),
		  "the oldest of the calls that were not collected is 64 calls "
		  "old");
	answer(server, &old, "z");
	expect_reply(client, first, "z");
	CHECK_INT(mmsock_call_send(client, "x", 1, &call, 0), 0);
}

static void test_error_reply(void)
{
	struct mmsock_request request;
	struct mmsock *client;
	struct mmsock *server;
	char long_text[1200];
	uint64_t call;

	create_service_for(&client, &server);
	call = ask(client, "divide");
	request = take(server, "divide");
	CHECK_INT(
		mmsock_reply_error(server, &request, -3, "by\tzero\x1b[1m", 0),
		0);
	CHECK_INT(collect(client, call, 0), -EREMOTEIO);
	CHECK_STR(mmsock_error_text(-EREMOTEIO), "by?zero?[1m");
	CHECK_INT(mmsock_call_status(client), -3);
	CHECK_INT(collect(client, call, 0), -EINVAL);
	call = ask(client, "again");
	request = take(server, "again");
	CHECK_INT(mmsock_reply_error(server, &request, 7, NULL, 0), 0);
	CHECK_INT(collect(client, call, 0), -EREMOTEIO);
	CHECK_STR(mmsock_error_text(-EREMOTEIO),
		  "the server replied with an error");
	CHECK_INT(mmsock_call_status(client), 7);
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	call = ask(client, "more");
	request = take(server, "more");
	CHECK_INT(mmsock_reply_error(server, &request, 1, long_text, 0), 0);
	CHECK_INT(collect(client, call, 0), -EREMOTEIO);
}

static void test_too_large(void)
{
	struct mmsock_options options = MMSOCK_OPTIONS_INIT;
	struct mmsock_request request;
	struct mmsock *client;
	struct mmsock *server;
	char bytes[4096] = "";
	void *lent;
	uint64_t call;

	fresh_dir();
	options.max_message = 100;
	options.reply_bytes = 2000;
	create_service_with(options);
	client = enter(MMSOCK_CLIENT);
	server = enter(MMSOCK_SERVER);
	CHECK_INT(mmsock_call_send(client, bytes, 101, &call, 0), -EMSGSIZE);
	CHECK_INT(mmsock_call_send(client, bytes, 100, &call, 0), 0);
	CHECK_INT(mmsock_serve_recv(server, bytes, 99, &request, 0), -EMSGSIZE);
	CHECK_INT(mmsock_serve_recv(server, bytes, 100, &request, 0), 100);
	CHECK_INT(mmsock_reply(server, &request, bytes, 2001, 0), -EMSGSIZE);
	CHECK_STR(mmsock_error_text(-EMSGSIZE),
		  "a reply of 2001 bytes is larger than the service's maximum "
		  "of 2000");
	CHECK_INT(mmsock_reply(server, &request, bytes, 1, 0), -EINVAL);
	CHECK_INT(collect(client, call, 0), -EMSGSIZE);
	CHECK_STR(mmsock_error_text(-EMSGSIZE),
		  "the reply is larger than the service's lanes take");
	CHECK_INT(mmsock_call_count(client), 0);
	call = ask(client, "x");
	request = take(server, "x");
	CHECK_INT(mmsock_reply_reserve(server, &request, 2001, &lent, 0),
		  -EMSGSIZE);
	CHECK_INT(collect(client, call, 0), -EMSGSIZE);
	call = ask(client, "x");
	request = take(server, "x");
	CHECK_INT(mmsock_reply(server, &request, bytes, 2000, 0), 0);
	CHECK_INT(mmsock_call_recv(client, &call, bytes, 1999, 0), -EMSGSIZE);
	CHECK_INT(mmsock_call_count(client), 1);
	CHECK_INT(mmsock_call_recv(client, &call, bytes, 2000, 0), 2000);
}

/* Every call gets an answer, although his lane takes few large ones. */
static void test_full_lane(void)
{
	struct mmsock_request requests[MMSOCK_REQUESTS_MAX];
	static char bytes[65536];
	struct mmsock *client;
	struct mmsock *server;
	uint64_t calls[64];
	/* Four would fill the lane, with room for one refusal. */
	const ssize_t large = 65512;
	unsigned refused = 0;
	unsigned answered = 0;
	unsigned turn;
	unsigned i;
	ssize_t r;

	create_service_for(&client, &server);
	for (i = 0; i < 64; i++)
		calls[i] = ask(client, "x");
	for (turn = 0; turn < 4; turn++) {
		for (i = 0; i < 16; i++)
			requests[i] = take(server, "x");
		for (i = 0; i < 16; i++) {
			r = mmsock_reply(server, &requests[i], bytes,
					 (size_t)large, 0);
			CHECK(!r || r == -ENOBUFS);
			refused += r != 0;
		}
	}
	CHECK(refused >= 60);
	for (i = 0; i < 64; i++) {
		r = mmsock_call_recv(client, &calls[i], bytes, sizeof(bytes),
				     0);
		CHECK(r == large || r == -ENOBUFS);
		answered += r == large;
	}
	CHECK_INT(answered + refused, 64);
	echo_once(client, server, bytes, 65536);
}

static void reply_to_all(struct mmsock *server, unsigned count, size_t length,
			 int outcome)
{
	static char bytes[65536];
	struct mmsock_request request;

	while (count-- > 0) {
		request = take(server, "x");
		CHECK_INT(mmsock_reply(server, &request, bytes, length, 0),
			  outcome);
	}
}

/* Replies that were given up have no room that others need. */
static void test_full_of_unwanted(void)
{
	struct mmsock *client;
	struct mmsock *server;
	uint64_t calls[64];
	unsigned i;

	create_service_for(&client, &server);
	for (i = 0; i < 64; i++)
		calls[i] = ask(client, "x");
	reply_to_all(server, 4, 64000, 0);
	reply_to_all(server, 3, 1200, 0);
	reply_to_all(server, 57, 1000, -ENOBUFS);
	for (i = 0; i < 64; i++)
		CHECK_INT(mmsock_call_cancel(client, calls[i]), 0);
	for (i = 0; i < 64; i++)
		calls[i] = ask(client, "x");
	reply_to_all(server, 64, 10, 0);
	for (i = 0; i < 64; i++)
		CHECK_INT(collect(client, calls[i], 0), 10);
}

/* Each comes before its call is given up, and nobody collects anything. */
static void test_given_up_in_a_row(void)
{
	struct mmsock_request request;
	static char bytes[65536];
	struct mmsock *client;
	struct mmsock *server;
	uint64_t call = 0;
	unsigned i;

	create_service_for(&client, &server);
	for (i = 0; i < 10; i++) {
		if (call)
			CHECK_INT(mmsock_call_cancel(client, call), 0);
		call = ask(client, "x");
		request = take(server, "x");
		CHECK_INT(
			mmsock_reply(server, &request, bytes, sizeof(bytes), 0),
			0);
	}
	CHECK_INT(mmsock_call_recv(client, &call, bytes, sizeof(bytes), 0),
		  sizeof(bytes));
}

/* One comes late, when the next call is under way; and so on. */
static void test_late_reply_has_room(void)
{
	struct mmsock_request requests[2];
	static char bytes[65536];
	struct mmsock *client;
	struct mmsock *servers[2];
	uint64_t call;
	void *place;
	unsigned i;

	create_service();
	client = enter(MMSOCK_CLIENT);
	servers[0] = enter(MMSOCK_SERVER);
	servers[1] = enter(MMSOCK_SERVER);
	call = ask(client, "x");
	for (i = 0; i < 10; i++) {
		requests[0] = take(servers[0], "x");
		CHECK_INT(mmsock_reply_reserve(servers[0], &requests[0],
					       sizeof(bytes), &place, 0),
			  0);
		CHECK_INT(mmsock_call_cancel(client, call), 0);
		call = ask(client, "x");
		requests[1] = take(servers[1], "x");
		CHECK_INT(mmsock_reply_commit(servers[0], sizeof(bytes)), 0);
		CHECK_INT(mmsock_reply_reserve(servers[1], &requests[1],
					       sizeof(bytes), &place, 0),
			  0);
		CHECK_INT(mmsock_call_cancel(client, call), 0);
		call = ask(client, "x");
		CHECK_INT(mmsock_reply_commit(servers[1], sizeof(bytes)), 0);
	}
	requests[0] = take(servers[0], "x");
	CHECK_INT(
		mmsock_reply(servers[0], &requests[0], bytes, sizeof(bytes), 0),
		0);
	CHECK_INT(mmsock_call_recv(client, &call, bytes, sizeof(bytes), 0),
		  sizeof(bytes));
}

static void test_zero_copy(void)
{
	struct mmsock_request request;
	struct mmsock *client;
	struct mmsock *server;
	const void *seen;
	uint64_t call = 0;
	void *lent;

	create_service_for(&client, &server);
	CHECK_INT(mmsock_call_reserve(client, 1000, &lent, 0), 0);
	CHECK_INT(mmsock_call_send(client, "x", 1, &call, 0), -EDEADLK);
	CHECK_INT(mmsock_cancel(client), 0);
	CHECK_INT(mmsock_call_reserve(client, 1000, &lent, 0), 0);
	CHECK_INT((uintptr_t)lent % 8, 0);
	memcpy(lent, "ping", 4);
	CHECK_INT(mmsock_call_commit(client, 1001, &call), -EINVAL);
	CHECK_INT(mmsock_call_commit(client, 4, &call), 0);
	CHECK_INT(mmsock_serve_peek(server, &seen, 0), 4);
	CHECK(!memcmp(seen, "ping", 4));
	CHECK_INT(mmsock_cancel(server), 0);
	CHECK_INT(mmsock_serve_peek(server, &seen, 0), 4);
	CHECK_INT(mmsock_serve_release(server, &request), 0);
	CHECK_INT(mmsock_reply_reserve(server, &request, 500, &lent, 0), 0);
	CHECK_INT(mmsock_cancel(server), 0);
	CHECK_INT(mmsock_reply_reserve(server, &request, 500, &lent, 0), 0);
	memcpy(lent, "pong", 4);
	CHECK_INT(mmsock_reply_commit(server, 501), -EINVAL);
	CHECK_INT(mmsock_reply_commit(server, 4), 0);
	CHECK_INT(mmsock_call_peek(client, &call, &seen, 0), 4);
	CHECK(!memcmp(seen, "pong", 4));
	CHECK_INT(mmsock_cancel(client), 0);
	CHECK_INT(mmsock_call_peek(client, &call, &seen, 0), 4);
	CHECK_INT(mmsock_call_release(client), 0);
	CHECK_INT(mmsock_call_count(client), 0);
	CHECK_INT(mmsock_call_release(client), -EINVAL);
	echo_once(client, server, "more", 4);
}

/* A reply that was put aside can be lent, too. */
static void test_peek_aside(void)
{
	struct mmsock_request requests[2];
	struct mmsock *client;
	struct mmsock *server;
	const void *seen;
	uint64_t calls[2];

	create_service_for(&client, &server);
	calls[0] = ask(client, "a");
	calls[1] = ask(client, "b");
	requests[0] = take(server, "a");
	requests[1] = take(server, "b");
	answer(server, &requests[0], "A");
	answer(server, &requests[1], "B");
	expect_reply(client, calls[1], "B");
	CHECK_INT(mmsock_call_peek(client, &calls[0], &seen, 0), 1);
	CHECK(!memcmp(seen, "A", 1));
	CHECK_INT(mmsock_call_release(client), 0);
	echo_once(client, server, "c", 1);
}

/* How calls end without a reply. */

static void test_nobody_serves(void)
{
	struct mmsock *client;
	uint64_t call;
	char byte;

	create_service();
	client = enter(MMSOCK_CLIENT);
	CHECK_INT(mmsock_call(client, "x", 1, &byte, 1, MMSOCK_FOREVER),
		  -ECONNREFUSED);
	CHECK_STR(mmsock_error_text(-ECONNREFUSED), "nobody serves this port");
	CHECK_INT(mmsock_call_send(client, "x", 1, &call, MMSOCK_FOREVER),
		  -ECONNREFUSED);
	CHECK_INT(mmsock_call_count(client), 0);
	CHECK_INT(inspect(PORT).messages, 0);
}

/* Refused means that nobody will ever execute it. */
static void test_server_leaves(void)
{
	struct mmsock *client;
	struct mmsock *server;
	uint64_t waiting;
	uint64_t taken;

	create_service_for(&client, &server);
	taken = ask(client, "taken");
	waiting = ask(client, "waiting");
	take(server, "taken");
	leave(server);
	CHECK_INT(collect(client, waiting, MMSOCK_FOREVER), -ECONNREFUSED);
	CHECK_INT(collect(client, taken, MMSOCK_FOREVER), -EOWNERDEAD);
	CHECK_STR(mmsock_error_text(-EOWNERDEAD),
		  "the server died or left before it replied");
	CHECK_INT(mmsock_call_count(client), 0);
	server = enter(MMSOCK_SERVER);
	CHECK(nothing_to_serve(server));
	CHECK_INT(inspect(PORT).dropped, 1);
	echo_once(client, server, "new", 3);
}

static void run_taker(struct kid *self, void *context)
{
	struct mmsock *server = enter(MMSOCK_SERVER);

	tell(self);
	take(server, context);
	meet(self);
}

static void start_taker(struct kid *kid, char *text)
{
	kid_start(kid, run_taker, text);
	CHECK(hear(kid));
}

static void *kill_when_asleep(void *context)
{
	struct kid *kid = context;

	await_sleeper(PORT, getpid(), MMSOCK_REPLY);
	kid_kill(kid);
	return NULL;
}

static void test_server_killed(void)
{
	static char text[] = "taken";
	struct mmsock *client;
	pthread_t killer;
	struct kid server;
	uint64_t call;

	create_service();
	start_taker(&server, text);
	client = enter(MMSOCK_CLIENT);
	call = ask(client, text);
	CHECK(hear(&server));
	CHECK(!pthread_create(&killer, NULL, kill_when_asleep, &server));
	CHECK_INT(collect(client, call, MMSOCK_FOREVER), -EOWNERDEAD);
	pthread_join(killer, NULL);
	CHECK_INT(mmsock_call_send(client, "x", 1, &call, MMSOCK_FOREVER), 0);
	CHECK_INT(collect(client, call, MMSOCK_FOREVER), -ECONNREFUSED);
	/* Now he knows, and leaves nothing in the ring. */
	CHECK_INT(mmsock_call_send(client, "x", 1, &call, MMSOCK_FOREVER),
		  -ECONNREFUSED);
	CHECK_INT(inspect(PORT).messages, 1);
}

/* Whoever gets the dead server's slot clears his desk, and serves on. */
static void test_slot_is_inherited(void)
{
	static char text[] = "taken";
	struct mmsock *client;
	struct mmsock *server;
	struct kid dead;
	uint64_t call;

	create_service();
	start_taker(&dead, text);
	client = enter(MMSOCK_CLIENT);
	call = ask(client, text);
	CHECK(hear(&dead));
	CHECK_INT(collect(client, call, 0), -EAGAIN);
	kid_kill(&dead);
	CHECK_INT(inspect(PORT).dead, 1);
	server = enter(MMSOCK_SERVER);
	CHECK_INT(inspect(PORT).dead, 0);
	CHECK_INT(inspect(PORT).requests, 0);
	CHECK_INT(collect(client, call, MMSOCK_FOREVER), -EOWNERDEAD);
	echo_once(client, server, "next", 4);
}

static void run_half_replier(struct kid *self, void *context)
{
	struct mmsock *server = enter(MMSOCK_SERVER);
	struct mmsock_request request;
	void *lent;

	tell(self);
	request = take(server, context);
	CHECK_INT(mmsock_reply_reserve(server, &request, 3000, &lent, 0), 0);
	memset(lent, 0xa5, 3000);
	meet(self);
}

/* He dies with the client's lane in his hands. */
static void die_in_reply(struct mmsock *client)
{
	static char text[] = "half";
	struct kid dead;
	uint64_t call;

	kid_start(&dead, run_half_replier, text);
	CHECK(hear(&dead));
	call = ask(client, text);
	CHECK(hear(&dead));
	kid_kill(&dead);
	CHECK_INT(collect(client, call, MMSOCK_FOREVER), -EOWNERDEAD);
}

static void test_killed_in_reply(void)
{
	struct mmsock *client;
	struct mmsock *server;
	uint64_t takeovers;

	create_service();
	client = enter(MMSOCK_CLIENT);
	die_in_reply(client);
	/* He has the slot. */
	server = enter(MMSOCK_SERVER);
	CHECK_INT(inspect(PORT).takeovers, 1);
	echo_once(client, server, "whole", 5);
	/* Now somebody in another slot takes over. */
	takeovers = inspect(PORT).takeovers;
	CHECK_INT(try_enter(MMSOCK_SERVER), 0);
	die_in_reply(client);
	echo_once(client, server, "again", 5);
	CHECK_INT(inspect(PORT).takeovers, takeovers + 1);
}

static void test_late_reply(void)
{
	struct mmsock_request request;
	struct mmsock_request other;
	struct mmsock *client;
	struct mmsock *server;
	uint64_t call;
	char byte;

	create_service_for(&client, &server);
	CHECK_INT(mmsock_call(client, "l", 1, &byte, 1, 1), -ETIMEDOUT);
	CHECK(nothing_to_serve(server));
	call = ask(client, "late");
	request = take(server, "late");
	CHECK_INT(mmsock_request_wanted(server, &request), 1);
	CHECK_INT(mmsock_call_cancel(client, call), 0);
	CHECK_INT(mmsock_call_cancel(client, call), -EINVAL);
	CHECK_INT(mmsock_request_wanted(server, &request), 0);
	CHECK_INT(mmsock_reply(server, &request, "late", 4, 0), -ECONNRESET);
	CHECK_STR(mmsock_error_text(-ECONNRESET),
		  "the caller is gone or no longer waits");
	CHECK_INT(mmsock_reply(server, &request, "late", 4, 0), -EINVAL);
	echo_once(client, server, "next", 4);
	/* Nor another one's, for which the desk has the same place. */
	call = ask(client, "other");
	other = take(server, "other");
	CHECK_INT(other.place, request.place);
	CHECK_INT(mmsock_reply(server, &request, "late", 4, 0), -EINVAL);
	answer(server, &other, "in time");
	expect_reply(client, call, "in time");
}

/* A reply that was committed before its call was given up. */
static void test_unwanted_reply(void)
{
	struct mmsock_request request;
	struct mmsock *client;
	struct mmsock *server;
	uint64_t call;
	unsigned i;

	create_service_for(&client, &server);
	call = ask(client, "early");
	request = take(server, "early");
	answer(server, &request, "early");
	CHECK_INT(mmsock_call_cancel(client, call), 0);
	echo_once(client, server, "next", 4);
	/* Nor is it that of a call in the same place, 64 numbers later. */
	call = ask(client, "early");
	request = take(server, "early");
	answer(server, &request, "early");
	CHECK_INT(mmsock_call_cancel(client, call), 0);
	for (i = 1; i < MMS_CALLS; i++)
		CHECK_INT(mmsock_call_cancel(client, ask(client, "x")), 1);
	CHECK_INT(ask(client, "late"), call + MMS_CALLS);
	call += MMS_CALLS;
	request = take(server, "late");
	answer(server, &request, "late");
	expect_reply(client, call, "late");
}

/* What is dropped gives nobody more time; the rest is there for the next call. */
static void test_withdrawn_in_a_row(void)
{
	struct mmsock_request request;
	struct mmsock *client;
	struct mmsock *server;
	const void *seen;
	char byte;
	int i;

	create_service_for(&client, &server);
	for (i = 0; i < 5; i++)
		CHECK_INT(mmsock_call_cancel(client, ask(client, "x")), 1);
	CHECK_INT(mmsock_serve_recv(server, &byte, 1, &request, 1), -ETIMEDOUT);
	CHECK_INT(inspect(PORT).dropped, 1);
	CHECK_INT(mmsock_serve_peek(server, &seen, 1), -ETIMEDOUT);
	CHECK_INT(inspect(PORT).dropped, 2);
	CHECK(nothing_to_serve(server));
	CHECK_INT(inspect(PORT).dropped, 5);
	echo_once(client, server, "wanted", 6);
}

static void test_withdrawn_while_peeked(void)
{
	struct mmsock_request request;
	struct mmsock *client;
	struct mmsock *server;
	const void *seen;
	uint64_t call;

	create_service_for(&client, &server);
	call = ask(client, "x");
	CHECK_INT(mmsock_serve_peek(server, &seen, 0), 1);
	CHECK_INT(mmsock_call_cancel(client, call), 1);
	CHECK_INT(mmsock_serve_release(server, &request), -ECONNRESET);
	CHECK(nothing_to_serve(server));
	CHECK_INT(inspect(PORT).requests, 0);
}

static void test_client_leaves(void)
{
	struct mmsock_request request;
	struct mmsock *client;
	struct mmsock *server;

	create_service_for(&client, &server);
	ask(client, "taken");
	ask(client, "waiting");
	request = take(server, "taken");
	CHECK_INT(mmsock_request_pid(server, &request), getpid());
	leave(client);
	CHECK(nothing_to_serve(server));
	CHECK_INT(mmsock_reply(server, &request, "x", 1, 0), -ECONNRESET);
	client = enter(MMSOCK_CLIENT);
	echo_once(client, server, "next", 4);
}

static void run_asker(struct kid *self, void *context)
{
	struct mmsock *client = enter(MMSOCK_CLIENT);

	ask(client, context);
	meet(self);
	ask(client, "more");
	meet(self);
}

/* The next client in the slot gets nothing that the dead one asked for. */
static void test_client_killed(void)
{
	static char text[] = "dying";
	struct mmsock_request request;
	struct mmsock *client;
	struct mmsock *server;
	struct kid dead;

	create_service();
	server = enter(MMSOCK_SERVER);
	kid_start(&dead, run_asker, text);
	CHECK(hear(&dead));
	request = take(server, text);
	tell(&dead);
	CHECK(hear(&dead));
	kid_kill(&dead);
	CHECK_INT(mmsock_request_wanted(server, &request), 0);
	client = enter(MMSOCK_CLIENT);
	CHECK_INT(client->port.slot, request.client);
	CHECK_INT(mmsock_reply(server, &request, "to the dead", 11, 0),
		  -ECONNRESET);
	CHECK(nothing_to_serve(server));
	echo_once(client, server, "alive", 5);
}

/* What a dead client has asked for is waited for by nobody. */
static void test_stale_with_requests(void)
{
	static char text[] = "dying";
	struct mmsock *server;
	struct kid dead;

	create_service();
	server = enter(MMSOCK_SERVER);
	kid_start(&dead, run_asker, text);
	CHECK(hear(&dead));
	leave(server);
	CHECK_INT(inspect(PORT).messages, 1);
	CHECK_INT(inspect(PORT).state, MMSOCK_STATE_OK);
	CHECK_INT(mmsock_remove(PORT, NULL, MMSOCK_REMOVE_STALE), -EBUSY);
	kid_kill(&dead);
	CHECK_INT(inspect(PORT).messages, 1);
	CHECK_INT(inspect(PORT).state, MMSOCK_STATE_STALE);
	CHECK_INT(mmsock_remove(PORT, NULL, MMSOCK_REMOVE_STALE), 0);
}

/* What a dead client's lane holds is not his successor's. */
static void test_lane_is_inherited(void)
{
	static char text[] = "dying";
	struct mmsock_request request;
	struct mmsock *client;
	struct mmsock *server;
	struct kid dead;

	create_service();
	server = enter(MMSOCK_SERVER);
	kid_start(&dead, run_asker, text);
	CHECK(hear(&dead));
	request = take(server, text);
	answer(server, &request, "to the dying");
	kid_kill(&dead);
	client = enter(MMSOCK_CLIENT);
	CHECK_INT(client->port.slot, request.client);
	echo_once(client, server, "alive", 5);
}

static void test_gone(void)
{
	struct mmsock_request request;
	struct mmsock *client;
	struct mmsock *server;
	uint64_t second;
	uint64_t call;
	char byte;

	create_service_for(&client, &server);
	call = ask(client, "x");
	request = take(server, "x");
	second = ask(client, "y");
	CHECK_INT(mmsock_remove(PORT, NULL, MMSOCK_REMOVE_ALWAYS), 0);
	CHECK_INT(collect(client, second, MMSOCK_FOREVER), -EIDRM);
	CHECK_INT(collect(client, call, MMSOCK_FOREVER), -EIDRM);
	CHECK_INT(mmsock_call_send(client, "x", 1, &call, MMSOCK_FOREVER),
		  -EIDRM);
	/* What was given up is not executed, although the ring may be drained. */
	CHECK_INT(mmsock_reply(server, &request, "x", 1, 0), -ECONNRESET);
	CHECK_INT(mmsock_serve_recv(server, &byte, 1, &request, MMSOCK_FOREVER),
		  -EIDRM);
}

static void *remove_when_asleep(void *context)
{
	(void)context;
	await_sleeper(PORT, getpid(), MMSOCK_REPLY);
	CHECK_INT(mmsock_remove(PORT, NULL, MMSOCK_REMOVE_ALWAYS), 0);
	return NULL;
}

static void test_removed_while_asleep(void)
{
	struct mmsock *client;
	pthread_t remover;
	uint64_t call;

	create_service();
	client = enter(MMSOCK_CLIENT);
	enter(MMSOCK_SERVER);
	call = ask(client, "x");
	client->waiter.no_recheck = true;
	CHECK(!pthread_create(&remover, NULL, remove_when_asleep, NULL));
	CHECK_INT(collect(client, call, MMSOCK_FOREVER), -EIDRM);
	pthread_join(remover, NULL);
}

/* Who sleeps is told without looking for himself. */

static void *close_when_asleep(void *context)
{
	await_sleeper(PORT, getpid(), MMSOCK_REPLY);
	leave(context);
	return NULL;
}

static void test_leaving_wakes(void)
{
	struct mmsock *client;
	struct mmsock *server;
	pthread_t leaver;
	uint64_t call;

	create_service_for(&client, &server);
	client->waiter.no_recheck = true;
	call = ask(client, "x");
	CHECK(!pthread_create(&leaver, NULL, close_when_asleep, server));
	CHECK_INT(collect(client, call, MMSOCK_FOREVER), -ECONNREFUSED);
	pthread_join(leaver, NULL);
}

static void *reply_when_asleep(void *context)
{
	struct mmsock *server = context;
	struct mmsock_request request;

	await_sleeper(PORT, getpid(), MMSOCK_REPLY);
	request = take(server, "x");
	answer(server, &request, "y");
	return NULL;
}

static void test_reply_wakes(void)
{
	struct mmsock *client;
	struct mmsock *server;
	pthread_t replier;
	uint64_t call;
	int i;

	create_service_for(&client, &server);
	client->waiter.no_recheck = true;
	for (i = 0; i < 20; i++) {
		call = ask(client, "x");
		CHECK(!pthread_create(&replier, NULL, reply_when_asleep,
				      server));
		CHECK_INT(collect(client, call, MMSOCK_FOREVER), 1);
		pthread_join(replier, NULL);
	}
}

/* Nothing is taken from the living. */
static void test_stopped_server(void)
{
	struct mmsock *client;
	struct kid server;
	char byte;

	create_service();
	start_echo(&server);
	client = enter(MMSOCK_CLIENT);
	CHECK_INT(mmsock_call(client, "a", 1, &byte, 1, MMSOCK_FOREVER), 1);
	kid_stop(&server);
	CHECK_INT(mmsock_call(client, "b", 1, &byte, 1, 200 * MS), -ETIMEDOUT);
	kid_continue(&server);
	CHECK_INT(mmsock_call(client, "c", 1, &byte, 1, MMSOCK_FOREVER), 1);
	CHECK_INT(byte, 'c');
	kid_kill(&server);
}

/* One whom he has stopped in the middle of a reply holds that lane alone. */
static void test_stopped_in_reply(void)
{
	static char text[] = "half";
	struct mmsock_request request;
	struct mmsock *client;
	struct mmsock *other;
	struct mmsock *server;
	struct kid stopped;
	uint64_t second;
	uint64_t call;

	create_service();
	client = enter(MMSOCK_CLIENT);
	kid_start(&stopped, run_half_replier, text);
	CHECK(hear(&stopped));
	call = ask(client, text);
	CHECK(hear(&stopped));
	kid_stop(&stopped);
	server = enter(MMSOCK_SERVER);
	second = ask(client, "second");
	request = take(server, "second");
	CHECK_INT(mmsock_reply(server, &request, "x", 1, 50 * MS), -ETIMEDOUT);
	CHECK(strstr(mmsock_error_text(-ETIMEDOUT), "is held by pid"));
	other = enter(MMSOCK_CLIENT);
	echo_once(other, server, "other", 5);
	CHECK_INT(collect(client, call, 0), -EAGAIN);
	kid_kill(&stopped);
	answer(server, &request, "y");
	expect_reply(client, second, "y");
	CHECK_INT(collect(client, call, MMSOCK_FOREVER), -EOWNERDEAD);
}

static void run_stopped_client(struct kid *self, void *context)
{
	struct mmsock *client = enter(MMSOCK_CLIENT);
	unsigned i;

	(void)context;
	for (i = 0; i < 8; i++)
		ask(client, "flood");
	meet(self);
}

static void test_stopped_client(void)
{
	struct mmsock_request request;
	static char bytes[60000];
	struct mmsock *client;
	struct mmsock *server;
	struct kid stopped;
	unsigned i;

	create_service();
	server = enter(MMSOCK_SERVER);
	kid_start(&stopped, run_stopped_client, NULL);
	CHECK(hear(&stopped));
	kid_stop(&stopped);
	for (i = 0; i < 8; i++) {
		request = take(server, "flood");
		(void)mmsock_reply(server, &request, bytes, sizeof(bytes),
				   MMSOCK_FOREVER);
	}
	client = enter(MMSOCK_CLIENT);
	echo_once(client, server, "free", 4);
	kid_kill(&stopped);
}

/* Servers come and go; one client stays. */
static void test_servers_replaced(void)
{
	struct mmsock *client;
	struct mmsock *server;
	struct kid dying;
	char byte;
	int i;

	create_service();
	client = enter(MMSOCK_CLIENT);
	for (i = 0; i < 30; i++) {
		CHECK_INT(mmsock_call(client, "x", 1, &byte, 1, MMSOCK_FOREVER),
			  -ECONNREFUSED);
		start_echo(&dying);
		CHECK_INT(mmsock_call(client, "x", 1, &byte, 1, MMSOCK_FOREVER),
			  1);
		kid_kill(&dying);
		CHECK_INT(mmsock_call(client, "x", 1, &byte, 1, MMSOCK_FOREVER),
			  -ECONNREFUSED);
		server = enter(MMSOCK_SERVER);
		echo_once(client, server, "y", 1);
		leave(server);
	}
	CHECK_INT(inspect(PORT).dropped, 30);
}

static void test_wait_peers(void)
{
	struct mmsock *client;
	struct mmsock *server;

	create_service();
	client = enter(MMSOCK_CLIENT);
	CHECK_INT(mmsock_wait_peers(client, 1, 0), -EAGAIN);
	server = enter(MMSOCK_SERVER);
	CHECK_INT(mmsock_wait_peers(client, 1, MMSOCK_FOREVER), 0);
	CHECK_INT(mmsock_wait_peers(server, 1, MMSOCK_FOREVER), 0);
	CHECK_INT(mmsock_wait_peers(server, 2, 0), -EAGAIN);
}

static void test_refused_uses(void)
{
	struct mmsock_request request = {0};
	struct mmsock *client;
	struct mmsock *server;
	uint64_t call = 0;
	char byte;

	create_service_for(&client, &server);
	CHECK_INT(mmsock_send(client, "x", 1, 0), -EPERM);
	CHECK_INT(mmsock_recv(server, &byte, 1, 0), -EPERM);
	CHECK_INT(mmsock_call(server, "x", 1, &byte, 1, 0), -EPERM);
	CHECK_INT(mmsock_call_recv(server, &call, &byte, 1, 0), -EPERM);
	CHECK_INT(mmsock_call_count(server), 0);
	CHECK_INT(mmsock_serve_recv(client, &byte, 1, &request, 0), -EPERM);
	CHECK_INT(mmsock_reply(client, &request, "x", 1, 0), -EPERM);
	CHECK_INT(mmsock_reply(server, &request, "x", 1, 0), -EINVAL);
	request.place = UINT_MAX;
	request.client = UINT_MAX;
	CHECK_INT(mmsock_reply(server, &request, "x", 1, 0), -EINVAL);
	CHECK_INT(mmsock_request_wanted(server, &request), -EINVAL);
	CHECK_INT(mmsock_request_pid(server, &request), -EINVAL);
	CHECK_INT(mmsock_call_cancel(client, 0), -EINVAL);
	CHECK_INT(mmsock_call(client, "x", 1, &byte, 1, 0), -EAGAIN);
	CHECK_INT(mmsock_call_count(client), 0);
}

static void test_interrupt(void)
{
	struct mmsock_request request;
	struct mmsock *client;
	struct mmsock *server;
	uint64_t call;

	create_service_for(&client, &server);
	call = ask(client, "x");
	mmsock_interrupt(client);
	CHECK_INT(collect(client, call, MMSOCK_FOREVER), -EINTR);
	request = take(server, "x");
	answer(server, &request, "y");
	expect_reply(client, call, "y");
}

static void test_fork(void)
{
	struct mmsock *client;
	struct mmsock *server;
	int status;
	pid_t pid;
	char byte;

	create_service_for(&client, &server);
	ask(client, "x");
	pid = fork();
	if (!pid) {
		if (mmsock_call(client, "x", 1, &byte, 1, 0) != -ECHILD)
			_exit(1);
		mmsock_close(client);
		mmsock_close(server);
		_exit(0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
	take(server, "x");
}

/* What a stranger writes into the file. */

static void test_scribbled_lane(void)
{
	struct mmsock_request request;
	struct mmsock *client;
	struct mmsock *server;
	struct mmsock *other;
	struct mms_lane *lane;
	uint64_t call;

	create_service();
	client = enter(MMSOCK_CLIENT);
	other = enter(MMSOCK_CLIENT);
	server = enter(MMSOCK_SERVER);
	lane = &client->port.service.lanes[client->port.slot];
	call = ask(client, "x");
	request = take(server, "x");
	/* An impossible head: no room is to be believed. */
	lane->recv.at = UINT64_MAX / 2 & ~UINT64_C(7);
	server->port.service.rings[client->port.slot].head_seen =
		lane->recv.at - 1;
	CHECK_INT(mmsock_reply(server, &request, "x", 1, 0), -ECONNRESET);
	echo_once(other, server, "unhurt", 6);
	lane->recv.at = 0;
	/* A record that cannot be. */
	*(uint64_t *)(void *)client->port.lanes = UINT64_MAX;
	CHECK_INT(collect(client, call, 0), -EBADMSG);
	lane->send.lock.word = 0xffff;
	call = ask(client, "y");
	request = take(server, "y");
	CHECK_INT(mmsock_reply(server, &request, "x", 1, 0), -ECONNRESET);
	echo_once(other, server, "unhurt", 6);
}

static void test_scribbled_requests(void)
{
	struct mmsock *client;
	struct mmsock *server;
	struct mms_ring *ring;
	uint64_t at;
	uint64_t *word;

	create_service_for(&client, &server);
	ring = &client->port.ring;
	/* From a slot that is no client's, whose floor would be 0. */
	ring->slot = server->port.slot;
	CHECK_INT(mms_ring_reserve(ring, 32, &at), 0);
	mms_ring_send_call(ring, at, 1, "x", 1);
	CHECK(nothing_to_serve(server));
	/* Too short for a number, but one that would do. */
	ring->slot = client->port.slot;
	CHECK_INT(mms_ring_reserve(ring, 16, &at), 0);
	mms_ring_send(ring, at, &client->caller->next, 1);
	CHECK(nothing_to_serve(server));
	/* A number that nobody has. */
	ask(client, "y");
	word = (void *)(ring->data + ring->recv->at + MMS_HEADER_SIZE);
	*word = UINT64_MAX;
	CHECK(nothing_to_serve(server));
	CHECK_INT(inspect(PORT).dropped, 3);
}

/* A floor that no call can have reached. */
static void test_scribbled_floor(void)
{
	static const uint64_t floors[] = {
		-(uint64_t)MMS_CALLS, -(uint64_t)MMS_CALLS - 1, UINT64_MAX,
		MMS_CALL_NUMBER, MMS_CALL_NUMBER / 2 + 1};
	struct mmsock *client;
	struct mmsock *server;
	size_t i;
	int j;

	create_service();
	server = enter(MMSOCK_SERVER);
	for (i = 0; i < CHECK_COUNT(floors); i++) {
		server->port.service.lanes[0].floor = floors[i];
		client = enter(MMSOCK_CLIENT);
		CHECK_INT(client->port.slot, 0);
		for (j = 0; j < 200; j++)
			echo_once(client, server, "unhurt", 6);
		leave(client);
	}
}

static void test_scribbled_reply(void)
{
	struct mmsock_request request;
	struct mmsock *client;
	struct mmsock *server;
	uint64_t *word;
	uint64_t call;

	create_service_for(&client, &server);
	call = ask(client, "x");
	request = take(server, "x");
	answer(server, &request, "short");
	word = (void *)(client->port.lanes + MMS_HEADER_SIZE);
	*word |= MMS_CALL_FAILED;
	CHECK_INT(collect(client, call, 0), -EBADMSG);
	CHECK_INT(mmsock_call_count(client), 0);
	echo_once(client, server, "next", 4);
}

static void test_damaged_header(void)
{
	struct mms_header *header;
	const char *path;

	path = join(fresh_dir(), PORT);
	create_service_with((struct mmsock_options)MMSOCK_OPTIONS_INIT);
	header = (void *)map_file(path);
	header->clients++;
	CHECK_INT(try_enter(MMSOCK_CLIENT), -EBADMSG);
	header->clients--;
	CHECK_INT(try_enter(MMSOCK_CLIENT), 0);
	header->clients = header->slots;
	mms_header_seal(header);
	CHECK_INT(try_enter(MMSOCK_CLIENT), -EBADMSG);
	header->clients = 32;
	header->lane_bytes *= 2;
	mms_header_seal(header);
	CHECK_INT(try_enter(MMSOCK_CLIENT), -EBADMSG);
	header->lane_bytes = 3000;
	mms_header_seal(header);
	CHECK_INT(try_enter(MMSOCK_CLIENT), -EBADMSG);
	header->lane_bytes = 131072;
	header->max_reply = 131072;
	mms_header_seal(header);
	CHECK_INT(try_enter(MMSOCK_CLIENT), -EBADMSG);
	CHECK_INT(inspect(PORT).state, MMSOCK_STATE_CORRUPT);
}

/* A record that has no room for the number of a call. */
static void test_short_reply(void)
{
	struct mmsock *client;
	struct mmsock *server;
	struct mms_ring *ring;
	uint64_t call;
	uint64_t at;

	create_service_for(&client, &server);
	ring = &server->port.service.rings[client->port.slot];
	call = ask(client, "x");
	CHECK_INT(mms_ring_reserve(ring, 16, &at), 0);
	mms_ring_send(ring, at, "abc", 3);
	CHECK_INT(collect(client, call, 0), -EBADMSG);
	CHECK_STR(mmsock_error_text(-EBADMSG), "the oldest reply is not valid");
}

/* A handler's error with a text that no server of ours sends. */
static void test_long_failure(void)
{
	struct mmsock_request request;
	static char bytes[60000];
	struct mmsock *client;
	struct mmsock *server;
	uint64_t *word;
	uint64_t call;

	create_service_for(&client, &server);
	call = ask(client, "x");
	request = take(server, "x");
	memset(bytes, 'e', sizeof(bytes));
	CHECK_INT(mmsock_reply(server, &request, bytes, sizeof(bytes), 0), 0);
	word = (void *)(client->port.lanes + MMS_HEADER_SIZE);
	*word |= MMS_CALL_FAILED;
	CHECK_INT(collect(client, call, 0), -EREMOTEIO);
	CHECK_INT(strspn(mmsock_error_text(-EREMOTEIO), "e"),
		  strlen(mmsock_error_text(-EREMOTEIO)));
	echo_once(client, server, "next", 4);
}

/* Looking from outside. */

struct looked {
	struct mmsock_peer client;
	struct mmsock_peer server;
};

static int note_peer(const struct mmsock_peer *peer, void *context)
{
	struct looked *looked = context;

	if (peer->role == MMSOCK_CLIENT)
		looked->client = *peer;
	else
		looked->server = *peer;
	return 0;
}

static void test_inspect(void)
{
	struct looked looked = {0};
	struct mmsock_request request;
	struct mmsock *client;
	struct mmsock *server;

	create_service_for(&client, &server);
	ask(client, "a");
	ask(client, "b");
	request = take(server, "a");
	CHECK_INT(inspect(PORT).senders, 1);
	CHECK_INT(inspect(PORT).receivers, 1);
	CHECK_INT(inspect(PORT).calls, 2);
	CHECK_INT(inspect(PORT).requests, 1);
	CHECK_INT(inspect(PORT).messages, 1);
	CHECK_INT(mmsock_inspect_peers(PORT, NULL, note_peer, &looked), 0);
	CHECK_INT(looked.client.calls, 2);
	CHECK_INT(looked.server.calls, 1);
	CHECK_INT(looked.client.sent, 2);
	CHECK_INT(looked.server.received, 1);
	CHECK(looked.client.calls_since >= looked.client.since_ns - 20 * MS);
	CHECK(looked.server.calls_since >= looked.client.calls_since - 20 * MS);
	answer(server, &request, "A");
	CHECK_INT(inspect(PORT).requests, 0);
	CHECK_INT(mmsock_inspect_peers(PORT, NULL, note_peer, &looked), 0);
	CHECK_INT(looked.server.calls, 0);
	CHECK_INT(looked.server.calls_since, 0);
	CHECK_INT(looked.server.sent, 1);
}

/* Requests of an earlier boot are nobody's. */
static void test_reboot(void)
{
	static char text[] = "old";
	struct mms_control *control;
	struct mmsock *client;
	struct mmsock *server;
	struct kid dead;
	const char *dir = fresh_disk_dir();

	setenv("MMSOCK_DIR", dir, 1);
	create_service_with((struct mmsock_options)MMSOCK_OPTIONS_INIT);
	server = enter(MMSOCK_SERVER);
	kid_start(&dead, run_asker, text);
	CHECK(hear(&dead));
	kid_kill(&dead);
	leave(server);
	control = map_control(join(dir, PORT));
	control->census.boot_id[0]++;
	server = enter(MMSOCK_SERVER);
	CHECK(nothing_to_serve(server));
	client = enter(MMSOCK_CLIENT);
	echo_once(client, server, "new", 3);
}

/*
 * Two who come first after a reboot both settle what the last boot left; the second
 * may have seen the old boot when the first one is long at work.
 */
static void test_reboot_seen_late(void)
{
	struct mms_control *control;
	struct mmsock *client;
	struct mmsock *server;
	struct mmsock_request request;
	const char *dir = fresh_disk_dir();

	setenv("MMSOCK_DIR", dir, 1);
	create_service_with((struct mmsock_options)MMSOCK_OPTIONS_INIT);
	server = enter(MMSOCK_SERVER);
	client = enter(MMSOCK_CLIENT);
	CHECK_INT(mmsock_call_cancel(client, ask(client, "refused")), 1);
	ask(client, "wanted");
	control = map_control(join(dir, PORT));
	control->census.boot_id[0]++;
	CHECK_INT(try_enter(MMSOCK_CLIENT), 0);
	request = take(server, "wanted");
	answer(server, &request, "done");
	CHECK(nothing_to_serve(server));
	expect_reply(client, request.call, "done");
	CHECK_INT(mmsock_call_cancel(client, ask(client, "refused")), 1);
	control->census.boot_id[0]++;
	CHECK_INT(try_enter(MMSOCK_CLIENT), 0);
	echo_once(client, server, "new", 3);
}

/* A ring that stays full because its servers are dead. */
static void test_full_ring(void)
{
	struct mmsock_options options = MMSOCK_OPTIONS_INIT;
	struct mmsock *client;
	struct kid server;
	char bytes[1000] = "";
	uint64_t call;
	int r;

	fresh_dir();
	options.ring_bytes = 4096;
	create_service_with(options);
	start_echo(&server);
	kid_stop(&server);
	client = enter(MMSOCK_CLIENT);
	do {
		r = mmsock_call_send(client, bytes, sizeof(bytes), &call, 0);
	} while (!r);
	CHECK_INT(r, -EAGAIN);
	CHECK_INT(
		mmsock_call_send(client, bytes, sizeof(bytes), &call, 150 * MS),
		-ETIMEDOUT);
	kid_kill(&server);
	CHECK_INT(mmsock_call_send(client, bytes, sizeof(bytes), &call,
				   MMSOCK_FOREVER),
		  -ECONNREFUSED);
}

/* Threads that serve and threads that call, a handle each. */
static void *call_in_thread(void *context)
{
	struct mmsock *client = enter(MMSOCK_CLIENT);
	uint64_t *failed = context;
	uint64_t reply;
	uint64_t i;

	for (i = 0; i < 2000; i++)
		if (mmsock_call(client, &i, sizeof(i), &reply, sizeof(reply),
				MMSOCK_FOREVER) != sizeof(reply) ||
		    reply != i)
			(*failed)++;
	leave(client);
	return NULL;
}

static void test_threads(void)
{
	uint64_t failed[4] = {0};
	pthread_t servers[2];
	pthread_t clients[4];
	struct mmsock *first;
	int i;

	create_service();
	first = enter(MMSOCK_CLIENT);
	for (i = 0; i < 2; i++)
		CHECK(!pthread_create(&servers[i], NULL, serve_in_thread,
				      NULL));
	CHECK_INT(mmsock_wait_peers(first, 2, MMSOCK_FOREVER), 0);
	for (i = 0; i < 4; i++)
		CHECK(!pthread_create(&clients[i], NULL, call_in_thread,
				      &failed[i]));
	for (i = 0; i < 4; i++) {
		pthread_join(clients[i], NULL);
		CHECK_INT(failed[i], 0);
	}
	CHECK_INT(mmsock_remove(PORT, NULL, MMSOCK_REMOVE_ALWAYS), 0);
	for (i = 0; i < 2; i++)
		pthread_join(servers[i], NULL);
}

static const struct check_case cases[] = {
	{"services and queues are told apart", test_types},
	{"sizes are checked, and reported", test_sizes},
	{"options of an earlier version are known", test_older_options},
	{"clients and servers have slots of their own", test_slots},
	{"closing leaves nothing behind", test_nothing_left},
	{"requests and replies of every size come whole", test_echo},
	{"a call waits for its reply", test_call},
	{"replies are collected in any order", test_any_order},
	{"so many calls and requests and no more", test_too_many},
	{"call numbers go on, withdrawn ones too", test_many_calls},
	{"no call is made 64 calls after one that is in flight", test_old_call},
	{"a handler's error reaches the caller", test_error_reply},
	{"what is too large is told on both sides", test_too_large},
	{"a full lane is told on both sides", test_full_lane},
	{"a lane full of what was given up is emptied", test_full_of_unwanted},
	{"large replies to calls given up make way for the next",
	 test_given_up_in_a_row},
	{"a late reply leaves room for the one that is waited for",
	 test_late_reply_has_room},
	{"nothing needs a copy", test_zero_copy},
	{"a reply that was put aside is lent", test_peek_aside},
	{"a call that nobody serves is refused", test_nobody_serves},
	{"a server that leaves is told, refused is not executed",
	 test_server_leaves},
	{"a sleeping caller learns that his server was killed",
	 test_server_killed},
	{"who gets a dead server's slot clears his desk",
	 test_slot_is_inherited},
	{"a lane is taken over from who died in a reply", test_killed_in_reply},
	{"a late reply is dropped", test_late_reply},
	{"a reply to a call that was given up is not another's",
	 test_unwanted_reply},
	{"a request withdrawn while it is looked at is not taken",
	 test_withdrawn_while_peeked},
	{"who drops what was withdrawn has no more time for it",
	 test_withdrawn_in_a_row},
	{"a client that leaves withdraws its calls", test_client_leaves},
	{"a dead client's calls are not its successor's", test_client_killed},
	{"requests of the dead keep no service", test_stale_with_requests},
	{"a dead client's replies are not its successor's",
	 test_lane_is_inherited},
	{"a removed service is told on both sides", test_gone},
	{"a removal wakes a sleeping caller", test_removed_while_asleep},
	{"a server that leaves wakes a sleeping caller", test_leaving_wakes},
	{"a reply wakes a sleeping caller", test_reply_wakes},
	{"a stopped server keeps what it has", test_stopped_server},
	{"a server stopped in a reply holds one lane", test_stopped_in_reply},
	{"a stopped client does not slow the others", test_stopped_client},
	{"servers come and go behind one client", test_servers_replaced},
	{"both sides wait for each other", test_wait_peers},
	{"what a handle is not for is refused", test_refused_uses},
	{"an interrupt ends one wait", test_interrupt},
	{"a child cannot use the handle", test_fork},
	{"a scribbled lane hurts its client alone", test_scribbled_lane},
	{"scribbled requests are dropped", test_scribbled_requests},
	{"a scribbled floor is not counted on", test_scribbled_floor},
	{"a scribbled reply is told", test_scribbled_reply},
	{"a reply without a number is told", test_short_reply},
	{"a handler's error of any length is no harm", test_long_failure},
	{"a damaged header is told", test_damaged_header},
	{"it shows who calls, who serves, and since when", test_inspect},
	{"requests of an earlier boot are dropped", test_reboot},
	{"who sees a reboot late settles no lane of the living",
	 test_reboot_seen_late},
	{"a ring that stays full is no trap", test_full_ring},
	{"threads call and serve", test_threads},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
