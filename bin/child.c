/* SPDX-License-Identifier: MIT */
/*
 * child.c - processes that a thread starts, watches and kills
 *
 * Between fork and exec there is only what is safe in a signal handler, because
 * another thread may have held any lock at that moment.
 */
#include "child.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tool.h"

/* As the shell has it where PATH is not set. */
#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

/* 0, or why @path cannot be run. */
static int check_program(const char *path)
{
	struct stat status;

	if (stat(path, &status) < 0)
		return errno;
	if (!S_ISREG(status.st_mode) || access(path, X_OK) < 0)
		return EACCES;
	return 0;
}

/* An empty part of PATH is the current directory. */
static char *join(const char *directory, size_t length, const char *name)
{
	char *path;

	if (asprintf(&path, "%.*s%s%s", (int)length, directory,
		     length ? "/" : "./", name) < 0)
		err(TOOL_SYSTEM, NULL);
	return path;
}

/*
 * As execvp(3): one that is there but may not be run is not the last word.  But a
 * directory that may not be searched has nothing for us.
 */
static char *search(const char *name, int *ret_error)
{
	const char *at = getenv("PATH");
	char *path;
	int error;

	*ret_error = ENOENT;
	for (at = at ? at : DEFAULT_PATH;; at++) {
		size_t length = strcspn(at, ":");

		path = join(at, length, name);
		error = check_program(path);
		if (error == 0)
			return path;
		if (error == EACCES && access(path, F_OK) == 0)
			*ret_error = EACCES;
		free(path);
		at += length;
		if (!*at)
			return NULL;
	}
}

static int failure_status(int error)
{
	return error == ENOENT || error == ENOTDIR ? TOOL_NOT_FOUND
						   : TOOL_NOT_EXECUTABLE;
}

int child_find(struct child_program *program)
{
	const char *name = program->name;
	int error = 0;

	if (!*name) {
		error = ENOENT;
	} else if (strchr(name, '/')) {
		error = check_program(name);
		program->path = strdup(name);
		if (!program->path)
			err(TOOL_SYSTEM, NULL);
	} else {
		program->path = search(name, &error);
		error = program->path ? 0 : error;
	}
	if (error == 0)
		return 0;
	warnx("command '%s': %s", name, strerror(error));
	return failure_status(error);
}

noreturn static void give_up(const char *name, int error)
{
	const char *const parts[] = {
		program_invocation_short_name, ": command '", name, "': ",
		strerrordesc_np(error),        "\n"};
	struct iovec out[ARRAY_SIZE(parts)];

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		out[i] = (struct iovec){(void *)(uintptr_t)parts[i],
					strlen(parts[i])};
	if (writev(STDERR_FILENO, out, ARRAY_SIZE(parts)) < 0)
		_exit(TOOL_SYSTEM);
	_exit(failure_status(error));
}

/* What this process catches must not be caught in the child, where it would be
 * taken for ours. */
static void reset_signals(const sigset_t *mask)
{
	struct sigaction action;

	for (int number = 1; number < NSIG; number++) {
		if (sigaction(number, NULL, &action) < 0 ||
		    action.sa_handler == SIG_IGN ||
		    action.sa_handler == SIG_DFL)
			continue;
		action = (struct sigaction){.sa_handler = SIG_DFL};
		(void)sigaction(number, &action, NULL);
	}
	(void)sigprocmask(SIG_SETMASK, mask, NULL);
}

noreturn static void become(const struct child_program *program,
			    char *const *environment, const int *descriptors,
			    pid_t parent)
{
	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* One who died before that was asked for is not our parent any more. */
	if (getppid() != parent)
		_exit(TOOL_SYSTEM);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (descriptors[fd] >= 0 && dup2(descriptors[fd], fd) < 0)
			give_up(program->name, errno);
	reset_signals(&program->mask);
	(void)execvpe(program->path, program->argv, environment);
	give_up(program->name, errno);
}

int child_start(const struct child_program *program, char *const *environment,
		const int *descriptors, struct child *ret_child)
{
	struct child child = {0};
	pid_t parent = getpid();
	int error;

	child.pid = fork();
	if (child.pid < 0)
		return -errno;
	if (child.pid == 0)
		become(program, environment, descriptors, parent);
	/* Whoever comes first: it may be killed before it has done so itself. */
	(void)setpgid(child.pid, child.pid);
	child.ended = (int)syscall(SYS_pidfd_open, child.pid, 0);
	if (child.ended < 0) {
		error = errno;
		child_kill(&child);
		(void)child_wait(&child);
		return -error;
	}
	*ret_child = child;
	return 0;
}

void child_kill(const struct child *child)
{
	(void)kill(-child->pid, SIGKILL);
}

int child_wait(struct child *child)
{
	int status = 0;

	while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (child->ended >= 0)
		close(child->ended);
	*child = (struct child){.ended = -1};
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status)
				   : WEXITSTATUS(status);
}
