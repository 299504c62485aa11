/* SPDX-License-Identifier: MIT */
/*
 * services.c - many clients and servers of one service, and what becomes of calls
 *
 * Each request has a number of its own, from which its contents, its length and what
 * the server has to say follow.  A server enters what he executes, a client what he was
 * told.  What holds: a reply is the right one, and its request was executed once; one
 * that was refused never was; no request is executed twice; and somebody tells the
 * client, whatever happens to servers meanwhile.
 *
 * STRESS in the environment multiplies calls, and how often somebody is killed or
 * replaced; 20 make it a thousand times.
 */
#include <grp.h>

#include "handle.h"
#include "schedule.h"
#include "unit/sandbox.h"

#define PORT        "service"
#define CLIENTS     10U
#define SERVERS     2U
#define IN_FLIGHT   4U
#define REPLY_MOST  ((size_t)20000)
#define STATUS_STEP 17U
#define REPLACED    50U

/* What servers have done, and clients were told; memory of all. */
struct books {
	uint64_t most; /* requests that can be entered */
	_Atomic uint64_t numbers;
	_Atomic uint64_t replies;
	_Atomic uint64_t lost;    /* -EOWNERDEAD */
	_Atomic uint64_t refused; /* -ECONNREFUSED */
	_Atomic uint32_t over;    /* clients have done enough */
	_Atomic uint8_t executed[];
};

/* In executed, beside how often: it was said that it never would be. */
#define SAID_NEVER 0x80U

/* A client or a server. */
struct party {
	struct kid kid;
	uint64_t each;   /* calls, where not until it is over */
	bool no_recheck; /* sleep until woken, whatever happens */
	bool unharmed;   /* nothing but replies is right */
};

static struct books *books;

