/* SPDX-License-Identifier: MIT */
/*
 * signals.c - 10000 signals a second, and threads that are cancelled
 *
 * In every call that waits, for every thing that it can wait for.  That nothing is
 * lost meanwhile is seen by unit/mmsock and stress/processes.
 */
#include <pthread.h>

#include "unit/sandbox.h"

#define BOTH         (MMSOCK_SENDER | MMSOCK_RECEIVER)
#define STORM_NS     100000
#define PATIENCE_NS  (20 * MS)
#define LARGE_RING   (UINT64_C(64) << 20)
#define LONG_MESSAGE 2000
/* A few of these fill the ring of a new service. */
#define LARGE_REQUEST ((size_t)1 << 20)

static volatile sig_atomic_t signals_seen;
static timer_t timer;

static void count_signal(int number)
{
	(void)number;
	signals_seen = signals_seen + 1;
}

static void make_timer(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
				 .sigev_signo = SIGUSR1};
	struct sigaction action = {.sa_handler = count_signal};

	CHECK(!sigaction(SIGUSR1, &action, NULL));
	CHECK(!timer_create(CLOCK_MONOTONIC, &event, &timer));
}

/* One signal after the other, or none any more. */
static void storm(bool on)
{
	struct itimerspec spec = {0};

	if (on)
		spec.it_interval.tv_nsec = spec.it_value.tv_nsec = STORM_NS;
	CHECK(!timer_settime(timer, 0, &spec, NULL));
}

/* What there is to wait for. */

static struct {
	struct mmsock *empty;
	struct mmsock *full;
	struct mmsock *held; /* both of its ends are, by others */
	struct mmsock_run *run;
	struct mmsock_sem *plain;
	struct mmsock_sem *owned;
	struct kid holders[3];
	struct mmsock *idle;   /* a server whom nobody calls */
	struct mmsock *caller; /* with a call that nobody answers */
	uint64_t call;
	struct mmsock *lone;    /* with none, so that it may make many */
	struct mmsock *crowded; /* a client of a service that is full */
	struct mmsock *beside;  /* a server, with the lane held by another */
	struct mmsock_request request;
	struct mmsock *others[3];
} scene;

static void run_holder(struct kid *self, void *context)
{
	unsigned role = *(unsigned *)context;
	struct mmsock *handle = open_as("held", role);
	const void *message;
	void *buffer;

	if (role == MMSOCK_SENDER)
		CHECK_INT(mmsock_reserve(handle, 8, &buffer, 0), 0);
	else
		CHECK_INT(mmsock_peek(handle, &message, 0), 7);
	meet(self);
}

static struct mmsock_sem *open_sem(unsigned flags)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;
	struct mmsock_sem *sem = NULL;

	options.flags = flags;
	options.value = 0;
	CHECK_INT(mmsock_sem_open("sem", &options, &sem), 0);
	return sem;
}

static struct mmsock *enter(const char *service, unsigned role)
{
	struct mmsock_options options =
		options_for(MMSOCK_CONNECT_OR_CREATE, role);
	struct mmsock *handle = NULL;

	options.type = MMSOCK_RPC;
	CHECK_INT(mmsock_open(service, &options, &handle), 0);
	return handle;
}

static uint64_t ask(struct mmsock *client)
{
	uint64_t call = 0;

	CHECK_INT(mmsock_call_send(client, "x", 1, &call, 0), 0);
	return call;
}

static struct mmsock_request take_request(struct mmsock *server)
{
	struct mmsock_request request = {0};
	char byte;

	CHECK_INT(mmsock_serve_recv(server, &byte, 1, &request, 0), 1);
	return request;
}

static void run_lane_holder(struct kid *self, void *context)
{
	struct mmsock *server = enter("lane", MMSOCK_SERVER);
	struct mmsock_request request = take_request(server);
	void *room;

	(void)context;
	CHECK_INT(mmsock_reply_reserve(server, &request, 1, &room, 0), 0);
	meet(self);
}

static void set_services(void)
{
	struct mmsock *client;

	scene.idle = enter("idle", MMSOCK_SERVER);
	scene.others[0] = enter("deaf", MMSOCK_SERVER);
	scene.caller = enter("deaf", MMSOCK_CLIENT);
	scene.call = ask(scene.caller);
	scene.lone = enter("deaf", MMSOCK_CLIENT);
	take_request(scene.others[0]);
	scene.others[1] = enter("crowd", MMSOCK_SERVER);
	scene.crowded = enter("crowd", MMSOCK_CLIENT);
	while (!mmsock_call_reserve(scene.crowded, LARGE_REQUEST,
				    &(void *){NULL}, 0))
		CHECK_INT(mmsock_call_commit(scene.crowded, LARGE_REQUEST,
					     &(uint64_t){0}),
			  0);
	scene.beside = enter("lane", MMSOCK_SERVER);
	scene.others[2] = client = enter("lane", MMSOCK_CLIENT);
	ask(client);
	scene.request = take_request(scene.beside);
	ask(client);
	kid_start(&scene.holders[2], run_lane_holder, NULL);
	CHECK(hear(&scene.holders[2]));
}

