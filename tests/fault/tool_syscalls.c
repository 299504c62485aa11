/* SPDX-License-Identifier: MIT */
/*
 * tool_syscalls.c - each system call of each tool fails
 *
 * As syscalls.c does it for the library.  A tool is run as a process; what counts
 * begins with its first look at the command line.  Each time: the exit status is
 * one of those in the manual, and other than 0 only with a reason on standard error;
 * with 0 everything is as if nothing had failed; nobody is left attached, nothing
 * lies about, and no message is lost but those that could not be written out.
 */
#include <errno.h>

#include "inject.h"
#include "name.h"
#include "unit/sandbox.h"

#define PLAY_LIMIT 20 /* seconds */
#define TEXT_MAX   65536

/* What becomes of the messages of the port, or of the port. */
enum effect {
	KEEPS,
	SENDS,    /* the lines of standard input, behind those that are there */
	RECEIVES, /* to standard output */
	MOVES,    /* from p to q */
	CREATES,
	REPLACES,
	REMOVES,
	COUNTS /* the value of a semaphore changes */
};

struct scene {
	const char *name;
	const char *command[8]; /* the tool without "mmsock-", and arguments */
	void (*lay)(void);
	const char *input;  /* NULL: nothing */
	const char *output; /* NULL: something */
	enum effect effect;
	int status; /* without a fault */
	int change; /* COUNTS */
	bool pipes; /* instead of files */
};

static const struct scene *scene;
static struct inject inject;
static char *shm_base;
static char *scratch;
static int feed[2];

/* What a tool has said, and what is in a port. */
static char out[TEXT_MAX];
static char err[TEXT_MAX];
static char held[TEXT_MAX];
static int got;

/* Before. */

#define LINES "one\ntwo\nthree\n"

static void lay_nothing(void)
{
}

static void lay_empty(void)
{
	create_port("p", 4096, 4);
}

static void send_lines(const char *port)
{
	struct mmsock *handle = open_as(port, MMSOCK_SENDER);

	send_text(handle, "one");
	send_text(handle, "two");
	send_text(handle, "three");
	mmsock_close(handle);
}

static void lay_lines(void)
{
	lay_empty();
	send_lines("p");
}

static void lay_two_ports(void)
{
	lay_lines();
	create_port("q", 4096, 4);
}

static void lay_litter(void)
{
	lay_lines();
	write_file(join(getenv("MMSOCK_DIR"), MMS_TEMP_PREFIX "litter"), "x",
		   1);
}

static void run_attached(struct kid *self, void *context)
{
	struct mmsock *handle = open_as("p", MMSOCK_SENDER);

	(void)handle;
	(void)context;
	meet(self);
}

static void lay_stale(void)
{
	struct kid kid;

	lay_empty();
	kid_start(&kid, run_attached, NULL);
	CHECK(hear(&kid));
	kid_kill(&kid);
}

static void lay_full(void)
{
	static const char big[1000];
	struct mmsock *handle;

	lay_empty();
	handle = open_as("p", MMSOCK_SENDER);
	while (!mmsock_send(handle, big, sizeof(big), 0))
		;
	while (!mmsock_send(handle, "", 0, 0))
		;
	mmsock_close(handle);
}

static void lay_sem(void)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;

	options.mode = MMSOCK_CREATE_NEW_EXCLUSIVE;
	options.value = 2;
	options.slots = 4;
	CHECK_INT(mmsock_sem_create("p", &options), 1);
}

/* The tool. */