static void open_service(uint64_t most)
{
	struct mmsock_options options =
		options_for(MMSOCK_CREATE_NEW_EXCLUSIVE, 0);

	alarm(SECONDS_A_SHARE * stress_scale());
	fresh_dir();
	options.type = MMSOCK_RPC;
	options.clients = CLIENTS + 2;
	options.slots = options.clients + SERVERS + 2;
	options.ring_bytes = 65536;
	options.max_message = 24000;
	options.reply_bytes = REPLY_MOST;
	options.permissions = 0666;
	CHECK_INT(mmsock_create(PORT, &options), 1);
	books = mmap(NULL, sizeof(*books) + most, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(books != MAP_FAILED);
	books->most = most;
}

static struct mmsock *enter(unsigned role)
{
	struct mmsock_options options =
		options_for(MMSOCK_CONNECT_TO_EXISTING, role);
	struct mmsock *handle = NULL;

	CHECK_INT(mmsock_open(PORT, &options, &handle), 0);
	return handle;
}

static unsigned executions(uint64_t number)
{
	return atomic_load(&books->executed[number]) & ~SAID_NEVER;
}

/* Contents. */

static size_t request_length(uint64_t number)
{
	return sizeof(number) +
	       (size_t)(number * 7919 % (number % 16 ? 120 : 8000));
}

/* A reply may be empty. */
static size_t reply_length(uint64_t number)
{
	return (size_t)(number * 104729 % (number % 32 ? 200 : REPLY_MOST));
}

static void fill(unsigned char *to, size_t length, uint64_t number)
{
	size_t i;

	for (i = 0; i < length; i++)
		to[i] = (unsigned char)(number * 131 + i);
}

static void check_filled(const unsigned char *bytes, size_t length,
			 uint64_t number)
{
	size_t i;

	for (i = 0; i < length; i++)
		CHECK_INT(bytes[i], (unsigned char)(number * 131 + i));
}

static bool is_answered_with_error(uint64_t number)
{
	return number % STATUS_STEP == 0;
}

/* Servers. */

/* Who asks may have died. */
static void reply_to(struct mmsock *handle,
		     const struct mmsock_request *request, uint64_t number)
{
	static unsigned char bytes[REPLY_MOST];
	char text[32];
	int r;

	if (is_answered_with_error(number)) {
		snprintf(text, sizeof(text), "number %" PRIu64, number);
		r = mmsock_reply_error(handle, request, (int)(number % 1000),
				       text, MMSOCK_FOREVER);
	} else {
		fill(bytes, reply_length(number), number + 1);
		r = mmsock_reply(handle, request, bytes, reply_length(number),
				 MMSOCK_FOREVER);
	}
	CHECK(!r || r == -ECONNRESET);
}

/* The number of a request, which is the right one. */
static uint64_t execute(const unsigned char *bytes, size_t length)
{
	uint64_t number;

	CHECK(length >= sizeof(number));
	memcpy(&number, bytes, sizeof(number));
	CHECK(number < books->most);
	CHECK_INT(length, request_length(number));
	check_filled(bytes + sizeof(number), length - sizeof(number), number);
	CHECK_INT(atomic_fetch_add(&books->executed[number], 1), 0);
	return number;
}

static struct mmsock *volatile serving;
static volatile sig_atomic_t leaving;

static void stop_serving(int number)
{
	(void)number;
	leaving = 1;
	if (serving)
		mmsock_interrupt(serving);
}

/* Until told to go, which is done at once, whatever has been taken. */
static void serve(struct mmsock *handle)
{
	static unsigned char bytes[24000];
	struct mmsock_request requests[3];
	uint64_t numbers[3];
	unsigned open = 0;
	ssize_t length;

	while (!leaving) {
		length = mmsock_serve_recv(handle, bytes, sizeof(bytes),
					   &requests[open],
					   open ? 0 : MMSOCK_FOREVER);
		if (length == -EINTR)
			return;
		CHECK(length >= 0 ||
		      (open && (length == -EAGAIN || length == -EBUSY)));
		if (length >= 0) {
			numbers[open] = execute(bytes, (size_t)length);
			open++;
		}
		while (length < 0 || open == CHECK_COUNT(requests)) {
			open--;
			reply_to(handle, &requests[open], numbers[open]);
			if (!open)
				break;
		}
	}
}

static void run_server(struct kid *self, void *context)
{
	struct sigaction action = {.sa_handler = stop_serving};
	struct mmsock *handle = enter(MMSOCK_SERVER);

	(void)context;
	alarm(SECONDS_A_SHARE * stress_scale());
	serving = handle;
	CHECK(!sigaction(SIGUSR1, &action, NULL));
	tell(self);
	serve(handle);
	serving = NULL;
	mmsock_close(handle);
}

static void start_servers(struct party *servers, unsigned count)
{
	unsigned i;

	for (i = 0; i < count; i++)
		kid_start(&servers[i].kid, run_server, &servers[i]);
	for (i = 0; i < count; i++)
		CHECK(hear(&servers[i].kid));
}

static void dismiss_server(struct party *server)
{
	CHECK(!kill(server->kid.pid, SIGUSR1));
	CHECK_INT(kid_reap(&server->kid), 0);
}

/* Clients. */

static void note_refused(uint64_t number)
{
	CHECK_INT(executions(number), 0);
	atomic_fetch_or(&books->executed[number], SAID_NEVER);
	add_to(&books->refused, 1);
}

static void check_error(const struct mmsock *handle, uint64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "number %" PRIu64, number);
	CHECK(is_answered_with_error(number));
	CHECK_INT(mmsock_call_status(handle), number % 1000);
	CHECK_STR(mmsock_error_text(-EREMOTEIO), text);
}

/* What one call has come to. */
static void check_outcome(const struct mmsock *handle,
			  const struct party *party, uint64_t number, ssize_t r,
			  const unsigned char *bytes)
{
	if (r == -ECONNREFUSED && !party->unharmed) {
		note_refused(number);
		return;
	}
	if (r == -EOWNERDEAD && !party->unharmed) {
		CHECK(executions(number) <= 1);
		add_to(&books->lost, 1);
		return;
	}
	if (r == -EREMOTEIO) {
		check_error(handle, number);
	} else {
		CHECK_INT(r, reply_length(number));
		CHECK(!is_answered_with_error(number));
		check_filled(bytes, (size_t)r, number + 1);
	}
	CHECK_INT(executions(number), 1);
	add_to(&books->replies, 1);
}

