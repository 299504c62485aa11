/* SPDX-License-Identifier: MIT */
/*
 * syscalls_services.c - each system call of clients and servers fails
 *
 * Requests are numbers, and it is noted which of them were executed, and what their
 * callers were told: a request with a reply was executed once, one that was refused or
 * given up in time never, and none twice, also when those that are left in the port
 * have been served in the end.
 */
#include <errno.h>

#include "handle.h"
#include "scenes.h"

#define CLIENTS     3U
#define SERVERS     3U
#define LENGTH      sizeof(uint64_t)
#define BIG         1000 /* four of these fill the ring */
#define REPLY_BYTES 1000
#define CALLS       64U
#define ANSWER_TIME (10 * SECOND)

/* What the processes of a scene know of each call. */
static struct book {
	unsigned executed;
	int told; /* its caller; 0 is a reply */
	bool ended;
} * books;

static struct mmsock *client;
static struct mmsock *server;
static uint64_t call;                 /* the client's */
static uint64_t asked;                /* its number in the books */
static struct mmsock_request request; /* the server's */

static struct mmsock_options rpc_options(unsigned mode, unsigned role)
{
	struct mmsock_options options = options_for(mode, role);

	options.type = MMSOCK_RPC;
	options.clients = CLIENTS;
	options.slots = CLIENTS + SERVERS;
	options.ring_bytes = RING_BYTES;
	options.reply_bytes = REPLY_BYTES;
	options.spin_ns = 0;
	return options;
}

static struct mmsock *enter(unsigned role)
{
	struct mmsock_options options =
		rpc_options(MMSOCK_CONNECT_TO_EXISTING, role);
	struct mmsock *handle = NULL;

	CHECK_INT(mmsock_open(port, &options, &handle), 0);
	/* The dead are looked for often. */
	handle->waiter.recheck_cap_ns = 5 * MS;
	return handle;
}

static uint64_t next_number(void)
{
	CHECK(ledger->sent < CALLS);
	books[ledger->sent] = (struct book){0};
	return ledger->sent++;
}

static int end_call(uint64_t number, int r)
{
	books[number].told = r;
	books[number].ended = true;
	return r;
}

/* Send a request, or collect its reply; both at once. */
static int ask(struct mmsock *from, size_t length, int64_t timeout_ns)
{
	unsigned char bytes[BIG] = "";

	asked = next_number();
	memcpy(bytes, &asked, sizeof(asked));
	return mmsock_call_send(from, bytes, length, &call, timeout_ns);
}

static int check_reply(uint64_t number, ssize_t length, uint64_t reply)
{
	if (length < 0)
		return end_call(number, (int)length);
	CHECK_INT(length, LENGTH);
	CHECK_INT(reply, number);
	return end_call(number, 0);
}

static int collect(struct mmsock *from, int64_t timeout_ns)
{
	uint64_t reply = 0;
	uint64_t which = call;
	ssize_t r = mmsock_call_recv(from, &which, &reply, LENGTH, timeout_ns);

	return check_reply(asked, r, reply);
}

static int call_and_wait(int64_t timeout_ns)
{
	uint64_t number = next_number();
	uint64_t reply = 0;
	ssize_t r = mmsock_call(client, &number, LENGTH, &reply, LENGTH,
				timeout_ns);

	return check_reply(number, r, reply);
}

static uint64_t execute(const void *bytes, ssize_t length)
{
	uint64_t number;

	CHECK(length >= (ssize_t)LENGTH);
	memcpy(&number, bytes, sizeof(number));
	CHECK(number < ledger->sent);
	books[number].executed++;
	return number;
}

/* Take a request; *@ret_number is what it asks. */
static int take(struct mmsock *by, struct mmsock_request *ret_request,
		uint64_t *ret_number, int64_t timeout_ns)
{
	unsigned char bytes[BIG];
	ssize_t length = mmsock_serve_recv(by, bytes, sizeof(bytes),
					   ret_request, timeout_ns);

	if (length < 0)
		return (int)length;
	*ret_number = execute(bytes, length);
	return 0;
}

