/* SPDX-License-Identifier: MIT */
/*
 * syscalls_services.c - each system call that makes or finds a service fails
 */
#include <errno.h>

#include "service_scenes.h"

static void lay_dead_asking(void)
{
	lay_service();
	leave_dead(run_client_asking, NULL);
}

static void lay_dead_looking(void)
{
	lay_service();
	leave_dead(run_server_looking, NULL);
}

static void lay_dead_working(void)
{
	lay_service();
	leave_dead(run_server_working, NULL);
}

static void lay_dead_replying(void)
{
	lay_service();
	leave_dead(run_server_replying, NULL);
}

/* Opening and creating. */

static int open_as_client(void)
{
	struct mmsock_options options =
		rpc_options(MMSOCK_CONNECT_TO_EXISTING, MMSOCK_CLIENT);

	return mmsock_open(port, &options, &client);
}

static int open_in_mode(unsigned mode)
{
	struct mmsock_options options = rpc_options(mode, MMSOCK_SERVER);

	return mmsock_open(port, &options, &server);
}

static int open_as_server(void)
{
	return open_in_mode(MMSOCK_CONNECT_TO_EXISTING);
}

static int open_or_create(void)
{
	return open_in_mode(MMSOCK_CONNECT_OR_CREATE);
}

static int open_new(void)
{
	return open_in_mode(MMSOCK_CREATE_NEW_EXCLUSIVE);
}

static int open_in_its_place(void)
{
	return open_in_mode(MMSOCK_CREATE_NEW_OVERWRITE);
}

static int create_in_mode(unsigned mode)
{
	struct mmsock_options options = rpc_options(mode, 0);

	return mmsock_create(port, &options);
}

static int create_new(void)
{
	return create_in_mode(MMSOCK_CREATE_NEW_EXCLUSIVE);
}

static int create_in_its_place(void)
{
	return create_in_mode(MMSOCK_CREATE_NEW_OVERWRITE);
}

/*
 * Every slot for clients is taken, until the helper ends.  Who comes then gives back
 * the descriptor that he would have asked about others with, but for one that he
 * cannot tell is still his own.
 */
static void run_all_clients(struct kid *self, void *context)
{
	unsigned i;

	(void)context;
	for (i = 0; i < CLIENTS; i++)
		enter(MMSOCK_CLIENT);
	meet(self);
}

static void prepare_crowd(void)
{
	bring(run_all_clients, NULL);
}

/* Looking. */

static int look_at_service(void)
{
	struct mmsock_info info = {.size = sizeof(info)};
	int r = mmsock_inspect(port, NULL, &info);

	if (r)
		return r;
	CHECK_INT(info.type, MMSOCK_RPC);
	CHECK_INT(info.senders, 1);
	CHECK_INT(info.receivers, 1);
	CHECK_INT(info.calls, 1);
	CHECK_INT(info.requests, 1);
	return 0;
}

static void prepare_dead_server(void)
{
	prepare_client();
	leave_dead(run_idle_server, NULL);
}

static int wait_for_server(void)
{
	return mmsock_wait_peers(client, 1, SHORTLY);
}

/* 1, but where the dead cannot be asked about: then he counts as alive. */
static int wait_for_dead_server(void)
{
	int r = wait_for_server();

	return r == -ETIMEDOUT ? 1 : r;
}

static int wait_for_client(void)
{
	return mmsock_wait_peers(server, 1, SHORTLY);
}

static void test_opening(void)
{
	static const struct scene scenes[] = {
		{.name = "a client", .operate = open_as_client, .opens = true},
		{.name = "a server", .operate = open_as_server, .opens = true},
		{.name = "a client in the place of one who died at it",
		 .lay = lay_dead_asking,
		 .operate = open_as_client,
		 .opens = true},
		{.name = "a client in the place of one who died waiting",
		 .lay = lay_dead_working,
		 .operate = open_as_client,
		 .opens = true},
		{.name = "a server in the place of one who died taking",
		 .lay = lay_dead_looking,
		 .operate = open_as_server,
		 .opens = true},
		{.name = "a server in the place of one who died working",
		 .lay = lay_dead_working,
		 .operate = open_as_server,
		 .opens = true},
		{.name = "a server in the place of one who died replying",
		 .lay = lay_dead_replying,
		 .operate = open_as_server,
		 .opens = true},
		{.name = "on a disk",
		 .operate = open_as_server,
		 .opens = true,
		 .disk = true},
		{.name = "one client too many",
		 .prepare = prepare_crowd,
		 .operate = open_as_client,
		 .finish = end_kid,
		 .result = -EUSERS,
		 .opens = true,
		 .more = 1},
	};

	play_services(scenes, CHECK_COUNT(scenes));
}

static void test_opening_new(void)
{
	static const struct scene scenes[] = {
		{.name = "or creating",
		 .operate = open_or_create,
		 .opens = true},
		{.name = "a new one",
		 .operate = open_new,
		 .opens = true,
		 .creates = true},
		{.name = "a new one, without O_TMPFILE",
		 .operate = open_new,
		 .opens = true,
		 .creates = true,
		 .old = true},
		{.name = "in the place of an old one",
		 .lay = lay_dead_working,
		 .operate = open_in_its_place,
		 .opens = true},
		{.name = "creating",
		 .operate = create_new,
		 .result = 1,
		 .creates = true},
		{.name = "creating on a disk",
		 .operate = create_new,
		 .result = 1,
		 .creates = true,
		 .disk = true},
		{.name = "creating in the place of an old one",
		 .lay = lay_service,
		 .operate = create_in_its_place,
		 .result = 1,
		 .creates = true},
	};

	play_new_services(scenes, CHECK_COUNT(scenes));
}

static void test_looking(void)
{
	static const struct scene scenes[] = {
		{.name = "at a service",
		 .prepare = prepare_taken,
		 .operate = look_at_service},
		{.name = "at the dead",
		 .lay = lay_dead_replying,
		 .operate = look_at_peers,
		 .result = 2},
		{.name = "for a server",
		 .prepare = enter_both,
		 .operate = wait_for_server},
		{.name = "for a client",
		 .prepare = enter_both,
		 .operate = wait_for_client},
		{.name = "for a server who is dead",
		 .prepare = prepare_dead_server,
		 .operate = wait_for_dead_server,
		 .result = 1,
		 .or_less = true},
	};

	play_services(scenes, CHECK_COUNT(scenes));
}

static const struct check_case cases[] = {
	{"opening a service that is there", test_opening},
	{"opening and creating a new service", test_opening_new},
	{"looking at a service", test_looking},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