/* Space that nobody needs is mapped and not there. */
static bool new_number(uint64_t *ret_number)
{
	*ret_number = atomic_fetch_add(&books->numbers, 1);
	return *ret_number < books->most;
}

static size_t write_request(unsigned char *to, uint64_t number)
{
	size_t length = request_length(number);

	memcpy(to, &number, sizeof(number));
	fill(to + sizeof(number), length - sizeof(number), number);
	return length;
}

static bool call_once(struct mmsock *handle, const struct party *party)
{
	static unsigned char bytes[24000];
	uint64_t number;
	size_t length;
	ssize_t r;

	if (!new_number(&number))
		return false;
	length = write_request(bytes, number);
	r = mmsock_call(handle, bytes, length, bytes, sizeof(bytes),
			MMSOCK_FOREVER);
	check_outcome(handle, party, number, r, bytes);
	return true;
}

/* Several at a time, of which some are not answered for as long as others. */
static bool call_several(struct mmsock *handle, const struct party *party)
{
	static unsigned char bytes[24000];
	uint64_t numbers[IN_FLIGHT];
	uint64_t calls[IN_FLIGHT];
	unsigned count;
	unsigned i;
	ssize_t r = 0;

	for (count = 0; count < IN_FLIGHT && !r; count++) {
		if (!new_number(&numbers[count]))
			break;
		r = mmsock_call_send(handle, bytes,
				     write_request(bytes, numbers[count]),
				     &calls[count], MMSOCK_FOREVER);
		if (r)
			check_outcome(handle, party, numbers[count], r, bytes);
	}
	count -= r != 0;
	for (i = count; i-- > 0;) {
		r = mmsock_call_recv(handle, &calls[i], bytes, sizeof(bytes),
				     MMSOCK_FOREVER);
		check_outcome(handle, party, numbers[i], r, bytes);
	}
	return count > 0;
}

/* One that is too large, and so is never sent. */
static void call_in_vain(struct mmsock *handle)
{
	static unsigned char bytes[24001];

	CHECK_INT(mmsock_call(handle, bytes, sizeof(bytes), bytes, 1,
			      MMSOCK_FOREVER),
		  -EMSGSIZE);
}

static void run_client(struct kid *self, void *context)
{
	const struct party *party = context;
	struct mmsock *handle = enter(MMSOCK_CLIENT);
	uint64_t made;

	alarm(SECONDS_A_SHARE * stress_scale());
	handle->waiter.no_recheck = party->no_recheck;
	meet(self);
	for (made = 0;
	     party->each ? made < party->each : !atomic_load(&books->over);) {
		if (made % 500 == 0)
			call_in_vain(handle);
		if (made % 8 != 7) {
			made++;
			if (!call_once(handle, party))
				break;
		} else {
			made += IN_FLIGHT;
			if (!call_several(handle, party) && !party->each &&
			    atomic_load(&books->numbers) >= books->most)
				break;
		}
	}
	mmsock_close(handle);
}

static void start_clients(struct party *clients, unsigned count)
{
	unsigned i;

	for (i = 0; i < count; i++)
		kid_start(&clients[i].kid, run_client, &clients[i]);
	for (i = 0; i < count; i++)
		CHECK(hear(&clients[i].kid));
	for (i = 0; i < count; i++)
		tell(&clients[i].kid);
}

static void await_clients(struct party *clients, unsigned count)
{
	unsigned i;

	for (i = 0; i < count; i++)
		CHECK_INT(kid_reap(&clients[i].kid), 0);
}

static void audit(void)
{
	uint64_t most = count_of(&books->numbers);
	uint64_t i;

	if (most > books->most)
		most = books->most;
	for (i = 0; i < most; i++) {
		CHECK(executions(i) <= 1);
		if (atomic_load(&books->executed[i]) & SAID_NEVER)
			CHECK_INT(executions(i), 0);
	}
	printf("# %" PRIu64 " replies, %" PRIu64 " lost, %" PRIu64 " refused\n",
	       count_of(&books->replies), count_of(&books->lost),
	       count_of(&books->refused));
}

