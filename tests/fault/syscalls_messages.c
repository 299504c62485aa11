/* SPDX-License-Identifier: MIT */
/*
 * syscalls_messages.c - each system call that is made on the way of a message fails
 */
#include <errno.h>

#include "handle.h"
#include "port_scenes.h"

/* Sending. */

static void lay_full(void)
{
	struct mmsock *sender;

	lay_port();
	sender = open_port(MMSOCK_SENDER);
	while (!send_next(sender, BIG, 0))
		;
	mmsock_close(sender);
}

static int send_one(void)
{
	return send_next(handle, 8, SHORTLY);
}

static int send_big(void)
{
	return send_next(handle, BIG, SHORTLY);
}

static int send_patiently(void)
{
	return send_next(handle, BIG, MMSOCK_FOREVER);
}

static void prepare_sender_live_other(void)
{
	prepare_sender();
	bring(run_holder_of_sending, NULL);
}

static void run_sleeping_receiver(struct kid *self, void *context)
{
	struct mmsock *other = open_port(MMSOCK_RECEIVER);

	(void)context;
	tell(self);
	CHECK_INT(recv_next(other, MMSOCK_FOREVER), 0);
	mmsock_close(other);
}

static void prepare_sender_and_sleeper(void)
{
	prepare_sender();
	bring(run_sleeping_receiver, NULL);
	await_sleeper(port, kid.pid, MMSOCK_DATA);
}

static void run_late_receiver(struct kid *self, void *context)
{
	struct mmsock *other = open_port(MMSOCK_RECEIVER);

	(void)self;
	(void)context;
	await_sleeper(port, getppid(), MMSOCK_SPACE);
	CHECK_INT(recv_next(other, 0), 0);
	mmsock_close(other);
}

static void prepare_sender_late_receiver(void)
{
	prepare_sender();
	send_out(run_late_receiver, NULL);
}

/* The link is looked at when 100 ms have gone by, or as often as we like. */
static int send_after_a_while(void)
{
	handle->link_checked_ns = 0;
	return send_one();
}

static int reserve_and_commit(void)
{
	void *buffer;
	int r = mmsock_reserve(handle, 8, &buffer, SHORTLY);

	if (r)
		return r;
	memcpy(buffer, &ledger->sent, sizeof(ledger->sent));
	r = mmsock_commit(handle, 8);
	if (!r)
		ledger->sent++;
	return r;
}

static int reserve_and_cancel(void)
{
	void *buffer;
	int r = mmsock_reserve(handle, 8, &buffer, SHORTLY);

	return r ? r : mmsock_cancel(handle);
}

static int send_run(void)
{
	uint64_t number;
	size_t before;
	int r;

	if (!run)
		r = mmsock_run_new(256, &run);
	else
		r = 0;
	if (r)
		return r;
	mmsock_run_clear(run);
	for (number = ledger->sent; number < ledger->sent + 5; number++)
		CHECK_INT(mmsock_run_add(run, &number, sizeof(number)), 0);
	before = mmsock_run_count(run);
	r = mmsock_run_send(handle, run, SHORTLY);
	ledger->sent += before - mmsock_run_count(run);
	return r;
}

/* Receiving. */

static void prepare_receiver(void)
{
	handle = open_port(MMSOCK_RECEIVER);
}

static int recv_one(void)
{
	return recv_next(handle, SHORTLY);
}

static int recv_patiently(void)
{
	return recv_next(handle, MMSOCK_FOREVER);
}

static int peek_and_release(void)
{
	const void *message;
	ssize_t length = mmsock_peek(handle, &message, SHORTLY);
	int r;

	if (length < 0)
		return (int)length;
	r = mmsock_release(handle);
	if (!r)
		ledger->received++;
	return r;
}

static int recv_run(void)
{
	const void *message;
	size_t length;
	int count;

	if (!run) {
		count = mmsock_run_new(256, &run);
		if (count)
			return count;
	}
	count = mmsock_run_recv(handle, run, 0, SHORTLY);
	while (count > 0 && mmsock_run_next(run, &message, &length))
		is_next(message, length);
	return count;
}

static void prepare_receiver_dead_other(void)
{
	prepare_receiver();
	leave_dead(run_holder_of_receiving, NULL);
}

static void prepare_receiver_live_other(void)
{
	prepare_receiver();
	bring(run_holder_of_receiving, NULL);
}

static void run_late_sender(struct kid *self, void *context)
{
	struct mmsock *other = open_port(MMSOCK_SENDER);

	(void)self;
	(void)context;
	await_sleeper(port, getppid(), MMSOCK_DATA);
	CHECK_INT(send_next(other, 8, 0), 0);
	mmsock_close(other);
}

static void prepare_receiver_late_sender(void)
{
	prepare_receiver();
	send_out(run_late_sender, NULL);
}

