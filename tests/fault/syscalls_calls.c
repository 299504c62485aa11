/* SPDX-License-Identifier: MIT */
/*
 * syscalls_calls.c - each system call of who calls fails
 */
#include <errno.h>

#include "service_scenes.h"

#define ANSWER_TIME (10 * SECOND)

/* Of requests that nobody waits for any more. */
static void lay_full(void)
{
	lay_service();
	enter_both();
	while (!ask(client, BIG, 0))
		;
	close_both();
}

static void run_echo(struct kid *self, void *context)
{
	struct mmsock *echo = enter(MMSOCK_SERVER);
	uint64_t number;

	(void)context;
	tell(self);
	for (;;) {
		CHECK_INT(take(echo, &request, &number, MMSOCK_FOREVER), 0);
		(void)answer(echo, &request, number, MMSOCK_FOREVER);
	}
}

static void prepare_echo(void)
{
	prepare_client();
	bring(run_echo, NULL);
}

static void prepare_echo_asleep(void)
{
	prepare_echo();
	await_sleeper(port, kid.pid, MMSOCK_DATA);
}

static void prepare_dead_server(void)
{
	prepare_client();
	leave_dead(run_idle_server, NULL);
}

static int call_it(void)
{
	return call_and_wait(ANSWER_TIME);
}

static int call_in_vain(void)
{
	return call_and_wait(SHORTLY);
}

static int send_call(void)
{
	return ask(client, LENGTH, SHORTLY);
}

static int send_big_call(void)
{
	return ask(client, BIG, SHORTLY);
}

static int send_patiently(void)
{
	return ask(client, BIG, MMSOCK_FOREVER);
}

/* The link is looked at when 100 ms have gone by, or as often as we like. */
static int send_after_a_while(void)
{
	client->link_checked_ns = 0;
	return send_call();
}

/* One who cannot look goes on, and waits for a reply. */
static int call_after_a_while(void)
{
	client->link_checked_ns = 0;
	return call_in_vain();
}

/* Drops what nobody waits for; who then finds room may be taken as well. */
static void run_late_dropper(struct kid *self, void *context)
{
	struct mmsock *other = enter(MMSOCK_SERVER);
	uint64_t number;
	int r;

	tell(self);
	(void)context;
	await_sleeper(port, getppid(), MMSOCK_SPACE);
	r = take(other, &request, &number, 0);
	CHECK(r == 0 || r == -EAGAIN);
	mmsock_close(other);
}

static void prepare_late_dropper(void)
{
	enter_both();
	bring(run_late_dropper, NULL);
}

static void prepare_dead_asking(void)
{
	enter_both();
	leave_dead(run_client_asking, NULL);
}

static void prepare_live_asking(void)
{
	enter_both();
	bring(run_client_asking, NULL);
}

static int ask_in_place(void)
{
	void *room;
	int r = mmsock_call_reserve(client, LENGTH, &room, SHORTLY);

	if (r)
		return r;
	asked = next_number();
	memcpy(room, &asked, sizeof(asked));
	return mmsock_call_commit(client, LENGTH, &call);
}

static int ask_nothing(void)
{
	void *room;
	int r = mmsock_call_reserve(client, LENGTH, &room, SHORTLY);

	return r ? r : mmsock_cancel(client);
}

/* Replies. */

static void prepare_replied(void)
{
	prepare_taken();
	CHECK_INT(answer(server, &request, asked, 0), 0);
}

/* The reply to another call is before it in the lane. */
static void prepare_second(void)
{
	prepare_replied();
	CHECK_INT(ask(client, LENGTH, 0), 0);
	CHECK_INT(take(server, &request, &asked, 0), 0);
	CHECK_INT(answer(server, &request, asked, 0), 0);
}

static void prepare_failed(void)
{
	prepare_taken();
	CHECK_INT(mmsock_reply_error(server, &request, 3, "no paper", 0), 0);
}

/* Who takes a request and answers, leaves or dies when its caller sleeps. */
enum manner {
	ANSWERS,
	LEAVES,
	DIES
};

static void run_taker(struct kid *self, void *context)
{
	enum manner manner = *(const enum manner *)context;
	struct mmsock *other = enter(MMSOCK_SERVER);
	uint64_t number;

	tell(self);
	CHECK_INT(take(other, &request, &number, MMSOCK_FOREVER), 0);
	await_sleeper(port, getppid(), MMSOCK_REPLY);
	if (manner == ANSWERS)
		CHECK_INT(answer(other, &request, number, 0), 0);
	if (manner == DIES)
		raise(SIGKILL);
	mmsock_close(other);
}

static void prepare_taker(enum manner manner)
{
	static enum manner kept;

	kept = manner;
	prepare_client();
	bring(run_taker, &kept);
	CHECK_INT(ask(client, LENGTH, 0), 0);
}

static void prepare_answerer(void)
{
	prepare_taker(ANSWERS);
}

static void prepare_leaver(void)
{
	prepare_taker(LEAVES);
}

static void prepare_dier(void)
{
	prepare_taker(DIES);
}

/* The server dies before he could take it. */
static void prepare_abandoned(void)
{
	prepare_client();
	bring(run_idle_server, NULL);
	CHECK_INT(ask(client, LENGTH, 0), 0);
	kill_kid();
}

static int collect_shortly(void)
{
	return collect(client, SHORTLY);
}

static int collect_patiently(void)
{
	return collect(client, MMSOCK_FOREVER);
}

