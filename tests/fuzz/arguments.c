/* SPDX-License-Identifier: MIT */
/*
 * arguments.c - the tools, called with any arguments and variables
 *
 * Each tool's main() is called as it is, in a world where calls of the library
 * that take a name fail with an error that the input chooses, or show ports that
 * it makes up; no process is started.  Whatever it is given, a tool comes to one
 * of its exit statuses, and has said why, where it is not 0, 1 or 124.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>

#include "check.h"
#include "exits.h"
#include "fuzz.h"
#include "mmsock.h"
#include "tool.h"

#define ARGUMENTS_MAX 64

int main_bench(int argc, char **argv);
int main_cat(int argc, char **argv);
int main_create(int argc, char **argv);
int main_ls(int argc, char **argv);
int main_recv(int argc, char **argv);
int main_rm(int argc, char **argv);
int main_sem(int argc, char **argv);
int main_send(int argc, char **argv);

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} tools[] = {
	{"mmsock-bench", main_bench},   {"mmsock-cat", main_cat},
	{"mmsock-create", main_create}, {"mmsock-ls", main_ls},
	{"mmsock-recv", main_recv},     {"mmsock-rm", main_rm},
	{"mmsock-sem", main_sem},       {"mmsock-send", main_send},
};

static struct {
	int error;                /* of the library */
	struct fuzz_input source; /* of what is made up */
	int (*run)(int argc, char **argv);
	int argc;
	char **argv;
	bool is_there; /* a tool runs */
} world;

/* What the linker puts in the place of the library's and the system's (--wrap). */

int __real_close(int fd);
int __wrap_close(int fd);
pid_t __real_fork(void);
pid_t __wrap_fork(void);
void __wrap_command_hold_signals(void *command);
void __wrap_tool_catch_signals(const char *port);
void *__wrap_roles_make_stage(void);
int __wrap_compare_files(const char *old, const char *new, double threshold,
			 bool force);
int __wrap_mmsock_open(const char *port, const struct mmsock_options *options,
		       struct mmsock **ret_handle);
int __wrap_mmsock_create(const char *port,
			 const struct mmsock_options *options);
int __wrap_mmsock_remove(const char *port, const char *dir,
			 enum mmsock_remove_when when);
int __wrap_mmsock_wait_port(const char *port, const char *dir,
			    int64_t timeout_ns);
int __wrap_mmsock_inspect(const char *port, const char *dir,
			  struct mmsock_info *ret_info);
int __wrap_mmsock_inspect_peers(const char *port, const char *dir,
				int (*visit)(const struct mmsock_peer *peer,
					     void *context),
				void *context);
int __wrap_mmsock_list(const char *dir,
		       int (*visit)(const char *name, void *context),
		       void *context);
int __wrap_mmsock_sem_open(const char *name,
			   const struct mmsock_sem_options *options,
			   struct mmsock_sem **ret_sem);
int __wrap_mmsock_sem_create(const char *name,
			     const struct mmsock_sem_options *options);
int __wrap_mmsock_sem_remove(const char *name, const char *dir,
			     enum mmsock_remove_when when);

/* Standard output is closed by each tool, and is needed by the next one. */
int __wrap_close(int fd)
{
	return world.is_there ? 0 : __real_close(fd);
}

pid_t __wrap_fork(void)
{
	if (!world.is_there)
		return __real_fork();
	errno = EAGAIN;
	return -1;
}

void __wrap_command_hold_signals(void *command)
{
	(void)command;
}

void __wrap_tool_catch_signals(const char *port)
{
	(void)port;
}

/* Where mmsock-bench would begin to measure. */
void *__wrap_roles_make_stage(void)
{
	fputs("now it would measure\n", stderr);
	exit(TOOL_SYSTEM);
}

int __wrap_compare_files(const char *old, const char *new, double threshold,
			 bool force)
{
	(void)old;
	(void)new;
	(void)threshold;
	(void)force;
	return TOOL_OK;
}

