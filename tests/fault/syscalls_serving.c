/* SPDX-License-Identifier: MIT */
/*
 * syscalls_serving.c - each system call of who serves fails
 */
#include <errno.h>

#include "service_scenes.h"

static int serve_after_a_while(void)
{
	uint64_t number;

	server->link_checked_ns = 0;
	return take(server, &request, &number, SHORTLY);
}

static int serve_shortly(void)
{
	uint64_t number;

	return take(server, &request, &number, SHORTLY);
}

static int serve_patiently(void)
{
	uint64_t number;

	return take(server, &request, &number, MMSOCK_FOREVER);
}

static int serve_in_place(void)
{
	const void *bytes;
	ssize_t length = mmsock_serve_peek(server, &bytes, SHORTLY);

	if (length < 0)
		return (int)length;
	CHECK_INT(mmsock_cancel(server), 0);
	length = mmsock_serve_peek(server, &bytes, 0);
	CHECK_INT(length, LENGTH);
	execute(bytes, length);
	return mmsock_serve_release(server, &request);
}

/* Who calls once a server sleeps, and waits for the reply. */
static void run_late_client(struct kid *self, void *context)
{
	(void)context;
	prepare_client();
	tell(self);
	await_sleeper(port, getppid(), MMSOCK_DATA);
	CHECK_INT(ask(client, LENGTH, 0), 0);
	meet(self);
}

static void prepare_late_client(void)
{
	prepare_server();
	bring(run_late_client, NULL);
}

static void prepare_dead_looking(void)
{
	prepare_server();
	leave_dead(run_server_looking, NULL);
}

static void prepare_live_looking(void)
{
	prepare_server();
	bring(run_server_looking, NULL);
}

/* Replying. */

static int reply_shortly(void)
{
	return answer(server, &request, asked, SHORTLY);
}

static int reply_error(void)
{
	return mmsock_reply_error(server, &request, 3, "no paper", SHORTLY);
}

static int reply_in_place(void)
{
	void *room;
	int r = mmsock_reply_reserve(server, &request, LENGTH, &room, SHORTLY);

	if (r)
		return r;
	CHECK_INT(mmsock_cancel(server), 0);
	CHECK_INT(mmsock_reply_reserve(server, &request, LENGTH, &room, 0), 0);
	memcpy(room, &asked, sizeof(asked));
	return mmsock_reply_commit(server, LENGTH);
}

static int reply_too_much(void)
{
	static const unsigned char bytes[2 * REPLY_BYTES];

	return mmsock_reply(server, &request, bytes, sizeof(bytes), SHORTLY);
}

/* A caller, who is told @context; and a server who has his request. */
static void run_caller(struct kid *self, void *context)
{
	const int *told = context;

	prepare_client();
	tell(self);
	CHECK_INT(call_and_wait(MMSOCK_FOREVER), *told);
}

static void prepare_caller(int told)
{
	static int kept;

	kept = told;
	prepare_server();
	bring(run_caller, &kept);
	CHECK_INT(take(server, &request, &asked, MMSOCK_FOREVER), 0);
	await_sleeper(port, kid.pid, MMSOCK_REPLY);
}

static void prepare_caller_of_reply(void)
{
	prepare_caller(0);
}

static void prepare_caller_of_error(void)
{
	prepare_caller(-EREMOTEIO);
}

static void prepare_caller_of_too_much(void)
{
	prepare_caller(-EMSGSIZE);
}

static void prepare_caller_of_nobody(void)
{
	prepare_caller(-EOWNERDEAD);
}

static void prepare_dead_caller(void)
{
	prepare_caller(0);
	kill_kid();
}

static void prepare_given_up(void)
{
	prepare_taken();
	CHECK_INT(mmsock_call_cancel(client, call), 0);
}

/* A server who has another request of our client, and his lane. */
static void run_lane_holder(struct kid *self, void *context)
{
	struct mmsock *other = enter(MMSOCK_SERVER);
	uint64_t number;
	void *room;

	(void)context;
	CHECK_INT(take(other, &request, &number, MMSOCK_FOREVER), 0);
	CHECK_INT(mmsock_reply_reserve(other, &request, LENGTH, &room, 0), 0);
	meet(self);
}