static const char *tool_path(const char *tool)
{
	const char *bin = getenv("MMSOCK_BIN");
	char self[PATH_MAX] = "";
	char *name;

	CHECK(asprintf(&name, "mmsock-%s", tool) > 0);
	if (bin)
		return join(bin, name);
	CHECK(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	*strrchr(self, '/') = '\0';
	return join(join(self, "../../bin"), name);
}

static void open_as_fd(int fd, const char *name, int flags)
{
	int opened = open(join(scratch, name), flags | O_CREAT, 0600);

	CHECK(opened >= 0);
	CHECK_INT(dup2(opened, fd), fd);
	close(opened);
}

/* In the child. */
static void become_tool(void *context)
{
	char *arguments[CHECK_COUNT(scene->command) + 1] = {NULL};
	size_t i;

	(void)context;
	for (i = 0; i < CHECK_COUNT(scene->command) && scene->command[i]; i++)
		arguments[i] = strdup(scene->command[i]);
	arguments[0] = strdup(tool_path(scene->command[0]));
	if (scene->pipes) {
		CHECK_INT(dup2(feed[0], STDIN_FILENO), STDIN_FILENO);
		CHECK_INT(dup2(feed[1], STDOUT_FILENO), STDOUT_FILENO);
		close(feed[0]);
		close(feed[1]);
	} else {
		open_as_fd(STDIN_FILENO, "in", O_RDONLY);
		open_as_fd(STDOUT_FILENO, "out", O_WRONLY | O_TRUNC);
	}
	open_as_fd(STDERR_FILENO, "err", O_WRONLY | O_TRUNC);
	execv(arguments[0], arguments);
	_exit(99);
}

static void read_fd(int fd, char *text)
{
	size_t length = 0;
	ssize_t more;

	CHECK(fd >= 0);
	do {
		more = read(fd, text + length, TEXT_MAX - 1 - length);
		CHECK(more >= 0);
		length += (size_t)more;
	} while (more);
	text[length] = '\0';
	close(fd);
}

static void read_back(const char *name, char *text)
{
	read_fd(open(join(scratch, name), O_RDONLY | O_CLOEXEC), text);
}

/* Its exit status, as a shell says it; out and err are what it said. */
static int run_tool(struct inject *how)
{
	const char *input = scene->input ? scene->input : "";
	int in[2];
	int to[2];
	int status;

	if (scene->pipes) {
		CHECK(!pipe2(in, O_CLOEXEC) && !pipe2(to, O_CLOEXEC));
		CHECK_INT(write(in[1], input, strlen(input)), strlen(input));
		close(in[1]);
		feed[0] = in[0];
		feed[1] = to[1];
	} else {
		write_file(join(scratch, "in"), input, strlen(input));
	}
	status = inject_exec(how, become_tool, NULL);
	if (scene->pipes) {
		close(in[0]);
		close(to[1]);
		read_fd(to[0], out);
	} else {
		read_back("out", out);
	}
	read_back("err", err);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Afterwards. */

static bool exists(const char *port)
{
	return inode_of(join(getenv("MMSOCK_DIR"), port)) != 0;
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

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

static bool ends(const char *text, const char *with)
{
	return strlen(text) >= strlen(with) &&
	       !strcmp(text + strlen(text) - strlen(with), with);
}

static unsigned count_lines(const char *text)
{
	unsigned count = 0;

	for (; *text; text++)
		count += *text == '\n';
	return count;
}

/* Whole lines only: what was cut short does not count as written. */
static void cut_to_lines(char *text)
{
	char *last = strrchr(text, '\n');

	*(last ? last + 1 : text) = '\0';
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
	drain("p", held);
	CHECK(begins(scene->input, held));
	if (!status)
		CHECK_STR(held, scene->input);
	/* mmsock-cat tells only what it has not sent of what it has read. */
	else if (!strcmp(scene->command[0], "send"))
		CHECK_INT(count_lines(held), reported());
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
	static char moved[TEXT_MAX];

	drain("p", held);
	drain("q", moved);
	CHECK(begins(LINES, moved) && ends(LINES, held));
	CHECK_INT(strlen(moved) + strlen(held), strlen(LINES));
	if (!status)
		CHECK_STR(held, "");
}

/* What a command could not remove, as nothing could be opened, is empty. */
static void audit_kept(void)
{
	bool has_lines = scene->lay == lay_lines || scene->lay == lay_litter ||
			 scene->lay == lay_two_ports;

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

static void audit_effect(int status)
{
	switch (scene->effect) {
	case KEEPS:
		audit_kept();
		break;
	case SENDS:
		if (status && !exists("p"))
			CHECK_INT(reported(), 0);
		else
			audit_sent(status);
		break;
	case RECEIVES:
		audit_received(status);
		break;
	case MOVES:
		audit_moved(status);
		break;
	case CREATES:
		CHECK_INT(count_entries(getenv("MMSOCK_DIR")), !status);
		break;
	case REPLACES:
		drain("p", held);
		CHECK_STR(held, status ? LINES : "");
		break;
	case REMOVES:
		/* Somebody seems to come, and then it is not stale. */
		if (status || inject.error != EAGAIN)
			CHECK_INT(exists("p"), status != 0);
		break;
	case COUNTS:
		audit_value(status);
		break;
	}
}

/* One that the next creator sweeps may be left. */
static void audit_names(void)
{
	const char *dir = getenv("MMSOCK_DIR");
	unsigned ports;

	create_port("sweeper", 4096, 4);
	CHECK_INT(mmsock_remove("sweeper", NULL, MMSOCK_REMOVE_UNUSED), 0);
	ports = (unsigned)exists("p") + (unsigned)exists("q");
	/* But one whose name the tool has made up. */
	if (scene->effect != CREATES || scene->output)
		CHECK_INT(count_entries(dir), ports);
}

static void check_status(int status)
{
	static const int all[] = {0,  1,  64, 65, 66,  69,  70, 71,
				  73, 74, 76, 77, 124, 126, 127};
	size_t i = 0;

	while (i < CHECK_COUNT(all) && all[i] != status)
		i++;
	if (i == CHECK_COUNT(all))
		printf("# the exit status was %d\n", status);
	CHECK(i < CHECK_COUNT(all));
}

/* Each line begins with the tool, and the first one says what it is about. */
static void check_reason(int status)
{
	const char *line;
	char prefix[32];

	snprintf(prefix, sizeof(prefix), "mmsock-%s: ", scene->command[0]);
	CHECK(err[0] || (status == 1 && scene->status == 1));
	for (line = err; *line; line = strchr(line, '\n') + 1) {
		CHECK(strchr(line, '\n'));
		CHECK(begins(line, prefix));
		CHECK(strchr(line, '\n')[-1] != '.');
	}
	CHECK(!err[0] || strchr(err, '\'') || strstr(err, "standard "));
}

static void judge(int status)
{
	check_status(status);
	if (status == scene->status) {
		if (scene->output && scene->effect != RECEIVES)
			CHECK_STR(out, scene->output);
	} else {
		check_reason(status);
	}
}

static void explain(void)
{
	inject_report(&inject);
	printf("# %s: status %d, stdout '%s', stderr '%s'\n", scene->name, got,
	       out, err);
}

static void say_what_hung(int number)
{
	(void)number;
	explain();
	printf("# it hangs\n");
	fflush(stdout);
	_exit(EXIT_FAILURE);
}

static void audit(int status)
{
	judge(status);
	audit_effect(status);
	audit_names();
}

/* In a process of its own, so that a check that fails can be explained. */
static void audit_by(void (*look)(int status), int status)
{
	int ended = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		look(status);
		fflush(stdout);
		_exit(EXIT_SUCCESS);
	}
	CHECK_INT(waitpid(pid, &ended, 0), pid);
	if (ended)
		explain();
	CHECK_INT(ended, 0);
}

static void play_once(void)
{
	alarm(PLAY_LIMIT);
	CHECK(!setenv("MMSOCK_DIR", shm_base, 1));
	fresh_dir();
	scene->lay();
	got = run_tool(&inject);
	audit_by(audit, got);
	remove_tree(getenv("MMSOCK_DIR"));
}

static void prepare_plays(void)
{
	shm_base = strdup(getenv("MMSOCK_DIR"));
	scratch = strdup(descend(DISK_VARIABLE));
	CHECK(shm_base && scratch);
	signal(SIGALRM, say_what_hung);
}

static void play_scenes(const struct scene *scenes, size_t count)
{
	size_t i;

	prepare_plays();
	for (i = 0; i < count; i++) {
		scene = &scenes[i];
		inject = (struct inject){0};
		inject_each(&inject, scene->name, false, play_once);
	}
}

static void test_create(void)
{
	static const struct scene scenes[] = {
		{.name = "create",
		 .command = {"create", "p"},
		 .lay = lay_nothing,
		 .output = "",
		 .effect = CREATES},
		{.name = "create, given a name",
		 .command = {"create", "--temp=p"},
		 .lay = lay_nothing,
		 .effect = CREATES},
		{.name = "create -E",
		 .command = {"create", "-E", "-b", "4K", "p"},
		 .lay = lay_lines,
		 .output = "",
		 .effect = KEEPS,
		 .status = 0},
		{.name = "create, and it is there",
		 .command = {"create", "p"},
		 .lay = lay_lines,
		 .output = "",
		 .effect = KEEPS,
		 .status = 73},
		{.name = "create --overwrite",
		 .command = {"create", "--overwrite", "p"},
		 .lay = lay_litter,
		 .output = "",
		 .effect = REPLACES},
		{.name = "create with a command",
		 .command = {"create", "p", "--", "true"},
		 .lay = lay_nothing,
		 .output = "",
		 .effect = KEEPS},
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
		 .effect = SENDS},
		{.name = "send from a pipe",
		 .command = {"send", "p"},
		 .lay = lay_empty,
		 .input = LINES,
		 .output = "",
		 .effect = SENDS,
		 .pipes = true},
		{.name = "send --create",
		 .command = {"send", "--create=4K", "p"},
		 .lay = lay_nothing,
		 .input = LINES,
		 .output = "",
		 .effect = SENDS},
		{.name = "send an argument",
		 .command = {"send", "p", "one"},
		 .lay = lay_empty,
		 .input = "one\n",
		 .output = "",
		 .effect = SENDS},
		{.name = "send arguments",
		 .command = {"send", "p", "one", "two", "three"},
		 .lay = lay_empty,
		 .input = LINES,
		 .output = "",
		 .effect = SENDS},
		{.name = "send to a full port",
		 .command = {"send", "-w", "0.01", "--spin=0", "p", "x"},
		 .lay = lay_full,
		 .output = "",
		 .effect = KEEPS,
		 .status = 124},
		{.name = "send to no port",
		 .command = {"send", "p", "x"},
		 .lay = lay_nothing,
		 .output = "",
		 .effect = KEEPS,
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
		 .effect = RECEIVES},
		{.name = "recv to a pipe",
		 .command = {"recv", "-e", "p"},
		 .lay = lay_lines,
		 .output = LINES,
		 .effect = RECEIVES,
		 .pipes = true},
		{.name = "recv one",
		 .command = {"recv", "-c", "1", "p"},
		 .lay = lay_lines,
		 .output = "one\n",
		 .effect = RECEIVES},
		{.name = "recv each",
		 .command = {"recv", "-e", "-u", "--strict", "p"},
		 .lay = lay_lines,
		 .output = LINES,
		 .effect = RECEIVES},
		{.name = "recv in vain",
		 .command = {"recv", "-w", "0.01", "--spin=0", "p"},
		 .lay = lay_empty,
		 .output = "",
		 .effect = KEEPS,
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
		 .effect = RECEIVES},
		{.name = "cat -i to a pipe",
		 .command = {"cat", "-i", "p", "-F", "line", "-e"},
		 .lay = lay_lines,
		 .output = LINES,
		 .effect = RECEIVES,
		 .pipes = true},
		{.name = "cat -o from a file",
		 .command = {"cat", "-o", "p", "-F", "line"},
		 .lay = lay_empty,
		 .input = LINES,
		 .output = "",
		 .effect = SENDS},
		{.name = "cat -o from a pipe",
		 .command = {"cat", "-o", "p", "-F", "line"},
		 .lay = lay_empty,
		 .input = LINES,
		 .output = "",
		 .effect = SENDS,
		 .pipes = true},
		{.name = "cat from port to port",
		 .command = {"cat", "-e", "-i", "p", "-o", "q"},
		 .lay = lay_two_ports,
		 .output = "",
		 .effect = MOVES},
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
		 .effect = KEEPS},
		{.name = "ls of one",
		 .command = {"ls", "-r", "--noheadings", "-o", "NAME,STATE",
			     "p"},
		 .lay = lay_lines,
		 .output = "p ok\n",
		 .effect = KEEPS},
		{.name = "ls as a table",
		 .command = {"ls", "p"},
		 .lay = lay_lines,
		 .effect = KEEPS},
		{.name = "ls -J",
		 .command = {"ls", "-J", "-o", "NAME,MSGS"},
		 .lay = lay_lines,
		 .effect = KEEPS},
		{.name = "ls -v",
		 .command = {"ls", "-v", "-r", "--noheadings", "-o",
			     "SLOT,ACTIVITY", "p"},
		 .lay = lay_stale,
		 .effect = KEEPS},
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
		 .effect = REMOVES},
		{.name = "rm -f",
		 .command = {"rm", "-f", "p"},
		 .lay = lay_lines,
		 .output = "",
		 .effect = REMOVES},
		{.name = "rm --stale",
		 .command = {"rm", "--stale"},
		 .lay = lay_stale,
		 .output = "",
		 .effect = REMOVES},
		{.name = "rm -a",
		 .command = {"rm", "-a", "-f"},
		 .lay = lay_lines,
		 .output = "",
		 .effect = REMOVES},
		{.name = "rm of nothing",
		 .command = {"rm", "p"},
		 .lay = lay_nothing,
		 .output = "",
		 .effect = KEEPS,
		 .status = 66},
	};

	play_scenes(scenes, CHECK_COUNT(scenes));
}