static int answer(struct mmsock *by, const struct mmsock_request *to,
		  uint64_t number, int64_t timeout_ns)
{
	return mmsock_reply(by, to, &number, LENGTH, timeout_ns);
}

/* What there is before. */

static void lay_service(void)
{
	struct mmsock_options options =
		rpc_options(MMSOCK_CREATE_NEW_EXCLUSIVE, 0);

	CHECK_INT(mmsock_create(port, &options), 1);
}

static void enter_both(void)
{
	server = enter(MMSOCK_SERVER);
	client = enter(MMSOCK_CLIENT);
}

static void close_both(void)
{
	mmsock_close(client);
	mmsock_close(server);
	client = server = NULL;
}

/* Of requests that nobody waits for any more. */
static void lay_full(void)
{
	lay_service();
	enter_both();
	while (!ask(client, BIG, 0))
		;
	close_both();
}

/* A client and a server of the same helper, with a request of the one. */
static void begin_pair(void)
{
	enter_both();
	CHECK_INT(ask(client, LENGTH, 0), 0);
}

static void run_client_asking(struct kid *self, void *context)
{
	void *room;

	(void)context;
	enter_both();
	CHECK_INT(mmsock_call_reserve(client, LENGTH, &room, 0), 0);
	meet(self);
}

static void run_server_looking(struct kid *self, void *context)
{
	const void *bytes;

	(void)context;
	begin_pair();
	CHECK_INT(mmsock_serve_peek(server, &bytes, 0), LENGTH);
	meet(self);
}

static void run_server_working(struct kid *self, void *context)
{
	uint64_t number;

	(void)context;
	begin_pair();
	CHECK_INT(take(server, &request, &number, 0), 0);
	meet(self);
}

static void run_server_replying(struct kid *self, void *context)
{
	uint64_t number;
	void *room;

	(void)context;
	begin_pair();
	CHECK_INT(take(server, &request, &number, 0), 0);
	CHECK_INT(mmsock_reply_reserve(server, &request, LENGTH, &room, 0), 0);
	meet(self);
}

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

static void prepare_server(void)
{
	server = enter(MMSOCK_SERVER);
}

static void prepare_client(void)
{
	client = enter(MMSOCK_CLIENT);
}

/* A request that was sent, or taken as well; the client stays with us. */
static void prepare_asked(void)
{
	enter_both();
	CHECK_INT(ask(client, LENGTH, 0), 0);
}

static void prepare_taken(void)
{
	uint64_t number;

	prepare_asked();
	CHECK_INT(take(server, &request, &number, 0), 0);
	CHECK_INT(number, asked);
}

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

static int count_visit(const struct mmsock_peer *peer, void *context)
{
	(void)peer;
	++*(int *)context;
	return 0;
}

