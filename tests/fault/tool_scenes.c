/* SPDX-License-Identifier: MIT */
/*
 * tool_scenes.c - a tool is run with a fault, and looked at
 */
#include "tool_scenes.h"

#include <errno.h>

#define TEXT_MAX 65536

const struct scene *scene;
struct inject inject;
char out[TEXT_MAX];
char err[TEXT_MAX];

static char *shm_base;
static char *scratch;
static int feed[2];
static int got; /* its exit status */

/* Before. */

void lay_empty(void)
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

void lay_lines(void)
{
	lay_empty();
	send_lines("p");
}

void lay_two_ports(void)
{
	lay_lines();
	create_port("q", 4096, 4);
}

static void run_attached(struct kid *self, void *context)
{
	struct mmsock *handle = open_as("p", MMSOCK_SENDER);

	(void)handle;
	(void)context;
	meet(self);
}

void lay_stale(void)
{
	struct kid kid;

	lay_empty();
	kid_start(&kid, run_attached, NULL);
	CHECK(hear(&kid));
	kid_kill(&kid);
}

void lay_full(void)
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

void lay_sem(void)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;

	options.mode = MMSOCK_CREATE_NEW_EXCLUSIVE;
	options.value = 2;
	options.slots = 4;
	CHECK_INT(mmsock_sem_create("p", &options), 1);
}

void lay_service(void)
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
int run_tool(void)
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
	status = inject_exec(&inject, become_tool, NULL);
	if (scene->pipes) {
		close(in[0]);
		close(to[1]);
		read_fd(to[0], out);
	} else {
		read_back("out", out);
	}
	read_back("err", err);
	got = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return got;
}

/* Afterwards. */

bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

bool ends(const char *text, const char *with)
{
	return strlen(text) >= strlen(with) &&
	       !strcmp(text + strlen(text) - strlen(with), with);
}

bool exists(const char *port)
{
	return inode_of(join(getenv("MMSOCK_DIR"), port)) != 0;
}

void cut_to_lines(char *text)
{
	char *last = strrchr(text, '\n');

	*(last ? last + 1 : text) = '\0';
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
	if (!scene->made_up)
		CHECK_INT(count_entries(dir), ports);
}

void check_status(int status)
{
	static const int all[] = {0,  1,  64, 65, 66,  69,  70, 71,
				  73, 74, 76, 77, 124, 126, 127};
	size_t i = 0;

	if (status == scene->status)
		return;
	while (i < CHECK_COUNT(all) && all[i] != status)
		i++;
	if (i == CHECK_COUNT(all))
		printf("# the exit status was %d\n", status);
	CHECK(i < CHECK_COUNT(all));
}

/* Each is whole, and begins with the tool. */
void check_lines(void)
{
	const char *line;
	char prefix[32];

	snprintf(prefix, sizeof(prefix), "mmsock-%s: ", scene->command[0]);
	for (line = err; *line; line = strchr(line, '\n') + 1) {
		CHECK(strchr(line, '\n'));
		CHECK(begins(line, prefix));
		CHECK(!begins(line + strlen(prefix), prefix));
		CHECK(strchr(line, '\n')[-1] != '.');
	}
}

/* The first line says what it is about. */
void check_reason(int status)
{
	CHECK(err[0] || (status == 1 && scene->status == 1));
	CHECK(!err[0] || strchr(err, '\'') || strstr(err, "standard ") ||
	      strstr(err, ": --"));
}

static void judge(int status)
{
	check_status(status);
	check_lines();
	if (status == scene->status) {
		if (scene->output)
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

static void audit(void)
{
	judge(got);
	if (scene->audit)
		scene->audit(got);
	audit_names();
}

static void do_if(void (*what)(void))
{
	if (what)
		what();
}

void begin_play(void)
{
	inject_hurry();
	CHECK(!setenv("MMSOCK_DIR", shm_base, 1));
	fresh_dir();
	do_if(scene->lay);
	do_if(scene->begin);
}

void end_play(void)
{
	remove_tree(getenv("MMSOCK_DIR"));
}

static void play_once(void)
{
	begin_play();
	run_tool();
	do_if(scene->end);
	inject_apart(audit);
	end_play();
}

void prepare_plays(void)
{
	shm_base = strdup(getenv("MMSOCK_DIR"));
	scratch = strdup(descend(DISK_VARIABLE));
	CHECK(shm_base && scratch);
	inject_explain(explain);
}

void play_scenes(const struct scene *scenes, size_t count)
{
	size_t i;

	prepare_plays();
	for (i = 0; i < count; i++) {
		scene = &scenes[i];
		inject = (struct inject){0};
		inject_each(&inject, scene->name, false, play_once);
	}
}