static void test_sem(void)
{
	static const struct scene scenes[] = {
		{.name = "sem create",
		 .command = {"sem", "create", "p", "2"},
		 .lay = lay_nothing,
		 .output = "",
		 .effect = CREATES},
		{.name = "sem wait",
		 .command = {"sem", "wait", "p"},
		 .lay = lay_sem,
		 .output = "",
		 .effect = COUNTS,
		 .change = -1},
		{.name = "sem wait in vain",
		 .command = {"sem", "wait", "-w", "0.01", "--spin=0", "p", "3"},
		 .lay = lay_sem,
		 .output = "",
		 .effect = COUNTS,
		 .status = 124},
		{.name = "sem try",
		 .command = {"sem", "try", "p", "2"},
		 .lay = lay_sem,
		 .output = "",
		 .effect = COUNTS,
		 .change = -2},
		{.name = "sem post",
		 .command = {"sem", "post", "p"},
		 .lay = lay_sem,
		 .output = "",
		 .effect = COUNTS,
		 .change = 1},
		{.name = "sem value",
		 .command = {"sem", "value", "p"},
		 .lay = lay_sem,
		 .output = "2\n",
		 .effect = COUNTS},
		{.name = "sem run",
		 .command = {"sem", "run", "p", "--", "true"},
		 .lay = lay_sem,
		 .output = "",
		 .effect = COUNTS},
		{.name = "sem rm",
		 .command = {"sem", "rm", "p"},
		 .lay = lay_sem,
		 .output = "",
		 .effect = REMOVES},
	};

	play_scenes(scenes, CHECK_COUNT(scenes));
}

