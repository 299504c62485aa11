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

static void start(void (*run)(struct kid *self, void *context), void *context)
{
	*books = (struct books){0};
	kid_start(&helper, run, context);
	CHECK(hear(&helper));
}

static void start_server(enum manner manner)
{
	static enum manner kept;

	kept = manner;
	start(run_server, &kept);
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

/* Two at the same time; what was not expected of them goes before what was. */
static int call_twice(struct mmsock *client)
{
	uint64_t calls[2] = {0};
	int told[2];
	char text[64];
	int i;

	for (i = 0; i < 2; i++)
		told[i] = mmsock_call_send(client, "one", 3, &calls[i],
					   MMSOCK_FOREVER);
	for (i = 0; i < 2; i++) {
		if (!told[i])
			told[i] = (int)mmsock_call_recv(client, &calls[i], text,
							sizeof(text),
							MMSOCK_FOREVER);
	}
	return told[0] == -ECONNREFUSED || told[0] == -EREMOTEIO ? told[1]
								 : told[0];
}

/* One whom nobody serves calls again, when somebody comes. */
static void run_client(struct kid *self, void *context)
{
	struct mmsock *client = enter(MMSOCK_CLIENT);
	int r;

	tell(self);
	do {
		CHECK_INT(mmsock_wait_peers(client, 1, MMSOCK_FOREVER), 0);
		r = context ? call_twice(client) : call_and_check(client);
	} while (r == -ECONNREFUSED);
	books->told = r;
	books->ended = true;
	mmsock_close(client);
}

static int find_server(const struct mmsock_peer *peer, void *context)
{
	if (peer->role & MMSOCK_SERVER && peer->activity != MMSOCK_DEAD)
		*(int *)context = peer->pid;
	return 0;
}

/* Who has been told ends the server. */
static void run_ender(struct kid *self, void *context)
{
	int pid = 0;

	run_client(self, context);
	CHECK_INT(mmsock_inspect_peers("p", NULL, find_server, &pid), 0);
	if (pid)
		kill(pid, SIGTERM);
}

static void start_ender(void)
{
	start(run_ender, NULL);
}

static void start_client(void)
{
	start(run_client, NULL);
}

static void start_client_of_two(void)
{
	start(run_client, &helper);
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

	CHECK(is_documented(status) || status == scene->status);
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
	CHECK(begins(scene->output, out));
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

/* Scenes that have all of this in common. */
struct setting {
	void (*begin)(void);
	void (*end)(void);
	void (*audit)(int status);
};

static void play_in(const struct setting *setting, const struct scene *scenes,
		    size_t count)
{
	static struct scene set[16];
	size_t i;

	CHECK(count <= CHECK_COUNT(set));
	for (i = 0; i < count; i++) {
		set[i] = scenes[i];
		set[i].lay = lay_service;
		set[i].begin = setting->begin;
		set[i].end = setting->end;
		set[i].audit = setting->audit;
	}
	books = mmap(NULL, sizeof(*books), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(books != MAP_FAILED);
	CHECK(!prctl(PR_SET_CHILD_SUBREAPER, 1));
	play_scenes(set, count);
}

static const struct setting echo = {start_echo, kill_helper, audit_call};
static const struct setting failing = {start_failing, kill_helper, audit_call};
static const struct setting idle = {start_idle, kill_helper, audit_call};
static const struct setting caller = {start_client, end_client, audit_serve};
static const struct setting caller_of_two = {start_client_of_two, end_client,
					     audit_serve};
static const struct setting ender = {start_ender, end_client, audit_serve};
static const struct setting nobody = {NULL, NULL, audit_service};

static void test_call(void)
{
	static const struct scene scenes[] = {
		{.name = "call",
		 .command = {"call", "p", "one"},
		 .output = "one",
		 .change = 1},
		{.name = "call from a pipe",
		 .command = {"call", "p"},
		 .input = "one",
		 .output = "one",
		 .change = 1,
		 .pipes = true},
		{.name = "call --wait-peer with lines",
		 .command = {"call", "--wait-peer", "-l", "p"},
		 .input = LINES,
		 .output = LINES,
		 .change = 3},
		{.name = "call -c",
		 .command = {"call", "-l", "-c", "2", "p"},
		 .input = LINES,
		 .output = "one\ntwo\n",
		 .change = 2},
		{.name = "call --inflight",
		 .command = {"call", "-l", "--inflight=3", "p"},
		 .input = LINES,
		 .output = LINES,
		 .change = 3},
		{.name = "call arguments",
		 .command = {"call", "-l", "--inflight=3", "p", "one", "two"},
		 .output = "one\ntwo\n",
		 .change = 2},
	};

	play_in(&echo, scenes, CHECK_COUNT(scenes));
}

static void test_call_in_vain(void)
{
	static const struct scene scenes[] = {
		{.name = "call in vain",
		 .command = {"call", "-w", "0.01", "--spin=0", "p", "one"},
		 .output = "",
		 .status = 124},
	};

	play_in(&idle, scenes, CHECK_COUNT(scenes));
}

static void test_call_failing(void)
{
	static const struct scene scenes[] = {
		{.name = "call one who fails",
		 .command = {"call", "p", "one"},
		 .output = "",
		 .status = 1},
	};

	play_in(&failing, scenes, CHECK_COUNT(scenes));
}

static void test_nobody(void)
{
	static const struct scene scenes[] = {
		{.name = "call nobody",
		 .command = {"call", "p", "one"},
		 .output = "",
		 .status = 69},
		{.name = "serve in vain",
		 .command = {"serve", "-w", "0.01", "--spin=0", "--echo", "p"},
		 .output = "",
		 .status = 124},
		{.name = "serve --ready-fd",
		 .command = {"serve", "--ready-fd=1", "-c", "0", "--echo", "p"},
		 .output = "\n"},
		{.name = "serve with a command that is not there",
		 .command = {"serve", "p", "--", "/none"},
		 .output = "",
		 .status = 127},
		{.name = "ls -v",
		 .command = {"ls", "-v", "-r", "--noheadings", "-o", "SLOT",
			     "p"},
		 .output = ""},
	};

	play_in(&nobody, scenes, CHECK_COUNT(scenes));
}

static void test_creating(void)
{
	static const struct scene scenes[] = {
		{.name = "create -t rpc",
		 .command = {"create", "-t", "rpc", "p"},
		 .output = "",
		 .audit = audit_made},
		{.name = "call --create",
		 .command = {"call", "--create", "p", "one"},
		 .output = "",
		 .audit = audit_made,
		 .status = 69},
		{.name = "serve --create",
		 .command = {"serve", "--create", "-c", "0", "--echo", "p"},
		 .output = "",
		 .audit = audit_made},
	};

	play_scenes(scenes, CHECK_COUNT(scenes));
}

static void test_cat(void)
{
	static const struct scene scenes[] = {
		{.name = "cat from a file",
		 .command = {"cat", "p"},
		 .input = "one\n",
		 .output = "one\n",
		 .change = 1},
		{.name = "cat from a pipe",
		 .command = {"cat", "-F", "line", "p"},
		 .input = LINES,
		 .output = LINES,
		 .change = 3,
		 .pipes = true},
	};

	play_in(&echo, scenes, CHECK_COUNT(scenes));
}

static void test_serve(void)
{
	static const struct scene scenes[] = {
		{.name = "serve --echo",
		 .command = {"serve", "-c", "1", "--echo", "p"},
		 .output = "",
		 .reply = "one"},
		{.name = "serve --reply by two",
		 .command = {"serve", "-c", "1", "-j", "2", "--reply=two", "p"},
		 .output = "",
		 .reply = "two"},
		{.name = "serve with a command",
		 .command = {"serve", "-c", "1", "p", "--", "cat"},
		 .output = "",
		 .reply = "one"},
		{.name = "serve with one that fails",
		 .command = {"serve", "-c", "1", "p", "--", "false"},
		 .output = "",
		 .change = -EREMOTEIO},
		{.name = "serve --limit",
		 .command = {"serve", "-c", "1", "--limit=0.001", "p", "--",
			     "sleep", "9"},
		 .output = "",
		 .change = -EREMOTEIO},
		{.name = "serve --persistent",
		 .command = {"serve", "-c", "1", "--persistent", "p", "--",
			     "cat"},
		 .output = "",
		 .reply = "one"},
	};

	play_in(&caller, scenes, CHECK_COUNT(scenes));
}

/* Both say that their workers have ended, at about the same time. */
static void test_serve_two(void)
{
	static const struct scene scenes[] = {
		{.name = "serve by two that end",
		 .command = {"serve", "-c", "2", "-j", "2", "--persistent", "p",
			     "--", "true"},
		 .output = "",
		 .change = -EREMOTEIO},
	};

	play_in(&caller_of_two, scenes, CHECK_COUNT(scenes));
}

static void test_serve_until(void)
{
	static const struct scene scenes[] = {
		{.name = "serve until a signal",
		 .command = {"serve", "p", "--", "cat"},
		 .output = "",
		 .reply = "one",
		 .status = 128 + SIGTERM},
	};

	play_in(&ender, scenes, CHECK_COUNT(scenes));
}

static const struct check_case cases[] = {
	{"mmsock-call", test_call},
	{"mmsock-call, and no answer comes", test_call_in_vain},
	{"mmsock-call, and it is an error", test_call_failing},
	{"mmsock-cat and a service", test_cat},
	{"mmsock-serve", test_serve},
	{"mmsock-serve with two commands", test_serve_two},
	{"mmsock-serve until a signal", test_serve_until},
	{"services that nobody else uses", test_nobody},
	{"tools that make services", test_creating},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