static int look_at_peers(void)
{
	int count = 0;
	int r = mmsock_inspect_peers(port, NULL, count_visit, &count);

	return r ? r : count;
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

/* Calling. */

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

static void run_idle_server(struct kid *self, void *context)
{
	(void)context;
	enter(MMSOCK_SERVER);
	meet(self);
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

static void prepare_removed(void)
{
	enter_both();
	CHECK(!unlink(where()));
}

static int serve_after_a_while(void)
{
	uint64_t number;

	server->link_checked_ns = 0;
	return take(server, &request, &number, SHORTLY);
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

/* Who asks about others finds his descriptor gone. */
static void prepare_dead_asking_blind(void)
{
	prepare_dead_asking();
	closefrom(3);
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

static void prepare_abandoned_blind(void)
{
	prepare_abandoned();
	closefrom(3);
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

static int close_now(void)
{
	close_both();
	return 0;
}

/* Serving. */

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

static void prepare_dead_looking_blind(void)
{
	prepare_dead_looking();
	closefrom(3);
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

static void prepare_dead_caller_blind(void)
{
	prepare_dead_caller();
	closefrom(3);
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

static void prepare_lane_of_dead_blind(void)
{
	prepare_lane_of_dead();
	closefrom(3);
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

/* Afterwards. */

/* Where requests of others are still there, they come first. */
static void call_and_serve(struct mmsock *by, struct mmsock *to)
{
	struct mmsock_request taken;
	uint64_t number;
	int r;

	CHECK_INT(ask(by, LENGTH, 0), 0);
	do {
		CHECK_INT(take(to, &taken, &number, 0), 0);
		r = answer(to, &taken, number, 0);
		CHECK(r == 0 || r == -ECONNRESET || r == -ENOBUFS);
	} while (number != asked);
	CHECK_INT(collect(by, 0), 0);
}

static void check_books(void)
{
	uint64_t i;

	for (i = 0; i < ledger->sent; i++) {
		CHECK(books[i].executed <= 1);
		if (books[i].ended && books[i].told == 0)
			CHECK_INT(books[i].executed, 1);
		if (books[i].ended && books[i].told == -ECONNREFUSED)
			CHECK_INT(books[i].executed, 0);
	}
}

/* Somebody calls and somebody serves in each slot, and nothing is left. */
static void audit(void)
{
	struct mmsock *clients[CLIENTS];
	struct mmsock *servers[SERVERS];
	struct mmsock_info info;
	unsigned i;

	for (i = 0; i < CLIENTS; i++) {
		clients[i] = enter(MMSOCK_CLIENT);
		servers[i] = enter(MMSOCK_SERVER);
	}
	for (i = 0; i < CLIENTS; i++)
		call_and_serve(clients[i], servers[i]);
	for (i = 0; i < CLIENTS; i++) {
		mmsock_close(clients[i]);
		mmsock_close(servers[i]);
	}
	info = inspect(port);
	CHECK_INT(info.dead, 0);
	CHECK_INT(info.messages, 0);
	CHECK_INT(info.calls, 0);
	CHECK_INT(info.requests, 0);
	check_books();
}

static void play_all(const struct scene *scenes, size_t count)
{
	static const struct theme theme = {close_both, audit};

	books = share(CALLS * sizeof(*books));
	play_scenes(&theme, scenes, count);
}

static void test_opening(void)
{
	static const struct scene scenes[] = {
		{.name = "a client",
		 .lay = lay_service,
		 .operate = open_as_client,
		 .opens = true},
		{.name = "a server",
		 .lay = lay_service,
		 .operate = open_as_server,
		 .opens = true},
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
		 .lay = lay_service,
		 .operate = open_as_server,
		 .opens = true,
		 .disk = true},
		{.name = "one client too many",
		 .lay = lay_service,
		 .prepare = prepare_crowd,
		 .operate = open_as_client,
		 .finish = end_kid,
		 .result = -EUSERS,
		 .opens = true,
		 .more = 1},
	};

	play_all(scenes, CHECK_COUNT(scenes));
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

	play_all(scenes, CHECK_COUNT(scenes));
}

static void test_looking(void)
{
	static const struct scene scenes[] = {
		{.name = "at a service",
		 .lay = lay_service,
		 .prepare = prepare_taken,
		 .operate = look_at_service},
		{.name = "at the dead",
		 .lay = lay_dead_replying,
		 .operate = look_at_peers,
		 .result = 2},
		{.name = "who calls",
		 .lay = lay_service,
		 .prepare = prepare_taken,
		 .operate = ask_who_calls},
		{.name = "if he is gone",
		 .lay = lay_service,
		 .prepare = prepare_dead_caller,
		 .operate = ask_if_gone,
		 .result = 1,
		 .or_less = true},
		{.name = "if he is gone, with no descriptor",
		 .lay = lay_service,
		 .prepare = prepare_dead_caller_blind,
		 .operate = ask_if_gone,
		 .result = 1,
		 .or_less = true,
		 .more = 1},
		{.name = "for a server",
		 .lay = lay_service,
		 .prepare = enter_both,
		 .operate = wait_for_server},
		{.name = "for a client",
		 .lay = lay_service,
		 .prepare = enter_both,
		 .operate = wait_for_client},
		{.name = "for a server who is dead",
		 .lay = lay_service,
		 .prepare = prepare_dead_server,
		 .operate = wait_for_dead_server,
		 .result = 1,
		 .or_less = true},
	};

	play_all(scenes, CHECK_COUNT(scenes));
}

static void test_calling(void)
{
	static const struct scene scenes[] = {
		{.name = "one who serves",
		 .lay = lay_service,
		 .prepare = prepare_echo,
		 .operate = call_it,
		 .finish = kill_kid},
		{.name = "one who sleeps",
		 .lay = lay_service,
		 .prepare = prepare_echo_asleep,
		 .operate = call_it,
		 .finish = kill_kid},
		{.name = "one who does not serve",
		 .lay = lay_service,
		 .prepare = enter_both,
		 .operate = call_in_vain,
		 .result = -ETIMEDOUT},
		{.name = "nobody",
		 .lay = lay_service,
		 .prepare = prepare_client,
		 .operate = call_in_vain,
		 .result = -ECONNREFUSED},
		{.name = "one who is dead",
		 .lay = lay_service,
		 .prepare = prepare_dead_server,
		 .operate = call_in_vain,
		 .result = -ECONNREFUSED},
		{.name = "at a port that has been removed",
		 .lay = lay_service,
		 .prepare = prepare_removed,
		 .operate = call_after_a_while,
		 .result = -EIDRM,
		 .goes = true},
		{.name = "with a look at the name",
		 .lay = lay_service,
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
		 .lay = lay_service,
		 .prepare = prepare_dead_asking,
		 .operate = send_call},
		{.name = "after him, with no descriptor",
		 .lay = lay_service,
		 .prepare = prepare_dead_asking_blind,
		 .operate = send_call,
		 .more = 2},
		{.name = "beside one who keeps the end",
		 .lay = lay_service,
		 .prepare = prepare_live_asking,
		 .operate = send_call,
		 .finish = kill_kid,
		 .result = -ETIMEDOUT},
		{.name = "in place",
		 .lay = lay_service,
		 .prepare = enter_both,
		 .operate = ask_in_place},
		{.name = "nothing after all",
		 .lay = lay_service,
		 .prepare = prepare_dead_asking,
		 .operate = ask_nothing},
	};

	play_all(scenes, CHECK_COUNT(scenes));
}

static void test_collecting(void)
{
	static const struct scene scenes[] = {
		{.name = "a reply",
		 .lay = lay_service,
		 .prepare = prepare_replied,
		 .operate = collect_shortly},
		{.name = "any",
		 .lay = lay_service,
		 .prepare = prepare_replied,
		 .operate = collect_any},
		{.name = "the second one",
		 .lay = lay_service,
		 .prepare = prepare_second,
		 .operate = collect_shortly},
		{.name = "in place",
		 .lay = lay_service,
		 .prepare = prepare_replied,
		 .operate = look_at_reply},
		{.name = "an error",
		 .lay = lay_service,
		 .prepare = prepare_failed,
		 .operate = collect_shortly,
		 .result = -EREMOTEIO},
		{.name = "asleep",
		 .lay = lay_service,
		 .prepare = prepare_answerer,
		 .operate = collect_patiently,
		 .finish = await_kid},
		{.name = "in vain",
		 .lay = lay_service,
		 .prepare = prepare_taken,
		 .operate = collect_shortly,
		 .result = -ETIMEDOUT},
		{.name = "what nobody has taken",
		 .lay = lay_service,
		 .prepare = prepare_asked,
		 .operate = collect_shortly,
		 .result = -ETIMEDOUT},
		{.name = "from one who leaves",
		 .lay = lay_service,
		 .prepare = prepare_leaver,
		 .operate = collect_patiently,
		 .finish = await_kid,
		 .result = -EOWNERDEAD},
		{.name = "from one who dies",
		 .lay = lay_service,
		 .prepare = prepare_dier,
		 .operate = collect_patiently,
		 .is_patient = true,
		 .finish = kill_kid,
		 .result = -EOWNERDEAD},
		{.name = "from one who died before",
		 .lay = lay_service,
		 .prepare = prepare_abandoned,
		 .operate = collect_patiently,
		 .is_patient = true,
		 .result = -ECONNREFUSED},
		{.name = "from him, with no descriptor",
		 .lay = lay_service,
		 .prepare = prepare_abandoned_blind,
		 .operate = collect_patiently,
		 .is_patient = true,
		 .result = -ECONNREFUSED,
		 .more = 1},
		{.name = "nothing, as nobody took it",
		 .lay = lay_service,
		 .prepare = prepare_asked,
		 .operate = give_up,
		 .result = 1},
		{.name = "nothing, although it is worked at",
		 .lay = lay_service,
		 .prepare = prepare_taken,
		 .operate = give_up},
		{.name = "no more",
		 .lay = lay_service,
		 .prepare = prepare_replied,
		 .operate = close_now},
	};

	play_all(scenes, CHECK_COUNT(scenes));
}

static void test_serving(void)
{
	static const struct scene scenes[] = {
		{.name = "a request",
		 .lay = lay_service,
		 .prepare = prepare_asked,
		 .operate = serve_shortly},
		{.name = "in vain",
		 .lay = lay_service,
		 .prepare = prepare_server,
		 .operate = serve_shortly,
		 .result = -ETIMEDOUT},
		{.name = "asleep",
		 .lay = lay_service,
		 .prepare = prepare_late_client,
		 .operate = serve_patiently,
		 .finish = kill_kid},
		{.name = "at a port that has been removed",
		 .lay = lay_service,
		 .prepare = prepare_removed,
		 .operate = serve_after_a_while,
		 .result = -EIDRM,
		 .goes = true},
		{.name = "after one who died at it",
		 .lay = lay_service,
		 .prepare = prepare_dead_looking,
		 .operate = serve_shortly},
		{.name = "after him, with no descriptor",
		 .lay = lay_service,
		 .prepare = prepare_dead_looking_blind,
		 .operate = serve_shortly,
		 .more = 1},
		{.name = "beside one who keeps the end",
		 .lay = lay_service,
		 .prepare = prepare_live_looking,
		 .operate = serve_shortly,
		 .finish = kill_kid,
		 .result = -ETIMEDOUT},
		{.name = "in place",
		 .lay = lay_service,
		 .prepare = prepare_asked,
		 .operate = serve_in_place},
		{.name = "no more",
		 .lay = lay_service,
		 .prepare = prepare_caller_of_nobody,
		 .operate = close_now,
		 .finish = await_kid},
	};

	play_all(scenes, CHECK_COUNT(scenes));
}

static void test_replying(void)
{
	static const struct scene scenes[] = {
		{.name = "to one who sleeps",
		 .lay = lay_service,
		 .prepare = prepare_caller_of_reply,
		 .operate = reply_shortly,
		 .finish = await_kid},
		{.name = "with an error",
		 .lay = lay_service,
		 .prepare = prepare_caller_of_error,
		 .operate = reply_error,
		 .finish = await_kid},
		{.name = "too much",
		 .lay = lay_service,
		 .prepare = prepare_caller_of_too_much,
		 .operate = reply_too_much,
		 .finish = await_kid,
		 .result = -EMSGSIZE},
		{.name = "in place",
		 .lay = lay_service,
		 .prepare = prepare_caller_of_reply,
		 .operate = reply_in_place,
		 .finish = await_kid},
		{.name = "to a dead one",
		 .lay = lay_service,
		 .prepare = prepare_dead_caller,
		 .operate = reply_shortly},
		{.name = "to one who has given up",
		 .lay = lay_service,
		 .prepare = prepare_given_up,
		 .operate = reply_shortly,
		 .result = -ECONNRESET},
		{.name = "beside one who keeps the lane",
		 .lay = lay_service,
		 .prepare = prepare_lane_held,
		 .operate = reply_shortly,
		 .finish = kill_kid,
		 .result = -ETIMEDOUT},
		{.name = "after one who died at it",
		 .lay = lay_service,
		 .prepare = prepare_lane_of_dead,
		 .operate = reply_shortly},
		{.name = "after him, with no descriptor",
		 .lay = lay_service,
		 .prepare = prepare_lane_of_dead_blind,
		 .operate = reply_shortly,
		 .more = 1},
	};

	play_all(scenes, CHECK_COUNT(scenes));
}

static const struct check_case cases[] = {
	{"opening a service that is there", test_opening},
	{"opening and creating a new service", test_opening_new},
	{"looking at a service", test_looking},
	{"calling", test_calling},
	{"collecting replies", test_collecting},
	{"serving", test_serving},
	{"replying", test_replying},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
