/* SPDX-License-Identifier: MIT */
/*
 * audit.h - the books of a port whose users are killed
 *
 * The auditor creates the port, is attached to it all the time, and knows every
 * message by its number, from which its contents follow.  What somebody in a child
 * is about to send is announced; what came of it when the child was killed is told
 * by what the port then holds, and has to be one of the outcomes that are allowed.
 */
#ifndef AUDIT_H
#define AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "layout.h"
#include "mmsock.h"

/* Messages that may wait at a time: as many as fit into the largest ring here. */
#define AUDIT_QUEUE 65536U

struct audit_message {
	uint64_t number;
	size_t length;
};

struct audit {
	const char *port;
	unsigned slots;
	uint64_t ring_bytes;
	size_t file_bytes;
	unsigned char *file; /* all of it, to be looked at */
	struct mms_control *control;
	struct mmsock *handle; /* both roles, in slot 0, never told the end */
	uint64_t sent;         /* messages */
	uint64_t received;
	uint64_t numbers; /* given to messages, whether they were sent or not */
	uint64_t died;    /* participants */
	uint64_t takeovers;
	struct audit_message *queue; /* what waits, and what is announced */
	unsigned char *buffer;
};

/* Contents of message @number, @length bytes. */
void audit_fill(void *message, uint64_t number, size_t length);

/* A port of the audit's own, in the port directory. */
void audit_open(struct audit *audit, const char *port, uint64_t ring_bytes,
		unsigned slots);
void audit_close(struct audit *audit);

/* The same for an empty port that somebody else has created. */
void audit_adopt(struct audit *audit, const char *port);

/* For a port that is there no more: only close it. */
void audit_abandon(struct audit *audit);

/* The auditor sends the next message; false where there is no room. */
bool audit_send(struct audit *audit, size_t length);

/* The auditor receives the next message, which is the right one. */
void audit_receive(struct audit *audit);

/* The auditor receives all that is there, which is what is still to come. */
void audit_drain(struct audit *audit);

/* Numbers for @count new messages; the first of them. */
uint64_t audit_number(struct audit *audit, size_t count);

/*
 * Say that the next messages to be sent, by somebody in a child, are these, from
 * number @first on.  They are filled with audit_fill().
 */
void audit_announce(struct audit *audit, uint64_t first, const size_t *lengths,
		    size_t count);

/* Fill the ring until a message of @length is all that still fits. */
void audit_tighten(struct audit *audit, size_t length);

/*
 * What has come of one child that is dead, or has ended: the number of messages
 * that it has sent, or where negative received.  The books are true from here on.
 */
int64_t audit_outcome(struct audit *audit);

/*
 * Where somebody was killed who comes to the slot of a dead one: between clearing
 * the dead one's row and counting him, that count may die with him.  How many ends
 * were taken over since the books were true.
 */
uint64_t audit_recount(struct audit *audit);

/* The slot that holds an end, or -1; the end that slot holds, or 0 for none. */
int audit_holder(const struct mms_end *end);

/*
 * After a death.  The auditor sends at once, taking an end over where the dead
 * one holds it, receives all, in order and whole, and the whole ring is free.
 */
void audit_survive(struct audit *audit);

/*
 * Nothing is left of the dead: a new participant can attach in each slot, and
 * when they have gone no row, no lock, no announced sleep, no space and no file
 * but the port itself is left.
 */
void audit_leaks(struct audit *audit);

/* The same, where there are more files, which others account for. */
void audit_leaks_of(struct audit *audit, unsigned entries);

#endif