static void set_scene(void)
{
	unsigned roles[] = {MMSOCK_SENDER, MMSOCK_RECEIVER};
	char message[LONG_MESSAGE] = "";
	int i;

	fresh_dir();
	create_port("empty", 4096, 4);
	create_port("full", 4096, 4);
	create_port("held", 4096, 4);
	scene.empty = open_as("empty", BOTH);
	scene.full = open_as("full", BOTH);
	scene.held = open_as("held", BOTH);
	while (!mmsock_send(scene.full, message, LONG_MESSAGE, 0))
		;
	send_text(scene.held, "message");
	for (i = 0; i < 2; i++) {
		kid_start(&scene.holders[i], run_holder, &roles[i]);
		CHECK(hear(&scene.holders[i]));
	}
	CHECK_INT(mmsock_run_new(8192, &scene.run), 0);
	scene.plain = open_sem(0);
	scene.owned = open_sem(MMSOCK_SEM_OWNED);
	set_services();
	make_timer();
}

static void strike_scene(void)
{
	int i;

	for (i = 0; i < 3; i++)
		kid_end(&scene.holders[i]);
	for (i = 0; i < 3; i++)
		mmsock_close(scene.others[i]);
	mmsock_close(scene.idle);
	mmsock_close(scene.caller);
	mmsock_close(scene.lone);
	mmsock_close(scene.crowded);
	mmsock_close(scene.beside);
	mmsock_sem_close(scene.plain);
	mmsock_sem_close(scene.owned);
	mmsock_run_free(scene.run);
	mmsock_close(scene.empty);
	mmsock_close(scene.full);
	mmsock_close(scene.held);
}

static char buffer[LONG_MESSAGE];

static int64_t receive(int64_t timeout_ns)
{
	return mmsock_recv(scene.empty, buffer, sizeof(buffer), timeout_ns);
}

static int64_t receive_run(int64_t timeout_ns)
{
	return mmsock_run_recv(scene.empty, scene.run, 0, timeout_ns);
}

static int64_t peek(int64_t timeout_ns)
{
	const void *message;

	return mmsock_peek(scene.empty, &message, timeout_ns);
}

static int64_t send_it(int64_t timeout_ns)
{
	return mmsock_send(scene.full, buffer, sizeof(buffer), timeout_ns);
}

static int64_t send_run(int64_t timeout_ns)
{
	mmsock_run_clear(scene.run);
	CHECK_INT(mmsock_run_add(scene.run, buffer, sizeof(buffer)), 0);
	return mmsock_run_send(scene.full, scene.run, timeout_ns);
}

static int64_t reserve(int64_t timeout_ns)
{
	void *space;

	return mmsock_reserve(scene.full, sizeof(buffer), &space, timeout_ns);
}

static int64_t send_beside(int64_t timeout_ns)
{
	return mmsock_send(scene.held, "x", 1, timeout_ns);
}

static int64_t receive_beside(int64_t timeout_ns)
{
	return mmsock_recv(scene.held, buffer, sizeof(buffer), timeout_ns);
}

static int64_t wait_for_peers(int64_t timeout_ns)
{
	return mmsock_wait_peers(scene.empty, 1, timeout_ns);
}

static int64_t wait_for_port(int64_t timeout_ns)
{
	return mmsock_wait_port("missing", NULL, timeout_ns);
}

static int64_t take(int64_t timeout_ns)
{
	return mmsock_sem_wait(scene.plain, 1, timeout_ns);
}

static int64_t take_and_own(int64_t timeout_ns)
{
	return mmsock_sem_wait(scene.owned, 1, timeout_ns);
}

static int64_t serve(int64_t timeout_ns)
{
	struct mmsock_request request;

	return mmsock_serve_recv(scene.idle, buffer, sizeof(buffer), &request,
				 timeout_ns);
}

static int64_t look_at_request(int64_t timeout_ns)
{
	const void *request;

	return mmsock_serve_peek(scene.idle, &request, timeout_ns);
}