/* All calls are answered: so many by so many. */
static void test_many_clients(void)
{
	struct party clients[CLIENTS];
	struct party servers[SERVERS];
	uint64_t each = UINT64_C(10000) * stress_scale();
	unsigned i;

	open_service(CLIENTS * (each + IN_FLIGHT));
	for (i = 0; i < CLIENTS; i++)
		clients[i] = (struct party){
			.each = each, .unharmed = true, .no_recheck = true};
	start_servers(servers, SERVERS);
	start_clients(clients, CLIENTS);
	await_clients(clients, CLIENTS);
	for (i = 0; i < SERVERS; i++)
		dismiss_server(&servers[i]);
	audit();
	CHECK(count_of(&books->replies) >= CLIENTS * each);
	CHECK_INT(inspect(PORT).messages, 0);
	CHECK_INT(inspect(PORT).takeovers, 0);
}

/* Wait until servers have done so much more, or nobody is left who asks. */
static void await_progress(uint64_t more)
{
	uint64_t from = count_of(&books->replies) + count_of(&books->refused) +
			count_of(&books->lost);

	while (count_of(&books->replies) + count_of(&books->refused) +
			       count_of(&books->lost) <
		       from + more &&
	       count_of(&books->numbers) < books->most)
		sched_yield();
}

/* Servers go, one way or the other, and others come; sometimes both at a time. */
static void replace_servers(bool killed, bool left)
{
	unsigned times = REPLACED * stress_scale();
	struct party servers[SERVERS];
	struct party clients[4];
	uint64_t random = times;
	struct party *server;
	unsigned both;
	unsigned i;

	open_service(UINT64_C(1) << 26);
	for (i = 0; i < CHECK_COUNT(clients); i++)
		clients[i] = (struct party){.no_recheck = !killed};
	start_servers(servers, SERVERS);
	start_clients(clients, CHECK_COUNT(clients));
	for (i = 0; i < times; i++) {
		await_progress(random_below(&random, 50));
		server = &servers[random_below(&random, SERVERS)];
		both = random_below(&random, 8) == 0;
		if (both)
			server = servers;
		do {
			if (killed && (!left || random_below(&random, 2)))
				kid_kill(&server->kid);
			else
				dismiss_server(server);
			server->kid.pid = 0;
			server++;
		} while (both-- > 0);
		for (server = servers; server < servers + SERVERS; server++)
			if (!server->kid.pid)
				start_servers(server, 1);
	}
	atomic_store(&books->over, 1);
	await_clients(clients, CHECK_COUNT(clients));
	for (i = 0; i < SERVERS; i++)
		dismiss_server(&servers[i]);
	audit();
	CHECK(count_of(&books->replies) > 0);
	CHECK_INT(inspect(PORT).calls, 0);
	CHECK_INT(inspect(PORT).requests, 0);
}

static void test_servers_killed(void)
{
	replace_servers(true, false);
}

static void test_servers_leave(void)
{
	replace_servers(false, true);
}

static void test_servers_killed_or_leave(void)
{
	replace_servers(true, true);
}

/* Others are not hurt, and their servers neither. */
static void test_clients_killed(void)
{
	unsigned times = REPLACED * stress_scale();
	struct party servers[SERVERS];
	struct party clients[4];
	uint64_t random = times;
	unsigned i;

	open_service(UINT64_C(1) << 26);
	for (i = 0; i < CHECK_COUNT(clients); i++)
		clients[i] = (struct party){.unharmed = true};
	start_servers(servers, SERVERS);
	start_clients(clients, CHECK_COUNT(clients));
	for (i = 0; i < times; i++) {
		await_progress(random_below(&random, 50));
		/* The first one stays. */
		kid_kill(&clients[1 + i % 3].kid);
		start_clients(&clients[1 + i % 3], 1);
	}
	atomic_store(&books->over, 1);
	await_clients(clients, CHECK_COUNT(clients));
	for (i = 0; i < SERVERS; i++)
		dismiss_server(&servers[i]);
	audit();
	CHECK_INT(count_of(&books->lost) + count_of(&books->refused), 0);
}

