/* SPDX-License-Identifier: MIT */
/*
 * tool_syscalls.c - each system call of each tool for ports and semaphores fails
 *
 * No message is lost but those that could not be written out.
 */
#include <errno.h>

#include "name.h"
#include "tool_scenes.h"

#define HELD_MAX 65536

static char held[HELD_MAX]; /* what is in a port */

static void lay_litter(void)
{
	lay_lines();
	write_file(join(getenv("MMSOCK_DIR"), MMS_TEMP_PREFIX "litter"), "x",
		   1);
}

static void lay_two_empty(void)
{
	lay_empty();
	create_port("q", 4096, 4);
}

/* All that a port holds, as lines; it is empty then, and works. */
static void drain(const char *port, char *text)
{
	struct mmsock_options options = options_for(
		MMSOCK_CONNECT_TO_EXISTING, MMSOCK_SENDER | MMSOCK_RECEIVER);
	struct mmsock *handle;
	ssize_t length;

	CHECK_INT(inspect(port).participants, 0);
	CHECK(inspect(port).state <= MMSOCK_STATE_STALE);
	options.flags = MMSOCK_KEEP_OPEN;
	CHECK_INT(mmsock_open(port, &options, &handle), 0);
	for (;;) {
		length = mmsock_recv(handle, text, 4096, 0);
		if (length < 0)
			break;
		text += length;
		*text++ = '\n';
	}
	*text = '\0';
	CHECK_INT(length, -EAGAIN);
	send_text(handle, "works");
	expect_text(handle, "works");
	mmsock_close(handle);
}

static unsigned count_lines(const char *text)
{
	unsigned count = 0;

	for (; *text; text++)
		count += *text == '\n';
	return count;
}

/* How many messages it says that it has sent, or 0. */
static unsigned reported(void)
{
	const char *line;
	unsigned count;

	for (line = strstr(err, ": "); line; line = strstr(line + 1, ": ")) {
		if (sscanf(line, ": %u message", &count) == 1 &&
		    strstr(line, "before that"))
			return count;
	}
	return 0;
}

static void audit_sent(int status)
{
	if (status && !exists("p")) {
		CHECK_INT(reported(), 0);
		return;
	}
	drain("p", held);
	CHECK(begins(scene->input, held));
	if (!status)
		CHECK_STR(held, scene->input);
	/* mmsock-cat tells only what it has not sent of what it has read. */
	else if (!strcmp(scene->command[0], "send"))
		CHECK_INT(count_lines(held), reported());
}

static void audit_sent_to_two(int status)
{
	static char second[HELD_MAX];

	drain("p", held);
	drain("q", second);
	CHECK(begins(scene->input, held) && begins(scene->input, second));
	if (!status)
		CHECK_STR(held, scene->input);
	if (!status)
		CHECK_STR(second, scene->input);
}

/* What could not be written out is lost; but the order is kept. */
static void audit_received(int status)
{
	drain("p", held);
	if (!status) {
		CHECK_STR(out, scene->output);
		CHECK_STR(held, ends(LINES, held) ? held : LINES);
	}
	cut_to_lines(out);
	CHECK(begins(LINES, out) && ends(LINES, held));
	if (!strstr(err, "standard output"))
		CHECK_INT(strlen(out) + strlen(held), strlen(LINES));
}

static void audit_moved(int status)
{
	static char moved[HELD_MAX];

	drain("p", held);
	drain("q", moved);
	CHECK(begins(LINES, moved) && ends(LINES, held));
	CHECK_INT(strlen(moved) + strlen(held), strlen(LINES));
	if (!status)
		CHECK_STR(held, "");
}

/* What a command could not remove, as nothing could be opened, is empty. */
static void audit_kept(int status)
{
	bool has_lines = scene->lay == lay_lines || scene->lay == lay_litter ||
			 scene->lay == lay_two_ports;

	(void)status;
	if (!exists("p"))
		return;
	drain("p", held);
	if (scene->lay != lay_full)
		CHECK_STR(held, has_lines ? LINES : "");
}

static void audit_value(int status)
{
	CHECK_INT(inspect("p").participants, 0);
	CHECK_INT(inspect("p").held, 0);
	CHECK_INT(inspect("p").dead, 0);
	CHECK_INT(inspect("p").value, 2 + (status ? 0 : scene->change));
}

static void audit_created(int status)
{
	CHECK_INT(count_entries(getenv("MMSOCK_DIR")), !status);
}

static void audit_replaced(int status)
{
	drain("p", held);
	CHECK_STR(held, status ? LINES : "");
}

/* Somebody seems to come, and then it is not stale. */
static void audit_removed(int status)
{
	if (status || inject.error != EAGAIN)
		CHECK_INT(exists("p"), status != 0);
}