int __wrap_mmsock_open(const char *port, const struct mmsock_options *options,
		       struct mmsock **ret_handle)
{
	(void)port;
	(void)options;
	(void)ret_handle;
	return world.error;
}

/* 1: it was; 0: it is there, and perhaps not as is asked for. */
static int created_or_not(void)
{
	int choice = (int)(fuzz_number(&world.source, 1) % 3);

	return choice < 2 ? choice : world.error;
}

int __wrap_mmsock_create(const char *port, const struct mmsock_options *options)
{
	(void)port;
	(void)options;
	return created_or_not();
}

int __wrap_mmsock_remove(const char *port, const char *dir,
			 enum mmsock_remove_when when)
{
	(void)port;
	(void)dir;
	(void)when;
	return fuzz_number(&world.source, 1) % 2 ? 0 : world.error;
}

/* It never comes: one that did would be gone again, over and over. */
int __wrap_mmsock_wait_port(const char *port, const char *dir,
			    int64_t timeout_ns)
{
	(void)port;
	(void)dir;
	(void)timeout_ns;
	return -ETIMEDOUT;
}

/* Any numbers and any bytes, but text is text. */
int __wrap_mmsock_inspect(const char *port, const char *dir,
			  struct mmsock_info *ret_info)
{
	size_t size = ret_info->size;

	(void)port;
	(void)dir;
	fuzz_copy(&world.source, ret_info, size);
	ret_info->size = size;
	ret_info->detail[sizeof(ret_info->detail) - 1] = '\0';
	/* Else one who wants to be sure would look again, for ever. */
	if (ret_info->state == MMSOCK_STATE_REMOVED)
		ret_info->state = MMSOCK_STATE_OK;
	return fuzz_number(&world.source, 1) % 8 == 7 ? -EBADMSG : 0;
}

int __wrap_mmsock_inspect_peers(const char *port, const char *dir,
				int (*visit)(const struct mmsock_peer *peer,
					     void *context),
				void *context)
{
	struct mmsock_peer peer = {.size = 0};
	unsigned count = (unsigned)fuzz_number(&world.source, 1) % 12;
	int r = 0;

	(void)port;
	(void)dir;
	while (count-- > 0 && !r) {
		fuzz_copy(&world.source, &peer, sizeof(peer));
		peer.size = sizeof(peer);
		peer.program[sizeof(peer.program) - 1] = '\0';
		r = visit(&peer, context);
	}
	return r;
}

int __wrap_mmsock_list(const char *dir,
		       int (*visit)(const char *name, void *context),
		       void *context)
{
	(void)dir;
	if (fuzz_number(&world.source, 1) % 4 == 3)
		return -EACCES;
	visit("one", context);
	return visit("two.three", context);
}

int __wrap_mmsock_sem_open(const char *name,
			   const struct mmsock_sem_options *options,
			   struct mmsock_sem **ret_sem)
{
	(void)name;
	(void)options;
	(void)ret_sem;
	return world.error;
}

int __wrap_mmsock_sem_create(const char *name,
			     const struct mmsock_sem_options *options)
{
	(void)name;
	(void)options;
	return created_or_not();
}

int __wrap_mmsock_sem_remove(const char *name, const char *dir,
			     enum mmsock_remove_when when)
{
	(void)name;
	(void)dir;
	(void)when;
	return fuzz_number(&world.source, 1) % 2 ? 0 : world.error;
}

/* One call. */

static void check_status(int status, size_t said)
{
	static const int all[] = {
		TOOL_OK,       TOOL_NO,        TOOL_USAGE,
		TOOL_DATA,     TOOL_NO_INPUT,  TOOL_UNAVAILABLE,
		TOOL_SOFTWARE, TOOL_SYSTEM,    TOOL_CANNOT_CREATE,
		TOOL_IO,       TOOL_PROTOCOL,  TOOL_DENIED,
		TOOL_TIMEOUT,  TOOL_NOT_FOUND, TOOL_NOT_EXECUTABLE,
	};
	size_t i = 0;

	while (i < CHECK_COUNT(all) && all[i] != status)
		i++;
	CHECK(i < CHECK_COUNT(all));
	CHECK(said || status == TOOL_OK || status == TOOL_NO ||
	      status == TOOL_TIMEOUT);
}

