/* SPDX-License-Identifier: MIT */
/*
 * command.h - run the command that a tool was given, and end as it did
 */
#ifndef COMMAND_H
#define COMMAND_H

#include <signal.h>
#include <stdbool.h>

struct command {
	sigset_t held;
	sigset_t before; /* what was blocked, and is again for the command */
	bool is_tied;    /* killed when the tool dies, whatever it dies of */
};

/*
 * command_hold_signals - block the signals that the command gets to see first
 *
 * From now on SIGHUP, SIGINT, SIGQUIT and SIGTERM do not end the tool; those
 * that come before the command runs wait for it.  To be called before the tool
 * makes anything that it must undo.  Leaves is_tied alone.
 */
void command_hold_signals(struct command *command);

/*
 * command_run - run @argv until it ends, passing signals on
 *
 * Returns its exit status, 128 + n where signal n killed it, and after a report
 * 126 or 127 where it could not be run, 71 where there is no process to be had.
 */
int command_run(const struct command *command, char **argv);

#endif