/* However it ends, it is in flight no more. */
static int64_t call(int64_t timeout_ns)
{
	int64_t r = mmsock_call(scene.lone, "x", 1, buffer, sizeof(buffer),
				timeout_ns);

	CHECK_INT(mmsock_call_count(scene.lone), 0);
	return r;
}

static int64_t collect(int64_t timeout_ns)
{
	return mmsock_call_recv(scene.caller, &scene.call, buffer,
				sizeof(buffer), timeout_ns);
}

static int64_t look_at_reply(int64_t timeout_ns)
{
	uint64_t any = 0;
	const void *reply;

	return mmsock_call_peek(scene.caller, &any, &reply, timeout_ns);
}

static int64_t send_request(int64_t timeout_ns)
{
	static char request[LARGE_REQUEST];
	uint64_t sent;

	return mmsock_call_send(scene.crowded, request, sizeof(request), &sent,
				timeout_ns);
}

static int64_t reserve_request(int64_t timeout_ns)
{
	void *space;

	return mmsock_call_reserve(scene.crowded, LARGE_REQUEST, &space,
				   timeout_ns);
}

static int64_t reply(int64_t timeout_ns)
{
	return mmsock_reply(scene.beside, &scene.request, "x", 1, timeout_ns);
}

static int64_t reply_error(int64_t timeout_ns)
{
	return mmsock_reply_error(scene.beside, &scene.request, 1, "x",
				  timeout_ns);
}

static int64_t reserve_reply(int64_t timeout_ns)
{
	void *space;

	return mmsock_reply_reserve(scene.beside, &scene.request, 1, &space,
				    timeout_ns);
}

static const struct {
	const char *name;
	int64_t (*call)(int64_t timeout_ns);
} waits[] = {
	{"a message", receive},
	{"messages", receive_run},
	{"a message to look at", peek},
	{"room", send_it},
	{"room for a run", send_run},
	{"room to write in", reserve},
	{"the sending end", send_beside},
	{"the receiving end", receive_beside},
	{"participants", wait_for_peers},
	{"a port", wait_for_port},
	{"a unit", take},
	{"a unit to own", take_and_own},
	{"a request", serve},
	{"a request to look at", look_at_request},
	{"what is called", call},
	{"a reply", collect},
	{"a reply to look at", look_at_reply},
	{"room for a request", send_request},
	{"room to write a request in", reserve_request},
	{"a caller's lane", reply},
	{"a caller's lane for an error", reply_error},
	{"a caller's lane to write in", reserve_reply},
};

/* The one that was not ended by a signal is not ended by an earlier one. */
static void test_once(void)
{
	size_t i;

	set_scene();
	for (i = 0; i < CHECK_COUNT(waits); i++) {
		printf("# %s\n", waits[i].name);
		storm(true);
		CHECK_INT(waits[i].call(MMSOCK_FOREVER), -EINTR);
		storm(false);
		CHECK_INT(waits[i].call(PATIENCE_NS), -ETIMEDOUT);
		CHECK_INT(waits[i].call(0) == -EBUSY ||
				  waits[i].call(0) == -EAGAIN,
			  1);
	}
	strike_scene();
}

/* Every call ends by a signal or by its time, and not before that. */
static void test_deadlines(void)
{
	int64_t end;
	int64_t left;
	int64_t r;
	unsigned ended;
	size_t i;

	set_scene();
	for (i = 0; i < CHECK_COUNT(waits); i++) {
		storm(true);
		end = now_ns() + PATIENCE_NS;
		for (ended = 0;; ended++) {
			left = end - now_ns();
			r = waits[i].call(left > 0 ? left : 1);
			if (r != -EINTR)
				break;
		}
		storm(false);
		CHECK_INT(r, -ETIMEDOUT);
		CHECK(now_ns() >= end);
		printf("# %s: %u times interrupted\n", waits[i].name, ended);
	}
	strike_scene();
}

/* Setting aside the space takes longer than there is between two signals. */
static void test_large_port(void)
{
	struct mmsock_options options =
		options_for(MMSOCK_CREATE_NEW_OVERWRITE, 0);
	int i;

	fresh_dir();
	make_timer();
	options.ring_bytes = LARGE_RING;
	storm(true);
	for (i = 0; i < 3; i++)
		CHECK_INT(mmsock_create("p", &options), 1);
	storm(false);
	CHECK(signals_seen > 0);
	CHECK_INT(inspect("p").ring_bytes, LARGE_RING);
}

