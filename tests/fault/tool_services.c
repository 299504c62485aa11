/* SPDX-License-Identifier: MIT */
/*
 * tool_services.c - each system call of each tool for services fails
 *
 * Those of the threads of mmsock-serve, too.  A request is executed at most once, all
 * are where mmsock-call says so, and whoever calls mmsock-serve is told what has
 * become of his request, whatever fails there; no command outlives it.  Afterwards
 * the service works.
 */
#include <errno.h>

#include "tool_scenes.h"

#define REQUESTS 3

/* What helpers tell, in memory that outlives them. */
static struct books {
	unsigned executed[REQUESTS]; /* one, two, three */
	bool ended;                  /* the caller was told */
	int told;                    /* 0 is the reply */
} * books;

static struct kid helper;
static unsigned orphans; /* children that the tool has left */

static struct mmsock *enter(unsigned role)
{
	struct mmsock_options options =
		options_for(MMSOCK_CONNECT_TO_EXISTING, role);
	struct mmsock *handle = NULL;

	CHECK_INT(mmsock_open("p", &options, &handle), 0);
	return handle;
}

static void lay_service(void)
{
	struct mmsock_options options =
		options_for(MMSOCK_CREATE_NEW_EXCLUSIVE, 0);

	options.type = MMSOCK_RPC;
	options.clients = 2;
	options.slots = 4;
	options.ring_bytes = 4096;
	options.reply_bytes = 1024;
	CHECK_INT(mmsock_create("p", &options), 1);
}

/* Servers for mmsock-call. */

enum manner {
	ECHOES,
	FAILS,
	IDLES
};

static void execute(const char *text)
{
	books->executed[text[0] == 'o' ? 0 : text[1] == 'w' ? 1 : 2]++;
}

static void serve_as(struct mmsock *server, enum manner manner)
{
	struct mmsock_request request;
	char text[64] = "";
	ssize_t length;

	length = mmsock_serve_recv(server, text, sizeof(text), &request,
				   MMSOCK_FOREVER);
	CHECK(length > 0);
	execute(text);
	if (manner == ECHOES)
		(void)mmsock_reply(server, &request, text, (size_t)length,
				   MMSOCK_FOREVER);
	else
		(void)mmsock_reply_error(server, &request, 3, "no paper",
					 MMSOCK_FOREVER);
}

static void run_server(struct kid *self, void *context)
{
	enum manner manner = *(const enum manner *)context;
	struct mmsock *server = enter(MMSOCK_SERVER);

	tell(self);
	while (manner != IDLES)
		serve_as(server, manner);
	hear(self);
}

static void start_server(enum manner manner)
{
	static enum manner kept;

	*books = (struct books){0};
	kept = manner;
	kid_start(&helper, run_server, &kept);
	CHECK(hear(&helper));
}

static void start_echo(void)
{
	start_server(ECHOES);
}

static void start_failing(void)
{
	start_server(FAILS);
}

static void start_idle(void)
{
	start_server(IDLES);
}

static void kill_helper(void)
{
	kid_kill(&helper);
}

/* Callers of mmsock-serve. */

static int call_and_check(struct mmsock *client)
{
	char text[64] = "";
	ssize_t length = mmsock_call(client, "one", 3, text, sizeof(text) - 1,
				     MMSOCK_FOREVER);

	if (length < 0)
		return (int)length;
	CHECK_STR(text, scene->reply);
	return 0;
}

/* One whom nobody serves calls again, when somebody comes. */
static void run_client(struct kid *self, void *context)
{
	struct mmsock *client = enter(MMSOCK_CLIENT);
	int r;

	(void)context;
	tell(self);
	do {
		CHECK_INT(mmsock_wait_peers(client, 1, MMSOCK_FOREVER), 0);
		r = call_and_check(client);
	} while (r == -ECONNREFUSED);
	books->told = r;
	books->ended = true;
	mmsock_close(client);
}

static void start_client(void)
{
	*books = (struct books){0};
	kid_start(&helper, run_client, NULL);
	CHECK(hear(&helper));
}

static bool has_ended(void)
{
	siginfo_t info = {0};

	CHECK(!waitid(P_PID, (id_t)helper.pid, &info,
		      WEXITED | WNOHANG | WNOWAIT));
	return info.si_pid != 0;
}

/* He was told, or waits for a server. */
static void part_from_client(void)
{
	struct sighting sighting = {.pid = helper.pid, .object = MMSOCK_PEERS};

	while (!has_ended() && !sighting.asleep) {
		sched_yield();
		CHECK_INT(mmsock_inspect_peers("p", NULL, look_for_sleeper,
					       &sighting),
			  0);
	}
	if (has_ended())
		CHECK_INT(kid_reap(&helper), 0);
	else
		kid_kill(&helper);
}

/* What the tool leaves behind would be ours now. */
static unsigned reap_orphans(void)
{
	unsigned count = 0;

	while (waitpid(-1, NULL, 0) > 0)
		count++;
	CHECK_INT(errno, ECHILD);
	return count;
}