/* The port is cut short while a tool is at work. */

static int port_fd;
static off_t length;

static void cut_port(void)
{
	CHECK(!ftruncate(port_fd, length));
}

/* It says so, if it is hindered, and never dies of it. */
static void judge_cut(int status)
{
	check_status(status);
	if (status && status != scene->status)
		check_reason(status);
	cut_to_lines(out);
	if (scene->effect == RECEIVES)
		CHECK(begins(LINES, out));
}

static void play_cut(void)
{
	alarm(PLAY_LIMIT);
	CHECK(!setenv("MMSOCK_DIR", shm_base, 1));
	fresh_dir();
	scene->lay();
	port_fd = open(join(getenv("MMSOCK_DIR"), "p"), O_RDWR | O_CLOEXEC);
	CHECK(port_fd >= 0);
	got = run_tool(&inject);
	close(port_fd);
	audit_by(judge_cut, got);
	remove_tree(getenv("MMSOCK_DIR"));
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
		 .effect = RECEIVES},
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
	};

	cut_each(scenes, CHECK_COUNT(scenes));
}

static const struct check_case cases[] = {
	{"mmsock-create", test_create},
	{"mmsock-send", test_send},
	{"mmsock-recv", test_recv},
	{"mmsock-cat", test_cat},
	{"mmsock-ls", test_ls},
	{"mmsock-rm", test_rm},
	{"mmsock-sem", test_sem},
	{"all, when the port file is cut short", test_cut},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