/* Names come and go meanwhile; whoever waits for a lock may be interrupted. */
static void test_names(void)
{
	struct mmsock_options options =
		options_for(MMSOCK_CREATE_NEW_OVERWRITE, BOTH);
	const char *dir = fresh_dir();
	struct mmsock *handle;
	int i;
	int r;

	make_timer();
	options.ring_bytes = 4096;
	storm(true);
	for (i = 0; i < 300; i++) {
		CHECK_INT(mmsock_open("p", &options, &handle), 0);
		send_text(handle, "x");
		expect_text(handle, "x");
		mmsock_close(handle);
		r = mmsock_remove("p", NULL, MMSOCK_REMOVE_ALWAYS);
		CHECK_INT(r, 0);
	}
	storm(false);
	CHECK_INT(count_entries(dir), 0);
}

/* Cancelled threads. */

static _Atomic int calls_survived;

static void survive(int64_t result, int64_t expected)
{
	CHECK_INT(result, expected);
	calls_survived++;
}

static void survive_messages(void)
{
	const void *message;
	void *space;

	survive(mmsock_sem_post(scene.plain, 1), 0);
	survive(take(MMSOCK_FOREVER), 0);
	survive(mmsock_send(scene.empty, "x", 1, MMSOCK_FOREVER), 0);
	survive(mmsock_peek(scene.empty, &message, MMSOCK_FOREVER), 1);
	survive(mmsock_cancel(scene.empty), 0);
	survive(receive(MMSOCK_FOREVER), 1);
	survive(mmsock_reserve(scene.empty, 1, &space, MMSOCK_FOREVER), 0);
	survive(mmsock_commit(scene.empty, 0), 0);
	survive(receive(MMSOCK_FOREVER), 0);
}

/* One thread is client and server, of the service that nobody calls else. */
static void survive_calls(struct mmsock *client)
{
	struct mmsock_request request;
	const void *bytes;
	uint64_t number;
	void *space;

	survive(mmsock_call_send(client, "x", 1, &number, MMSOCK_FOREVER), 0);
	survive(mmsock_serve_recv(scene.idle, buffer, 1, &request,
				  MMSOCK_FOREVER),
		1);
	survive(mmsock_request_wanted(scene.idle, &request), 1);
	survive(mmsock_reply(scene.idle, &request, "x", 1, MMSOCK_FOREVER), 0);
	survive(mmsock_call_recv(client, &number, buffer, 1, MMSOCK_FOREVER),
		1);
	survive(mmsock_call_reserve(client, 1, &space, MMSOCK_FOREVER), 0);
	survive(mmsock_call_commit(client, 0, &number), 0);
	survive(mmsock_serve_peek(scene.idle, &bytes, MMSOCK_FOREVER), 0);
	survive(mmsock_serve_release(scene.idle, &request), 0);
	survive(mmsock_reply_reserve(scene.idle, &request, 1, &space,
				     MMSOCK_FOREVER),
		0);
	survive(mmsock_reply_commit(scene.idle, 1), 0);
	survive(mmsock_call_peek(client, &number, &bytes, MMSOCK_FOREVER), 1);
	survive(mmsock_call_release(client), 0);
	survive(mmsock_call_send(client, "x", 1, &number, MMSOCK_FOREVER), 0);
	survive(mmsock_call_cancel(client, number), 1);
}

/* With a request for its end pending all the time, each call comes back. */
static void *run_cancelled(void *context)
{
	size_t i;

	pthread_cancel(pthread_self());
	for (i = 0; i < CHECK_COUNT(waits); i++)
		survive(waits[i].call(PATIENCE_NS), -ETIMEDOUT);
	survive_messages();
	survive_calls(context);
	pthread_testcancel();
	return NULL;
}

static void join_cancelled(void *(*run)(void *context), void *context,
			   size_t calls)
{
	pthread_t thread;
	void *result;

	CHECK(!pthread_create(&thread, NULL, run, context));
	CHECK(!pthread_join(thread, &result));
	CHECK(result == PTHREAD_CANCELED);
	CHECK_INT(calls_survived, calls);
}

static void test_cancelled(void)
{
	struct mmsock *client;

	set_scene();
	client = enter("idle", MMSOCK_CLIENT);
	join_cancelled(run_cancelled, client, CHECK_COUNT(waits) + 9 + 15);
	mmsock_close(client);
	strike_scene();
}

static int ignore_name(const char *name, void *context)
{
	(void)name;
	(void)context;
	return 0;
}

static int ignore_peer(const struct mmsock_peer *peer, void *context)
{
	(void)peer;
	(void)context;
	return 0;
}