static void prepare_lane_held(void)
{
	uint64_t first;
	uint64_t number;

	prepare_taken();
	first = asked;
	number = call;
	CHECK_INT(ask(client, LENGTH, 0), 0);
	bring(run_lane_holder, NULL);
	asked = first;
	call = number;
}

static void prepare_lane_of_dead(void)
{
	prepare_lane_held();
	kill_kid();
}

static int ask_who_calls(void)
{
	int pid = mmsock_request_pid(server, &request);

	return pid < 0 ? pid : pid != getpid();
}

static int ask_if_gone(void)
{
	int r = mmsock_request_wanted(server, &request);

	return r < 0 ? r : !r;
}

static void test_serving(void)
{
	static const struct scene scenes[] = {
		{.name = "a request",
		 .prepare = prepare_asked,
		 .operate = serve_shortly},
		{.name = "in vain",
		 .prepare = prepare_server,
		 .operate = serve_shortly,
		 .result = -ETIMEDOUT},
		{.name = "asleep",
		 .prepare = prepare_late_client,
		 .operate = serve_patiently,
		 .finish = kill_kid},
		{.name = "at a port that has been removed",
		 .prepare = prepare_removed,
		 .operate = serve_after_a_while,
		 .result = -EIDRM,
		 .goes = true},
		{.name = "after one who died at it",
		 .prepare = prepare_dead_looking,
		 .operate = serve_shortly},
		{.name = "after him, with no descriptor",
		 .prepare = prepare_dead_looking,
		 .blind = true,
		 .operate = serve_shortly,
		 .more = 1},
		{.name = "beside one who keeps the end",
		 .prepare = prepare_live_looking,
		 .operate = serve_shortly,
		 .finish = kill_kid,
		 .result = -ETIMEDOUT},
		{.name = "in place",
		 .prepare = prepare_asked,
		 .operate = serve_in_place},
		{.name = "no more",
		 .prepare = prepare_caller_of_nobody,
		 .operate = close_now,
		 .finish = await_kid},
	};

	play_services(scenes, CHECK_COUNT(scenes));
}

static void test_replying(void)
{
	static const struct scene scenes[] = {
		{.name = "to one who sleeps",
		 .prepare = prepare_caller_of_reply,
		 .operate = reply_shortly,
		 .finish = await_kid},
		{.name = "with an error",
		 .prepare = prepare_caller_of_error,
		 .operate = reply_error,
		 .finish = await_kid},
		{.name = "too much",
		 .prepare = prepare_caller_of_too_much,
		 .operate = reply_too_much,
		 .finish = await_kid,
		 .result = -EMSGSIZE},
		{.name = "in place",
		 .prepare = prepare_caller_of_reply,
		 .operate = reply_in_place,
		 .finish = await_kid},
		{.name = "to a dead one",
		 .prepare = prepare_dead_caller,
		 .operate = reply_shortly},
		{.name = "to one who has given up",
		 .prepare = prepare_given_up,
		 .operate = reply_shortly,
		 .result = -ECONNRESET},
		{.name = "beside one who keeps the lane",
		 .prepare = prepare_lane_held,
		 .operate = reply_shortly,
		 .finish = kill_kid,
		 .result = -ETIMEDOUT},
		{.name = "after one who died at it",
		 .prepare = prepare_lane_of_dead,
		 .operate = reply_shortly},
		{.name = "after him, with no descriptor",
		 .prepare = prepare_lane_of_dead,
		 .blind = true,
		 .operate = reply_shortly,
		 .more = 1},
	};

	play_services(scenes, CHECK_COUNT(scenes));
}

static void test_asking(void)
{
	static const struct scene scenes[] = {
		{.name = "who calls",
		 .prepare = prepare_taken,
		 .operate = ask_who_calls},
		{.name = "if he is gone",
		 .prepare = prepare_dead_caller,
		 .operate = ask_if_gone,
		 .result = 1,
		 .or_less = true},
		{.name = "if he is gone, with no descriptor",
		 .prepare = prepare_dead_caller,
		 .blind = true,
		 .operate = ask_if_gone,
		 .result = 1,
		 .or_less = true,
		 .more = 1},
	};

	play_services(scenes, CHECK_COUNT(scenes));
}

static const struct check_case cases[] = {
	{"serving", test_serving},
	{"replying", test_replying},
	{"asking about a caller", test_asking},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
