/* SPDX-License-Identifier: MIT */
/*
 * command.c - run a command, pass signals on, tell how it ended
 *
 * It does not know what the command is run for.  The tool is there for as long
 * as the command is, so nothing that can be blocked ends it in between.
 */
#include "command.h"

#include <err.h>
#include <errno.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tool.h"

void command_hold_signals(struct command *command)
{
	sigset_t *held = &command->held;

	/* Where it is ignored, a child could not be waited for. */
	(void)signal(SIGCHLD, SIG_DFL);
	sigemptyset(held);
	sigaddset(held, SIGCHLD);
	sigaddset(held, SIGHUP);
	sigaddset(held, SIGINT);
	sigaddset(held, SIGQUIT);
	sigaddset(held, SIGTERM);
	sigprocmask(SIG_BLOCK, held, &command->before);
}

/*
 * The kernel kills us with our parent.  One who died before that was asked for is
 * not our parent any more.
 */
static void tie_to(pid_t parent, const char *name)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) {
		warn("command '%s'", name);
		_exit(TOOL_SYSTEM);
	}
	if (getppid() != parent)
		raise(SIGKILL);
}

static noreturn void become(char **argv, const sigset_t *mask)
{
	int error;

	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	error = errno;
	warn("command '%s'", argv[0]);
	_exit(error == ENOENT ? TOOL_NOT_FOUND : TOOL_NOT_EXECUTABLE);
}

/*
 * Passes signals on until @child has ended.  What the kernel sends, as for a
 * key on the terminal, goes to the whole job and so reaches the child anyway;
 * only what a process sends (a code of 0 or less) needs passing on.
 */
static int attend(pid_t child, const sigset_t *held)
{
	siginfo_t info;
	int status;

	while (waitpid(child, &status, WNOHANG) != child) {
		if (sigwaitinfo(held, &info) < 0)
			continue;
		if (info.si_signo != SIGCHLD && info.si_code <= 0)
			kill(child, info.si_signo);
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status)
				   : WEXITSTATUS(status);
}

int command_run(const struct command *command, char **argv)
{
	pid_t parent = getpid();
	pid_t child = fork();

	if (child < 0) {
		warn("command '%s'", argv[0]);
		return TOOL_SYSTEM;
	}
	if (child == 0) {
		if (command->is_tied)
			tie_to(parent, argv[0]);
		become(argv, &command->before);
	}
	return attend(child, &command->held);
}