/* If it was in a hurry they are killed, but it has waited where it ended well. */
static void end_client(void)
{
	part_from_client();
	orphans = reap_orphans();
}

/* Afterwards. */

static bool is_documented(int status)
{
	static const int all[] = {0,  1,  64, 65, 66, 69, 70,
				  71, 73, 74, 76, 77, 124};
	size_t i;

	for (i = 0; i < CHECK_COUNT(all); i++) {
		if (all[i] == status)
			return true;
	}
	/* Of commands. */
	return !strcmp(scene->command[0], "serve") &&
	       (status == 126 || status == 127);
}

/* Requests that are still there come first. */
static void call_and_serve(struct mmsock *client, struct mmsock *server)
{
	struct mmsock_request request;
	char text[64];
	uint64_t call;
	ssize_t r;

	CHECK_INT(mmsock_call_send(client, "x", 1, &call, 0), 0);
	do {
		r = mmsock_serve_recv(server, text, sizeof(text), &request, 0);
		CHECK(r > 0);
		if (text[0] != 'x')
			execute(text);
		CHECK_INT(mmsock_reply(server, &request, text, 1, 0), 0);
	} while (text[0] != 'x');
	CHECK_INT(mmsock_call_recv(client, &call, text, sizeof(text), 0), 1);
}

static void audit_service(int status)
{
	struct mmsock *clients[2];
	struct mmsock *servers[2];
	int i;

	CHECK(is_documented(status));
	CHECK_INT(inspect("p").participants, 0);
	for (i = 0; i < 2; i++) {
		clients[i] = enter(MMSOCK_CLIENT);
		servers[i] = enter(MMSOCK_SERVER);
	}
	for (i = 0; i < 2; i++)
		call_and_serve(clients[i], servers[i]);
	for (i = 0; i < 2; i++) {
		mmsock_close(clients[i]);
		mmsock_close(servers[i]);
	}
	CHECK_INT(inspect("p").dead, 0);
	CHECK_INT(inspect("p").messages, 0);
	CHECK_INT(inspect("p").calls, 0);
	CHECK_INT(inspect("p").requests, 0);
}

/* Somebody serves all the time: nobody may say that it is not so. */
static void audit_call(int status)
{
	unsigned executed = 0;
	unsigned i;

	audit_service(status);
	for (i = 0; i < REQUESTS; i++) {
		CHECK(books->executed[i] <= 1);
		executed += books->executed[i];
	}
	if (!status)
		CHECK_INT(executed, scene->change);
	CHECK(status != 69 || scene->status == 69);
	CHECK(begins(scene->reply, out));
	CHECK(strlen(out) == 0 || executed > 0);
}

/* Who was not answered had to be told. */
static void audit_serve(int status)
{
	audit_service(status);
	if (status == scene->status) {
		CHECK(books->ended);
		CHECK_INT(orphans, 0);
	}
	if (!books->ended)
		return;
	if (status == scene->status && !inject.happened)
		CHECK_INT(books->told, scene->change);
	else if (status == scene->status)
		CHECK(books->told == 0 || books->told == -EREMOTEIO);
	else
		CHECK(books->told == 0 || books->told == -EREMOTEIO ||
		      books->told == -EOWNERDEAD);
}

/* A port that may not have been created. */
static void audit_made(int status)
{
	if (!exists("p"))
		CHECK(status);
	else
		CHECK_INT(inspect("p").participants, 0);
}

