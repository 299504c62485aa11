/* SPDX-License-Identifier: MIT */
/*
 * tool_scenes.h - tools whose system calls fail one by one
 *
 * As scenes.h has it for the library.  A tool is run as a process; what counts
 * begins with its first look at the command line.  Each time: the exit status is
 * one of those in the manual, and other than that without a fault only with a reason
 * on standard error; with the same everything is as if nothing had failed; nobody is
 * left attached and nothing lies about.
 */
#ifndef TOOL_SCENES_H
#define TOOL_SCENES_H

#include <stdbool.h>
#include <stddef.h>

#include "inject.h"
#include "unit/sandbox.h"

/* A function that is NULL does nothing. */
struct scene {
	const char *name;
	const char *command[9]; /* the tool without "mmsock-", and arguments */
	void (*lay)(void);      /* what there is before */
	void (*begin)(void);    /* others, before the tool is started */
	void (*end)(void);      /* the same, when it has ended */
	const char *input;      /* NULL: nothing */
	const char *output;     /* NULL: something */
	const char *reply;      /* what its caller gets */
	void (*audit)(int status); /* what became of the port */
	int status;                /* without a fault */
	int change;                /* COUNTS */
	bool pipes;                /* instead of files */
	bool made_up;              /* the port has a name of the tool's */
};

extern const struct scene *scene;
extern struct inject inject;

/* What the tool has said. */
extern char out[];
extern char err[];

void play_scenes(const struct scene *scenes, size_t count);

/* The parts of a play, for who has others; run_tool() gives the exit status. */
void prepare_plays(void);
void begin_play(void);
int run_tool(void);
void end_play(void);
void check_status(int status);
void check_lines(void);
void check_reason(int status);

/* Ports for tools: none of them waits for anybody to come. */
#define LINES "one\ntwo\nthree\n"

void lay_empty(void);
void lay_lines(void);
void lay_two_ports(void);
void lay_stale(void);
void lay_full(void);
void lay_sem(void);
void lay_service(void);

/* Text. */
bool begins(const char *text, const char *with);
bool ends(const char *text, const char *with);
/* Whole lines only: what was cut short does not count as written. */
void cut_to_lines(char *text);
/* In the port directory. */
bool exists(const char *port);

#endif
