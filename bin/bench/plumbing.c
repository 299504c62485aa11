/* SPDX-License-Identifier: MIT */
/*
 * plumbing.c - starting programs, and waiting until they have ended
 */
#include "plumbing.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "roles.h"
#include "settings.h"
#include "tool.h"

#define SAMPLE_MS 20
#define WORDS_MAX 16

static size_t first_word(const char *command)
{
	return strcspn(command, " ");
}

static bool is_program(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISREG(status.st_mode) &&
	       access(path, X_OK) == 0;
}

static bool find_beside(const char *name, size_t length, char path[PATH_MAX])
{
	char own[PATH_MAX];
	ssize_t got = readlink("/proc/self/exe", own, sizeof(own) - 1);

	if (got <= 0 || strncmp(name, "mmsock-", 7) != 0)
		return false;
	own[got] = '\0';
	*strrchr(own, '/') = '\0';
	return snprintf(path, PATH_MAX, "%s/%.*s", own, (int)length, name) <
		       PATH_MAX &&
	       is_program(path);
}

bool plumbing_find(const char *command, char path[PATH_MAX])
{
	size_t length = first_word(command);
	const char *at = getenv("PATH");

	if (find_beside(command, length, path))
		return true;
	while (at && *at) {
		size_t part = strcspn(at, ":");

		if (snprintf(path, PATH_MAX, "%.*s/%.*s", (int)part, at,
			     (int)length, command) < PATH_MAX &&
		    is_program(path))
			return true;
		at += part + (at[part] == ':');
	}
	return false;
}

/* Replaces '@' and '#'; the words stay where they are in @text. */
static void expand(const struct plumbing *plumbing, const char *command,
		   char *text, size_t size, char **words)
{
	FILE *out = fmemopen(text, size, "w");
	char *save = NULL;
	size_t count = 0;

	for (; out && *command; command++) {
		if (*command == '@')
			(void)fputs(plumbing->bench->dir, out);
		else if (*command == '#')
			(void)fprintf(out, "%" PRIu64, plumbing->count);
		else
			(void)fputc(*command, out);
	}
	if (!out || fclose(out) != 0)
		_exit(TOOL_SYSTEM);
	for (char *word = strtok_r(text, " ", &save);
	     word && count < WORDS_MAX - 1; word = strtok_r(NULL, " ", &save))
		words[count++] = word;
	words[count] = NULL;
}

static int open_null(int flags)
{
	return open("/dev/null", flags | O_CLOEXEC);
}

noreturn void plumbing_become(const struct plumbing *plumbing,
			      const char *command, int in, int out)
{
	char path[PATH_MAX], text[2 * PATH_MAX], *words[WORDS_MAX];

	if (in < 0)
		in = open_null(O_RDONLY);
	if (out < 0)
		out = open_null(O_WRONLY);
	if (in < 0 || out < 0 || dup2(in, STDIN_FILENO) < 0 ||
	    dup2(out, STDOUT_FILENO) < 0)
		_exit(TOOL_SYSTEM);
	signal(SIGPIPE, SIG_DFL);
	expand(plumbing, command, text, sizeof(text), words);
	if (plumbing_find(command, path))
		execv(path, words);
	_exit(TOOL_NOT_FOUND);
}

int plumbing_note(struct plumbing *plumbing, pid_t pid, const char *command)
{
	struct process *process = &plumbing->processes[plumbing->process_count];

	if (pid < 0)
		return -errno;
	plumbing->process_count++;
	*process = (struct process){.pid = pid, .command = command};
	process->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return process->pidfd < 0 ? -errno : 0;
}

static void close_end(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* Takes over @in and @out; -1 is the null device. */
static int spawn(struct plumbing *plumbing, const char *command, int in,
		 int out)
{
	pid_t pid = role_fork(plumbing->bench->settings->cpu, 2);
	int r;

	if (pid == 0)
		plumbing_become(plumbing, command, in, out);
	r = plumbing_note(plumbing, pid, command);
	close_end(in);
	close_end(out);
	return r;
}

int plumbing_spawn(struct plumbing *plumbing, const char *const *commands,
		   int in, int out)
{
	int ends[2], r;

	if (!commands[1])
		return spawn(plumbing, commands[0], in, out);
	if (pipe2(ends, O_CLOEXEC) < 0) {
		r = -errno;
		close_end(in);
		close_end(out);
		return r;
	}
	r = spawn(plumbing, commands[0], in, ends[1]);
	if (r == 0)
		return spawn(plumbing, commands[1], ends[0], out);
	close_end(ends[0]);
	close_end(out);
	return r;
}

static void sample_memory(struct plumbing *plumbing)
{
	for (size_t i = 0; i < plumbing->process_count; i++) {
		pid_t pid = plumbing->processes[i].pid;
		uint64_t bytes = pid > 0 ? host_resident(pid) : 0;

		if (bytes > plumbing->memory)
			plumbing->memory = bytes;
	}
}

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

static int reap(struct plumbing *plumbing, struct process *process)
{
	struct rusage usage;
	int status;

	if (process == plumbing->last)
		plumbing->written =
			host_process_number(process->pid, "io", "wchar:");
	if (wait4(process->pid, &status, 0, &usage) < 0)
		return -errno;
	process->pid = 0;
	close(process->pidfd);
	process->pidfd = -1;
	plumbing->cpu_seconds +=
		seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return job_fail(plumbing->bench, -ECHILD, "%.*s failed (%s %d)",
			(int)first_word(process->command), process->command,
			WIFEXITED(status) ? "exit status" : "signal",
			WIFEXITED(status) ? WEXITSTATUS(status)
					  : WTERMSIG(status));
}

/* Waits until one has ended, or for a moment; how many are left. */
static int await_some(struct plumbing *plumbing)
{
	struct pollfd ended[ARRAY_SIZE(plumbing->processes)];
	int left = 0;

	for (size_t i = 0; i < plumbing->process_count; i++)
		ended[i] = (struct pollfd){plumbing->processes[i].pidfd, POLLIN,
					   0};
	if (poll(ended, plumbing->process_count, SAMPLE_MS) == 0)
		sample_memory(plumbing);
	if (tool_signal())
		return -EINTR;
	for (size_t i = 0; i < plumbing->process_count; i++) {
		int r = 0;

		if (ended[i].fd >= 0 && ended[i].revents)
			r = reap(plumbing, &plumbing->processes[i]);
		if (r < 0)
			return r;
		left += plumbing->processes[i].pidfd >= 0;
	}
	return left;
}

void plumbing_kill(struct plumbing *plumbing)
{
	for (size_t i = 0; i < plumbing->process_count; i++) {
		role_kill(&plumbing->processes[i].pid, 1);
		if (plumbing->processes[i].pidfd >= 0)
			close(plumbing->processes[i].pidfd);
	}
	plumbing->process_count = 0;
}

int plumbing_await_all(struct plumbing *plumbing)
{
	int left;

	do
		left = await_some(plumbing);
	while (left > 0);
	return left;
}

int plumbing_await_last(struct plumbing *plumbing)
{
	struct process *process =
		&plumbing->processes[plumbing->process_count - 1];
	struct pollfd ended = {.fd = process->pidfd, .events = POLLIN};

	while (poll(&ended, 1, -1) < 0) {
		if (errno != EINTR || tool_signal())
			return -EINTR;
	}
	plumbing->process_count--;
	return reap(plumbing, process);
}
