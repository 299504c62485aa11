/* SPDX-License-Identifier: MIT */
/*
 * rpc_steps.c - clients and servers are killed, or overtaken, at every instruction
 *
 * Each case is what one client or one server does, by the release library in a child
 * that is killed at a place.  Whoever is left is told what has become of his call, by
 * a reply, by -EOWNERDEAD or by -ECONNREFUSED, and each of them is held to what it
 * says: a request is executed at most once, and one that was refused is not and will
 * not be.  Then somebody calls and somebody serves in the slots of the dead, and
 * nothing of these is left.
 *
 * In the last cases nobody dies: a server comes or takes a request, a client looks
 * or gives up, while the other side is half way.
 *
 * In check: at every change of shared memory, right before it, and at places that
 * lie some way apart.  With STRESS=10000 (make check-crash): at every instruction.
 */
#include "handle.h"
#include "lane.h"
#include "step.h"
#include "unit/sandbox.h"

#define PORT    "rpc"
#define CLIENTS 3U
#define SERVERS 3U

/* What the victim says of itself, in memory that outlives it. */
struct books {
	uint64_t calls[2];
	unsigned executed; /* requests that it was given */
	bool won;          /* what its step in a lane has returned */
	bool told;         /* its operation has returned */
};

/* What somebody does in the child, and what the others do about it. */
struct deed {
	unsigned role;
	void (*before)(void); /* they, before he comes */
	void (*prepare)(
		void); /* he, when he has come; NULL: coming is the deed */
	void (*ready)(void);   /* they, when he is ready */
	void (*operate)(void); /* he */
	void (*look)(bool ended);
};

struct tally {
	unsigned long kills;
	unsigned long replies;
	unsigned long lost;    /* -EOWNERDEAD */
	unsigned long refused; /* -ECONNREFUSED */
};

static struct books *books;
static unsigned char *file;
static size_t file_bytes;
static struct tally tally;
static const struct deed *deed;
static struct mmsock *victim; /* in the child */
static struct mmsock *client;
static struct mmsock *server;

/* Short forms. */

