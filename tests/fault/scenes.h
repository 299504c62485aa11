/* SPDX-License-Identifier: MIT */
/*
 * scenes.h - public functions whose system calls fail one by one
 *
 * A scene is a public function in circumstances that make it take a certain way.
 * It is played again and again, and each time another of its system calls fails,
 * until it comes through with none failed.  After each time: the result is what
 * was promised or a plain error, nothing of the process is lost or left over, the
 * same call without a fault succeeds, and then a fresh process finds the port
 * whole, by the audit of the theme.
 */
#ifndef SCENES_H
#define SCENES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "unit/sandbox.h"

#define SHORTLY    (3 * MS)
#define RING_BYTES 4096
#define SLOTS      4U

/* A function that is NULL does nothing. */
struct scene {
	const char *name;
	void (*lay)(void); /* what there is before; in a process of its own */
	void (*prepare)(void); /* in the victim, before anything can fail */
	int (*operate)(void);
	void (*finish)(void); /* in the victim, before all is closed */
	int result;           /* of operate(), without a fault */
	bool blind; /* all descriptors of the victim are closed before it */
	bool opens; /* operate() does, what is closed by the theme */
	bool is_patient; /* it waits for ever, until the fault is over */
	bool or_less;    /* the dead who cannot be asked about count as alive */
	bool disk;       /* the port is a file on a disk */
	bool old;        /* the file system knows no O_TMPFILE */
	bool goes;       /* there is no port afterwards */
	bool creates;    /* what fails has changed nothing */
	unsigned more;   /* descriptors that may be there afterwards */
};

/* What scenes have in common. */
struct theme {
	void (*lay)(void);   /* where the scene does not */
	void (*close)(void); /* whatever the victim has open */
	void (*audit)(void); /* of a port that is in nobody's use */
};

/* The port, by its name or path, and where its file is. */
extern const char *port;
const char *where(void);

/* What the processes of a scene know in common; 0 when it begins. */
extern struct ledger {
	uint64_t sent;     /* messages, by number; or units given */
	uint64_t received; /* or units taken */
} * ledger;

/* The same, for what only a theme knows. */
void *share(size_t size);

void play_scenes(const struct theme *theme, const struct scene *scenes,
		 size_t count);

/* How many are seen to be attached. */
int look_at_peers(void);

/* A helper: there is one at a time. */
extern struct kid kid;
/* It goes to work, or it has said that it is there. */
void send_out(void (*run)(struct kid *self, void *context), void *context);
void bring(void (*run)(struct kid *self, void *context), void *context);
/* It said so and was killed; it is killed; it has ended well; it may now. */
void leave_dead(void (*run)(struct kid *self, void *context), void *context);
void kill_kid(void);
void await_kid(void);
void end_kid(void);

#endif