static void play_all(const struct scene *scenes, size_t count)
{
	books = mmap(NULL, sizeof(*books), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(books != MAP_FAILED);
	CHECK(!prctl(PR_SET_CHILD_SUBREAPER, 1));
	play_scenes(scenes, count);
}

static void test_call(void)
{
	static const struct scene scenes[] = {
		{.name = "call",
		 .command = {"call", "p", "one"},
		 .lay = lay_service,
		 .begin = start_echo,
		 .end = kill_helper,
		 .output = "one",
		 .reply = "one",
		 .audit = audit_call,
		 .change = 1},
		{.name = "call from a pipe",
		 .command = {"call", "p"},
		 .lay = lay_service,
		 .begin = start_echo,
		 .end = kill_helper,
		 .input = "one",
		 .output = "one",
		 .reply = "one",
		 .audit = audit_call,
		 .change = 1,
		 .pipes = true},
		{.name = "call --wait-peer with lines",
		 .command = {"call", "--wait-peer", "-l", "p"},
		 .lay = lay_service,
		 .begin = start_echo,
		 .end = kill_helper,
		 .input = LINES,
		 .output = LINES,
		 .reply = LINES,
		 .audit = audit_call,
		 .change = 3},
		{.name = "call -c",
		 .command = {"call", "-l", "-c", "2", "p"},
		 .lay = lay_service,
		 .begin = start_echo,
		 .end = kill_helper,
		 .input = LINES,
		 .output = "one\ntwo\n",
		 .reply = "one\ntwo\n",
		 .audit = audit_call,
		 .change = 2},
		{.name = "call --inflight",
		 .command = {"call", "-l", "--inflight=3", "p"},
		 .lay = lay_service,
		 .begin = start_echo,
		 .end = kill_helper,
		 .input = LINES,
		 .output = LINES,
		 .reply = LINES,
		 .audit = audit_call,
		 .change = 3},
		{.name = "call arguments",
		 .command = {"call", "-l", "--inflight=3", "p", "one", "two"},
		 .lay = lay_service,
		 .begin = start_echo,
		 .end = kill_helper,
		 .output = "one\ntwo\n",
		 .reply = "one\ntwo\n",
		 .audit = audit_call,
		 .change = 2},
		{.name = "call in vain",
		 .command = {"call", "-w", "0.01", "--spin=0", "p", "one"},
		 .lay = lay_service,
		 .begin = start_idle,
		 .end = kill_helper,
		 .output = "",
		 .reply = "",
		 .audit = audit_call,
		 .status = 124},
		{.name = "call one who fails",
		 .command = {"call", "p", "one"},
		 .lay = lay_service,
		 .begin = start_failing,
		 .end = kill_helper,
		 .output = "",
		 .reply = "",
		 .audit = audit_call,
		 .status = 1},
		{.name = "call nobody",
		 .command = {"call", "p", "one"},
		 .lay = lay_service,
		 .output = "",
		 .audit = audit_service,
		 .status = 69},
		{.name = "call --create",
		 .command = {"call", "--create", "p", "one"},
		 .output = "",
		 .audit = audit_made,
		 .status = 69},
	};

	play_all(scenes, CHECK_COUNT(scenes));
}

static void test_cat(void)
{
	static const struct scene scenes[] = {
		{.name = "cat from a file",
		 .command = {"cat", "p"},
		 .lay = lay_service,
		 .begin = start_echo,
		 .end = kill_helper,
		 .input = "one\n",
		 .output = "one\n",
		 .reply = "one\n",
		 .audit = audit_call,
		 .change = 1},
		{.name = "cat from a pipe",
		 .command = {"cat", "-F", "line", "p"},
		 .lay = lay_service,
		 .begin = start_echo,
		 .end = kill_helper,
		 .input = LINES,
		 .output = LINES,
		 .reply = LINES,
		 .audit = audit_call,
		 .change = 3,
		 .pipes = true},
	};

	play_all(scenes, CHECK_COUNT(scenes));
}

static void test_serve(void)
{
	static const struct scene scenes[] = {
		{.name = "serve --echo",
		 .command = {"serve", "-c", "1", "--echo", "p"},
		 .lay = lay_service,
		 .begin = start_client,
		 .end = end_client,
		 .output = "",
		 .reply = "one",
		 .audit = audit_serve},
		{.name = "serve --reply by two",
		 .command = {"serve", "-c", "1", "-j", "2", "--reply=two", "p"},
		 .lay = lay_service,
		 .begin = start_client,
		 .end = end_client,
		 .output = "",
		 .reply = "two",
		 .audit = audit_serve},
		{.name = "serve in vain",
		 .command = {"serve", "-w", "0.01", "--spin=0", "--echo", "p"},
		 .lay = lay_service,
		 .output = "",
		 .audit = audit_service,
		 .status = 124},
		{.name = "serve --ready-fd",
		 .command = {"serve", "--ready-fd=1", "-c", "0", "--echo", "p"},
		 .lay = lay_service,
		 .output = "\n",
		 .audit = audit_service},
		{.name = "serve --create",
		 .command = {"serve", "--create", "-c", "0", "--echo", "p"},
		 .output = "",
		 .audit = audit_made},
	};

	play_all(scenes, CHECK_COUNT(scenes));
}

static void test_serve_command(void)
{
	static const struct scene scenes[] = {
		{.name = "serve with a command",
		 .command = {"serve", "-c", "1", "p", "--", "cat"},
		 .lay = lay_service,
		 .begin = start_client,
		 .end = end_client,
		 .output = "",
		 .reply = "one",
		 .audit = audit_serve},
		{.name = "serve with one that fails",
		 .command = {"serve", "-c", "1", "p", "--", "false"},
		 .lay = lay_service,
		 .begin = start_client,
		 .end = end_client,
		 .output = "",
		 .audit = audit_serve,
		 .change = -EREMOTEIO},
		{.name = "serve --persistent",
		 .command = {"serve", "-c", "1", "--persistent", "p", "--",
			     "cat"},
		 .lay = lay_service,
		 .begin = start_client,
		 .end = end_client,
		 .output = "",
		 .reply = "one",
		 .audit = audit_serve},
		{.name = "serve with none that is there",
		 .command = {"serve", "p", "--", "/none"},
		 .lay = lay_service,
		 .output = "",
		 .audit = audit_service,
		 .status = 127},
	};

	play_all(scenes, CHECK_COUNT(scenes));
}

static const struct check_case cases[] = {
	{"mmsock-call", test_call},
	{"mmsock-cat and a service", test_cat},
	{"mmsock-serve", test_serve},
	{"mmsock-serve with a command", test_serve_command},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
