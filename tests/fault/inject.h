/* SPDX-License-Identifier: MIT */
/*
 * inject.h - let one system call of another process fail
 *
 * A process under test runs in a child that is traced with ptrace(2).  Its calls
 * that can fail, those of all its threads, are counted, and one of them, or it and all
 * later ones of its kind, ends with an error that the kernel might have given.  With
 * several threads the n-th call need not be the same one each time.
 */
#ifndef INJECT_H
#define INJECT_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

/* Which call is to fail, how, and what came of it. */
struct inject {
	unsigned long at; /* of the calls that can fail; from 1, 0 is none */
	unsigned choice;  /* of its faults; modulo their number */
	bool stays;       /* so do all later calls of that kind */
	void (*meanwhile)(void); /* instead of a fault, by the tracer */
	bool no_tmpfile; /* the file system knows no O_TMPFILE, at any time */
	/* Set by inject_run(): */
	bool happened;
	unsigned choices;     /* how many faults that call has */
	bool can_stay;        /* the fault is of a kind that goes on */
	const char *call;     /* its name */
	int error;            /* its errno; INJECT_SHORT, INJECT_FOR_NOTHING */
	unsigned long seen;   /* calls that can fail */
	unsigned long faults; /* that were injected */
};

enum {
	INJECT_SHORT = -1,      /* half of the bytes, and no error */
	INJECT_FOR_NOTHING = -2 /* the call succeeds, but does nothing */
};

/*
 * Run @victim in a child that is traced from inject_begin() to inject_end(), and
 * return its wait status.  Where nothing can be traced, the case is skipped.
 */
int inject_run(struct inject *inject, void (*victim)(void *context),
	       void *context);
void inject_begin(void);
void inject_end(void);

/*
 * The same for a program that @victim executes, from its first question for its
 * standard input on: before that it is the dynamic linker's.
 */
int inject_exec(struct inject *inject, void (*victim)(void *context),
		void *context);

/*
 * Play a scene again and again, each time with another call failed, until it comes
 * through with none, and say how many that were.  @play calls one of the two above.
 * Each call fails in one way, or with STRESS in the environment in every way, alone
 * and, but where a scene that @is_patient would wait for ever, together with all
 * later ones of its kind.
 */
void inject_each(struct inject *inject, const char *name, bool is_patient,
		 void (*play)(void));

/* Say what was done, in a line that begins with "# ". */
void inject_report(const struct inject *inject);

/*
 * What there is to say about a play that fails; inject_hurry() begins one, which
 * fails when it takes too long.  inject_apart() runs a part of it in a process of
 * its own, which knows nothing of what has been.
 */
void inject_explain(void (*explain)(void));
void inject_hurry(void);
void inject_apart(void (*run)(void));

#endif
