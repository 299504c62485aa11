/* SPDX-License-Identifier: MIT */
/*
 * service_scenes.c - services whose requests are numbers
 */
#include "service_scenes.h"

#include <errno.h>

#define CALLS 64U

/* What the processes of a scene know of each call. */
static struct book {
	unsigned executed;
	int told; /* its caller; 0 is a reply */
	bool ended;
} * books;

struct mmsock *client;
struct mmsock *server;
uint64_t call;
uint64_t asked;
struct mmsock_request request;

struct mmsock_options rpc_options(unsigned mode, unsigned role)
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

struct mmsock *enter(unsigned role)
{
	struct mmsock_options options =
		rpc_options(MMSOCK_CONNECT_TO_EXISTING, role);
	struct mmsock *handle = NULL;

	CHECK_INT(mmsock_open(port, &options, &handle), 0);
	/* The dead are looked for often. */
	handle->waiter.recheck_cap_ns = 5 * MS;
	return handle;
}

void enter_both(void)
{
	server = enter(MMSOCK_SERVER);
	client = enter(MMSOCK_CLIENT);
}

void close_both(void)
{
	mmsock_close(client);
	mmsock_close(server);
	client = server = NULL;
}

uint64_t next_number(void)
{
	CHECK(ledger->sent < CALLS);
	books[ledger->sent] = (struct book){0};
	return ledger->sent++;
}

int end_call(uint64_t number, int r)
{
	books[number].told = r;
	books[number].ended = true;
	return r;
}

int ask(struct mmsock *from, size_t length, int64_t timeout_ns)
{
	unsigned char bytes[BIG] = "";

	asked = next_number();
	memcpy(bytes, &asked, sizeof(asked));
	return mmsock_call_send(from, bytes, length, &call, timeout_ns);
}

int check_reply(uint64_t number, ssize_t length, uint64_t reply)
{
	if (length < 0)
		return end_call(number, (int)length);
	CHECK_INT(length, LENGTH);
	CHECK_INT(reply, number);
	return end_call(number, 0);
}

int collect(struct mmsock *from, int64_t timeout_ns)
{
	uint64_t reply = 0;
	uint64_t which = call;
	ssize_t r = mmsock_call_recv(from, &which, &reply, LENGTH, timeout_ns);

	return check_reply(asked, r, reply);
}

int call_and_wait(int64_t timeout_ns)
{
	uint64_t number = next_number();
	uint64_t reply = 0;
	ssize_t r = mmsock_call(client, &number, LENGTH, &reply, LENGTH,
				timeout_ns);

	return check_reply(number, r, reply);
}

uint64_t execute(const void *bytes, ssize_t length)
{
	uint64_t number;

	CHECK(length >= (ssize_t)LENGTH);
	memcpy(&number, bytes, sizeof(number));
	CHECK(number < ledger->sent);
	books[number].executed++;
	return number;
}

int take(struct mmsock *by, struct mmsock_request *ret_request,
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

int answer(struct mmsock *by, const struct mmsock_request *to, uint64_t number,
	   int64_t timeout_ns)
{
	return mmsock_reply(by, to, &number, LENGTH, timeout_ns);
}

void lay_service(void)
{
	struct mmsock_options options =
		rpc_options(MMSOCK_CREATE_NEW_EXCLUSIVE, 0);

	CHECK_INT(mmsock_create(port, &options), 1);
}

/* A client and a server of the same helper, with a request of the one. */
static void begin_pair(void)
{
	enter_both();
	CHECK_INT(ask(client, LENGTH, 0), 0);
}

void run_client_asking(struct kid *self, void *context)
{
	void *room;

	(void)context;
	enter_both();
	CHECK_INT(mmsock_call_reserve(client, LENGTH, &room, 0), 0);
	meet(self);
}

void run_server_looking(struct kid *self, void *context)
{
	const void *bytes;

	(void)context;
	begin_pair();
	CHECK_INT(mmsock_serve_peek(server, &bytes, 0), LENGTH);
	meet(self);
}

void run_server_working(struct kid *self, void *context)
{
	uint64_t number;

	(void)context;
	begin_pair();
	CHECK_INT(take(server, &request, &number, 0), 0);
	meet(self);
}

void run_server_replying(struct kid *self, void *context)
{
	uint64_t number;
	void *room;

	(void)context;
	begin_pair();
	CHECK_INT(take(server, &request, &number, 0), 0);
	CHECK_INT(mmsock_reply_reserve(server, &request, LENGTH, &room, 0), 0);
	meet(self);
}

void run_idle_server(struct kid *self, void *context)
{
	(void)context;
	enter(MMSOCK_SERVER);
	meet(self);
}

void prepare_client(void)
{
	client = enter(MMSOCK_CLIENT);
}

void prepare_server(void)
{
	server = enter(MMSOCK_SERVER);
}

void prepare_asked(void)
{
	enter_both();
	CHECK_INT(ask(client, LENGTH, 0), 0);
}

void prepare_taken(void)
{
	uint64_t number;

	prepare_asked();
	CHECK_INT(take(server, &request, &number, 0), 0);
	CHECK_INT(number, asked);
}

void prepare_removed(void)
{
	enter_both();
	CHECK(!unlink(where()));
}

int close_now(void)
{
	close_both();
	return 0;
}

/* Where requests of others are still there, they come first. */
static void call_and_serve(struct mmsock *by, struct mmsock *to)
{
	struct mmsock_request taken;
	uint64_t number = 0;
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

static void play(void (*lay)(void), const struct scene *scenes, size_t count)
{
	struct theme theme = {lay, close_both, audit};

	books = share(CALLS * sizeof(*books));
	play_scenes(&theme, scenes, count);
}

void play_services(const struct scene *scenes, size_t count)
{
	play(lay_service, scenes, count);
}

void play_new_services(const struct scene *scenes, size_t count)
{
	play(NULL, scenes, count);
}