static int run(void *context)
{
	(void)context;
	return world.run(world.argc, world.argv);
}

static void call_tool(void)
{
	FILE *out = stdout;
	FILE *errors = stderr;
	char *own_name = program_invocation_short_name;
	size_t printed = 0;
	size_t said = 0;
	char *output = NULL;
	char *reports = NULL;
	int status;

	program_invocation_short_name = world.argv[0];
	program_invocation_name = world.argv[0];
	stdout = open_memstream(&output, &printed);
	stderr = open_memstream(&reports, &said);
	CHECK(stdout && stderr);
	optind = 0;
	world.is_there = true;
	status = exits_call(run, NULL);
	world.is_there = false;
	fclose(stdout);
	fclose(stderr);
	stdout = out;
	stderr = errors;
	program_invocation_short_name = program_invocation_name = own_name;
	check_status(status, said);
	CHECK(status != TOOL_USAGE || !printed);
	free(output);
	free(reports);
}

/* Arguments end with a zero byte; each is in memory of its own size. */
static void make_arguments(struct fuzz_input *input, const char *name)
{
	char *arguments[ARGUMENTS_MAX];
	size_t count = 0;

	arguments[count++] = strdup(name);
	while (input->left && count < ARGUMENTS_MAX) {
		const uint8_t *end = memchr(input->at, 0, input->left);
		size_t length = end ? (size_t)(end - input->at) : input->left;
		char *argument = calloc(1, length + 1);

		CHECK(argument);
		fuzz_copy(input, argument, length);
		fuzz_number(input, 1);
		arguments[count++] = argument;
	}
	world.argc = (int)count;
	world.argv = calloc(count + 1, sizeof(char *));
	CHECK(world.argv);
	memcpy(world.argv, arguments, count * sizeof(char *));
}

static void free_arguments(char **arguments)
{
	for (size_t i = 0; arguments[i]; i++)
		free(arguments[i]);
	free(arguments);
}

/* Up to 7 bytes of it, or none. */
static void set_variable(struct fuzz_input *input, const char *name)
{
	size_t length = (size_t)fuzz_number(input, 1) % 64;
	char text[8] = "";

	unsetenv(name);
	if (!length || length > 7)
		return;
	fuzz_copy(input, text, length);
	CHECK(!setenv(name, text, 1));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int errors[] = {
		ENOENT,    EACCES, EAGAIN, EBADMSG,    EBUSY,
		EEXIST,    EIDRM,  EINVAL, ENOTSOCK,   EPROTONOSUPPORT,
		ETIMEDOUT, ESTALE, EUSERS, ECONNRESET, ENAMETOOLONG,
	};
	struct fuzz_input input = {data, size};
	size_t which = (size_t)fuzz_number(&input, 1) % CHECK_COUNT(tools);
	size_t error = (size_t)fuzz_number(&input, 1) % CHECK_COUNT(errors);
	size_t made_up = (size_t)fuzz_number(&input, 2);
	sigset_t mask;
	char **arguments;

	sigprocmask(SIG_BLOCK, NULL, &mask);
	set_variable(&input, "MMSOCK_TIMEOUT");
	set_variable(&input, "MMSOCK_SPIN");
	world.error = -errors[error];
	world.source = input;
	if (world.source.left > made_up)
		world.source.left = made_up;
	input.at += world.source.left;
	input.left -= world.source.left;
	world.run = tools[which].run;
	make_arguments(&input, tools[which].name);
	/* The parser sorts them, and mmsock-create cuts them. */
	arguments = calloc((size_t)world.argc + 1, sizeof(char *));
	CHECK(arguments);
	memcpy(arguments, world.argv, (size_t)world.argc * sizeof(char *));
	call_tool();
	free_arguments(arguments);
	free(world.argv);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	return 0;
}