static void test_create(void)
{
	static const struct scene scenes[] = {
		{.name = "create",
		 .command = {"create", "p"},
		 .output = "",
		 .audit = audit_created},
		{.name = "create, given a name",
		 .command = {"create", "--temp=p"},
		 .made_up = true,
		 .audit = audit_created},
		{.name = "create -E",
		 .command = {"create", "-E", "-b", "4K", "p"},
		 .lay = lay_lines,
		 .output = "",
		 .audit = audit_kept,
		 .status = 0},
		{.name = "create, and it is there",
		 .command = {"create", "p"},
		 .lay = lay_lines,
		 .output = "",
		 .audit = audit_kept,
		 .status = 73},
		{.name = "create --overwrite",
		 .command = {"create", "--overwrite", "p"},
		 .lay = lay_litter,
		 .output = "",
		 .audit = audit_replaced},
		{.name = "create with a command",
		 .command = {"create", "p", "--", "true"},
		 .output = "",
		 .audit = audit_kept},
	};

	play_scenes(scenes, CHECK_COUNT(scenes));
}

static void test_send(void)
{
	static const struct scene scenes[] = {
		{.name = "send from a file",
		 .command = {"send", "p"},
		 .lay = lay_empty,
		 .input = LINES,
		 .output = "",
		 .audit = audit_sent},
		{.name = "send from a pipe",
		 .command = {"send", "p"},
		 .lay = lay_empty,
		 .input = LINES,
		 .output = "",
		 .audit = audit_sent,
		 .pipes = true},
		{.name = "send --create",
		 .command = {"send", "--create=4K", "p"},
		 .input = LINES,
		 .output = "",
		 .audit = audit_sent},
		{.name = "send an argument",
		 .command = {"send", "p", "one"},
		 .lay = lay_empty,
		 .input = "one\n",
		 .output = "",
		 .audit = audit_sent},
		{.name = "send arguments",
		 .command = {"send", "p", "one", "two", "three"},
		 .lay = lay_empty,
		 .input = LINES,
		 .output = "",
		 .audit = audit_sent},
		{.name = "send to a full port",
		 .command = {"send", "-w", "0.01", "--spin=0", "p", "x"},
		 .lay = lay_full,
		 .output = "",
		 .audit = audit_kept,
		 .status = 124},
		{.name = "send to no port",
		 .command = {"send", "p", "x"},
		 .output = "",
		 .audit = audit_kept,
		 .status = 66},
	};

	play_scenes(scenes, CHECK_COUNT(scenes));
}

static void test_recv(void)
{
	static const struct scene scenes[] = {
		{.name = "recv to a file",
		 .command = {"recv", "-e", "p"},
		 .lay = lay_lines,
		 .output = LINES,
		 .audit = audit_received},
		{.name = "recv to a pipe",
		 .command = {"recv", "-e", "p"},
		 .lay = lay_lines,
		 .output = LINES,
		 .audit = audit_received,
		 .pipes = true},
		{.name = "recv one",
		 .command = {"recv", "-c", "1", "p"},
		 .lay = lay_lines,
		 .output = "one\n",
		 .audit = audit_received},
		{.name = "recv each",
		 .command = {"recv", "-e", "-u", "--strict", "p"},
		 .lay = lay_lines,
		 .output = LINES,
		 .audit = audit_received},
		{.name = "recv in vain",
		 .command = {"recv", "-w", "0.01", "--spin=0", "p"},
		 .lay = lay_empty,
		 .output = "",
		 .audit = audit_kept,
		 .status = 124},
	};

	play_scenes(scenes, CHECK_COUNT(scenes));
}

static void test_cat(void)
{
	static const struct scene scenes[] = {
		{.name = "cat -i to a file",
		 .command = {"cat", "-i", "p", "-F", "line", "-e"},
		 .lay = lay_lines,
		 .output = LINES,
		 .audit = audit_received},
		{.name = "cat -i to a pipe",
		 .command = {"cat", "-i", "p", "-F", "line", "-e"},
		 .lay = lay_lines,
		 .output = LINES,
		 .audit = audit_received,
		 .pipes = true},
		{.name = "cat -o from a file",
		 .command = {"cat", "-o", "p", "-F", "line"},
		 .lay = lay_empty,
		 .input = LINES,
		 .output = "",
		 .audit = audit_sent},
		{.name = "cat -o from a pipe",
		 .command = {"cat", "-o", "p", "-F", "line"},
		 .lay = lay_empty,
		 .input = LINES,
		 .output = "",
		 .audit = audit_sent,
		 .pipes = true},
		{.name = "cat -i from two ports",
		 .command = {"cat", "-i", "p", "-i", "q", "-F", "line", "-e"},
		 .lay = lay_two_ports,
		 .output = LINES,
		 .audit = audit_received},
		{.name = "cat -o to two ports",
		 .command = {"cat", "-o", "p", "-o", "q", "-F", "line"},
		 .lay = lay_two_empty,
		 .input = LINES,
		 .output = "",
		 .audit = audit_sent_to_two},
		{.name = "cat from port to port",
		 .command = {"cat", "-e", "-i", "p", "-o", "q"},
		 .lay = lay_two_ports,
		 .output = "",
		 .audit = audit_moved},
	};

	play_scenes(scenes, CHECK_COUNT(scenes));
}

