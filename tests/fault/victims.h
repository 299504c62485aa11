/* SPDX-License-Identifier: MIT */
/*
 * victims.h - what is done in children that are killed, stopped or forked
 *
 * A work is one operation of a sender or receiver on a port that the auditor has
 * made ready for it, and what comes of it if nobody disturbs it.
 */
#ifndef VICTIMS_H
#define VICTIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit.h"
#include "step.h"

#define VICTIM_PORT "p"
#define VICTIM_MOST 8U /* messages of a work */

enum victim_work {
	WORK_SEND,             /* a sender of a message */
	WORK_SEND_TIGHT,       /* a sender into a ring that is nearly full */
	WORK_SEND_EMPTY,       /* a sender of an empty message */
	WORK_SEND_WRAPPING,    /* a sender of a message that wraps */
	WORK_SEND_LARGE,       /* a sender of a large message */
	WORK_SEND_RUN,         /* a sender of a run */
	WORK_SEND_RUN_TIGHT,   /* a sender of a run that fills the ring */
	WORK_SEND_PART,        /* a sender of a run of which a part fits */
	WORK_SEND_LENT,        /* a sender without a copy */
	WORK_RESERVE,          /* a sender who thinks better of it */
	WORK_SEND_IN_VAIN,     /* a sender who waits for room */
	WORK_RECEIVE,          /* a receiver of a message */
	WORK_RECEIVE_EMPTY,    /* a receiver of an empty message */
	WORK_RECEIVE_LARGE,    /* a receiver of a large message */
	WORK_RECEIVE_TOO_MUCH, /* a receiver of more than he has room for */
	WORK_RECEIVE_RUN,      /* a receiver of all */
	WORK_RECEIVE_TWO,      /* a receiver of some */
	WORK_RECEIVE_LENT,     /* a receiver without a copy */
	WORK_PEEK,             /* a receiver who only looks */
	WORK_RECEIVE_IN_VAIN,  /* a receiver who waits for a message */
	WORK_LEAVE_SENDER,     /* a sender who leaves */
	WORK_LEAVE_RECEIVER,   /* a receiver who leaves */
	WORK_LEAVE_LOAN,       /* who leaves with an end held */
	WORK_COME_SENDER,      /* a sender who comes */
	WORK_COME_RECEIVER,    /* a receiver who comes */
	WORK_COUNT
};

struct work {
	void (*operation)(void *context);
	unsigned role;
	size_t lengths[VICTIM_MOST]; /* of what it sends, or of what waits */
	size_t count;
	int64_t outcome;      /* sent, or negative received, if undisturbed */
	size_t tight;         /* only so much fits beside what waits, or 0 */
	uint64_t ring_bytes;  /* 0: a small one */
	bool comes;           /* attaching is the work itself */
	unsigned long stride; /* in check, where it is long */
	unsigned long least;  /* the least stride, for large copies */
};

extern const struct work victim_works[WORK_COUNT];

/* Of the case that runs. */
extern struct audit audit;
extern const struct work *work;
extern struct mmsock *victim; /* in the child */

/* What a child does before its operation, besides what is usual; or NULL. */
extern void (*victim_also)(void);

/* A port for that work, and the end of it. */
void victim_open_port(enum victim_work kind);
void victim_close_port(void);

/* The port as the victim is to find it. */
void victim_set_scene(void);

/* A child before its operation; the number of what it sends, to be announced. */
uint64_t victim_start(struct step *step);
void victim_announce(uint64_t first);

/*
 * The first is brought to @place of his @trace and killed there; the second stands
 * before his operation, in a slot of his own unless he comes to that of the dead.
 */
struct victim_pair {
	const struct work *first;
	const struct work *second;
};

uint64_t victim_start_second(const struct victim_pair *pair,
			     const struct step_trace *trace,
			     unsigned long place, struct step *second);

/* All or nothing; if it has ended, all.  What it was. */
int64_t victim_outcome(bool ended);

/* One that nobody disturbs; the same with changes of the shared words only. */
struct step_trace victim_record(void);
struct step_trace victim_record_words(void);

/*
 * Of the places right before and at such changes, the one @every further on; the
 * number of places or more behind the last.
 */
unsigned long victim_state_after(const struct step_trace *trace,
				 unsigned long place, unsigned long every);

/* Between places: @usual in check, or what the work says. */
unsigned long victim_stride(unsigned long usual);

/* The same for who comes after a dead one, which there are many pairs of. */
unsigned long victim_second_stride(void);

/* A handle that sleeps without spinning and is never told the end. */
struct mmsock *victim_open(unsigned role);

#endif