static void open_service(void)
{
	struct mmsock_options options =
		options_for(MMSOCK_CREATE_NEW_EXCLUSIVE, 0);

	fresh_dir();
	options.type = MMSOCK_RPC;
	options.clients = CLIENTS;
	options.slots = CLIENTS + SERVERS;
	options.ring_bytes = 4096;
	options.reply_bytes = 1000;
	CHECK_INT(mmsock_create(PORT, &options), 1);
	file = map_file(join(getenv("MMSOCK_DIR"), PORT));
	file_bytes = (size_t)((struct mms_header *)(void *)file)->file_bytes;
	books = mmap(NULL, sizeof(*books), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(books != MAP_FAILED);
}

static struct mmsock *enter(unsigned role)
{
	struct mmsock_options options =
		options_for(MMSOCK_CONNECT_TO_EXISTING, role);
	struct mmsock *handle = NULL;

	options.spin_ns = 0;
	CHECK_INT(mmsock_open(PORT, &options, &handle), 0);
	/* What dies with its waker costs a period of sleep. */
	handle->waiter.recheck_cap_ns = 20 * MS;
	return handle;
}

static uint64_t ask(struct mmsock *handle, const char *text)
{
	uint64_t call;

	CHECK_INT(mmsock_call_send(handle, text, strlen(text), &call, 0), 0);
	return call;
}

/* Take a request if there is one; it is @text, or any where that is NULL. */
static bool take(struct mmsock *handle, const char *text,
		 struct mmsock_request *ret_request)
{
	char buffer[64] = "";
	ssize_t r = mmsock_serve_recv(handle, buffer, sizeof(buffer) - 1,
				      ret_request, 0);

	if (r == -EAGAIN)
		return false;
	CHECK(r >= 0);
	if (text)
		CHECK_STR(buffer, text);
	return true;
}

static int answer(struct mmsock *handle, const struct mmsock_request *request,
		  const char *text)
{
	return mmsock_reply(handle, request, text, strlen(text), 0);
}

static bool serve_one(struct mmsock *handle, const char *text)
{
	struct mmsock_request request;

	if (!take(handle, text, &request))
		return false;
	CHECK_INT(answer(handle, &request, "reply"), 0);
	return true;
}

static ssize_t collect(struct mmsock *handle, uint64_t call)
{
	char buffer[64] = "";
	ssize_t r = mmsock_call_recv(handle, &call, buffer, sizeof(buffer) - 1,
				     MMSOCK_FOREVER);

	if (r >= 0)
		CHECK_STR(buffer, "reply");
	tally.replies += r >= 0;
	tally.lost += r == -EOWNERDEAD;
	tally.refused += r == -ECONNREFUSED;
	return r;
}

/* After a death. */

/* Where requests of the dead are still there, they come first. */
static void call_and_serve(struct mmsock *asking, struct mmsock *serving)
{
	struct mmsock_request request;
	uint64_t call = ask(asking, "next");

	do {
		CHECK(take(serving, NULL, &request));
		(void)answer(serving, &request, "reply");
	} while (request.client != asking->port.slot || request.call != call);
	CHECK_INT(collect(asking, call), 5);
	tally.replies--;
}

static void check_nothing_left(void)
{
	const struct mms_header *header = (void *)file;
	struct mms_lane *lanes = (void *)(file + mms_lanes_offset(header));
	struct mms_control *control = (void *)(file + MMS_CONTROL_OFFSET);
	struct mmsock_info info = inspect(PORT);
	unsigned i;

	CHECK_INT(info.senders + info.receivers, 0);
	CHECK_INT(info.dead, 0);
	CHECK_INT(info.messages, 0);
	CHECK_INT(info.calls, 0);
	CHECK_INT(info.requests, 0);
	CHECK_INT(control->send.lock.word & MMS_LOCK_OWNER, 0);
	CHECK_INT(control->recv.lock.word & MMS_LOCK_OWNER, 0);
	for (i = 0; i < CLIENTS; i++)
		CHECK_INT(lanes[i].send.lock.word & MMS_LOCK_OWNER, 0);
	CHECK_INT(count_entries(getenv("MMSOCK_DIR")), 1);
}

/* Those who are left go on; then there are new ones in all slots. */
static void survive(void)
{
	struct mmsock *clients[CLIENTS];
	struct mmsock *servers[SERVERS];
	unsigned i;

	if (!client)
		client = enter(MMSOCK_CLIENT);
	if (!server)
		server = enter(MMSOCK_SERVER);
	call_and_serve(client, server);
	mmsock_close(client);
	mmsock_close(server);
	client = server = NULL;
	for (i = 0; i < CLIENTS; i++)
		clients[i] = enter(MMSOCK_CLIENT);
	for (i = 0; i < SERVERS; i++)
		servers[i] = enter(MMSOCK_SERVER);
	for (i = 0; i < CLIENTS; i++)
		call_and_serve(clients[i], servers[i]);
	for (i = 0; i < CLIENTS; i++)
		mmsock_close(clients[i]);
	for (i = 0; i < SERVERS; i++)
		mmsock_close(servers[i]);
	check_nothing_left();
}

/* Victims. */

static void prepare(void *context)
{
	(void)context;
	if (!deed->prepare)
		return;
	victim = enter(deed->role);
	deed->prepare();
}

static void operate(void *context)
{
	(void)context;
	deed->operate();
	books->told = true;
}

static void start(struct step *step)
{
	*books = (struct books){0};
	if (deed->before)
		deed->before();
	step_start(step, prepare, operate, NULL);
	if (deed->ready)
		deed->ready();
}

static void finish(struct step *step)
{
	bool ended = step->ended;

	tally.kills += !ended;
	step_kill(step);
	deed->look(ended);
	survive();
}

static bool kill_at(const struct step_trace *trace, unsigned long place)
{
	struct step step;
	bool ended;

	start(&step);
	ended = !step_to(&step, trace, place);
	finish(&step);
	return step.missed ? kill_at(NULL, place) : ended;
}

static struct step_trace record(void)
{
	struct step_trace trace;
	struct step step;

	start(&step);
	step_record(&step, file, file_bytes, &trace);
	finish(&step);
	return trace;
}

static void kill_everywhere(const struct deed *what)
{
	unsigned long stride = step_stride(997);
	struct step_trace trace;
	unsigned long place = 0;

	deed = what;
	open_service();
	trace = record();
	tally = (struct tally){0};
	while (!kill_at(&trace, place) || place < trace.count)
		place = step_place_after(&trace, place, stride);
	printf("# killed %lu times in %lu instructions: calls had %lu replies, "
	       "%lu were lost, %lu refused\n",
	       tally.kills, trace.count, tally.replies, tally.lost,
	       tally.refused);
	step_forget(&trace);
}

static void server_comes(void)
{
	server = enter(MMSOCK_SERVER);
}

static void client_comes(void)
{
	client = enter(MMSOCK_CLIENT);
}

static void nothing(void)
{
}

/* A client is killed. */

static void victim_asks(void)
{
	books->calls[0] = ask(victim, "request");
}

static void victim_asks_twice(void)
{
	victim_asks();
	books->calls[1] = ask(victim, "another");
}

static void victim_asks_lent(void)
{
	void *room;

	CHECK_INT(mmsock_call_reserve(victim, 100, &room, 0), 0);
	memset(room, 0xa5, 100);
	memcpy(room, "request", 7);
	CHECK_INT(mmsock_call_commit(victim, 7, &books->calls[0]), 0);
}

static void look_for_request(bool ended)
{
	struct mmsock_request request;

	if (!take(server, "request", &request))
		CHECK(!ended);
	else
		(void)answer(server, &request, "reply");
}

static void test_asking(void)
{
	kill_everywhere(&(struct deed){
		.role = MMSOCK_CLIENT,
		.before = server_comes,
		.prepare = nothing,
		.operate = victim_asks,
		.look = look_for_request,
	});
}

static void test_asking_lent(void)
{
	kill_everywhere(&(struct deed){
		.role = MMSOCK_CLIENT,
		.before = server_comes,
		.prepare = nothing,
		.operate = victim_asks_lent,
		.look = look_for_request,
	});
}

static void both_are_answered(void)
{
	struct mmsock_request requests[2];

	CHECK(take(server, "request", &requests[0]));
	CHECK(take(server, "another", &requests[1]));
	CHECK_INT(answer(server, &requests[1], "reply"), 0);
	CHECK_INT(answer(server, &requests[0], "reply"), 0);
}

/* The first that he asks for lies behind the other. */
static void victim_collects_both(void)
{
	CHECK_INT(collect(victim, books->calls[0]), 5);
	CHECK_INT(collect(victim, books->calls[1]), 5);
}

static void look_at_nothing(bool ended)
{
	(void)ended;
}

static void test_collecting(void)
{
	kill_everywhere(&(struct deed){
		.role = MMSOCK_CLIENT,
		.before = server_comes,
		.prepare = victim_asks_twice,
		.ready = both_are_answered,
		.operate = victim_collects_both,
		.look = look_at_nothing,
	});
}

static void victim_gives_up(void)
{
	CHECK_INT(mmsock_call_cancel(victim, books->calls[0]), 1);
}

static void look_for_what_is_wanted(bool ended)
{
	struct mmsock_request request;

	(void)ended;
	if (!server)
		server_comes();
	if (take(server, "request", &request)) {
		CHECK(!books->told);
		(void)answer(server, &request, "reply");
	}
}

static void test_giving_up(void)
{
	kill_everywhere(&(struct deed){
		.role = MMSOCK_CLIENT,
		.before = server_comes,
		.prepare = victim_asks,
		.operate = victim_gives_up,
		.look = look_for_what_is_wanted,
	});
}

static void server_leaves(void)
{
	mmsock_close(server);
	server = NULL;
}

static void victim_is_refused(void)
{
	CHECK_INT(collect(victim, books->calls[0]), -ECONNREFUSED);
}

static void test_refused(void)
{
	kill_everywhere(&(struct deed){
		.role = MMSOCK_CLIENT,
		.before = server_comes,
		.prepare = victim_asks,
		.ready = server_leaves,
		.operate = victim_is_refused,
		.look = look_for_what_is_wanted,
	});
}

static void victim_leaves(void)
{
	mmsock_close(victim);
}

static void test_client_leaving(void)
{
	kill_everywhere(&(struct deed){
		.role = MMSOCK_CLIENT,
		.before = server_comes,
		.prepare = victim_asks,
		.operate = victim_leaves,
		.look = look_for_what_is_wanted,
	});
}

/* Who dies with a request in the ring and a reply in his lane. */
static void run_dying_client(struct kid *self, void *context)
{
	(void)context;
	victim = enter(MMSOCK_CLIENT);
	ask(victim, "answered");
	ask(victim, "request");
	meet(self);
}

static void a_client_dies(void)
{
	struct kid kid;

	server_comes();
	kid_start(&kid, run_dying_client, NULL);
	CHECK(hear(&kid));
	CHECK(serve_one(server, "answered"));
	kid_kill(&kid);
}

static void victim_comes(void)
{
	victim = enter(deed->role);
}

static void test_client_coming(void)
{
	kill_everywhere(&(struct deed){
		.role = MMSOCK_CLIENT,
		.before = a_client_dies,
		.operate = victim_comes,
		.look = look_for_what_is_wanted,
	});
}

/* A server is killed. */

static void client_asks(void)
{
	books->calls[0] = ask(client, "request");
}

static void victim_serves(void)
{
	struct mmsock_request request;

	CHECK(take(victim, "request", &request));
	books->executed++;
	CHECK_INT(answer(victim, &request, "reply"), 0);
}

static void victim_serves_lent(void)
{
	struct mmsock_request request;
	const void *seen;
	void *room;

	CHECK_INT(mmsock_serve_peek(victim, &seen, 0), 7);
	CHECK(!memcmp(seen, "request", 7));
	CHECK_INT(mmsock_serve_release(victim, &request), 0);
	books->executed++;
	CHECK_INT(mmsock_reply_reserve(victim, &request, 100, &room, 0), 0);
	memset(room, 0xa5, 100);
	memcpy(room, "reply", 5);
	CHECK_INT(mmsock_reply_commit(victim, 5), 0);
}

static void look_at_call(bool ended)
{
	ssize_t r = collect(client, books->calls[0]);

	CHECK(r == 5 || (!ended && (r == -EOWNERDEAD || r == -ECONNREFUSED)));
	if (r == -ECONNREFUSED) {
		server_comes();
		CHECK(!take(server, NULL, &(struct mmsock_request){0}));
		CHECK_INT(books->executed, 0);
	}
}

static void test_serving(void)
{
	kill_everywhere(&(struct deed){
		.role = MMSOCK_SERVER,
		.before = client_comes,
		.prepare = nothing,
		.ready = client_asks,
		.operate = victim_serves,
		.look = look_at_call,
	});
}

static void test_serving_lent(void)
{
	kill_everywhere(&(struct deed){
		.role = MMSOCK_SERVER,
		.before = client_comes,
		.prepare = nothing,
		.ready = client_asks,
		.operate = victim_serves_lent,
		.look = look_at_call,
	});
}

static void both_come(void)
{
	server_comes();
	client_comes();
}

/* What the dead one has not taken is served by the other. */
static void look_at_both(bool ended)
{
	ssize_t r;

	if (serve_one(server, "request")) {
		CHECK(!ended && !books->executed);
		CHECK_INT(collect(client, books->calls[0]), 5);
		return;
	}
	r = collect(client, books->calls[0]);
	CHECK(r == 5 || (!ended && r == -EOWNERDEAD));
}

static void test_serving_beside(void)
{
	kill_everywhere(&(struct deed){
		.role = MMSOCK_SERVER,
		.before = both_come,
		.prepare = nothing,
		.ready = client_asks,
		.operate = victim_serves,
		.look = look_at_both,
	});
}

static void client_asks_twice(void)
{
	client_asks();
	books->calls[1] = ask(client, "another");
}

static void victim_takes_and_leaves(void)
{
	CHECK(take(victim, "request", &(struct mmsock_request){0}));
	books->executed++;
	mmsock_close(victim);
}

static void look_at_two_calls(bool ended)
{
	ssize_t first = collect(client, books->calls[0]);
	ssize_t second = collect(client, books->calls[1]);

	CHECK(first == -EOWNERDEAD || (!ended && first == -ECONNREFUSED));
	CHECK(first == -EOWNERDEAD || !books->executed);
	CHECK_INT(second, -ECONNREFUSED);
	server_comes();
	CHECK(!take(server, NULL, &(struct mmsock_request){0}));
}

static void test_server_leaving(void)
{
	kill_everywhere(&(struct deed){
		.role = MMSOCK_SERVER,
		.before = client_comes,
		.prepare = nothing,
		.ready = client_asks_twice,
		.operate = victim_takes_and_leaves,
		.look = look_at_two_calls,
	});
}

/* Who dies with a request on his desk and the lane in his hands. */
static void run_dying_server(struct kid *self, void *context)
{
	struct mmsock_request request;
	void *room;

	(void)context;
	victim = enter(MMSOCK_SERVER);
	meet(self);
	CHECK(take(victim, "request", &request));
	CHECK_INT(mmsock_reply_reserve(victim, &request, 500, &room, 0), 0);
	memset(room, 0xa5, 500);
	meet(self);
}

static void a_server_dies(void)
{
	struct kid kid;

	client_comes();
	kid_start(&kid, run_dying_server, NULL);
	CHECK(hear(&kid));
	client_asks_twice();
	tell(&kid);
	CHECK(hear(&kid));
	kid_kill(&kid);
}

static void test_server_coming(void)
{
	kill_everywhere(&(struct deed){
		.role = MMSOCK_SERVER,
		.before = a_server_dies,
		.operate = victim_comes,
		.look = look_at_two_calls,
	});
}

/* Nobody dies. */

/* At the very place: a window may be no wider.  Not all goes the same way each time. */
static void start_at(struct step *step, const struct step_trace *trace,
		     unsigned long place)
{
	unsigned tries = 8;

	for (;;) {
		start(step);
		step_to(step, trace, place);
		if (!(step->stray || step->missed) || !--tries)
			return;
		step_kill(step);
		survive();
	}
}

static void overtake_everywhere(void (*overtake)(const struct step_trace *trace,
						 unsigned long place),
				const struct deed *what)
{
	unsigned long stride = step_stride(97);
	struct step_trace trace;
	unsigned long place;

	deed = what;
	open_service();
	trace = record();
	for (place = 0; place < trace.count;
	     place = step_place_after(&trace, place, stride))
		overtake(&trace, place);
	step_forget(&trace);
}

/* A server comes while a client makes sure that nobody serves, and serves at once. */
static void overtake_client(const struct step_trace *trace, unsigned long place)
{
	struct step step;
	bool served = false;

	start_at(&step, trace, place);
	if (!step.ended) {
		server_comes();
		served = serve_one(server, "request");
	}
	step_finish(&step);
	/* Refused is not executed, and nobody is told that a server has died. */
	CHECK_INT(books->executed, served);
	if (server)
		CHECK(!take(server, NULL, &(struct mmsock_request){0}));
	survive();
}

static void victim_is_served_or_refused(void)
{
	ssize_t r = collect(victim, books->calls[0]);

	CHECK(r == 5 || r == -ECONNREFUSED);
	books->executed = r == 5;
}

static void test_overtaken_client(void)
{
	overtake_everywhere(overtake_client,
			    &(struct deed){
				    .role = MMSOCK_CLIENT,
				    .before = server_comes,
				    .prepare = victim_asks,
				    .ready = server_leaves,
				    .operate = victim_is_served_or_refused,
				    .look = look_for_what_is_wanted,
			    });
}

static void victim_may_take(void)
{
	books->executed = take(victim, "request", &(struct mmsock_request){0});
}

/* A client gives up while a server takes the request. */
static void overtake_server(const struct step_trace *trace, unsigned long place)
{
	struct step step;
	int r;

	start_at(&step, trace, place);
	r = mmsock_call_cancel(client, books->calls[0]);
	step_finish(&step);
	CHECK(!r || !books->executed);
	survive();
}

static void test_overtaken_server(void)
{
	overtake_everywhere(overtake_server, &(struct deed){
						     .role = MMSOCK_SERVER,
						     .before = client_comes,
						     .prepare = nothing,
						     .ready = client_asks,
						     .operate = victim_may_take,
						     .look = look_at_nothing,
					     });
}

/* What was taken is on the desk or answered, whenever the client looks. */
static void look_meanwhile(const struct step_trace *trace, unsigned long place)
{
	char buffer[64] = "";
	struct step step;
	ssize_t r;

	start_at(&step, trace, place);
	r = mmsock_call_recv(client, &books->calls[0], buffer, sizeof(buffer),
			     0);
	CHECK(r == 5 || r == -EAGAIN);
	step_finish(&step);
	if (r == -EAGAIN)
		CHECK_INT(collect(client, books->calls[0]), 5);
	survive();
}

static void test_looked_at_server(void)
{
	overtake_everywhere(look_meanwhile, &(struct deed){
						    .role = MMSOCK_SERVER,
						    .before = client_comes,
						    .prepare = nothing,
						    .ready = client_asks,
						    .operate = victim_serves,
						    .look = look_at_call,
					    });
}

static void test_looked_at_server_lent(void)
{
	overtake_everywhere(look_meanwhile,
			    &(struct deed){
				    .role = MMSOCK_SERVER,
				    .before = client_comes,
				    .prepare = nothing,
				    .ready = client_asks,
				    .operate = victim_serves_lent,
				    .look = look_at_call,
			    });
}

static void take_meanwhile(const struct step_trace *trace, unsigned long place)
{
	struct step step;
	bool served;

	start_at(&step, trace, place);
	served = take(server, "request", &(struct mmsock_request){0});
	step_finish(&step);
	CHECK(!books->won || !served);
	survive();
}

static void victim_looks(void)
{
	char buffer[64];

	CHECK_INT(mmsock_call_recv(victim, &books->calls[0], buffer,
				   sizeof(buffer), 0),
		  -EAGAIN);
}

static void test_looking_client(void)
{
	overtake_everywhere(take_meanwhile, &(struct deed){
						    .role = MMSOCK_CLIENT,
						    .before = server_comes,
						    .prepare = victim_asks,
						    .operate = victim_looks,
						    .look = look_for_request,
					    });
}

static struct mmsock_request taken;

static void server_takes(void)
{
	CHECK(take(server, "request", &taken));
}

static void reply_meanwhile(const struct step_trace *trace, unsigned long place)
{
	struct step step;

	start_at(&step, trace, place);
	CHECK_INT(answer(server, &taken, "reply"), 0);
	step_finish(&step);
	survive();
}

static void victim_may_see_reply(void)
{
	char buffer[64];
	ssize_t r = mmsock_call_recv(victim, &books->calls[0], buffer,
				     sizeof(buffer), 0);

	CHECK(r == 5 || r == -EAGAIN);
}

static void answer_taken(bool ended)
{
	(void)ended;
	(void)answer(server, &taken, "reply");
}

static void test_replied_to_looker(void)
{
	overtake_everywhere(reply_meanwhile,
			    &(struct deed){
				    .role = MMSOCK_CLIENT,
				    .before = server_comes,
				    .prepare = victim_asks,
				    .ready = server_takes,
				    .operate = victim_may_see_reply,
				    .look = answer_taken,
			    });
}

static void victim_may_give_up(void)
{
	books->won = mmsock_call_cancel(victim, books->calls[0]);
}

static void test_giving_up_meanwhile(void)
{
	overtake_everywhere(take_meanwhile,
			    &(struct deed){
				    .role = MMSOCK_CLIENT,
				    .before = server_comes,
				    .prepare = victim_asks,
				    .operate = victim_may_give_up,
				    .look = look_for_what_is_wanted,
			    });
}

/* One step in a lane at any moment of another: one of the two is to succeed. */

#define OLD UINT64_C(64)
#define NEW (OLD + MMS_CALLS)

static struct mms_lane *lane;
static bool (*step_of_victim)(void);

static void step_in_lane(void *context)
{
	(void)context;
	books->won = step_of_victim();
}

static void prepare_no_handle(void *context)
{
	(void)context;
}

static bool nothing_is_between(unsigned long place, bool (*theirs)(void))
{
	struct step step;
	bool more;
	bool won;

	*lane = (struct mms_lane){.floor = OLD};
	mms_lane_withdraw(lane, OLD);
	mms_lane_doubt(lane, OLD + 1);
	step_start(&step, prepare_no_handle, step_in_lane, NULL);
	more = step_to(&step, NULL, place);
	won = theirs();
	step_finish(&step);
	CHECK_INT(won + books->won, 1);
	return more;
}

static void play_in_lane(bool (*mine)(void), bool (*theirs)(void))
{
	unsigned long place = 0;

	step_of_victim = mine;
	while (nothing_is_between(place, theirs))
		place++;
	printf("# %lu instructions\n", place);
}

static void map_lane(void)
{
	books = mmap(NULL, MMS_PAGE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(books != MAP_FAILED);
	lane = (void *)((unsigned char *)books + MMS_PAGE / 2);
}

static bool old_is_wanted(void)
{
	return mms_lane_wants(lane, OLD);
}

static bool begin_anew(void)
{
	mms_lane_begin(lane, NEW, NEW);
	return true;
}

static void test_number_again(void)
{
	map_lane();
	play_in_lane(begin_anew, old_is_wanted);
	play_in_lane(old_is_wanted, begin_anew);
}

static bool renew(void)
{
	return mms_lane_renew(lane) == NEW;
}

static void test_lane_again(void)
{
	map_lane();
	play_in_lane(renew, old_is_wanted);
	play_in_lane(old_is_wanted, renew);
}

static bool refuse_doubted(void)
{
	return mms_lane_refuse(lane, OLD + 1);
}

static bool claim_doubted(void)
{
	return mms_lane_claim(lane, OLD + 1);
}

static void test_doubt(void)
{
	map_lane();
	play_in_lane(refuse_doubted, claim_doubted);
	play_in_lane(claim_doubted, refuse_doubted);
}

static const struct check_case cases[] = {
	{"a client is killed while he asks", test_asking},
	{"a client is killed while he asks without a copy", test_asking_lent},
	{"a client is killed while he collects replies", test_collecting},
	{"a client is killed while he gives up", test_giving_up},
	{"a client is killed while he learns that nobody serves", test_refused},
	{"a client is killed while he leaves", test_client_leaving},
	{"a client is killed in a dead one's slot", test_client_coming},
	{"a server is killed while he serves, alone", test_serving},
	{"a server is killed while he serves without a copy",
	 test_serving_lent},
	{"a server is killed while he serves, and another goes on",
	 test_serving_beside},
	{"a server is killed while he leaves", test_server_leaving},
	{"a server is killed in a dead one's slot", test_server_coming},
	{"a server comes while a client makes sure that nobody serves",
	 test_overtaken_client},
	{"a client gives up while a server takes his request",
	 test_overtaken_server},
	{"a client looks while a server takes his request and replies",
	 test_looked_at_server},
	{"a client looks while a server replies without a copy",
	 test_looked_at_server_lent},
	{"a server takes a request while its client looks",
	 test_looking_client},
	{"a server replies while his client looks", test_replied_to_looker},
	{"a server takes a request while its client gives up",
	 test_giving_up_meanwhile},
	{"a number that comes again makes no old request wanted",
	 test_number_again},
	{"nor does a new client", test_lane_again},
	{"a call in doubt is its client's or a server's", test_doubt},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