/* So do those that open files and close them. */
static void *run_cancelled_opener(void *context)
{
	struct mmsock_options options =
		options_for(MMSOCK_CREATE_NEW_OVERWRITE, BOTH);
	struct mmsock_info info = {.size = sizeof(info)};
	struct mmsock_sem *sem;
	struct mmsock *handle;
	char path[4096];

	(void)context;
	pthread_cancel(pthread_self());
	survive(mmsock_create("p", &options), 1);
	survive(mmsock_open("p", &options, &handle), 0);
	survive(mmsock_open("no name", &options, &handle), -EINVAL);
	survive(mmsock_inspect("p", NULL, &info), 0);
	survive(mmsock_inspect_peers("p", NULL, ignore_peer, NULL), 0);
	survive(mmsock_list(NULL, ignore_name, NULL), 0);
	survive(mmsock_path("p", NULL, path, sizeof(path)), 0);
	survive(mmsock_wait_port("missing", NULL, PATIENCE_NS), -ETIMEDOUT);
	/* Others are asked about through a descriptor, which may be gone. */
	CHECK(!close_range(3, ~0U, 0));
	survive(mmsock_wait_peers(handle, 1, PATIENCE_NS), -ETIMEDOUT);
	survive(mmsock_senders_died(handle), 0);
	survive(mmsock_remove("p", NULL, MMSOCK_REMOVE_ALWAYS), 0);
	mmsock_close(handle);
	survive(mmsock_sem_create("s", NULL), 1);
	survive(mmsock_sem_open("s", NULL, &sem), 0);
	survive(mmsock_sem_destroy(sem), 0);
	mmsock_sem_close(sem);
	survive(mmsock_sem_remove("s", NULL, MMSOCK_REMOVE_ALWAYS), -ENOENT);
	survive(0, 0);
	pthread_testcancel();
	return NULL;
}

static void test_cancelled_opener(void)
{
	const char *dir = fresh_dir();

	join_cancelled(run_cancelled_opener, NULL, 16);
	CHECK_INT(count_entries(dir), 0);
}

/* Also where they ask the kernel about others, with no descriptor for that. */
static void *run_cancelled_caller(void *context)
{
	struct mmsock_options options =
		options_for(MMSOCK_CREATE_NEW_OVERWRITE, 0);
	struct mmsock_request request;
	struct mmsock *client;
	struct mmsock *server;
	uint64_t number;

	(void)context;
	pthread_cancel(pthread_self());
	options.type = MMSOCK_RPC;
	survive(mmsock_create("r", &options), 1);
	options.mode = MMSOCK_CONNECT_TO_EXISTING;
	options.role = MMSOCK_SERVER;
	survive(mmsock_open("r", &options, &server), 0);
	options.role = MMSOCK_CLIENT;
	survive(mmsock_open("r", &options, &client), 0);
	CHECK(!close_range(3, ~0U, 0));
	survive(mmsock_call(client, "x", 1, NULL, 0, PATIENCE_NS), -ETIMEDOUT);
	survive(mmsock_call_send(client, "x", 1, &number, PATIENCE_NS), 0);
	survive(mmsock_serve_recv(server, buffer, 1, &request, PATIENCE_NS), 1);
	CHECK(!close_range(3, ~0U, 0));
	survive(mmsock_request_wanted(server, &request), 1);
	CHECK(!close_range(3, ~0U, 0));
	survive(mmsock_call_recv(client, &number, buffer, 1, PATIENCE_NS),
		-ETIMEDOUT);
	mmsock_close(server);
	CHECK(!close_range(3, ~0U, 0));
	survive(mmsock_call_recv(client, &number, buffer, 1, PATIENCE_NS),
		-EOWNERDEAD);
	survive(mmsock_call(client, "x", 1, NULL, 0, PATIENCE_NS),
		-ECONNREFUSED);
	mmsock_close(client);
	survive(mmsock_remove("r", NULL, MMSOCK_REMOVE_ALWAYS), 0);
	pthread_testcancel();
	return NULL;
}

static void test_cancelled_caller(void)
{
	const char *dir = fresh_dir();

	join_cancelled(run_cancelled_caller, NULL, 11);
	CHECK_INT(count_entries(dir), 0);
}

static const struct check_case cases[] = {
	{"a signal ends the wait that it finds, and no other", test_once},
	{"a deadline is kept whatever comes", test_deadlines},
	{"a large port is made whatever comes", test_large_port},
	{"ports come and go whatever comes", test_names},
	{"a thread is not cancelled within a call", test_cancelled},
	{"nor within one that opens files", test_cancelled_opener},
	{"nor within one that asks who serves", test_cancelled_caller},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
