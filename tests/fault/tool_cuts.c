/* SPDX-License-Identifier: MIT */
/*
 * tool_cuts.c - the port file is cut short before each system call of a tool
 *
 * It says so, if it is hindered, and never dies of it.
 */
#include "layout.h"
#include "tool_scenes.h"

static int port_fd;
static off_t length;
static int got;

static void cut_port(void)
{
	CHECK(!ftruncate(port_fd, length));
}

static void judge(void)
{
	check_status(got);
	check_lines();
	if (got && got != scene->status)
		check_reason(got);
	cut_to_lines(out);
	if (scene->output)
		CHECK(begins(scene->output, out));
}

static void play_cut(void)
{
	begin_play();
	port_fd = open(join(getenv("MMSOCK_DIR"), "p"), O_RDWR | O_CLOEXEC);
	CHECK(port_fd >= 0);
	got = run_tool();
	close(port_fd);
	inject_apart(judge);
	end_play();
}

static void cut_each(const struct scene *scenes, size_t count)
{
	/* To nothing, to the header alone, to all but the ring. */
	static const off_t lengths[] = {0, MMS_CONTROL_OFFSET, 8192};
	size_t i;
	size_t j;

	prepare_plays();
	for (i = 0; i < count; i++) {
		scene = &scenes[i];
		for (j = 0; j < CHECK_COUNT(lengths); j++) {
			length = lengths[j];
			inject = (struct inject){.meanwhile = cut_port};
			inject_each(&inject, scene->name, false, play_cut);
		}
	}
}

static void test_cut(void)
{
	static const struct scene scenes[] = {
		{.name = "send",
		 .command = {"send", "p"},
		 .lay = lay_lines,
		 .input = LINES},
		{.name = "send from a pipe",
		 .command = {"send", "p"},
		 .lay = lay_lines,
		 .input = LINES,
		 .pipes = true},
		{.name = "send and wait",
		 .command = {"send", "-w", "0.01", "--spin=0", "p", "x"},
		 .lay = lay_full,
		 .status = 124},
		{.name = "recv",
		 .command = {"recv", "-e", "p"},
		 .lay = lay_lines,
		 .output = LINES},
		{.name = "recv in vain",
		 .command = {"recv", "-w", "0.01", "--spin=0", "p"},
		 .lay = lay_empty,
		 .status = 124},
		{.name = "cat -i",
		 .command = {"cat", "-e", "-i", "p"},
		 .lay = lay_lines,
		 .pipes = true},
		{.name = "cat -o",
		 .command = {"cat", "-o", "p"},
		 .lay = lay_lines,
		 .input = LINES,
		 .pipes = true},
		{.name = "cat",
		 .command = {"cat", "-e", "-i", "p", "-o", "q"},
		 .lay = lay_two_ports},
		{.name = "ls", .command = {"ls", "-a"}, .lay = lay_two_ports},
		{.name = "ls -v",
		 .command = {"ls", "-v", "p"},
		 .lay = lay_stale},
		{.name = "create -E",
		 .command = {"create", "-E", "-b", "4K", "p"},
		 .lay = lay_lines},
		{.name = "create --overwrite",
		 .command = {"create", "--overwrite", "-b", "4K", "p"},
		 .lay = lay_lines},
		{.name = "rm", .command = {"rm", "p"}, .lay = lay_lines},
		{.name = "rm --stale",
		 .command = {"rm", "--stale"},
		 .lay = lay_stale},
		{.name = "sem wait",
		 .command = {"sem", "wait", "p"},
		 .lay = lay_sem},
		{.name = "sem wait in vain",
		 .command = {"sem", "wait", "-w", "0.01", "--spin=0", "p", "3"},
		 .lay = lay_sem,
		 .status = 124},
		{.name = "sem post",
		 .command = {"sem", "post", "p"},
		 .lay = lay_sem},
		{.name = "sem value",
		 .command = {"sem", "value", "p"},
		 .lay = lay_sem},
		{.name = "sem run",
		 .command = {"sem", "run", "p", "--", "true"},
		 .lay = lay_sem},
		{.name = "sem rm",
		 .command = {"sem", "rm", "p"},
		 .lay = lay_sem},
		{.name = "call",
		 .command = {"call", "p", "one"},
		 .lay = lay_service,
		 .status = 69},
		{.name = "serve in vain",
		 .command = {"serve", "-w", "0.01", "--spin=0", "-j", "2",
			     "--echo", "p"},
		 .lay = lay_service,
		 .status = 124},
		{.name = "serve with a command",
		 .command = {"serve", "-w", "0.01", "--persistent", "p", "--",
			     "cat"},
		 .lay = lay_service,
		 .status = 124},
	};

	cut_each(scenes, CHECK_COUNT(scenes));
}

static const struct check_case cases[] = {
	{"all, when the port file is cut short", test_cut},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