static void test_ls(void)
{
	static const struct scene scenes[] = {
		{.name = "ls",
		 .command = {"ls", "-r", "--noheadings", "-o", "NAME,MSGS"},
		 .lay = lay_two_ports,
		 .output = "p 3\nq 0\n",
		 .audit = audit_kept},
		{.name = "ls of one",
		 .command = {"ls", "-r", "--noheadings", "-o", "NAME,STATE",
			     "p"},
		 .lay = lay_lines,
		 .output = "p ok\n",
		 .audit = audit_kept},
		{.name = "ls as a table",
		 .command = {"ls", "p"},
		 .lay = lay_lines,
		 .audit = audit_kept},
		{.name = "ls -J",
		 .command = {"ls", "-J", "-o", "NAME,MSGS"},
		 .lay = lay_lines,
		 .audit = audit_kept},
		{.name = "ls -v",
		 .command = {"ls", "-v", "-r", "--noheadings", "-o",
			     "SLOT,ACTIVITY", "p"},
		 .lay = lay_stale,
		 .audit = audit_kept},
	};

	play_scenes(scenes, CHECK_COUNT(scenes));
}

static void test_rm(void)
{
	static const struct scene scenes[] = {
		{.name = "rm",
		 .command = {"rm", "p"},
		 .lay = lay_litter,
		 .output = "",
		 .audit = audit_removed},
		{.name = "rm -f",
		 .command = {"rm", "-f", "p"},
		 .lay = lay_lines,
		 .output = "",
		 .audit = audit_removed},
		{.name = "rm --stale",
		 .command = {"rm", "--stale"},
		 .lay = lay_stale,
		 .output = "",
		 .audit = audit_removed},
		{.name = "rm -a",
		 .command = {"rm", "-a", "-f"},
		 .lay = lay_lines,
		 .output = "",
		 .audit = audit_removed},
		{.name = "rm of nothing",
		 .command = {"rm", "p"},
		 .output = "",
		 .audit = audit_kept,
		 .status = 66},
	};

	play_scenes(scenes, CHECK_COUNT(scenes));
}

static void test_sem(void)
{
	static const struct scene scenes[] = {
		{.name = "sem create",
		 .command = {"sem", "create", "p", "2"},
		 .output = "",
		 .audit = audit_created},
		{.name = "sem wait",
		 .command = {"sem", "wait", "p"},
		 .lay = lay_sem,
		 .output = "",
		 .audit = audit_value,
		 .change = -1},
		{.name = "sem wait in vain",
		 .command = {"sem", "wait", "-w", "0.01", "--spin=0", "p", "3"},
		 .lay = lay_sem,
		 .output = "",
		 .audit = audit_value,
		 .status = 124},
		{.name = "sem try",
		 .command = {"sem", "try", "p", "2"},
		 .lay = lay_sem,
		 .output = "",
		 .audit = audit_value,
		 .change = -2},
		{.name = "sem post",
		 .command = {"sem", "post", "p"},
		 .lay = lay_sem,
		 .output = "",
		 .audit = audit_value,
		 .change = 1},
		{.name = "sem value",
		 .command = {"sem", "value", "p"},
		 .lay = lay_sem,
		 .output = "2\n",
		 .audit = audit_value},
		{.name = "sem run",
		 .command = {"sem", "run", "p", "--", "true"},
		 .lay = lay_sem,
		 .output = "",
		 .audit = audit_value},
		{.name = "sem rm",
		 .command = {"sem", "rm", "p"},
		 .lay = lay_sem,
		 .output = "",
		 .audit = audit_removed},
	};

	play_scenes(scenes, CHECK_COUNT(scenes));
}

static const struct check_case cases[] = {
	{"mmsock-create", test_create}, {"mmsock-send", test_send},
	{"mmsock-recv", test_recv},     {"mmsock-cat", test_cat},
	{"mmsock-ls", test_ls},         {"mmsock-rm", test_rm},
	{"mmsock-sem", test_sem},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