/* A sender came and died: the stream is over once he is certified. */
static void prepare_receiver_dead_sender(void)
{
	bring(run_holder_of_sending, NULL);
	prepare_receiver();
	kill_kid();
}

static void prepare_receiver_of_removed(void)
{
	prepare_receiver();
	CHECK(!unlink(where()));
}

static int recv_of_removed(void)
{
	handle->link_checked_ns = 0;
	return recv_one();
}

/* He is looked for again after a while, if that failed. */
static int recv_the_end(void)
{
	return recv_next(handle, MMSOCK_FOREVER);
}

/* Closing, with somebody to be told. */

static int close_now(void)
{
	mmsock_close(handle);
	handle = NULL;
	return 0;
}

static void run_last_receiver(struct kid *self, void *context)
{
	struct mmsock *other = open_port(MMSOCK_RECEIVER);

	(void)context;
	tell(self);
	CHECK_INT(recv_next(other, MMSOCK_FOREVER), -ENODATA);
	mmsock_close(other);
}

static void prepare_last_sender(void)
{
	prepare_sender();
	bring(run_last_receiver, NULL);
	await_sleeper(port, kid.pid, MMSOCK_DATA);
}

static void play_all(const struct scene *scenes, size_t count)
{
	struct theme theme = port_theme;

	theme.lay = lay_port;
	play_scenes(&theme, scenes, count);
}

static void test_sending(void)
{
	static const struct scene scenes[] = {
		{.name = "a message",
		 .prepare = prepare_sender,
		 .operate = send_one},
		{.name = "with a look at the name",
		 .prepare = prepare_sender,
		 .operate = send_after_a_while},
		{.name = "to one who sleeps",
		 .prepare = prepare_sender_and_sleeper,
		 .operate = send_one,
		 .finish = await_kid},
		{.name = "to a full port",
		 .lay = lay_full,
		 .prepare = prepare_sender,
		 .operate = send_big,
		 .result = -ETIMEDOUT},
		{.name = "to a port that becomes free",
		 .lay = lay_full,
		 .prepare = prepare_sender_late_receiver,
		 .operate = send_patiently,
		 .finish = await_kid},
		{.name = "after one who died at it",
		 .prepare = prepare_sender_dead_other,
		 .operate = send_one},
		{.name = "after him, with no descriptor",
		 .prepare = prepare_sender_dead_other,
		 .blind = true,
		 .operate = send_one,
		 .more = 1},
		{.name = "beside one who keeps the end",
		 .prepare = prepare_sender_live_other,
		 .operate = send_one,
		 .finish = kill_kid,
		 .result = -ETIMEDOUT},
		{.name = "a run",
		 .prepare = prepare_sender,
		 .operate = send_run},
		{.name = "in place",
		 .prepare = prepare_sender,
		 .operate = reserve_and_commit},
		{.name = "nothing after all",
		 .prepare = prepare_sender_dead_other,
		 .operate = reserve_and_cancel},
		{.name = "no more",
		 .prepare = prepare_last_sender,
		 .operate = close_now,
		 .finish = await_kid},
	};

	play_all(scenes, CHECK_COUNT(scenes));
}

static void test_receiving(void)
{
	static const struct scene scenes[] = {
		{.name = "a message",
		 .lay = lay_messages,
		 .prepare = prepare_receiver,
		 .operate = recv_one},
		{.name = "from an empty port",
		 .prepare = prepare_receiver,
		 .operate = recv_one,
		 .result = -ETIMEDOUT},
		{.name = "asleep",
		 .prepare = prepare_receiver_late_sender,
		 .operate = recv_patiently,
		 .finish = await_kid},
		{.name = "after one who died at it",
		 .lay = lay_messages,
		 .prepare = prepare_receiver_dead_other,
		 .operate = recv_one},
		{.name = "beside one who keeps the end",
		 .lay = lay_messages,
		 .prepare = prepare_receiver_live_other,
		 .operate = recv_one,
		 .finish = kill_kid,
		 .result = -ETIMEDOUT},
		{.name = "the end, from the dead",
		 .prepare = prepare_receiver_dead_sender,
		 .operate = recv_the_end,
		 .is_patient = true,
		 .result = -ENODATA},
		{.name = "from a port that has been removed",
		 .prepare = prepare_receiver_of_removed,
		 .operate = recv_of_removed,
		 .result = -EIDRM,
		 .goes = true},
		{.name = "a run",
		 .lay = lay_messages,
		 .prepare = prepare_receiver,
		 .operate = recv_run,
		 .result = 3},
		{.name = "in place",
		 .lay = lay_messages,
		 .prepare = prepare_receiver,
		 .operate = peek_and_release},
	};

	play_all(scenes, CHECK_COUNT(scenes));
}

static const struct check_case cases[] = {
	{"sending", test_sending},
	{"receiving", test_receiving},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