static int collect_any(void)
{
	uint64_t which = 0;
	uint64_t reply = 0;
	ssize_t r = mmsock_call_recv(client, &which, &reply, LENGTH, SHORTLY);

	return check_reply(r < 0 ? asked : reply, r, reply);
}

static int look_at_reply(void)
{
	const void *reply = NULL;
	uint64_t which = call;
	ssize_t length = mmsock_call_peek(client, &which, &reply, SHORTLY);

	if (length < 0)
		return end_call(asked, (int)length);
	CHECK_INT(mmsock_cancel(client), 0);
	CHECK_INT(mmsock_call_peek(client, &which, &reply, 0), LENGTH);
	CHECK(!memcmp(reply, &asked, LENGTH));
	return end_call(asked, mmsock_call_release(client));
}

static int give_up(void)
{
	int r = mmsock_call_cancel(client, call);

	end_call(asked, r == 1 ? -ECONNREFUSED : -ETIMEDOUT);
	return r;
}

static void test_calling(void)
{
	static const struct scene scenes[] = {
		{.name = "one who serves",
		 .prepare = prepare_echo,
		 .operate = call_it,
		 .finish = kill_kid},
		{.name = "one who sleeps",
		 .prepare = prepare_echo_asleep,
		 .operate = call_it,
		 .finish = kill_kid},
		{.name = "one who does not serve",
		 .prepare = enter_both,
		 .operate = call_in_vain,
		 .result = -ETIMEDOUT},
		{.name = "nobody",
		 .prepare = prepare_client,
		 .operate = call_in_vain,
		 .result = -ECONNREFUSED},
		{.name = "one who is dead",
		 .prepare = prepare_dead_server,
		 .operate = call_in_vain,
		 .result = -ECONNREFUSED},
		{.name = "at a port that has been removed",
		 .prepare = prepare_removed,
		 .operate = call_after_a_while,
		 .result = -EIDRM,
		 .goes = true},
		{.name = "with a look at the name",
		 .prepare = enter_both,
		 .operate = send_after_a_while},
		{.name = "at a full port",
		 .lay = lay_full,
		 .prepare = enter_both,
		 .operate = send_big_call,
		 .result = -ETIMEDOUT},
		{.name = "at a port that becomes free",
		 .lay = lay_full,
		 .prepare = prepare_late_dropper,
		 .operate = send_patiently,
		 .finish = await_kid},
		{.name = "after one who died at it",
		 .prepare = prepare_dead_asking,
		 .operate = send_call},
		{.name = "after him, with no descriptor",
		 .prepare = prepare_dead_asking,
		 .blind = true,
		 .operate = send_call,
		 .more = 2},
		{.name = "beside one who keeps the end",
		 .prepare = prepare_live_asking,
		 .operate = send_call,
		 .finish = kill_kid,
		 .result = -ETIMEDOUT},
		{.name = "in place",
		 .prepare = enter_both,
		 .operate = ask_in_place},
		{.name = "nothing after all",
		 .prepare = prepare_dead_asking,
		 .operate = ask_nothing},
	};

	play_services(scenes, CHECK_COUNT(scenes));
}

static void test_collecting(void)
{
	static const struct scene scenes[] = {
		{.name = "a reply",
		 .prepare = prepare_replied,
		 .operate = collect_shortly},
		{.name = "any",
		 .prepare = prepare_replied,
		 .operate = collect_any},
		{.name = "the second one",
		 .prepare = prepare_second,
		 .operate = collect_shortly},
		{.name = "in place",
		 .prepare = prepare_replied,
		 .operate = look_at_reply},
		{.name = "an error",
		 .prepare = prepare_failed,
		 .operate = collect_shortly,
		 .result = -EREMOTEIO},
		{.name = "asleep",
		 .prepare = prepare_answerer,
		 .operate = collect_patiently,
		 .finish = await_kid},
		{.name = "in vain",
		 .prepare = prepare_taken,
		 .operate = collect_shortly,
		 .result = -ETIMEDOUT},
		{.name = "what nobody has taken",
		 .prepare = prepare_asked,
		 .operate = collect_shortly,
		 .result = -ETIMEDOUT},
		{.name = "from one who leaves",
		 .prepare = prepare_leaver,
		 .operate = collect_patiently,
		 .finish = await_kid,
		 .result = -EOWNERDEAD},
		{.name = "from one who dies",
		 .prepare = prepare_dier,
		 .operate = collect_patiently,
		 .is_patient = true,
		 .finish = kill_kid,
		 .result = -EOWNERDEAD},
		{.name = "from one who died before",
		 .prepare = prepare_abandoned,
		 .operate = collect_patiently,
		 .is_patient = true,
		 .result = -ECONNREFUSED},
		{.name = "from him, with no descriptor",
		 .prepare = prepare_abandoned,
		 .blind = true,
		 .operate = collect_patiently,
		 .is_patient = true,
		 .result = -ECONNREFUSED,
		 .more = 1},
		{.name = "nothing, as nobody took it",
		 .prepare = prepare_asked,
		 .operate = give_up,
		 .result = 1},
		{.name = "nothing, although it is worked at",
		 .prepare = prepare_taken,
		 .operate = give_up},
		{.name = "no more",
		 .prepare = prepare_replied,
		 .operate = close_now},
	};

	play_services(scenes, CHECK_COUNT(scenes));
}

static const struct check_case cases[] = {
	{"calling", test_calling},
	{"collecting replies", test_collecting},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