/* One dies with a request of one of them; the others are served by another. */
static void run_taker(struct kid *self, void *context)
{
	struct mmsock *handle = enter(MMSOCK_SERVER);
	struct mmsock_request request;
	static unsigned char bytes[24000];
	ssize_t length;

	(void)context;
	tell(self);
	length = mmsock_serve_recv(handle, bytes, sizeof(bytes), &request,
				   MMSOCK_FOREVER);
	CHECK(length >= 0);
	execute(bytes, (size_t)length);
	meet(self);
}

static void test_killed_with_clients_waiting(void)
{
	struct party clients[CLIENTS];
	struct party server;
	struct kid taker;
	unsigned i;

	open_service(CLIENTS);
	for (i = 0; i < CLIENTS; i++)
		clients[i] = (struct party){.each = 1};
	kid_start(&taker, run_taker, NULL);
	CHECK(hear(&taker));
	start_clients(clients, CLIENTS);
	CHECK(hear(&taker));
	while (count_of(&books->numbers) < CLIENTS)
		sched_yield();
	for (i = 0; i < CLIENTS; i++)
		await_sleeper(PORT, clients[i].kid.pid, MMSOCK_REPLY);
	start_servers(&server, 1);
	kid_kill(&taker);
	await_clients(clients, CLIENTS);
	dismiss_server(&server);
	audit();
	CHECK_INT(count_of(&books->lost), 1);
	CHECK_INT(count_of(&books->replies), CLIENTS - 1);
}

/* Two users, who share a service and nothing else. */

static void become_nobody(void)
{
	CHECK(!setgroups(0, NULL) && !setresgid(12345, 12345, 12345));
	CHECK(!setresuid(12345, 12345, 12345));
}

static void run_foreign_server(struct kid *self, void *context)
{
	become_nobody();
	run_server(self, context);
}

static void run_foreign_client(struct kid *self, void *context)
{
	become_nobody();
	run_client(self, context);
}

static void let_others_in(void)
{
	if (geteuid())
		SKIP("only root can be another user");
	CHECK(!chmod(getenv("MMSOCK_TEST_SHM"), 0711));
	CHECK(!chmod(getenv("MMSOCK_DIR"), 0755));
}

static void test_foreign_server(void)
{
	struct party client = {.each = 200, .unharmed = true};
	struct party server;

	open_service(1000);
	let_others_in();
	kid_start(&server.kid, run_foreign_server, NULL);
	CHECK(hear(&server.kid));
	start_clients(&client, 1);
	await_clients(&client, 1);
	/* Neither of them is in the other's way when he dies. */
	client.each = 1;
	client.unharmed = false;
	kid_kill(&server.kid);
	start_clients(&client, 1);
	await_clients(&client, 1);
	audit();
	CHECK(count_of(&books->refused) > 0);
}

static void test_foreign_client(void)
{
	struct party client = {.each = 200, .unharmed = true};
	struct party server;
	struct kid taker;

	open_service(1000);
	let_others_in();
	start_servers(&server, 1);
	kid_start(&client.kid, run_foreign_client, &client);
	CHECK(hear(&client.kid));
	tell(&client.kid);
	await_clients(&client, 1);
	dismiss_server(&server);
	client.each = 1;
	client.unharmed = false;
	kid_start(&taker, run_taker, NULL);
	CHECK(hear(&taker));
	kid_start(&client.kid, run_foreign_client, &client);
	CHECK(hear(&client.kid));
	tell(&client.kid);
	CHECK(hear(&taker));
	kid_kill(&taker);
	await_clients(&client, 1);
	audit();
	CHECK_INT(count_of(&books->lost), 1);
}

static const struct check_case cases[] = {
	{"ten clients and two servers: every call has its reply",
	 test_many_clients},
	{"a server is killed with many waiting: one call is lost",
	 test_killed_with_clients_waiting},
	{"servers are killed and replaced under load", test_servers_killed},
	{"servers leave and are replaced, and no wake is lost",
	 test_servers_leave},
	{"servers are killed or leave under load",
	 test_servers_killed_or_leave},
	{"clients are killed under load, and nobody else is hurt",
	 test_clients_killed},
	{"a server of another user serves, and may die", test_foreign_server},
	{"a client of another user is served, and learns of a death",
	 test_foreign_client},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
